"""What is exchanged between the look at it and its taking, or cannot be taken at all, holds nobody up."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from handoff import durable, platform
from handoff.effects import Effects
from handoff.foreign import BadFile, StillWritten, look, nobody_writes_in, read_settled, read_taken
from handoff.root import PlanId, Root, create_root
from orchestrd.config import Limits
from orchestrd.core.events import Moment, PlanRefused
from orchestrd.inbound.lanes import Lane, LaneFile
from orchestrd.inbound.orders import Orders
from orchestrd.inbound.reception import Newcomer, Reception
from orchestrd.record.ids import Ids
from orchestrd.record.ids import Orders as OrderLog
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


@pytest.mark.parametrize("kind", ["fifo", "link", "folder", "hard link"])
def test_what_is_exchanged_between_the_look_at_it_and_its_opening_is_not_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    outside = tmp_path / "outside"
    outside.write_text("theirs")
    lane = tmp_path / "lane"
    lane.mkdir()
    (lane / "a.toml").write_text("ours")
    folder = os.open(lane, os.O_RDONLY)
    opened = Effects.open

    def opened_late(self: Effects, path: str, flags: int, mode: int = 0o600, **how: Any) -> int:
        os.unlink(lane / "a.toml")
        match kind:
            case "fifo":
                assert flags & os.O_NONBLOCK, "it would wait for a writer"
                os.mkfifo(lane / "a.toml")
            case "link":
                (lane / "a.toml").symlink_to(outside)
            case "folder":
                (lane / "a.toml").mkdir()
            case _:
                os.link(outside, lane / "a.toml")
        return opened(self, path, flags, mode, **how)

    monkeypatch.setattr(Effects, "open", opened_late)

    with pytest.raises((BadFile, StillWritten)):
        read_settled(folder, "a.toml")
    os.close(folder)


def test_a_link_that_a_file_was_exchanged_for_is_not_followed_to_ask_who_writes_it(tmp_path: Path) -> None:
    (tmp_path / "outside").write_text("theirs")
    (tmp_path / "a.toml").symlink_to(tmp_path / "outside")
    folder = os.open(tmp_path, os.O_RDONLY)

    assert nobody_writes_in(folder, "a.toml", platform.detect(portable=False)) is None
    os.close(folder)


@pytest.mark.parametrize("kind", ["link", "folder"])
def test_what_an_order_was_exchanged_for_is_refused_and_put_away_and_nothing_else_is(
    root: Root, reception: Reception, tmp_path: Path, kind: str
) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "pause.toml").write_text('action = "pause"\n')
    given = root.control / "a.toml"
    given.write_text('action = "pause"\n')
    (file,) = seen_in(root.control)
    given.unlink()
    if kind == "link":
        given.symlink_to(outside / "pause.toml")
    else:
        given.mkdir()
        (given / "inner.toml").write_text("x = 1\n")
        (given / "far").symlink_to(outside)
    orders = Orders(root, OrderLog.load(root), Ids.load(root), Journals(root), reception, lambda _plan: None)

    assert orders.take(file, AT) is None

    (line,) = (json.loads(line) for line in root.orders_log.read_text().splitlines())
    assert (line["file"], line["outcome"]) == ("a.toml", "refused")
    assert os.listdir(root.control) == os.listdir(root.orders) == []
    assert (outside / "pause.toml").read_text() == 'action = "pause"\n'
    assert orders.paused() is None


def seen_in(lane: Path) -> list[LaneFile]:
    """What a look at the orders finds, taken for finished."""
    folder = os.open(lane, os.O_RDONLY)
    try:
        return [LaneFile(Lane.CONTROL, name, look(folder, name)) for name in os.listdir(folder)]
    finally:
        os.close(folder)


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
