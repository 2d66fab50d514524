"""What is going to happen in one world: plans, people, troubles, kills. Drawn from a seed, and a value that can be cut.

Nothing here depends on what the engine does: a story that shows a violation is made shorter by leaving parts out.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from orchestrd.core.facts import StepFacts
from orchestrd.core.history import fields_of_step
from tests.simulate.graphs import draw_steps, further_steps

NEVER = 0
"""The plan that others wait for and that never comes: `p0`."""
TOUCHES: Mapping[tuple[str, ...], frozenset[str]] = {
    (): frozenset(),
    ("src/**",): frozenset({"src/a.py", "src/api/b.py"}),
    ("src/api/",): frozenset({"src/api/b.py"}),
    ("src/*.py", "docs/"): frozenset({"src/a.py", "docs/x.md"}),
    ("docs/*.md",): frozenset({"docs/x.md"}),
    ("tests/**",): frozenset({"tests/t.py"}),
}
"""What plans may say that they touch, and by which files one sees, without any rule, which of these overlap."""


@dataclass(frozen=True, slots=True)
class PlanScript:
    """A plan that somebody hands in."""

    number: int
    comes: float
    """Seconds after the beginning, as all times here."""
    record: Mapping[str, Any]
    """What the journal says of it when it is accepted; its dates are seconds, too."""
    further: Mapping[str, tuple[StepFacts, ...]] = field(default_factory=dict)
    """What its steps that expand return."""
    is_refused: bool = False


@dataclass(frozen=True, slots=True)
class Happening:
    """Something that people or the machine do."""

    time: float
    kind: str
    """cancel, cancel-all, look-again, pause, resume, drain, trouble, over, clock, kill."""
    plan: int = 0
    word: str = ""
    """Which trouble."""
    seconds: float = 0.0
    """By how much the wall clock is set; for how long a daemon that is killed is down."""


@dataclass(frozen=True, slots=True)
class Limit:
    """The account's usage limit: reached from when to when, whether that is told, and how long before one is warned."""

    begins: float
    ends: float
    is_told: bool
    warned: float


@dataclass(frozen=True, slots=True)
class Kill:
    """The daemon is killed after so many more points of its way, and started again so many seconds later.

    That meets it at work; a `Happening` kills it at any time, mostly while it waits.
    """

    points: int
    down: float
    is_power_cut: bool = False
    """All runs die with it, what was not synced is gone, and the clock that only grows begins anew."""


@dataclass(frozen=True, slots=True)
class Script:
    """One world."""

    seed: int
    max_parallel: int
    plans: tuple[PlanScript, ...]
    happenings: tuple[Happening, ...] = ()
    limits: tuple[Limit, ...] = ()
    kills: tuple[Kill, ...] = ()
    flaws: float = 0.2
    """How likely a run goes wrong."""
    asks: float = 0.0
    """How likely a run of a model asks a person."""
    max_parked: float = 86_400.0
    per_day_usd: float | None = None
    per_project_usd: float | None = None

    @property
    def has_caps(self) -> bool:
        """Money of the day counts."""
        return self.per_day_usd is not None or self.per_project_usd is not None

    @property
    def has_kills(self) -> bool:
        """Some daemon is killed, at work or while it waits."""
        return bool(self.kills) or any(one.kind == "kill" for one in self.happenings)

    @property
    def is_clock_set(self) -> bool:
        """Somebody sets the wall clock."""
        return any(one.kind == "clock" for one in self.happenings)


def draw_script(seed: int, lives: int) -> Script:
    """Draw a world of so many plan lives."""
    chance = random.Random(seed)
    is_stormy = chance.random() < 0.5
    hours = chance.choice((0.05, 0.5, 2.0, 8.0))
    span = hours * 3600.0
    projects = chance.choice((1, 2, 3, 6))
    has_dates = chance.random() < 0.5
    times = sorted(chance.random() * span for _ in range(lives))
    plans = tuple(
        _plan(chance, number, comes, span, projects, has_dates) for number, comes in enumerate(times, 1)
    )
    caps: dict[str, float] = {}
    if chance.random() < 0.3:
        caps["per_day_usd"] = chance.choice((1.0, 3.0, 10.0))
    if chance.random() < 0.2:
        caps["per_project_usd"] = chance.choice((0.8, 2.0))
    limits = tuple(_limits(chance, span)) if chance.random() < 0.4 else ()
    happenings = [*_people(chance, lives, span), *_kills_at(chance, span, limits)]
    if is_stormy:
        happenings += [*_storm(chance, span), *_machine(chance, span)]
    return Script(
        seed=seed,
        max_parallel=chance.choice((1, 2, 3, 4, 8)),
        plans=plans,
        happenings=tuple(sorted(happenings, key=lambda one: one.time)),
        limits=limits,
        kills=tuple(_kills(chance, lives, is_stormy)),
        flaws=chance.choice((0.0, 0.15, 0.4)),
        max_parked=chance.choice((86_400.0, 86_400.0, 7_200.0)),
        # By a chance of its own: what a seed tells otherwise does not hang on it.
        asks=random.Random(f"{seed} asks").choice((0.0, 0.0, 0.2, 0.6)),
        **caps,
    )


def _plan(
    chance: random.Random, number: int, comes: float, span: float, projects: int, has_dates: bool
) -> PlanScript:
    record: dict[str, Any] = {
        "project": f"/p{chance.randrange(projects)}",
        "in_place": chance.random() < 0.25,
        "priority": chance.choice((50, 50, 50, 10, 51, 90)),
        "attempts": chance.choice((3, 3, 1, 2, 4)),
        "on_interrupt": chance.choice(("resume", "resume", "restart", "stop")),
        "changes": chance.choice(("allowed", "allowed", "expected", "forbidden")),
    }
    if chance.random() < 0.3:
        record["max_usd"] = chance.choice((0.3, 1.0, 2.5))
    if chance.random() < 0.15:
        record["touches"] = chance.choice(list(TOUCHES))
    if chance.random() < 0.15:
        record["checks"], record["rounds"] = chance.randint(1, 2), chance.randint(0, 2)
    if has_dates:
        record |= _dates(chance, number, comes, span)
    further: dict[str, tuple[StepFacts, ...]] = {}
    if chance.random() < 0.25:
        steps = draw_steps(chance)
        record["steps"] = [fields_of_step(step) for step in steps]
        further = {step.step: further_steps(chance, step.step) for step in steps if step.expands}
    return PlanScript(number, comes, record, further, is_refused=chance.random() < 0.02)


def _dates(chance: random.Random, number: int, comes: float, span: float) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if chance.random() < 0.25:
        # One that came before, the next that comes (in no circle), or one that never does.
        last = number + 1 if number % 2 == 0 else number - 2
        numbers = {chance.randint(NEVER, max(last, NEVER)) for _ in range(chance.randint(1, 2))} - {number}
        found["after"] = tuple(f"p{one}" for one in sorted(numbers))
    if chance.random() < 0.1:
        found["not_before"] = comes + chance.choice((-10.0, 30.0, span))
    if chance.random() < 0.1:
        found["expires"] = comes + chance.choice((-10.0, 30.0, 90.0, span))
    return found


def _people(chance: random.Random, lives: int, span: float) -> Iterator[Happening]:
    if chance.random() < 0.6:
        for _ in range(chance.randint(1, max(1, lives // 8))):
            yield Happening(_some_time(chance, span), "cancel", plan=chance.randint(1, lives))
        for _ in range(chance.randint(0, 3)):
            yield Happening(_some_time(chance, span), "look-again", plan=chance.randint(1, lives))


def _storm(chance: random.Random, span: float) -> Iterator[Happening]:
    if chance.random() < 0.3:
        begins = _some_time(chance, span)
        yield Happening(begins, "pause")
        yield Happening(begins + chance.choice((1.0, 60.0, 3600.0)), "resume")
    if chance.random() < 0.2:
        yield Happening(_some_time(chance, span), "drain")
    if chance.random() < 0.1:
        yield Happening(_some_time(chance, span), "cancel-all")
    if chance.random() < 0.1:
        by = chance.choice((-3600.0, -20.0, 20.0, 3600.0))
        yield Happening(_some_time(chance, span), "clock", seconds=by)


def _machine(chance: random.Random, span: float) -> Iterator[Happening]:
    for word in ("claude", "space", "pressure"):
        if chance.random() < 0.2:
            yield from _trouble(_some_time(chance, span), chance.choice((2.0, 120.0, 1800.0)), word)
    if chance.random() < 0.2:
        begins, lasts = _some_time(chance, span), chance.choice((5.0, 40.0, 90.0))
        # Mostly once; one that is dying again and again, as soon as there is calm, has a plan that is too heavy for it.
        for _ in range(chance.choice((1, 1, 6))):
            yield from _trouble(begins, lasts + 20, "pressure")
            yield from _trouble(begins + 6, lasts, "dying")
            begins += lasts + 100


def _some_time(chance: random.Random, span: float) -> float:
    return chance.random() * span * 1.3


def _trouble(begins: float, lasts: float, word: str) -> Iterator[Happening]:
    yield Happening(begins, "trouble", word=word)
    yield Happening(begins + lasts, "over", word=word)


def _limits(chance: random.Random, span: float) -> Iterator[Limit]:
    begins = chance.random() * span
    for _ in range(chance.randint(1, 2)):
        ends = begins + chance.choice((20.0, 600.0, 18_000.0))
        yield Limit(begins, ends, is_told=chance.random() < 0.7, warned=chance.choice((0.0, 60.0, 1800.0)))
        begins = ends + chance.random() * span


def _kills_at(chance: random.Random, span: float, limits: tuple[Limit, ...]) -> Iterator[Happening]:
    spans = [(0.0, span), *((limit.begins, limit.ends) for limit in limits)]
    for begins, ends in spans:
        if chance.random() < 0.2:
            time = begins + chance.random() * (ends - begins)
            yield Happening(time, "kill", seconds=chance.choice((0.01, 30.0, 600.0)))


def _kills(chance: random.Random, lives: int, is_stormy: bool) -> Iterator[Kill]:
    if not is_stormy and chance.random() < 0.5:
        return
    for _ in range(chance.randint(1, 3)):
        # One that is killed at all is often killed while it starts, too.
        points = chance.randint(1, 10 * lives) if chance.random() < 0.7 else chance.randint(1, 12)
        down = chance.choice((0.01, 1.0, 30.0, 3600.0))
        yield Kill(points, down, is_power_cut=chance.random() < 0.3)
