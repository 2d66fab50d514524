"""What comes in from the lanes, turn by turn: orders, answers, plans. A disk that refuses puts it off; nothing is lost.

Whoever cancels the run that fills the disk is heard all the same: orders may spend of the reserve.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from handoff.effects import clock
from handoff.reserve import NO_SPACE, Reserve
from handoff.root import PlanId, Root
from orchestrd.core.events import Event, Moment
from orchestrd.daemon.errands import AGAIN_SECONDS
from orchestrd.daemon.machine import ROOT
from orchestrd.daemon.troubles import Trouble, Troubles
from orchestrd.inbound.doorway import Doorway
from orchestrd.inbound.orders import Orders
from orchestrd.inbound.reception import Reception

DISK = "disk"


class Entrance:
    """Lets plans and orders in. Lives in the loop's thread.

    `decide` hands events to the engine; `look_at_machine` tells what has changed about the machine, before each look
    into the lanes; `takes_plans` says whether plans are taken now.
    """

    def __init__(  # noqa: PLR0913 - what it brings together
        self,
        root: Root,
        doorway: Doorway,
        reception: Reception,
        orders: Orders,
        reserve: Reserve,
        troubles: Troubles,
        *,
        decide: Callable[[Iterable[Event]], None],
        look_at_machine: Callable[[Moment], list[Event]],
        takes_plans: Callable[[], bool],
    ) -> None:
        self._root = root
        self._doorway = doorway
        self._reception = reception
        self._orders = orders
        self._reserve = reserve
        self._troubles = troubles
        self._decide = decide
        self._look_at_machine = look_at_machine
        self._takes_plans = takes_plans
        self._not_before = 0.0
        """Boot seconds: nothing is taken in before, for the disk refused it."""
        self._orders_left = True
        """Orders that a daemon before us, or a refusing disk, left unfinished are to be looked for."""

    def next_look(self, at: Moment, settle_seconds: float) -> float:
        """Seconds until there is something to do here even if nothing rings."""
        lanes = self._doorway.next_look(at)
        if self._reception.is_behind:
            lanes = 0.0
        elif self._reception.unread:
            lanes = min(lanes, settle_seconds)
        return max(lanes, self._not_before - at.boot)

    def turn(self, at: Moment) -> None:
        """Let in what lies in the lanes. Where the disk refuses, it is told, and tried again later. Raises nothing."""
        if at.boot < self._not_before:
            return
        try:
            try:
                self._look_into_lanes(at)
            except OSError as error:
                if error.errno not in NO_SPACE:
                    raise
                self._reserve.spend(lambda: self._take_in_orders(at))
                raise
        except OSError as error:
            self._not_before = at.boot + AGAIN_SECONDS
            message = f"{error.filename or self._root.path}: {error.strerror or error}; no plan is taken"
            remedy = f"free space, or repair the disk; it is tried again every {AGAIN_SECONDS:g} s"
            self._troubles.raise_(Trouble(DISK, message, remedy))
            # What orders said before the disk refused holds.
            self._decide(self._orders.told())

    def settled(self, plan: PlanId) -> None:
        """A plan is settled: an order, or an answer, may have waited for that."""
        self._orders_left = self._orders_left or self._orders.waits_for(plan)
        self._doorway.settled(plan)

    def _look_into_lanes(self, at: Moment) -> None:
        looked = self._doorway.is_due(at)
        if looked:
            self._decide(self._look_at_machine(at))
        self._take_in_orders(at)
        self._doorway.take_replies(at)
        if looked:
            told = {one.remedy for one in self._troubles if one.word == ROOT}
            # A lane that others can write to is what is wrong with the root, too.
            lanes = [one for one in self._doorway.problems if one.remedy not in told]
            self._troubles.settle("lanes", [Trouble(one.word, one.message, one.remedy) for one in lanes])
        if not self._takes_plans():
            self._doorway.leave_plans()
        self._decide(self._doorway.take_plans(_now()))
        if self._reception.unread:
            self._decide(self._reception.look(_now()))
        if looked:
            # Only what was tried can be over: a turn that found nothing to do says nothing about the disk.
            self._troubles.clear(DISK)

    def _take_in_orders(self, at: Moment) -> None:
        """Look at the lanes, if it is time to; carry out orders, those first that were left. Repeatable."""
        try:
            if self._orders_left:
                self._orders.take_up(at)
                self._orders_left = False
                self._decide(self._orders.told())
            if self._doorway.is_due(at):
                self._doorway.look(at)
            else:
                self._doorway.take_orders(at)
            self._decide(self._orders.told())
        except OSError:
            self._orders_left = True
            raise


def _now() -> Moment:
    return Moment(clock.wall(), clock.boot())
