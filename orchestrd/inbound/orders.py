"""Orders: cancel, retry, pause, resume, drain (PROTOCOL, section 7).

An order is taken by a rename to `.orchestrd/orders/N`, carried out, written down in `archive/orders.jsonl`, and only
then removed. Cut off anywhere it is carried out again, and finds by N what it had done.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from handoff import durable
from handoff.formats import DocumentError, Format, read_document
from handoff.order import Action, Order, Outcome
from handoff.root import PlanId, Root, kind_of, plan_id_of
from handoff.settling import BadFile, StillWritten, read_settled, shown
from orchestrd.core.events import CancelAsked, DrainAsked, Event, LookAgain, Moment, PauseAsked, ResumeAsked
from orchestrd.core.plan import PlanInHand
from orchestrd.core.plan_life import State
from orchestrd.inbound.again import NeverRead, accept_again
from orchestrd.inbound.lanes import LaneFile
from orchestrd.inbound.reception import Newcomer, Reception
from orchestrd.inbound.taken import opened
from orchestrd.record.ids import Ids, OrderLine
from orchestrd.record.ids import Orders as Register
from orchestrd.record.journals import Journals

PAUSED = "paused"
"""The file in `.orchestrd/` that makes a pause survive a restart."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of an order."""

    outcome: Outcome
    message: str | None = None
    new_plan: PlanId | None = None
    events: tuple[Event, ...] = ()


@dataclass(frozen=True, slots=True)
class OrderInHand:
    """An order that was taken: its number, the name of its file as it was dropped, and its format."""

    number: int
    file: str
    file_format: Format

    @property
    def name(self) -> str:
        """What it is called in `.orchestrd/orders/`."""
        return f"{self.number}.{self.file_format.value}"


class Orders:
    """Takes orders and carries them out. Lives in the loop's thread."""

    def __init__(
        self,
        root: Root,
        log: Register,
        ids: Ids,
        journals: Journals,
        reception: Reception,
        in_hand: Callable[[PlanId], PlanInHand | None],
    ) -> None:
        self._root = root
        self._log = log
        self._ids = ids
        self._journals = journals
        self._reception = reception
        self._in_hand = in_hand
        left = [one.number for one in self._left_over()]
        self._next = max([log.last, *left]) + 1

    def paused(self) -> str | None:
        """Why a pause is in force ('' where nobody said); None: there is none."""
        try:
            return (self._root.private / PAUSED).read_text("utf-8", "replace").strip()
        except FileNotFoundError:
            return None

    def take_up(self, at: Moment) -> list[Event]:
        """Carry out what a daemon before us took and did not finish."""
        return [event for one in self._left_over() for event in self._finish(one, at)]

    def take(self, files: Sequence[LaneFile], at: Moment) -> list[Event]:
        """Take orders in the order of their times, and carry each out."""
        events: list[Event] = []
        for file in files:
            order = OrderInHand(self._next, file.name, Format.of(file.name))
            lane_file = os.path.join(self._root.control, file.name)
            try:
                durable.move_new(lane_file, self._root.orders / order.name)
            except FileNotFoundError:
                continue  # its writer took it back
            self._next += 1
            events += self._finish(order, at)
        return events

    def is_worth_taking(self, file: LaneFile) -> bool:
        """Whether what lies in the lane under its final name, and settled, is a valid order already."""
        try:
            with opened(self._root.control) as folder:
                read_document(Order, read_settled(folder, file.name), Format.of(file.name))
        except (BadFile, StillWritten, OSError, DocumentError):
            return False
        return True

    def _left_over(self) -> list[OrderInHand]:
        found = []
        for name in os.listdir(self._root.orders):
            number, _, ending = name.partition(".")
            if number.isdigit():
                found.append(OrderInHand(int(number), name, Format(ending)))
        return sorted(found, key=lambda one: one.number)

    def _finish(self, one: OrderInHand, at: Moment) -> Iterable[Event]:
        """Carry an order out, write down what came of it, remove it."""
        path = self._root.orders / one.name
        if self._log.has(one.number):
            durable.remove(path)
            return ()
        order: Order | None = None
        try:
            with opened(self._root.orders) as folder:
                order = read_document(Order, read_settled(folder, one.name, prove=False), one.file_format)
            answer = self._carry_out(order, one, at)
        except DocumentError as error:
            answer = Answer(Outcome.REFUSED, "; ".join(str(problem) for problem in error.errors))
        except (BadFile, StillWritten) as error:
            answer = Answer(Outcome.REFUSED, f"the file {error}")
        self._log.append([_line(one, order, answer, at)])
        durable.remove(path)
        return answer.events

    def _carry_out(self, order: Order, one: OrderInHand, at: Moment) -> Answer:
        if order.key is not None and self._log.of_key(order.key) is not None:
            return Answer(Outcome.NOTHING, f"an order with the key {order.key!r} was carried out before")
        match order.action:
            case Action.PAUSE:
                if self.paused() is not None:
                    return Answer(Outcome.NOTHING, "it was paused already")
                durable.replace(self._root.private / PAUSED, (order.why or "").encode())
                return Answer(Outcome.DONE, events=(PauseAsked(at, order.why or ""),))
            case Action.RESUME:
                was_paused = durable.remove(self._root.private / PAUSED)
                return Answer(Outcome.DONE if was_paused else Outcome.NOTHING, events=(ResumeAsked(at),))
            case Action.DRAIN:
                return Answer(Outcome.DONE, events=(DrainAsked(at),))
            case Action.CANCEL:
                return self._cancel(PlanId(order.plan or ""), order.why or "", one, at)
            case Action.RETRY:
                return self._retry(PlanId(order.plan or ""), one, at)

    def _cancel(self, plan: PlanId, why: str, one: OrderInHand, at: Moment) -> Answer:
        events: list[Event] = []
        if self._in_hand(plan) is None and not self._ids.has(plan):
            lying = self._find_in_inbox(plan)
            if lying is None:
                return Answer(Outcome.NOTHING, f"no plan {plan} is known")
            events = self._reception.take([lying], at)
            if not events:
                return Answer(
                    Outcome.NOTHING, f"the file of {plan} was taken back, or is still being written"
                )
        elif (held := self._in_hand(plan)) is None:
            return Answer(Outcome.NOTHING, f"{plan} is settled already")
        elif held.state in {State.SETTLING, State.GATHERING}:
            return Answer(Outcome.NOTHING, f"the run of {plan} is over already")
        # Noted for good before the order goes: a daemon that is killed now still knows of it.
        self._journals.append(plan, "cancel-asked", sync=True, order=one.number, why=why)
        return Answer(Outcome.DONE, events=(*events, CancelAsked(at, plan, why)))

    def _find_in_inbox(self, plan: PlanId) -> Newcomer | None:
        for entry in os.scandir(self._root.inbox):
            wanted = kind_of(entry.name).is_document and plan_id_of(entry.name) == plan
            if wanted and entry.is_file(follow_symlinks=False):
                return Newcomer(entry.name, entry.stat(follow_symlinks=False).st_size)
        return None

    def _retry(self, plan: PlanId, one: OrderInHand, at: Moment) -> Answer:
        held = self._in_hand(plan)
        if held is not None:
            if held.state is State.WAITING:
                return Answer(Outcome.DONE, f"{plan} is looked at now", events=(LookAgain(at, plan),))
            return Answer(
                Outcome.NOTHING,
                f"{plan} is {held.state.value}; a retry is for a plan that waits or is settled",
            )
        if not self._ids.has(plan):
            return Answer(Outcome.NOTHING, f"no plan {plan} is known")
        try:
            new_plan = accept_again(self._root, self._ids, self._reception, plan, one.number, at)
        except NeverRead as error:
            return Answer(Outcome.NOTHING, str(error))
        if new_plan is None:
            return Answer(Outcome.NOTHING, f"the archive holds the plan {plan} no longer; hand it in anew")
        return Answer(Outcome.DONE, new_plan=new_plan, events=tuple(self._reception.look(at)))


def _line(one: OrderInHand, order: Order | None, answer: Answer, at: Moment) -> OrderLine:
    given: dict[str, Any] = {}
    if order is not None:
        given = {"key": order.key, "action": order.action.value, "plan": order.plan}
    return OrderLine(
        order=one.number,
        time=datetime.fromtimestamp(at.wall, UTC),
        file=shown(one.file),
        outcome=answer.outcome.value,
        new_plan=answer.new_plan,
        message=answer.message,
        **given,
    )
