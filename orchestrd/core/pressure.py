"""How hard the machine is pressed, and who yields when it is dying. Readings come in, a level comes out.

Theory of operation
-------------------
Memory decides, for a machine without any kills: its own processes, or ours. It is short where something waited for it
in a good part of the last 10 s (the kernel's own figure, PSI), or where little of it is available, for without swap
nothing waits until there is none. A cgroup with a limit is a small machine of its own.

CPU that is short only makes all slower, and two busy cores are no trouble: that something waits for a core says
nothing (90 % of the time is usual where two runs build), so the queue has to be long as well. And as no run of ours is
alive, it does not count: what others use will not become less by our waiting.

A level is left and entered one step at a time, upwards when readings were over its threshold for some seconds,
downwards when they were clearly under it for some more: a machine at the edge does not flap.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from enum import IntEnum
from typing import NamedTuple

from handoff.root import PlanId
from orchestrd.core.facts import MAIN

PRESSURE = "pressure"
"""The condition in which no run starts (PROTOCOL 8)."""
DYING = "dying"
"""The condition in which a run has to yield."""

GRACE_SECONDS = 15.0
"""From one run that yields to the next: it takes so long until a stopped one shows in the kernel's averages."""

MOST_OTHERS = 5
"""So many of the other runs are named where one is told to yield."""

_MIB = 1 << 20


class Level(IntEnum):
    """How hard the machine is pressed."""

    CALM = 0
    PRESSED = 1
    """No run starts."""
    DYING = 2
    """A run has to yield."""


@dataclass(frozen=True, slots=True)
class MemoryReading:
    """The memory of the machine, or of a cgroup with a limit. What is not told is None."""

    where: str
    """For people: `this machine`, `the cgroup /user.slice`."""
    some: float | None = None
    """In so many per cent of the last 10 s something waited for memory."""
    full: float | None = None
    """In so many everything did."""
    available_bytes: int | None = None
    total_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class Reading:
    """What was read in one moment."""

    memory: tuple[MemoryReading, ...] = ()
    cpu_some: float | None = None
    """In so many per cent of the last 10 s something waited for a core; None where nobody tells."""
    load_per_core: float | None = None
    """Processes that wanted to run, on average over a minute, for each core."""


@dataclass(frozen=True, slots=True)
class Thresholds:
    """Where pressure begins; the settings `[pressure]` tell what each means."""

    memory_some: float = 20.0
    memory_full: float = 40.0
    memory_available: int | None = None
    cpu_some: float = 95.0
    cpu_load: float = 16.0
    enter_seconds: float = 5.0
    leave_seconds: float = 15.0

    def least_available(self, total_bytes: int) -> int:
        """How many bytes have to be available where there are so many."""
        if self.memory_available is not None:
            return self.memory_available
        return max(128 * _MIB, min(total_bytes // 20, 1024 * _MIB))


@dataclass(frozen=True, slots=True)
class Gauge:
    """The level of one thing that may be short."""

    level: Level = Level.CALM
    latest: Level = Level.CALM
    """What the last reading says by itself."""
    words: str = ""
    """What is short and how much; of what is short no more, until when it was and how long it is waited for."""
    shown: str = ""
    """The same, by the last reading that showed it."""
    shown_at: float = 0.0
    """When that was, in boot seconds."""
    moving: int = 0
    """1: readings ask for a higher level, -1: for a lower one, 0: for neither."""
    since: float = 0.0
    """Since when they do, in boot seconds."""


@dataclass(frozen=True, slots=True)
class Pressure:
    """How hard the machine is pressed, after all readings so far."""

    memory: Gauge = Gauge()
    cpu: Gauge = Gauge()

    @property
    def level(self) -> Level:
        """The level in force."""
        return max(self.memory.level, self.cpu.level)

    @property
    def is_dying(self) -> bool:
        """Whether a run has to yield now: also the last reading says so, or the last one that yielded was enough."""
        return self.memory.level is Level.DYING and self.memory.latest is Level.DYING

    @property
    def words(self) -> str:
        """What is short and how much; '' while the machine is calm."""
        return "; ".join(gauge.words for gauge in (self.memory, self.cpu) if gauge.level is not Level.CALM)


def follow(before: Pressure, reading: Reading, thresholds: Thresholds, now: float, *, runs: int) -> Pressure:
    """Take in a reading at `now` (boot seconds); `runs` of ours are alive."""
    memory = _step(before.memory, list(_shortages_of_memory(reading.memory, thresholds)), thresholds, now)
    if not runs:
        return Pressure(memory)
    return Pressure(memory, _step(before.cpu, list(_shortages_of_cpu(reading, thresholds)), thresholds, now))


class _Shortage(NamedTuple):
    """One figure that is over a threshold."""

    enters: Level
    """The level that it is enough to enter,"""
    holds: Level
    """and the one that it is enough to stay in: the same or a higher one."""
    words: str


def _step(before: Gauge, shortages: list[_Shortage], thresholds: Thresholds, now: float) -> Gauge:
    enters = max((one.enters for one in shortages), default=Level.CALM)
    holds = max((one.holds for one in shortages), default=Level.CALM)
    worst = max(shortages, key=lambda one: (one.enters, one.holds), default=None)
    gauge = replace(before, latest=enters)
    if worst is not None and holds is not Level.CALM:
        gauge = replace(gauge, words=worst.words, shown=worst.words, shown_at=now)
    moving = int(enters > before.level) - int(holds < before.level)
    since = before.since if moving == before.moving else now
    wait = thresholds.enter_seconds if moving > 0 else thresholds.leave_seconds
    if moving and now - since >= wait:
        gauge = replace(gauge, level=Level(before.level + moving), moving=0, since=now)
    else:
        gauge = replace(gauge, moving=moving, since=since)
    if holds is Level.CALM:
        return replace(gauge, words=_faded(gauge, thresholds, now) if gauge.level is not Level.CALM else "")
    return gauge


def _faded(gauge: Gauge, thresholds: Thresholds, now: float) -> str:
    """Say of what is short no more how long ago it was, and for how long it is waited still."""
    short, _, figure = gauge.shown.partition(": ")
    left = gauge.level * thresholds.leave_seconds - (now - gauge.since)
    return (
        f"{short.replace(' is short', ' was short', 1)} ({figure}) until {now - gauge.shown_at:.0f} s ago;"
        f" another {left:.0f} s of calm are waited for"
    )


def _shortages_of_memory(places: Iterable[MemoryReading], thresholds: Thresholds) -> Iterator[_Shortage]:
    for place in places:
        short = f"{place.where} is short of memory"
        if place.some is not None:
            words = f"{short}: something waited for it in {place.some:.0f} % of the last 10 s"
            yield _over(place.some, thresholds.memory_some, Level.PRESSED, words)
        if place.full is not None:
            words = f"{short}: everything waited for it in {place.full:.0f} % of the last 10 s"
            yield _over(place.full, thresholds.memory_full, Level.DYING, words)
        if place.available_bytes is not None and place.total_bytes:
            least = thresholds.least_available(place.total_bytes)
            words = (
                f"{short}: {place.available_bytes // _MIB} of {place.total_bytes // _MIB} MiB are available,"
                f" {least // _MIB} MiB are to be"
            )
            yield _Shortage(
                _level_of(place.available_bytes, least), _level_of(place.available_bytes / 1.5, least), words
            )


def _level_of(available_bytes: float, least: int) -> Level:
    if available_bytes < least / 4:
        return Level.DYING
    return Level.PRESSED if available_bytes < least else Level.CALM


def _over(percent: float, threshold: float, level: Level, words: str) -> _Shortage:
    return _Shortage(
        level if percent >= threshold else Level.CALM,
        level if percent >= threshold / 2 else Level.CALM,
        words,
    )


def _shortages_of_cpu(reading: Reading, thresholds: Thresholds) -> Iterator[_Shortage]:
    load = reading.load_per_core
    if load is None:
        return
    # Where nobody tells what waits, the queue alone has to say it.
    waits = 100.0 if reading.cpu_some is None else reading.cpu_some
    enters = load >= thresholds.cpu_load and waits >= thresholds.cpu_some
    holds = load >= 0.75 * thresholds.cpu_load and waits >= 0.75 * thresholds.cpu_some
    words = f"this machine is short of CPU: {load:.1f} processes want each core"
    yield _Shortage(Level(enters), Level(holds), words)


# -- who yields ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Candidate:
    """A run that is alive."""

    plan: PlanId
    priority: int
    started: float
    """When it was, by any one clock."""
    step: str = MAIN


@dataclass(frozen=True, slots=True)
class Yielded:
    """Who is stopped, and what a person is told of it."""

    candidate: Candidate
    message: str


def who_yields(candidates: Iterable[Candidate]) -> Candidate | None:
    """Choose the one of the lowest priority, among equals the one that was started last: least is lost by it."""
    return min(candidates, key=lambda one: (one.priority, -one.started, one.plan, one.step), default=None)


@dataclass(slots=True)
class Yielding:
    """Lets one run yield and then waits to see, however long the machine seems to be dying."""

    _last: float | None = None

    def choose(self, candidates: Iterable[Candidate], now: float, words: str = "") -> Yielded | None:
        """Who is to be stopped at `now` (boot seconds). Call it while the condition `dying` holds, at every event.

        `words` say what is short (`Pressure.words`).
        """
        if self._last is not None and now - self._last < GRACE_SECONDS:
            return None
        alive = list(candidates)
        chosen = who_yields(alive)
        if chosen is None:
            return None
        self._last = now
        return Yielded(chosen, _told(chosen, alive, words, now))

    def next_look(self, now: float) -> float:
        """Seconds until another one may have to yield."""
        return 0.0 if self._last is None else max(0.0, self._last + GRACE_SECONDS - now)


def _told(chosen: Candidate, alive: list[Candidate], words: str, now: float) -> str:
    why = (
        f"Stopped to save the machine: {words}."
        if words
        else "Stopped to save the machine: its memory is used up."
    )
    if len(alive) == 1:
        return f"{why} No other run was at work."
    equals = sum(one.priority == chosen.priority for one in alive)
    among = f", of {equals} such the one that was started last" if equals > 1 else ""
    others = [_other(one, now) for one in sorted(alive, key=lambda one: -one.priority) if one != chosen]
    more = [f"and {len(others) - MOST_OTHERS} more"] if len(others) > MOST_OTHERS else []
    named = f"The other{'s' if len(others) > 1 else ''}: {', '.join([*others[:MOST_OTHERS], *more])}."
    return f"{why} Of {len(alive)} runs it had the lowest priority ({chosen.priority}){among}. {named}"


def _other(one: Candidate, now: float) -> str:
    name = one.plan if one.step == MAIN else f"{one.plan}, step {one.step}"
    # One that was found alive has no time of its start: it is older than all others.
    minutes, seconds = divmod(round(now - one.started), 60)
    age = f"{minutes} min {seconds} s" if minutes else f"{seconds} s"
    return f"{name} (priority {one.priority}, for {age if one.started else 'longest'})"
