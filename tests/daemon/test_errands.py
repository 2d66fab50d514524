"""What is done for plans in other threads: reported, and tried again when it failed."""

from __future__ import annotations

import threading
from pathlib import Path

from handoff.reserve import Reserve
from handoff.root import PlanId
from orchestrd.core.events import Event, Moment, WorkspaceMade
from orchestrd.daemon.errands import AGAIN_SECONDS, Errands
from orchestrd.daemon.troubles import Troubles
from tests.waiting import wait_until

PLAN = PlanId("p")
NOW = Moment(1000.0, 100.0)
LATER = Moment(1000.0 + AGAIN_SECONDS, 100.0 + AGAIN_SECONDS)
DONE = WorkspaceMade(NOW, PLAN)


def errands(troubles: Troubles) -> Errands:
    reserve = Reserve(Path("/nowhere/reserve"), Path("/nowhere/spare"))
    return Errands(2, troubles, reserve, lambda: NOW, lambda: None)


def reports(of: Errands) -> list[Event]:
    found: list[Event] = []
    wait_until(lambda: found.extend(of.reports()) or found, what="a report")
    return found


def test_an_errand_reports_by_its_event() -> None:
    some = errands(Troubles())

    some.run(PLAN, lambda: DONE)

    assert reports(some) == [DONE]
    assert some.finish(10)


def test_an_errand_that_fails_is_shown_and_tried_again_later() -> None:
    troubles = Troubles()
    some = errands(troubles)
    disk_is_full = threading.Event()
    disk_is_full.set()

    def write() -> Event:
        if disk_is_full.is_set():
            raise OSError(28, "No space left on device", "/root/result")
        return DONE

    some.run(PLAN, write)
    wait_until(lambda: "plan-p" in troubles, what="the trouble to be shown")
    assert some.next_look(NOW) == AGAIN_SECONDS
    some.turn(NOW)
    assert list(some.reports()) == []

    disk_is_full.clear()
    some.turn(LATER)
    assert reports(some) == [DONE]
    assert "plan-p" not in troubles
    assert some.finish(10)


def test_one_plans_trouble_does_not_hold_up_another() -> None:
    some = errands(Troubles())

    def fail() -> Event:
        raise ValueError("a bug")

    some.run(PlanId("bad"), fail)
    some.run(PLAN, lambda: DONE)

    assert reports(some) == [DONE]
    assert some.finish(10)


def test_what_is_under_way_is_let_come_to_its_end() -> None:
    some = errands(Troubles())
    begun, may_end = threading.Event(), threading.Event()

    def slow() -> Event:
        begun.set()
        may_end.wait(20)
        return DONE

    some.run(PLAN, slow)
    begun.wait(10)
    assert not some.finish(0.05)
    may_end.set()
    assert reports(some) == [DONE]
