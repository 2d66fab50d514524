"""Where simulated plans work: in place never two, of overlapping touches never two, in one place one writer."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable

from handoff.root import PlanId
from orchestrd.core.facts import PlanFacts, check_number
from tests.simulate.kept import Kept
from tests.simulate.script import TOUCHES
from tests.simulate.violation import Violation


class Places:
    """The plans that hold a place: from their first slot until what they left is gathered."""

    def __init__(self, kept: dict[PlanId, Kept]) -> None:
        self._kept = kept
        self._in: defaultdict[str, dict[PlanId, PlanFacts]] = defaultdict(dict)

    def restart(self) -> None:
        """A new daemon: only those hold a place of which something was started."""
        self._in.clear()
        for plan, kept in self._kept.items():
            events = {one["event"] for one in kept.records}
            is_there = kept.status is None and kept.facts is not None and "settling" not in events
            if is_there and kept.facts is not None and "run-intended" in events:
                self._in[kept.facts.project][plan] = kept.facts

    def holds(self, plan: PlanId) -> bool:
        """Whether it does."""
        facts = self._kept[plan].facts
        return facts is not None and plan in self._in[facts.project]

    def in_the_way(self, facts: PlanFacts) -> PlanId | None:
        """Who keeps a plan from its place."""
        for plan, other in self._in[facts.project].items():
            shares = TOUCHES[facts.touches] & TOUCHES[other.touches]
            if plan != facts.plan and (shares or (facts.in_place and other.in_place)):
                return plan
        return None

    def enter(self, plan: PlanId, step: str) -> None:
        """One of its steps is given a slot."""
        facts = self._kept[plan].facts
        assert facts is not None, step
        if plan in self._in[facts.project]:
            return
        other = self.in_the_way(facts)
        if other is not None:
            raise Violation(plan, f"it begins where another one is at work: {other}")
        self._in[facts.project][plan] = facts

    def leave(self, plan: PlanId) -> None:
        """It is gathered, or settled."""
        facts = self._kept[plan].facts
        if facts is not None:
            self._in[facts.project].pop(plan, None)

    def write(self, plan: PlanId, step: str, is_open: Callable[[PlanId, str], bool]) -> None:
        """A step is started: in place no other one may write at the same time."""
        kept = self._kept[plan]
        facts = kept.facts
        if (
            facts is None
            or not facts.in_place
            or check_number(step) is not None
            or not kept.step(step).writes
        ):
            return
        returned = [one for more in kept.script.further.values() for one in more]
        for other in (*facts.steps, *returned):
            if other.step != step and other.writes and is_open(plan, other.step):
                raise Violation(plan, f"two steps write in one place: {step} and {other.step}")
