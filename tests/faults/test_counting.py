"""A campaign in which too few faults happened has failed, whatever else it found."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from tests.faults import bursts, killed_runs, sweeping, syscalls
from tests.faults.campaign import Ground, Outcome, Size, too_few
from tests.faults.killed_runs import Struck


@pytest.mark.parametrize(("fired", "asked", "is_enough"), [(95, 100, True), (94, 100, False), (34, 35, True)])
def test_a_share_of_the_steps_has_to_be_reached(fired: int, asked: int, is_enough: bool) -> None:
    found = list(too_few("steps", fired, asked, sweeping.REACHED))

    assert (not found) == is_enough
    assert all(one.what.startswith(f"{fired} faults happened of {asked}") for one in found)


def test_a_kind_of_which_no_run_was_struck_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    struck = Outcome(6, figures=Counter({kind: 6 for kind in Struck if kind is not Struck.BOTH}))
    monkeypatch.setattr(killed_runs, "run_rounds", lambda *_: struck)

    total = killed_runs.run(Ground(Size.SHORT, 1, tmp_path))

    assert [one.where for one in total.violations] == [Struck.BOTH]


def test_lanes_whose_watches_cannot_be_limited_are_told_as_skipped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bursts, "without_user_namespaces", lambda: "there are none")

    outcome = bursts.one_of_lanes(tmp_path, ("one watch", "seed"))

    assert (outcome.fired, outcome.figures["skipped: one watch (there are none)"]) == (0, 1)


def test_a_kind_of_lanes_without_a_fault_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    figures = {"faults: made again": 2, "faults: moved away": 2, "skipped: no instance (there are none)": 1}
    monkeypatch.setattr(bursts, "run_rounds", lambda *_, **__: Outcome(4, figures=Counter(figures)))

    total = bursts.run_lanes(Ground(Size.SHORT, 1, tmp_path))

    assert [one.where for one in total.violations] == ["one watch"]


def test_a_kill_of_a_child_is_none_of_the_daemon() -> None:
    def kills(daemon: int, child: int) -> Outcome:
        return Outcome(daemon, figures=Counter({syscalls.OF_A_CHILD: child}))

    assert [*syscalls.missed(kills(15, 5), 20)] == []
    assert [one.where for one in syscalls.missed(kills(5, 15), 20)] == ["kills of the daemon itself"]
    assert [one.where for one in syscalls.missed(kills(15, 4), 20)] == ["strace"]
