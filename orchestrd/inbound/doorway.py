"""Where what lies in the lanes comes in: plans to reception, orders and answers to their offices.

A burst comes in by portions, so that the loop never stays here for long.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from handoff.effects import clock
from handoff.root import PlanId
from orchestrd.core.events import Event, Moment
from orchestrd.inbound.lanes import Lane, LaneFile, LaneFindings, LaneProblem, Lanes
from orchestrd.inbound.orders import Orders
from orchestrd.inbound.reception import MOST_AT_ONCE, PORTION_SECONDS, Newcomer, Reception
from orchestrd.inbound.replies import Replies, plan_of

BURST_SECONDS = 1.0
"""While a burst comes in, the lanes are looked at so often at most: each look goes through all that lies there."""
LOOKS_SHARE = 4.0
"""And between two looks so many times as long as one took: with 50,000 files that is seconds, for 256 taken a turn."""
MOST_SECONDS = 5.0
"""Orders wait no longer for that."""

STAY_SECONDS = 30.0
"""A file that cannot be moved, and does not change, is tried again so much later."""

Found = tuple[LaneFile, str | None]
"""A file, and why it must not be opened."""


@dataclass(frozen=True, slots=True)
class _Stays:
    """A file that cannot be moved out of its lane."""

    file: LaneFile
    why: str
    until: float


class Doorway:
    """What was seen in the lanes and has not been dealt with. Lives in the loop's thread."""

    def __init__(self, lanes: Lanes, reception: Reception, orders: Orders, replies: Replies) -> None:
        self._lanes = lanes
        self._reception = reception
        self._orders = orders
        self._replies = replies
        self._plans: deque[Found] = deque()
        self._waiting_replies: deque[Found] = deque()
        self._waiting_orders: deque[LaneFile] = deque()
        self._stay: dict[tuple[Lane, str], _Stays] = {}
        self._next_scan = 0.0
        self._rests_until = float("-inf")
        self._woken = True
        self.ignored: tuple[tuple[str, str], ...] = ()
        """Files that are left where they lie, and why."""
        self.problems: tuple[LaneProblem, ...] = ()

    def wake(self) -> None:
        """Something may have come: look at the next turn."""
        self._woken = True

    def next_look(self, at: Moment) -> float:
        """Seconds until there is something to do here unless woken."""
        if self._is_behind or self._woken:
            return 0.0
        return max(0.0, self._next_scan - at.boot)

    def is_due(self, at: Moment) -> bool:
        """Whether the lanes are to be looked at now."""
        if self._is_behind and at.boot < self._rests_until:
            return False
        return self._woken or at.boot >= self._next_scan

    @property
    def _is_behind(self) -> bool:
        return bool(self._plans or self._waiting_orders or self._waiting_replies)

    def look(self, at: Moment) -> None:
        """Look at the lanes; take in the orders that lie there. What else lies there is remembered."""
        self._woken = False
        found = self._lanes.scan(at.boot)
        looked = clock.boot()
        rest = LOOKS_SHARE * (looked - at.boot)
        self._rests_until = looked + min(MOST_SECONDS, max(BURST_SECONDS, rest))
        self._next_scan = found.next_look
        self.problems = tuple(found.problems)
        here = {(file.lane, file.name) for file in (*found.ready, *(file for file, _ in found.bad))}
        self._stay = {name: one for name, one in self._stay.items() if at.boot < one.until and name in here}
        self._plans = deque(one for one in _in_order(found, Lane.INBOX) if not self._stays(one[0]))
        self._waiting_orders = deque(
            file for file, _ in _in_order(found, Lane.CONTROL) if not self._stays(file)
        )
        self._waiting_replies = deque(
            one for one in _in_order(found, Lane.REPLIES) if not self._stays(one[0])
        )
        ignored = [*found.ignored, *((one.file, f"the file {one.why}") for one in self._stay.values())]
        self.ignored = tuple((file.shown, why) for file, why in ignored)
        self.take_orders(at)

    def take_orders(self, at: Moment) -> None:
        """Take the next portion of the orders that lie there, and carry them out."""
        until = clock.awake() + PORTION_SECONDS
        while self._waiting_orders and clock.awake() < until:
            file = self._waiting_orders.popleft()
            if self._is_done(file, self._orders.is_worth_taking):
                why = self._orders.take(file, at)
                if why is not None:
                    self._leave(file, why, at)

    def take_replies(self, at: Moment) -> None:
        """Deal with the next portion of the answers that lie there."""
        self._replies.take_up()
        until = clock.awake() + PORTION_SECONDS
        left = []
        try:
            while self._waiting_replies and clock.awake() < until:
                file, why = self._waiting_replies.popleft()
                if why is None and not self._is_done(file, self._replies.is_worth_taking):
                    continue
                stays = self._replies.take(file)
                if stays is not None:
                    self._stay[file.lane, file.name] = _Stays(file, stays, at.boot + STAY_SECONDS)
                    left.append((file.shown, f"the file {stays}"))
        finally:
            self.ignored = (*self.ignored, *left)

    def settled(self, plan: PlanId) -> None:
        """Something is over that an answer may have waited for: its plan was settled, or one before it dealt with."""
        waiting = [key for key in self._stay if key[0] is Lane.REPLIES and plan_of(key[1]) == plan]
        for key in waiting:
            del self._stay[key]
        if waiting:
            self.wake()

    def take_plans(self, at: Moment) -> list[Event]:
        """Take the next portion of the plans that lie in the inbox."""
        newcomers: list[Newcomer] = []
        files: dict[str, LaneFile] = {}
        until = clock.awake() + PORTION_SECONDS
        while self._plans and len(newcomers) < MOST_AT_ONCE and clock.awake() < until:
            file, why = self._plans.popleft()
            if why is not None or self._is_done(file, self._reception.is_worth_taking):
                newcomers.append(Newcomer(file.name, file.seen.size, why))
                files[file.name] = file
        events = self._reception.take(newcomers, at) if newcomers else []
        for name, why_not in self._reception.stay.items() if newcomers else ():
            self._leave(files[name], why_not, at)
        return events

    def _leave(self, file: LaneFile, why: str, at: Moment) -> None:
        """Let a file lie that cannot be moved, until it changes or some time has passed; and show it."""
        self._stay[file.lane, file.name] = _Stays(file, why, at.boot + STAY_SECONDS)
        self.ignored = (*self.ignored, (file.shown, f"the file {why}"))

    def _stays(self, file: LaneFile) -> bool:
        left = self._stay.get((file.lane, file.name))
        if left is not None and left.file.seen != file.seen:
            del self._stay[file.lane, file.name]
            return False
        return left is not None

    def leave_plans(self) -> None:
        """Plans are not taken now (a drain, no space): what lies in the inbox stays there."""
        self._plans.clear()

    def _is_done(self, file: LaneFile, is_valid: Callable[[LaneFile], bool]) -> bool:
        """Whether to take a file now. What is not valid yet, and came without a rename, is given its patience."""
        if file.final or is_valid(file):
            return True
        self._lanes.hold(file)
        return False


def _in_order(found: LaneFindings, lane: Lane) -> list[Found]:
    """What of a lane is to be taken, by modification time, then name."""
    here: list[Found] = [(file, None) for file in found.ready if file.lane is lane]
    here += [(file, why) for file, why in found.bad if file.lane is lane]
    return sorted(here, key=lambda one: (one[0].seen.mtime_ns, one[0].name))
