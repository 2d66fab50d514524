"""What a daemon finds when it starts: plans taken up, left alone, or asked for again where the disk gave nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from handoff.root import PlanId
from orchestrd.core.events import Event, Moment
from orchestrd.daemon.errands import AGAIN_SECONDS
from orchestrd.daemon.hands import Hands
from orchestrd.daemon.recovering import Recovered
from orchestrd.daemon.troubles import Trouble, Troubles
from orchestrd.runs.followed import Followed

LEFT_ALONE = (
    "the plan is left alone: bring its journal back from a backup and restart the daemon. Without one: end what "
    "`orchestrd verify` shows of its runs, move its folder out of active/, and hand the plan in anew"
)


class FoundPlans:
    """Tells the engine of them and has their runs followed. For the loop's thread.

    `recover` looks at `active/`; given what was found before, at those that could not be read then. Raises OSError.
    """

    def __init__(
        self,
        recover: Callable[[Moment, Recovered | None], Recovered],
        followed: Followed,
        hands: Hands,
        troubles: Troubles,
        decide: Callable[[Iterable[Event]], None],
    ) -> None:
        self._recover = recover
        self._followed = followed
        self._hands = hands
        self._troubles = troubles
        self._decide = decide
        self._left_alone: list[Trouble] = []
        self._unknown: set[PlanId] = set()
        """Their plans."""
        self._unread: Recovered | None = None
        """With plans whose journals the disk did not give; they are asked for again at `_due` (boot seconds)."""
        self._due = 0.0

    def look(self, at: Moment) -> Recovered:
        """Find what there is. Nothing is told of it yet."""
        return self._recover(at, None)

    def take_up(self, found: Recovered, at: Moment, events: Sequence[Event] = ()) -> None:
        """Tell the engine what was found, after `events`, and have runs followed."""
        self._left_alone += [Trouble("journal-damaged", problem, LEFT_ALONE) for problem in found.damaged]
        self._troubles.settle("left alone", self._left_alone)
        for plan, problem in found.unread.items():
            remedy = f"repair the disk; it is tried again every {AGAIN_SECONDS:g} s"
            self._troubles.raise_(Trouble(f"plan-{plan}", f"{plan}: {problem}", remedy))
        self._unknown |= set(found.left_alone)
        self._followed.left_alone = frozenset({*self._unknown, *found.unread})
        self._unread = found if found.unread else None
        self._due = at.boot + AGAIN_SECONDS
        self._hands.ending_is_noted(frozenset(found.settling))
        self._decide([*events, *found.events])
        for key, told in found.in_hand:
            self._followed.expect(key, told.starts)
            self._hands.adopt(key, told)

    def next_look(self, at: Moment) -> float | None:
        """Seconds until plans that the disk did not give are asked for again; None: there are none."""
        return max(0.0, self._due - at.boot) if self._unread else None

    def turn(self, at: Moment) -> None:
        """Go on with plans that the disk did not give when this daemon started."""
        before = self._unread
        if before is None or at.boot < self._due:
            return
        self._due = at.boot + AGAIN_SECONDS
        try:
            found = self._recover(at, before)
        except OSError:
            return  # what is wrong was told
        for plan in before.unread:
            if plan not in found.unread:
                self._troubles.clear(f"plan-{plan}")
        self.take_up(found, at)
