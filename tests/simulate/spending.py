"""What has been spent in the simulated world: as the daemons were told, and as their journals say it."""

from __future__ import annotations

from collections import Counter, defaultdict

from handoff.root import PlanId
from orchestrd.core.budget import DAY_SECONDS
from orchestrd.core.money import micros
from tests.simulate.fates import REPLY_USD
from tests.simulate.kept import Kept
from tests.simulate.script import Script
from tests.simulate.violation import Violation

_MARGIN = 10


class Spending:
    """Sums of money, in micro-dollars, and the caps that hold for them."""

    def __init__(self, script: Script, kept: dict[PlanId, Kept]) -> None:
        self._script = script
        self._kept = kept
        self._told: defaultdict[int, Counter[str]] = defaultdict(Counter)
        self._told_of_run: dict[tuple[PlanId, str, int], int] = {}
        self.most_handed = 0
        """How many runs were at work at a time, where that may be more than there are slots: some ask."""
        self._is_blurred = False
        """A daemon was started on a later day: what runs had told before midnight, it books on its own."""
        self._known_since = 0
        """The day on which this daemon was started: of those before, to which clocks are set back, it knows nothing."""

    def tell(self, plan: PlanId, step: str, number: int, cost_usd: float, wall: float) -> None:
        """A daemon is told what a run has cost so far, all in all."""
        key = plan, step, number
        more = micros(cost_usd) - self._told_of_run.get(key, 0)
        if more <= 0:
            return
        self._told_of_run[key] = micros(cost_usd)
        facts = self._kept[plan].facts
        assert facts is not None
        number = int(wall // DAY_SECONDS)
        day = self._told[number]
        day[facts.project] += more
        day[""] += more
        # A run that waited for a person over midnight spends on the day to which a clock is set back after it.
        is_known = number >= self._known_since and not (self._script.asks and self._script.is_clock_set)
        if is_known:
            self._hold_caps(day, facts.project)

    def _hold_caps(self, day: Counter[str], project: str) -> None:
        over = micros(REPLY_USD) * max(self._script.max_parallel, self.most_handed) + _MARGIN
        for cap, name in ((self._script.per_day_usd, ""), (self._script.per_project_usd, project)):
            if cap is not None and day[name] > micros(cap) + over:
                what = f"a cap is passed by more than a reply of each run: {day[name]} of {micros(cap)}"
                raise Violation(name or "day", what)

    def hold_plan(self, kept: Kept) -> None:
        """A plan's own money is passed by no more than a reply of each of its runs that were alive at one time."""
        facts = kept.facts
        if facts is None or facts.max_usd is None:
            return
        spent = sum(self._told_of_run.get((kept.plan, *name), 0) for name in kept.runs)
        if spent > micros(facts.max_usd) + micros(REPLY_USD) * kept.most_handed + _MARGIN:
            what = f"its money is passed by more than a reply of each run: {spent} of {facts.max_usd}"
            raise Violation(kept.plan, what)

    def hold_books(self, booked_usd: float, wall: float) -> None:
        """What the engine has booked today is what it was told; after a kill at most, for runs have yet to tell it."""
        told = self._told[int(wall // DAY_SECONDS)][""]
        less = told - micros(booked_usd)
        if self._script.has_kills:
            less = min(less, 0)
        if abs(less) > _MARGIN and not self._is_blurred:
            raise Violation("day", f"its books are wrong: {micros(booked_usd)} instead of {told}")

    def journals_tell(self, wall: float) -> dict[str, float]:
        """What the runs that are over have cost today, by project: as `record/spending.py` finds it."""
        found: Counter[str] = Counter()
        for kept in self._kept.values():
            if kept.facts is None:
                continue
            for record in kept.records:
                if record["event"] != "run-ended":
                    continue
                cost, time = record.get("cost_usd") or 0.0, record["time"]
                self.tell(kept.plan, record["step"], record["n"], cost, time)
                if time // DAY_SECONDS == wall // DAY_SECONDS:
                    found[kept.facts.project] += micros(cost)
        today = self._known_since = int(wall // DAY_SECONDS)
        self._is_blurred |= any(day[""] and number != today for number, day in self._told.items())
        return {project: amount / 1_000_000 for project, amount in found.items()}
