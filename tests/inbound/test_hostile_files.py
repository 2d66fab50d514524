"""What nobody means well with, as the lanes alone judge it, with all that the system offers and without.

What the daemon then does with each: `tests/faults/hostile.py`, whose objects these are.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from handoff import platform
from handoff.root import Root, create_root
from handoff.settling import shown
from orchestrd.inbound.lanes import LaneFindings, Lanes
from tests.faults.objects import Cannot, Fate, Holder, kinds
from tests.waiting import wait_until

PATIENCE_SECONDS = 0.6
CANNOT_BE_MOVED = ("an immutable file", "an append-only file", "a mounted file")
"""That shows when they are taken."""


@pytest.fixture(name="root")
def _root(tmp_path: Path) -> Root:
    return create_root(tmp_path / "handoff")


@pytest.fixture(name="holder")
def _holder(tmp_path: Path) -> Iterator[Holder]:
    outside = tmp_path / "outside"
    outside.mkdir()
    holder = Holder(outside)
    yield holder
    holder.close()


@pytest.fixture(name="lanes", params=[False, True], ids=["full", "portable"])
def _lanes(request: pytest.FixtureRequest, root: Root) -> Iterator[Lanes]:
    made = Lanes(
        root,
        lambda: None,
        settle_seconds=0.05,
        patience_seconds=PATIENCE_SECONDS,
        unproved_seconds=0.1,
        platform=platform.detect(portable=request.param),
    )
    made.start()
    yield made
    made.stop()


def verdicts(found: LaneFindings) -> dict[str, str]:
    """What was found, by the files' shown names."""
    told = {file.shown: "ready" for file in found.ready}
    told |= {file.shown: f"bad: {why}" for file, why in found.bad}
    return told | {file.shown: f"ignored: {why}" for file, why in found.ignored}


def test_each_kind_is_judged_as_it_ought_to_be_beside_all_the_others(
    lanes: Lanes, root: Root, holder: Holder
) -> None:
    wanted: dict[str, str] = {}
    for number, kind in enumerate(kinds()):
        name = os.fsdecode(kind.file_name or f"object-{number}.toml".encode())
        try:
            kind.make(root.inbox / name, holder)
        except Cannot:
            continue
        is_ignored = kind.fate is Fate.IGNORED and kind.name not in CANNOT_BE_MOVED
        # Whether it is a plan is for its reader to say.
        fate = "ignored: " if is_ignored else "bad: " if kind.fate is Fate.UNREAD else "ready"
        if kind.fate is not Fate.UNSEEN:
            wanted[f"inbox/{shown(name)}"] = fate
    assert len(wanted) > 60

    def as_wanted() -> bool:
        told = verdicts(lanes.scan(time.monotonic()))
        return told.keys() <= wanted.keys() and all(
            told.get(name, "").startswith(fate) for name, fate in wanted.items()
        )

    wait_until(as_wanted, 10, "all of them to be judged")


def test_a_good_plan_is_found_among_thousands_of_them(lanes: Lanes, root: Root) -> None:
    for number in range(3_000):
        (root.inbox / f"{number}.toml").symlink_to("/dev/zero")
    lanes.scan(time.monotonic())
    (root.inbox / ".good").write_text("handoff = 1\n")
    (root.inbox / ".good").rename(root.inbox / "good.toml")

    ready = wait_until(lambda: lanes.scan(time.monotonic()).ready, 30, "the good plan")

    assert [file.name for file in ready] == ["good.toml"]
