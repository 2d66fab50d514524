"""Who is next among the steps that are ready: priority, then projects take turns, within one by arrival.

Waiting adds 1 to a plan's priority per 10 minutes (PROTOCOL, section 4), so nothing starves. Steps are kept in
*lines*: one a project, kind of workspace and priority, each in order of arrival. Only the head of a line can be
next, so a choice looks at the heads and costs nothing for the thousands behind them.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

from handoff.root import PlanId
from orchestrd.core.facts import MAIN, PlanFacts

SECONDS_PER_POINT = 600.0
"""How long a plan waits for one more point of priority."""


class Line(NamedTuple):
    """The steps behind one another, of which all may start if the first may."""

    project: str
    in_place: bool
    priority: int
    is_begun: bool = False
    """Their plans hold their places already."""
    is_command: bool = False
    """No model is asked."""
    touches: tuple[str, ...] = ()
    max_usd: float | None = None


class Entry(NamedTuple):
    """A step that is ready, in the order of arrival: of its plan, and in it."""

    arrival: int
    accepted: float
    plan: PlanId
    rank: int
    step: str


MayStart = Callable[[Line, Entry], bool]
"""Whether the head of a line may start now."""


@dataclass(slots=True)
class Queue:
    """The ready steps. `put`, `discard` and `choose` cost the logarithm of a line's length."""

    _lines: dict[Line, list[Entry]] = field(default_factory=dict)
    _line_of: dict[tuple[PlanId, str], Line] = field(default_factory=dict)
    _turns: dict[str, int] = field(default_factory=dict)
    _turn: int = 0

    def __len__(self) -> int:
        return len(self._line_of)

    def __contains__(self, one: tuple[PlanId, str]) -> bool:
        return one in self._line_of

    def put(
        self,
        facts: PlanFacts,
        step: str = MAIN,
        *,
        rank: int = 0,
        is_begun: bool = False,
        is_command: bool = False,
    ) -> None:
        """Add a step at its place in the order of arrival; `rank` is its place in its plan."""
        line = Line(facts.project, facts.in_place, facts.priority, is_begun, is_command)
        if not is_begun:
            line = line._replace(touches=facts.touches, max_usd=facts.max_usd)
        self._line_of[facts.plan, step] = line
        entry = Entry(facts.arrival, facts.accepted, facts.plan, rank, step)
        heapq.heappush(self._lines.setdefault(line, []), entry)

    def discard(self, plan: PlanId, step: str = MAIN) -> None:
        """Take a step out, wherever it stands; nothing happens if it is not there."""
        self._line_of.pop((plan, step), None)

    def choose(
        self, now: float, may_start: MayStart = lambda _line, _entry: True
    ) -> tuple[PlanId, str] | None:
        """Take out and return the step that is next among those whose line may start, or None."""
        best: tuple[tuple[int, int, int], Line, Entry] | None = None
        for line in list(self._lines):
            head = self._head(line)
            if head is None or not may_start(line, head):
                continue
            points = line.priority + int(max(0.0, now - head.accepted) // SECONDS_PER_POINT)
            rank = (-points, self._turns.get(line.project, 0), head.arrival)
            if best is None or rank < best[0]:
                best = (rank, line, head)
        if best is None:
            return None
        _, line, head = best
        heapq.heappop(self._lines[line])
        del self._line_of[head.plan, head.step]
        self._turn += 1
        self._turns[line.project] = self._turn
        return head.plan, head.step

    def _head(self, line: Line) -> Entry | None:
        """The first step of a line that is still wanted; discarded ones are dropped here, a line without any too."""
        entries = self._lines[line]
        while entries and self._line_of.get((entries[0].plan, entries[0].step)) != line:
            heapq.heappop(entries)
        if entries:
            return entries[0]
        del self._lines[line]
        return None
