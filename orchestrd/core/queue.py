"""Who is next among the steps that are ready: priority, projects of equal priority in turns, within one by arrival.

Theory of operation
-------------------
Waiting adds 1 to a plan's points per 10 minutes (PROTOCOL, section 4), so nothing starves. It is counted by the marks
of ten minutes that pass while it waits, the same for all. So of two that wait one is before the other for as long as
they do, and what is in order stays so, however time passes.

Whoever has the most points decides which *priority* has its turn. Among the projects that have plans of that priority
the turn goes round, however long each has waited: a hundred plans of one that came first do not keep another's waiting.

Steps are kept in *lines*, behind one another those of which all may start if the first may; lines in *places*, which
are free or taken for all of theirs alike; places in *shares*, each of a project at a priority. Each knows the best of
what it holds, so a choice looks at the best of all, and not at those behind it.

What may not start is put aside under what *hinders* it, a place as a whole if that is taken. There it costs nothing,
until it is told that this is over (`over`). Who asks for a choice must tell that, or they stay there.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import NamedTuple

from handoff.root import PlanId
from orchestrd.core.facts import MAIN, PlanFacts
from orchestrd.core.ranking import Ranking

SECONDS_PER_POINT = 600
"""From one mark to the next: how long a plan waits for one more point of priority."""


class Place(NamedTuple):
    """Where those work of which all are kept from starting by the same plans at work."""

    project: str
    in_place: bool
    touches: tuple[str, ...]
    priority: int
    begun: PlanId | None = None
    """A plan that holds its place already has its lines to itself."""


class Line(NamedTuple):
    """The steps behind one another, of which all may start if the first may."""

    place: Place
    is_command: bool = False
    """No model is asked."""
    max_usd: float | None = None

    @property
    def priority(self) -> int:
        """As the plan says it; what waiting has added is not in it."""
        return self.place.priority


class Entry(NamedTuple):
    """A step that is ready, in the order of arrival: of its plan, and in it."""

    arrival: int
    rank: int
    plan: PlanId
    step: str
    points: int
    """More than others' where its plan comes before theirs, now and for ever, but for the turns of projects."""


class Hindrance(NamedTuple):
    """Why a line may not start."""

    by: Hashable
    """What has to be over before it may."""
    is_of_place: bool = False
    """It holds for all lines of the place."""


ASK_ANEW = Hindrance("asked anew")
"""The answer where to ask has changed what hinders others: there is no choice before that is told (`over`)."""

Hinders = Callable[[Line], Hindrance | None]
"""What keeps a line from starting now; None: nothing."""


class _Owner(NamedTuple):
    """Whose a share is."""

    priority: int
    project: str


@dataclass(slots=True)
class _Share:
    turn: int = 0
    """When it had its last one."""
    places: Ranking[Place] = field(default_factory=Ranking)


@dataclass(slots=True)
class _Aside:
    """What one thing hinders."""

    places: set[Place] = field(default_factory=set)
    lines: set[Line] = field(default_factory=set)


class Queue:
    """The ready steps. `put`, `discard` and `choose` cost the logarithm of how many there are."""

    def __init__(self) -> None:
        self._line_of: dict[tuple[PlanId, str], Line] = {}
        self._lines: dict[Line, list[tuple[int, Entry]]] = {}
        self._in_place: dict[Place, Ranking[Line]] = {}
        """The lines of each that may start as far as is known."""
        self._shares: dict[_Owner, _Share] = {}
        self._by_points: Ranking[_Owner] = Ranking()
        """The shares of which something may."""
        self._by_turn: dict[int, Ranking[_Owner]] = {}
        """The same, by priority."""
        self._aside: dict[Hashable, _Aside] = {}
        self._hindered: dict[Place | Line, Hashable] = {}
        self._turn = 0

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
        if is_begun:
            place = Place(facts.project, facts.in_place, (), facts.priority, facts.plan)
        else:
            place = Place(facts.project, facts.in_place, facts.touches, facts.priority)
        line = Line(place, is_command, facts.max_usd)
        points = facts.priority - int(facts.accepted // SECONDS_PER_POINT)
        self._line_of[facts.plan, step] = line
        entry = Entry(facts.arrival, rank, facts.plan, step, points)
        heapq.heappush(self._lines.setdefault(line, []), (-points, entry))
        self._rank(line)

    def discard(self, plan: PlanId, step: str = MAIN) -> None:
        """Take a step out, wherever it stands; nothing happens if it is not there."""
        line = self._line_of.pop((plan, step), None)
        if line is not None:
            self._rank(line)

    def choose(
        self, hinders: Hinders = lambda _line: None, holds: Hinders = lambda _line: None
    ) -> tuple[PlanId, str] | None:
        """Take out and return the step that is next among those that nothing hinders, or None.

        `hinders` is also asked of lines whose turn it is not; `holds` is asked last, and only of the one that is to be
        taken: it may hold for it what it needs. Once one of them answers `ASK_ANEW` nobody is asked any more or put
        aside, and the choice is None.
        """
        while (best := self._by_points.first()) is not None:
            # Only one that may start gives its priority the turn; and then somebody of that priority may.
            owner = best[0]
            line = self._first_of(owner)
            hindrance = hinders(line)
            if hindrance is None:
                owner = self._by_turn[owner.priority].best()
                line = self._first_of(owner)
                hindrance = hinders(line) or holds(line)
            if hindrance is ASK_ANEW:
                return None
            if hindrance is not None:
                self._put_aside(line, hindrance)
                continue
            _, entry = heapq.heappop(self._lines[line])
            del self._line_of[entry.plan, entry.step]
            self._turn += 1
            self._shares[owner].turn = self._turn
            self._rank(line)
            return entry.plan, entry.step
        return None

    def _first_of(self, owner: _Owner) -> Line:
        """The line of a share whose turn it is."""
        return self._in_place[self._shares[owner].places.best()].best()

    def over(self, by: Hashable) -> None:
        """Something hinders nobody any more: those that were put aside for it may be chosen again."""
        aside = self._aside.pop(by, None)
        if aside is None:
            return
        for place in aside.places:
            del self._hindered[place]
            self._rank_place(place)
        for line in aside.lines:
            del self._hindered[line]
            self._rank(line)

    # -- the order ------------------------------------------------------------------------------------------------

    def _rank(self, line: Line) -> None:
        """A line's first step may be another one: find its place in the order, and that of those that hold it."""
        entries = self._lines[line]
        while entries and self._line_of.get((entries[0][1].plan, entries[0][1].step)) != line:
            heapq.heappop(entries)
        lines = self._in_place.setdefault(line.place, Ranking())
        if not entries:
            del self._lines[line]
            self._forget(line)
            lines.drop(line)
        elif line not in self._hindered:
            entry = entries[0][1]
            lines.set(line, (-entry.points, entry.arrival, entry.rank))
        self._rank_place(line.place)

    def _rank_place(self, place: Place) -> None:
        share = self._share_of(place)
        best = self._in_place[place].first()
        if best is None:
            share.places.drop(place)
            if place not in self._hindered:
                del self._in_place[place]
        elif place not in self._hindered:
            share.places.set(place, best[1])
        self._rank_share(place)

    def _share_of(self, place: Place) -> _Share:
        return self._shares.setdefault(_Owner(place.priority, place.project), _Share())

    def _rank_share(self, place: Place) -> None:
        owner, share = _Owner(place.priority, place.project), self._share_of(place)
        by_turn = self._by_turn.setdefault(owner.priority, Ranking())
        best = share.places.first()
        if best is None:
            self._by_points.drop(owner)
            by_turn.drop(owner)
        else:
            self._by_points.set(owner, best[1])
            by_turn.set(owner, (share.turn, *best[1]))

    # -- who is put aside -----------------------------------------------------------------------------------------

    def _put_aside(self, line: Line, hindrance: Hindrance) -> None:
        aside = self._aside.setdefault(hindrance.by, _Aside())
        if hindrance.is_of_place:
            aside.places.add(line.place)
            self._hindered[line.place] = hindrance.by
            self._share_of(line.place).places.drop(line.place)
            self._rank_share(line.place)
        else:
            aside.lines.add(line)
            self._hindered[line] = hindrance.by
            self._in_place[line.place].drop(line)
            self._rank_place(line.place)

    def _forget(self, line: Line) -> None:
        """A line is empty: nothing hinders it."""
        by = self._hindered.pop(line, None)
        if by is not None:
            self._aside[by].lines.discard(line)
