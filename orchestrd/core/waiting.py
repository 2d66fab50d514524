"""What plans wait for: other plans, dates, their steps' pauses before a further attempt; and whom what may free."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from handoff.result import Status
from handoff.root import PlanId
from orchestrd.core.events import Moment
from orchestrd.core.plan import PlanInHand
from orchestrd.core.plan_life import Life
from orchestrd.core.step import StepInHand, Wait


@dataclass(slots=True)
class Waiting:
    """Who waits for whom and until when. Each call costs the logarithm of the number of plans at most."""

    _dependents: dict[PlanId, set[PlanId]] = field(default_factory=dict)
    _dates: list[tuple[float, PlanId]] = field(default_factory=list)
    _pauses: list[tuple[float, PlanId]] = field(default_factory=list)

    def enter(self, plan: PlanInHand, settled: Mapping[PlanId, Status]) -> tuple[PlanId, Status] | None:
        """Note when a plan expires and the plans that it comes after, `settled` of which ended already.

        Return the first of those that did not succeed: then it will never run.
        """
        facts = plan.facts
        if facts.expires is not None:
            self.remind(plan, facts.expires)
        for dependency in facts.after:
            status = settled.get(dependency)
            if status is None:
                plan.awaited.add(dependency)
                self._dependents.setdefault(dependency, set()).add(facts.plan)
            elif status is not Status.SUCCEEDED:
                return dependency, status
        return None

    def circle(self, plan: PlanInHand, in_hand: Callable[[PlanId], PlanInHand | None]) -> list[PlanId]:
        """Return the plans of a circle that this one has closed: each comes after the next, the last after this one.

        Nothing where there is none. Whom nobody waits for closes none, so for most nothing is looked at.
        """
        name = plan.facts.plan
        # From both ends, a plan at a time: so it costs what the shorter one does, whatever chains are put together.
        ahead: dict[PlanId, PlanId] = dict.fromkeys(plan.awaited, name)
        behind: dict[PlanId, PlanId] = dict.fromkeys(self._dependents.get(name, ()), name)
        look_ahead, look_behind = list(ahead), list(behind)
        met = next((one for one in ahead if one in behind), None)
        while met is None and look_ahead and look_behind:
            one = look_ahead.pop()
            waiter = in_hand(one)
            awaited = waiter.awaited if waiter is not None and waiter.life is Life.WAITING else set()
            met = _reach(awaited, one, ahead, look_ahead, behind)
            if met is None:
                one = look_behind.pop()
                met = _reach(self._dependents.get(one, ()), one, behind, look_behind, ahead)
        return [] if met is None else [name, *reversed(_way(met, ahead, name)), *_way(met, behind, name)[1:]]

    def remind(self, plan: PlanInHand, date: float) -> None:
        """Have a plan looked at when that date (wall seconds) has come."""
        heapq.heappush(self._dates, (date, plan.facts.plan))

    def leave(self, plan: PlanInHand) -> None:
        """A plan waits for no other any more."""
        for dependency in plan.awaited:
            self._dependents.get(dependency, set()).discard(plan.facts.plan)

    def pause(self, plan: PlanInHand, step: StepInHand, seconds: float, at: Moment, word: str) -> None:
        """Keep a step from a further start for so long."""
        step.paused_until = at.boot + seconds
        step.wait = Wait(word, at.wall + seconds)
        heapq.heappush(self._pauses, (step.paused_until, plan.facts.plan))

    def freed_by(self, settled: PlanId) -> list[PlanId]:
        """Take out and return the plans that waited for this one."""
        return sorted(self._dependents.pop(settled, ()))

    def due(self, at: Moment) -> list[PlanId]:
        """Take out and return the plans for which a date or a pause is over."""
        names = []
        for timers, now in ((self._dates, at.wall), (self._pauses, at.boot)):
            while timers and timers[0][0] <= now:
                names.append(heapq.heappop(timers)[1])
        return names

    def next_look(self, at: Moment) -> float | None:
        """Seconds until somebody is due; None where nobody waits for a time."""
        waits = [self._dates[0][0] - at.wall] if self._dates else []
        if self._pauses:
            waits.append(self._pauses[0][0] - at.boot)
        return max(0.0, min(waits)) if waits else None


def _reach(
    found: Iterable[PlanId],
    of: PlanId,
    way: dict[PlanId, PlanId],
    todo: list[PlanId],
    others: Mapping[PlanId, PlanId],
) -> PlanId | None:
    """Note how these were come to; return one to which the search from the other end has come as well."""
    for one in found:
        if one not in way:
            way[one] = of
            todo.append(one)
            if one in others:
                return one
    return None


def _way(start: PlanId, way: Mapping[PlanId, PlanId], end: PlanId) -> list[PlanId]:
    """From one plan along the way to another, without that."""
    found = [start]
    while (following := way[found[-1]]) != end:
        found.append(following)
    return found


def what_it_waits_for(plan: PlanInHand, at: Moment) -> Wait | None:
    """What keeps a plan from being ready; None: nothing."""
    facts = plan.facts
    if plan.awaited:
        return Wait("plans", facts.expires)
    if facts.not_before is not None and facts.not_before > at.wall:
        return Wait("time", facts.not_before)
    return None
