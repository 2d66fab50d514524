"""Who is next among the plans that are ready: priority, then projects take turns, within one by arrival.

Waiting adds 1 to a plan's priority per 10 minutes (PROTOCOL, section 4), so nothing starves. Plans are kept in
*lines*: one a project, kind of workspace and priority, each in order of arrival. Only the head of a line can be
next, so a choice looks at the heads and costs nothing for the thousands behind them.
"""

from __future__ import annotations

import heapq
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from typing import NamedTuple

from handoff.root import PlanId
from orchestrd.core.events import PlanFacts

SECONDS_PER_POINT = 600.0
"""How long a plan waits for one more point of priority."""


class Line(NamedTuple):
    """The plans behind one another: same project, same kind of workspace, same priority."""

    project: str
    in_place: bool
    priority: int


@dataclass(slots=True)
class Queue:
    """The ready plans. `put`, `discard` and `choose` cost the logarithm of a line's length."""

    _lines: dict[Line, list[tuple[int, float, PlanId]]] = field(default_factory=dict)
    _line_of: dict[PlanId, Line] = field(default_factory=dict)
    _turns: dict[str, int] = field(default_factory=dict)
    _turn: int = 0

    def __len__(self) -> int:
        return len(self._line_of)

    def __contains__(self, plan: PlanId) -> bool:
        return plan in self._line_of

    def put(self, facts: PlanFacts) -> None:
        """Add a plan at its place in the order of arrival."""
        line = Line(facts.project, facts.in_place, facts.priority)
        self._line_of[facts.plan] = line
        heapq.heappush(self._lines.setdefault(line, []), (facts.arrival, facts.accepted, facts.plan))

    def discard(self, plan: PlanId) -> None:
        """Take a plan out, wherever it stands; nothing happens if it is not there."""
        self._line_of.pop(plan, None)

    def choose(self, now: float, busy: AbstractSet[str]) -> PlanId | None:
        """Take out and return the plan that is next, or None.

        `busy` are the projects in which a plan works in place: a further plan in place there is passed over.
        """
        best: tuple[tuple[int, int, int], Line, PlanId] | None = None
        for line in list(self._lines):
            if line.in_place and line.project in busy:
                continue
            head = self._head(line)
            if head is None:
                continue
            arrival, accepted, plan = head
            points = line.priority + int(max(0.0, now - accepted) // SECONDS_PER_POINT)
            rank = (-points, self._turns.get(line.project, 0), arrival)
            if best is None or rank < best[0]:
                best = (rank, line, plan)
        if best is None:
            return None
        _, line, plan = best
        heapq.heappop(self._lines[line])
        del self._line_of[plan]
        self._turn += 1
        self._turns[line.project] = self._turn
        return plan

    def _head(self, line: Line) -> tuple[int, float, PlanId] | None:
        """The first plan of a line that is still wanted; discarded ones are dropped here, a line without any too."""
        entries = self._lines[line]
        while entries and self._line_of.get(entries[0][2]) != line:
            heapq.heappop(entries)
        if entries:
            return entries[0]
        del self._lines[line]
        return None
