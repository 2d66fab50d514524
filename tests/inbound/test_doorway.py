"""A burst comes in by portions, and is not gone through anew for each of them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import cast

import pytest

from handoff.effects import Clock
from handoff.root import create_root
from handoff.settling import Seen, look
from orchestrd.core.events import Event, Moment
from orchestrd.inbound import doorway
from orchestrd.inbound.doorway import Doorway
from orchestrd.inbound.lanes import Lane, LaneFile, LaneFindings, Lanes
from orchestrd.inbound.orders import Orders
from orchestrd.inbound.reception import MOST_AT_ONCE, Newcomer, Reception
from orchestrd.inbound.replies import Replies

LOOK_SECONDS = 2.0


class SlowClock(Clock):
    """A clock that only the test moves."""

    def __init__(self) -> None:
        self.now = 100.0

    def boot(self) -> float:
        return self.now


class BigLane:
    """Lanes that are slow to look at, in which much is left."""

    def __init__(self, clock: SlowClock, seen: Seen, left: int) -> None:
        self.clock, self.seen, self.left, self.looks = clock, seen, left, 0

    def scan(self, now: float) -> LaneFindings:
        self.looks += 1
        self.clock.now += LOOK_SECONDS
        names = [f"{number}.toml" for number in range(self.left)]
        ready = [LaneFile(Lane.INBOX, name, self.seen, renamed=True) for name in names]
        return LaneFindings(ready=ready, next_look=now + 0.25)


class Taker:
    """Takes what it is given."""

    def __init__(self, lane: BigLane) -> None:
        self.lane = lane
        self.stay: dict[str, str] = {}

    def is_worth_taking(self, file: LaneFile) -> bool:
        return True

    def take(self, newcomers: list[Newcomer], at: Moment) -> list[Event]:
        self.lane.left -= len(newcomers)
        return []


class NoOrders:
    """There are none."""


class NoReplies:
    """There are none."""

    def take_up(self) -> None:
        pass


def test_a_burst_whose_events_come_late_is_not_gone_through_for_each_portion(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = SlowClock()
    monkeypatch.setattr(doorway, "clock", clock)
    root = create_root(tmp_path / "root")
    (root.inbox / "x.toml").touch()
    folder = os.open(root.inbox, os.O_RDONLY)
    seen = look(folder, "x.toml")
    os.close(folder)
    lane = BigLane(clock, seen, 40 * MOST_AT_ONCE)
    offices = cast(Orders, NoOrders()), cast(Replies, NoReplies())
    door = Doorway(cast(Lanes, lane), cast(Reception, Taker(lane)), *offices)

    turns = 0
    while lane.left:
        turns += 1
        door.wake()
        at = Moment(clock.now, clock.now)
        if door.is_due(at):
            door.look(at)
        door.take_plans(at)
        clock.now += 0.1

    assert turns == 40
    assert lane.looks == 1
