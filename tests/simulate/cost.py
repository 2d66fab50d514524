"""What a decision costs: an event that frees a slot and chooses who is next, with 10, 1,000 and 100,000 plans waiting.

The engines stand side by side and are asked in turns, so that whatever else the machine does meets them all alike.
"""

from __future__ import annotations

import gc
import random
import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from handoff.result import Status
from handoff.root import PlanId
from orchestrd.core.budget import Budget
from orchestrd.core.commands import Prepare
from orchestrd.core.engine import Engine
from orchestrd.core.events import (
    EvidenceGathered,
    Moment,
    PlanAccepted,
    PlanPublished,
    RunEnded,
    RunOutcome,
    WorkspaceMade,
)
from orchestrd.core.facts import PlanFacts
from tests.simulate.chart import Curve, draw

SIZES = (10, 1_000, 100_000)
PROJECTS = 20
PARALLEL = 4
DECISIONS = 2_000
TURN_SECONDS = 7.0
"""Between two decisions; so plans age as they wait."""
MOST_RATIO = 3.0
WELL = RunOutcome(succeeded=True, cost_usd=0.01)

Fields = Callable[[random.Random, int], dict[str, Any]]


def _plain(chance: random.Random, _number: int) -> dict[str, Any]:
    return {"priority": chance.choice((10, 50, 50, 50, 90))}


def _mixed(chance: random.Random, _number: int) -> dict[str, Any]:
    return {"priority": chance.randint(0, 100)}


def _in_place(chance: random.Random, _number: int) -> dict[str, Any]:
    return {"priority": chance.randint(0, 100), "in_place": True}


def _touching(chance: random.Random, number: int) -> dict[str, Any]:
    return {"priority": chance.choice((10, 50, 90)), "touches": (f"src/{number}/**",)}


def _priced(chance: random.Random, _number: int) -> dict[str, Any]:
    return {"priority": chance.choice((10, 50, 90)), "max_usd": chance.choice((0.5, 1.0, 2.0, 5.0))}


MIXES: dict[str, tuple[Fields, float | None]] = {
    "5 priorities": (_plain, None),
    "101 priorities": (_mixed, None),
    "in place": (_in_place, None),
    "touches of their own": (_touching, None),
    "caps of the day": (_priced, 1_000_000.0),
}
"""By what the waiting plans differ, besides 20 projects, and what a day may cost."""


@dataclass(slots=True)
class Bench:
    """One engine with so many plans that wait."""

    size: int
    mix: str
    chance: random.Random
    engine: Engine = field(init=False)
    running: list[PlanId] = field(default_factory=list)
    now: float = 0.0
    number: int = 0
    seconds: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        _, per_day = MIXES[self.mix]
        self.engine = Engine(PARALLEL, budget=Budget(per_day))
        for _ in range(self.size + PARALLEL):
            self.now += 1.0
            self._accept()

    @property
    def at(self) -> Moment:
        """Now, by both clocks."""
        return Moment(1_700_000_000.0 + self.now, 1_000.0 + self.now)

    def _facts(self) -> PlanFacts:
        self.number += 1
        fields = MIXES[self.mix][0](self.chance, self.number)
        project = f"/p{self.chance.randrange(PROJECTS)}"
        return PlanFacts(PlanId(f"p{self.number}"), self.number, self.at.wall, project, **fields)

    def _accept(self) -> None:
        self._take(self.engine.handle(PlanAccepted(self.at, self._facts())))

    def _take(self, commands: list[Any]) -> None:
        self.running += [one.plan for one in commands if isinstance(one, Prepare)]

    def decide(self) -> None:
        """Let one plan end, and measure how long it takes to decide who is next."""
        self.now += TURN_SECONDS
        plan = self.running.pop(0)
        self._take(self.engine.handle(WorkspaceMade(self.at, plan)))
        self._take(self.engine.handle(RunEnded(self.at, plan, WELL)))
        event = EvidenceGathered(self.at, plan, changed=True)
        began = time.perf_counter()
        commands = self.engine.handle(event)
        self.seconds.append(time.perf_counter() - began)
        self._take(commands)
        self._take(self.engine.handle(PlanPublished(self.at, plan, Status.SUCCEEDED)))
        self._accept()


@dataclass(frozen=True, slots=True)
class Row:
    """Medians of one mix, in seconds, by how many plans wait."""

    mix: str
    medians: dict[int, float]

    @property
    def ratio(self) -> float:
        """The most against the fewest."""
        return self.medians[max(self.medians)] / self.medians[min(self.medians)]


def measure(decisions: int = DECISIONS, sizes: tuple[int, ...] = SIZES) -> Iterator[Row]:
    """Measure every mix."""
    for mix in MIXES:
        benches = [Bench(size, mix, random.Random(size)) for size in sizes]
        gc.collect()
        gc.freeze()
        for number in range(decisions):
            for bench in benches:
                bench.decide()
                if number < decisions // 10:
                    bench.seconds.clear()
        gc.unfreeze()
        yield Row(mix, {bench.size: statistics.median(bench.seconds) for bench in benches})


def show(chart: str | None) -> bool:
    """Measure, print a table, draw a chart if one is wanted. False: a ratio is too high."""
    rows = []
    print(f"{'microseconds a decision':24}" + "".join(f"{size:>10,}" for size in SIZES) + "     ratio")
    for row in measure():
        rows.append(row)
        figures = "".join(f"{row.medians[size] * 1e6:>10.1f}" for size in SIZES)
        print(f"{row.mix:24}{figures}{row.ratio:>10.2f}", flush=True)
    if chart is not None:
        Path(chart).write_text(draw([Curve(row.mix, row.medians) for row in rows]), "utf-8")
    return all(row.ratio <= MOST_RATIO for row in rows)
