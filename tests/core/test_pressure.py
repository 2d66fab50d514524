"""When the machine counts as pressed, when no more, and which run yields when it is dying."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from handoff.root import PlanId
from orchestrd.core.pressure import (
    GRACE_SECONDS,
    Candidate,
    Level,
    MemoryReading,
    Pressure,
    Reading,
    Thresholds,
    Yielding,
    follow,
    who_yields,
)

GIB = 1 << 30
MIB = 1 << 20
HERE = "this machine"
PLENTY = {"available_bytes": 8 * GIB, "total_bytes": 24 * GIB}
CALM, PRESSED, DYING = Level.CALM, Level.PRESSED, Level.DYING


def waits(some: float, full: float = 0.0) -> Reading:
    return Reading((MemoryReading(HERE, some, full, **PLENTY),))


def available(mib: int, total: int = 24 * GIB) -> Reading:
    return Reading((MemoryReading(HERE, 0.0, 0.0, mib * MIB, total),))


def busy(cpu_some: float | None, load_per_core: float | None) -> Reading:
    return Reading((MemoryReading(HERE, 0.0, 0.0, **PLENTY),), cpu_some, load_per_core)


class Watching:
    """A machine that is looked at every second."""

    def __init__(self, thresholds: Thresholds = Thresholds()) -> None:  # noqa: B008 - frozen
        self.thresholds = thresholds
        self.now = 1000.0
        self.pressure = Pressure()

    def see(self, reading: Reading, seconds: int = 1, runs: int = 1) -> Level:
        for _ in range(seconds):
            self.now += 1
            self.pressure = follow(self.pressure, reading, self.thresholds, self.now, runs=runs)
        return self.pressure.level


def test_pressure_is_believed_in_after_some_seconds_and_over_some_seconds_after_it_is_less() -> None:
    machine = Watching()

    assert machine.see(waits(30), 5) is CALM
    assert machine.see(waits(30)) is PRESSED
    assert machine.pressure.words == (
        "this machine is short of memory: something waited for it in 30 % of the last 10 s"
    )
    assert machine.see(waits(12), 100) is PRESSED, "at the edge nothing changes"
    assert machine.see(waits(2), 15) is PRESSED
    assert machine.see(waits(2)) is CALM
    assert machine.pressure.words == ""


def test_while_pressure_fades_it_is_told_until_when_it_was_short_and_how_long_it_is_waited_for() -> None:
    machine = Watching()
    machine.see(waits(60), 6)
    was = "this machine was short of memory (something waited for it in 60 % of the last 10 s) until"

    machine.see(waits(0), 1)
    assert machine.pressure.words == f"{was} 1 s ago; another 15 s of calm are waited for"
    machine.see(waits(0), 9)
    assert machine.pressure.words == f"{was} 10 s ago; another 6 s of calm are waited for"
    machine.see(waits(12), 1)
    assert "is short of memory: something waited for it in 12 %" in machine.pressure.words, "the edge"
    machine.see(Reading(), 2)
    assert "until 2 s ago; another 14 s of calm" in machine.pressure.words

    machine.see(waits(90, 60), 12)
    machine.see(waits(0), 1)
    assert machine.pressure.words.endswith("until 1 s ago; another 30 s of calm are waited for")


def test_a_moment_of_pressure_is_none_and_a_moment_of_calm_neither() -> None:
    machine = Watching()

    for _ in range(20):
        assert machine.see(waits(90), 4) is CALM
        machine.see(waits(0))
    machine.see(waits(90), 6)
    for _ in range(20):
        assert machine.see(waits(0), 14) is PRESSED
        machine.see(waits(90))


def test_where_little_memory_is_available_no_run_starts_though_nothing_waits_yet() -> None:
    machine = Watching()

    assert machine.see(available(1100), 60) is CALM
    assert machine.see(available(900), 6) is PRESSED
    assert "900 of 24576 MiB are available, 1024 MiB are to be" in machine.pressure.words
    assert machine.see(available(1200), 60) is PRESSED
    assert machine.see(available(1600), 16) is CALM


@pytest.mark.parametrize(
    "total, least", [(GIB, 128), (4 * GIB, 204), (16 * GIB, 819), (24 * GIB, 1024), (512 * GIB, 1024)]
)
def test_what_has_to_be_available_grows_with_the_machine_to_a_gibibyte(total: int, least: int) -> None:
    assert Thresholds().least_available(total) // MIB == least
    assert Watching().see(available(least + 1, total), 60) is CALM
    assert Watching().see(available(least - 1, total), 60) is PRESSED


def test_what_is_configured_holds_and_none_at_all_switches_it_off() -> None:
    assert Watching(Thresholds(memory_available=2 * GIB)).see(available(2000), 60) is PRESSED
    assert Watching(Thresholds(memory_available=0)).see(available(0), 60) is CALM


def test_a_dying_machine_is_pressed_first_and_dying_after_that() -> None:
    machine = Watching()

    assert machine.see(waits(90, 60), 6) is PRESSED
    assert not machine.pressure.is_dying
    assert machine.see(waits(90, 60), 6) is DYING
    assert machine.pressure.is_dying
    assert "everything waited for it in 60 %" in machine.pressure.words


def test_a_machine_that_breathes_again_lets_nobody_yield_though_it_counts_as_dying_for_a_while() -> None:
    machine = Watching()
    machine.see(waits(90, 60), 20)

    assert machine.see(waits(90, 30)) is DYING
    assert not machine.pressure.is_dying
    assert machine.see(waits(30, 5), 16) is PRESSED
    assert machine.see(waits(1), 16) is CALM


def test_without_the_kernels_figures_a_machine_dies_of_having_next_to_nothing() -> None:
    machine = Watching()
    reading = Reading((MemoryReading(HERE, available_bytes=200 * MIB, total_bytes=24 * GIB),))

    assert machine.see(reading, 12) is DYING


def test_a_cgroup_that_is_short_counts_though_the_machine_has_plenty() -> None:
    machine = Watching()
    small = MemoryReading("the cgroup /docker/abc", 0.0, 0.0, 20 * MIB, 512 * MIB)

    machine.see(Reading((MemoryReading(HERE, 0.0, 0.0, **PLENTY), small)), 12)

    assert machine.pressure.is_dying
    assert machine.pressure.words == (
        "the cgroup /docker/abc is short of memory: 20 of 512 MiB are available, 128 MiB are to be"
    )


def test_two_busy_cores_are_no_trouble() -> None:
    machine = Watching()

    assert machine.see(busy(99, 15), 600) is CALM
    assert machine.see(busy(60, 40), 600) is CALM


def test_a_long_queue_for_cores_keeps_further_runs_back_and_kills_none() -> None:
    machine = Watching()

    assert machine.see(busy(99, 17), 6) is PRESSED
    assert machine.pressure.words == "this machine is short of CPU: 17.0 processes want each core"
    assert machine.see(busy(100, 500), 600) is PRESSED
    assert not machine.pressure.is_dying
    assert machine.see(busy(90, 13), 60) is PRESSED
    assert machine.see(busy(90, 11), 16) is CALM


def test_without_the_kernels_figure_the_length_of_the_queue_decides() -> None:
    assert Watching().see(busy(None, 17), 6) is PRESSED
    assert Watching().see(busy(None, 15), 60) is CALM
    assert Watching().see(busy(99, None), 60) is CALM


def test_what_others_do_with_the_cores_never_keeps_the_only_run_from_starting() -> None:
    machine = Watching()

    assert machine.see(busy(99, 50), 60, runs=0) is CALM
    assert machine.see(busy(99, 50), 60, runs=2) is PRESSED
    assert machine.see(busy(99, 50), 1, runs=0) is CALM, "at once, when the last one has ended"


def test_memory_counts_whether_or_not_a_run_is_alive() -> None:
    assert Watching().see(waits(60), 60, runs=0) is PRESSED


def test_what_cannot_be_read_is_no_pressure() -> None:
    machine = Watching()
    machine.see(waits(60), 6)

    assert machine.see(Reading(), 15) is PRESSED
    assert machine.see(Reading()) is CALM
    assert machine.see(Reading((MemoryReading(HERE),)), 100) is CALM


def test_looks_that_are_far_apart_see_the_same() -> None:
    pressure = follow(Pressure(), waits(60), Thresholds(), 100.0, runs=1)
    pressure = follow(pressure, waits(60), Thresholds(), 130.0, runs=1)

    assert pressure.level is PRESSED


READINGS = st.builds(
    lambda some, full, mib, cpu, load: Reading(
        (MemoryReading(HERE, some, min(some, full), mib * MIB, 24 * GIB),), cpu, load
    ),
    st.floats(0, 100),
    st.floats(0, 100),
    st.integers(0, 24 * 1024),
    st.one_of(st.none(), st.floats(0, 100)),
    st.one_of(st.none(), st.floats(0, 100)),
)


@given(st.lists(st.tuples(READINGS, st.floats(0.1, 20), st.integers(0, 3)), max_size=60))
def test_a_level_changes_by_one_step_after_its_time_and_never_without_words(
    seen: list[tuple[Reading, float, int]],
) -> None:
    thresholds, now, pressure, changed = Thresholds(), 0.0, Pressure(), 0.0
    for reading, passed, runs in seen:
        now += passed
        before, pressure = pressure.memory, follow(pressure, reading, thresholds, now, runs=runs)
        if pressure.memory.level != before.level:
            assert abs(pressure.memory.level - before.level) == 1
            wait = (
                thresholds.enter_seconds if pressure.memory.level > before.level else thresholds.leave_seconds
            )
            assert now - changed >= wait
            changed = now
        assert bool(pressure.words) == (pressure.level is not CALM)
        assert not pressure.is_dying or pressure.level is DYING


A, B, C = PlanId("a"), PlanId("b"), PlanId("c")


def test_the_lowest_priority_yields_and_among_equals_the_youngest() -> None:
    assert who_yields([Candidate(A, 50, 10.0), Candidate(B, 10, 1.0), Candidate(C, 90, 20.0)]) == Candidate(
        B, 10, 1.0
    )
    assert who_yields([Candidate(A, 50, 10.0), Candidate(B, 50, 30.0), Candidate(C, 50, 20.0)]) == Candidate(
        B, 50, 30.0
    )
    assert who_yields([]) is None


def test_one_yields_then_it_is_waited_and_seen() -> None:
    yielding = Yielding()
    alive = [Candidate(A, 50, 10.0), Candidate(B, 10, 1.0), Candidate(C, 10, 5.0)]
    words = "this machine is short of memory: 90 of 24576 MiB are available"

    first = yielding.choose(alive, 100.0, words)
    again = [yielding.choose(alive[:2], 100.0 + second) for second in range(int(GRACE_SECONDS))]
    second = yielding.choose(alive[:2], 100.0 + GRACE_SECONDS)
    third = yielding.choose(alive[:1], 100.0 + 2 * GRACE_SECONDS)

    assert first is not None
    assert first.candidate.plan == C
    assert first.message == (
        f"Stopped to save the machine: {words}. Of 3 runs it had the lowest priority (10), of 2 such the one that was"
        " started last. The others: a (priority 50, for 1 min 30 s), b (priority 10, for 1 min 39 s)."
    )
    assert set(again) == {None}
    assert second is not None
    assert second.candidate.plan == B
    assert second.message.endswith(
        "it had the lowest priority (10). The other: a (priority 50, for 1 min 45 s)."
    )
    assert third is not None
    assert third.message.endswith("No other run was at work.")


def test_where_nobody_can_yield_nobody_is_waited_for() -> None:
    yielding = Yielding()

    assert yielding.choose([], 100.0) is None
    assert yielding.next_look(100.0) == 0.0
    assert yielding.choose([Candidate(A, 50, 1.0)], 101.0) is not None
    assert yielding.next_look(106.0) == 10.0
