"""What is exchanged between the look at it and its taking, or cannot be taken at all, holds nobody up."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from handoff import durable
from handoff.foreign import BadFile, StillWritten, read_taken
from handoff.root import PlanId, Root, create_root
from orchestrd.config import Limits
from orchestrd.core.events import Moment, PlanRefused
from orchestrd.inbound.reception import Newcomer, Reception
from orchestrd.record.ids import Ids
from orchestrd.record.journals import Journals

AT = Moment(1e9, 1e5)


@pytest.fixture(name="root")
def _root(tmp_path: Path) -> Root:
    return create_root(tmp_path / "handoff")


@pytest.fixture(name="reception")
def _reception(root: Root) -> Reception:
    return Reception(root, Ids.load(root), Journals(root), Limits(), 10.0)


@pytest.fixture(name="immutable")
def _immutable(root: Root) -> Iterator[Path]:
    path = root.inbox / "stays.toml"
    path.write_text("x = 1\n")
    if subprocess.run(["chattr", "+i", str(path)], capture_output=True, check=False).returncode:
        pytest.skip("this file system, or this user, makes nothing immutable")
    yield path
    subprocess.run(["chattr", "-i", str(path)], check=True)


def test_a_lane_that_became_a_link_leads_no_take_outside(root: Root, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    for folder, text in ((root.inbox, "ours"), (outside, "theirs")):
        (folder / "a.toml").write_text(text)
    lane = os.open(root.inbox, os.O_RDONLY)
    root.inbox.rename(tmp_path / "away")
    root.inbox.symlink_to(outside)

    one = durable.Take(root.inbox / "a.toml", root.plan_folder(PlanId("a")), "plan.toml", b"{}\n", lane)
    durable.take_many([one])
    os.close(lane)

    assert (root.plan_folder(PlanId("a")) / "plan.toml").read_text() == "ours"
    assert (outside / "a.toml").read_text() == "theirs"


@pytest.mark.parametrize("kind", ["fifo", "link", "folder", "terabyte", "hard link"])
def test_what_was_exchanged_before_it_was_taken_is_not_read(tmp_path: Path, kind: str) -> None:
    path, kept = tmp_path / "plan.toml", tmp_path / "kept"
    kept.write_text("theirs")
    match kind:
        case "fifo":
            os.mkfifo(path)
        case "link":
            path.symlink_to(kept)
        case "folder":
            path.mkdir()
        case "hard link":
            os.link(kept, path)
        case _:
            path.touch()
            os.truncate(path, 1 << 40)

    with pytest.raises((BadFile, StillWritten)):
        read_taken(tmp_path, "plan.toml")


def test_a_file_that_cannot_be_moved_keeps_no_other_waiting(
    root: Root, reception: Reception, immutable: Path
) -> None:
    (root.inbox / "other.toml").write_text("x = 1\n")

    events = reception.take([Newcomer(immutable.name, 6), Newcomer("other.toml", 6)], AT)

    assert [event.plan for event in events if isinstance(event, PlanRefused)] == ["other"]
    assert "immutable" in reception.stay[immutable.name]
    assert os.listdir(root.active) == ["other"]


def test_large_documents_are_read_a_portion_a_turn(
    root: Root, reception: Reception, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = [f"{number}.toml" for number in range(6)]
    for name in names:
        (root.inbox / name).write_text("x = 1\n")
    monkeypatch.setattr("orchestrd.inbound.reception.PORTION_SECONDS", -1.0)

    events = reception.take([Newcomer(name, 6) for name in names], AT)

    assert events == []
    assert reception.is_behind
    monkeypatch.undo()
    assert len(reception.look(AT)) == 6
    assert not reception.is_behind
