"""What the engine is told of the machine: that no run may start, for whatever reasons, until all of them are over."""

from __future__ import annotations

import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from handoff.root import create_root, reserve_of
from orchestrd.config import Config
from orchestrd.core.events import ConditionChanged, Moment
from orchestrd.daemon.machine import Machine
from orchestrd.daemon.troubles import Troubles
from orchestrd.settings import Budget, Claude, Pressure
from orchestrd.workspaces.git import GitLock
from tests.serving import FAKE_AGENT


class Watched:
    """A machine that is looked at, with figures that the test writes."""

    def __init__(self, folder: Path, **settings: object) -> None:
        self.procfs = folder / "proc"
        (self.procfs / "pressure").mkdir(parents=True)
        pressure = Pressure(procfs=self.procfs, enter_seconds=0, leave_seconds=0)
        given = {"claude": Claude(command=str(FAKE_AGENT)), "pressure": pressure, **settings}
        config = Config(root=folder / "handoff", **given)  # type: ignore[arg-type]
        root = create_root(config.root)
        self.troubles = Troubles()
        lock = GitLock(root.git_lock)
        self.machine = Machine(root, config, os.environ, lock, reserve_of(root), self.troubles)
        self.now = 1000.0

    def waits(self, percent: float, full: float = 0.0) -> None:
        text = f"some avg10={percent:.2f} avg60=0 avg300=0 total=1\nfull avg10={full:.2f} avg60=0 avg300=0 total=1\n"
        (self.procfs / "pressure" / "memory").write_text(text)

    def loaded(self, per_core: float) -> None:
        (self.procfs / "loadavg").write_text(f"{per_core * (os.cpu_count() or 1):.2f} 1 1 1/1 1\n")
        (self.procfs / "pressure" / "cpu").write_text("some avg10=99.00 avg60=0 avg300=0 total=1\n")

    def look(self, seconds: float = 1, runs: int = 1, *, at_all: bool = True) -> list[tuple[str, bool]]:
        self.now += seconds
        at = Moment(1e9 + self.now, self.now)
        events = self.machine.look(at, runs) if at_all else self.machine.feel(at, runs)
        assert all(isinstance(event, ConditionChanged) for event in events)
        return [(event.word, event.holds) for event in events if isinstance(event, ConditionChanged)]

    def words(self) -> set[str]:
        return {trouble.word for trouble in self.troubles}


@contextmanager
def few_descriptors() -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    used = {int(name) for name in os.listdir("/dev/fd")}
    limit = next(limit for limit in range(10, soft) if limit - sum(fd < limit for fd in used) == 10)
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_pressure_is_over_when_there_are_both_memory_and_descriptors_again(tmp_path: Path) -> None:
    watched = Watched(tmp_path)

    assert watched.look() == []
    watched.waits(60)
    with few_descriptors():
        assert watched.look() == [("pressure", True)]
        assert {"pressure", "descriptors"} <= watched.words()
        watched.waits(0)
        assert watched.look() == []
        assert "pressure" not in watched.words()
        watched.waits(60)
        assert watched.look() == []
    assert watched.look() == []
    assert "descriptors" not in watched.words()
    watched.waits(0)
    assert watched.look() == [("pressure", False)]


def test_between_two_looks_into_the_lanes_the_machine_is_felt_once_a_second(tmp_path: Path) -> None:
    watched = Watched(tmp_path)
    watched.look()
    watched.waits(60)

    assert watched.look(0.5, at_all=False) == []
    assert watched.look(0.5, at_all=False) == [("pressure", True)]
    assert watched.machine.next_look(Moment(1e9 + watched.now, watched.now)) == 1.0
    watched.waits(0)
    assert watched.look(at_all=False) == [("pressure", False)]
    assert watched.machine.next_look(Moment(1e9 + watched.now, watched.now)) is None


def test_a_dying_machine_is_told_with_what_is_short_and_so_is_that_it_breathes_again(tmp_path: Path) -> None:
    watched = Watched(tmp_path)
    watched.waits(90, 70)
    assert watched.look() == [("pressure", True)]

    watched.now += 1
    [event] = watched.machine.feel(Moment(1e9, watched.now), 2)

    assert isinstance(event, ConditionChanged)
    assert (event.word, event.holds) == ("dying", True)
    assert event.message.startswith(
        "this machine is short of memory: everything waited for it in 70 % of the last 10 s"
    )
    watched.waits(60, 30)
    assert watched.look() == [("dying", False)]


def test_a_queue_for_cores_keeps_back_the_second_run_and_never_the_first(tmp_path: Path) -> None:
    watched = Watched(tmp_path)
    watched.loaded(40)

    assert watched.look(runs=0) == []
    assert watched.look(runs=1) == [("pressure", True)]
    assert watched.look(0.1, runs=0, at_all=False) == [("pressure", False)], "at once"


def test_what_is_switched_off_is_not_looked_at(tmp_path: Path) -> None:
    off = Pressure(enabled=False, procfs=tmp_path / "proc", enter_seconds=0)
    watched = Watched(tmp_path, pressure=off)
    watched.waits(90, 90)

    assert [watched.look() for _ in range(3)] == [[], [], []]


@pytest.mark.parametrize("budget", [Budget(per_day_usd=5.0), Budget(per_project_usd=5.0)])
def test_with_a_cap_of_the_day_that_cannot_be_kept_nothing_starts_and_the_reason_is_told(
    tmp_path: Path, budget: Budget
) -> None:
    args = Claude(command=str(FAKE_AGENT), args=("--max-budget-usd", "9"))
    watched = Watched(tmp_path, claude=args, budget=budget)

    assert watched.look() == [("claude", True)]

    [trouble] = watched.troubles
    assert trouble.message.startswith("[budget] cannot be kept: [claude] args names --max-budget-usd")
    assert Watched(tmp_path / "without", claude=args).look() == []
    assert Watched(tmp_path / "kept", budget=budget).look() == []
