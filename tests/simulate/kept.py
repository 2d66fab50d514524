"""What is kept of one plan in the simulated world: its journal as the hands write it, its processes, its fate."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from handoff.result import Status
from handoff.root import PlanId
from orchestrd.core.facts import MAIN, PlanFacts, StepFacts, check_number
from orchestrd.core.history import facts_of
from tests.simulate.fates import Run
from tests.simulate.script import PlanScript

Record = dict[str, Any]


@dataclass(slots=True)
class Kept:
    """One plan from when it is taken."""

    script: PlanScript
    plan: PlanId
    accepted: float
    """Wall seconds."""
    chance: random.Random
    """Its own, so that what becomes of it depends little on the others."""
    records: list[Record] = field(default_factory=list)
    synced: int = 0
    """So many of them outlive a power cut."""
    facts: PlanFacts | None = None
    """None: it was refused."""
    runs: dict[tuple[str, int], Run] = field(default_factory=dict)
    status: Status | None = None
    """How it was published."""
    told: dict[tuple[str, int], float] = field(default_factory=dict)
    """What its runs have cost of whose ends a daemon was told."""
    handed: set[tuple[str, int]] = field(default_factory=set)
    """The starts of a model that were ordered, of whose ends no daemon was told yet."""
    most_handed: int = 0
    """How many that were at one time at most."""
    has_gaps: bool = False
    """A `run-again` could not be written."""
    has_lost: bool = False
    """A power cut has taken some of its journal."""

    def add(self, event: str, *, sync: bool = False, **fields: Any) -> Record:
        """Append a line to its journal."""
        record = {"seq": len(self.records) + 1, "event": event, **fields}
        self.records.append(record)
        if sync:
            self.synced = len(self.records)
        return record

    def accept(self, record: Record) -> PlanFacts:
        """Note that it is accepted, and how the engine sees it."""
        self.add("taken", arrival=self.script.number)
        self.add("accepted", sync=True, **record)
        self.facts = facts_of(self.plan, self.script.number, self.accepted, record)
        return self.facts

    def step(self, name: str) -> StepFacts:
        """The facts of a step, of one that another has returned, or of a check."""
        if check_number(name) is not None:
            return StepFacts(name, is_command=True)
        own = self.facts.steps if self.facts is not None else ()
        returned = (one for more in self.script.further.values() for one in more)
        return next(one for one in (*own, *returned) if one.step == name)

    def intended(self, step: str, number: int) -> Record | None:
        """Find what was written down of a start before it was made."""
        return next((one for one in self.of("run-intended", step) if one["n"] == number), None)

    def of(self, event: str, step: str = MAIN) -> Iterator[Record]:
        """Its records of a step, the latest first."""
        return (one for one in reversed(self.records) if one["event"] == event and one["step"] == step)

    def lose_what_was_not_synced(self) -> None:
        """The power is cut: some of the tail of its journal is gone."""
        kept = self.chance.randint(self.synced, len(self.records))
        self.has_lost |= kept < len(self.records)
        del self.records[kept:]
        self.synced = kept
