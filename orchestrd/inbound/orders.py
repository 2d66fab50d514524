"""Orders: cancel, retry, pause, resume, drain (PROTOCOL, section 7).

An order is taken by a rename to `.orchestrd/orders/N`, carried out, written down in `archive/orders.jsonl`, and only
then removed. Cut off anywhere it is carried out again, and finds by N what it had done.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from loguru import logger

from handoff import durable, looking
from handoff.effects import effects
from handoff.formats import DocumentError, Format, read_document
from handoff.order import Action, Order, Outcome
from handoff.root import PlanId, Root, kind_of, plan_id_of
from handoff.settling import BadFile, FileKind, StillWritten, look, read_settled, shown
from orchestrd.core.events import (
    CancelAsked,
    DrainAsked,
    Event,
    LookAgain,
    Moment,
    PauseAsked,
    PlanAccepted,
    PlanRefused,
    ResumeAsked,
)
from orchestrd.core.plan import PlanInHand
from orchestrd.core.plan_life import State
from orchestrd.inbound.again import NeverRead, accept_again
from orchestrd.inbound.lanes import LaneFile
from orchestrd.inbound.reception import Newcomer, Reception
from orchestrd.inbound.taken import is_no_lane, opened, why_it_stays
from orchestrd.record.ids import Ids, OrderLine
from orchestrd.record.ids import Orders as Register
from orchestrd.record.journals import Journals

PAUSED = "paused"
"""The file in `.orchestrd/` that makes a pause survive a restart."""
LONGEST_NAME = 255
"""Bytes of a name on every file system that counts."""


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
        """What it is called in `.orchestrd/orders/`: a daemon that finds it there has to tell whose outcome it is."""
        name = f"{self.number}.{self.file}"
        fits = len(os.fsencode(name)) <= LONGEST_NAME
        return name if fits else f"{self.number}.{self.file_format.value}"


class NotYet(Exception):
    """An order has to wait until a plan is settled, which it is about to be."""

    def __init__(self, plan: PlanId) -> None:
        super().__init__(plan)
        self.plan = plan


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
        self._events: list[Event] = []
        self._held: set[PlanId] = set()
        """Plans that are just settling, and that an order waits for."""
        left = [one.number for one in self._left_over()]
        self._next = max([log.last, *left]) + 1

    def paused(self) -> str | None:
        """Why a pause is in force ('' where nobody said); None: there is none."""
        found = self._pause_in_force()
        return found[1] if found else None

    def told(self) -> list[Event]:
        """Take out what orders mean for the engine. Kept apart from carrying them out: an error loses none of it."""
        events, self._events = self._events, []
        return events

    def waits_for(self, plan: PlanId) -> bool:
        """Whether an order is held until this plan is settled; then `take_up` carries it out."""
        return plan in self._held

    def take_up(self, at: Moment) -> None:
        """Carry out what was taken and not finished. Raises OSError when all that could be done is done."""
        self._held.clear()
        trouble: OSError | None = None
        for one in self._left_over():
            try:
                self._finish(one, at)
            except OSError as error:
                trouble = error
        if trouble is not None:
            raise trouble

    def take(self, file: LaneFile, at: Moment) -> str | None:
        """Take an order and carry it out; or say why its file cannot be moved. Raises OSError; `take_up` goes on."""
        # A number that a failing disk has perhaps used is not given a second time.
        order = OrderInHand(self._next, file.name, Format.of(file.name))
        self._next += 1
        lane_file = os.path.join(self._root.control, file.name)
        try:
            with opened(self._root.control) as lane:
                durable.move_new(lane_file, self._root.orders / order.name, within=lane)
        except OSError as error:
            if isinstance(error, FileNotFoundError) or is_no_lane(error, self._root.control):
                return None  # its writer took it back; or the whole lane, which the next look tells of
            why = why_it_stays(error, lane_file)
            if why is None:
                raise
            return why
        self._finish(order, at)
        return None

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
        for name in effects.list(self._root.orders):
            number, _, file = name.partition(".")
            if not (number.isascii() and number.isdecimal()):
                continue
            if kind_of(file).is_document:
                found.append(OrderInHand(int(number), file, Format.of(file)))
            elif file in {kind.value for kind in Format}:  # its own name did not fit
                found.append(OrderInHand(int(number), name, Format(file)))
        return sorted(found, key=lambda one: one.number)

    def _finish(self, one: OrderInHand, at: Moment) -> None:
        """Carry an order out, write down what came of it, remove it."""
        path = self._root.orders / one.name
        if self._log.has(one.number):
            _put_away(path)
            return
        order: Order | None = None
        try:
            with opened(self._root.orders) as folder:
                order = read_document(Order, read_settled(folder, one.name, prove=False), one.file_format)
            answer = self._carry_out(order, one, at)
        except DocumentError as error:
            answer = Answer(Outcome.REFUSED, "; ".join(str(problem) for problem in error.errors))
        except (BadFile, StillWritten) as error:
            answer = Answer(Outcome.REFUSED, f"the file {error}")
        except NotYet as held:
            self._held.add(held.plan)
            return
        except OSError:
            raise
        except Exception as error:  # noqa: BLE001 - the border of an order: it must not come back at every start
            answer = Answer(Outcome.REFUSED, f"{type(error).__name__}: {error}")
        self._events += answer.events
        self._log.append([_line(one, order, answer, at)])
        _put_away(path)
        named = f"{order.action.value} {order.plan or ''}".strip() if order else shown(one.file)
        logger.info("order {}: {}: {}{}", one.number, named, answer.outcome.value, _because(answer))

    def _carry_out(self, order: Order, one: OrderInHand, at: Moment) -> Answer:
        if order.key is not None and self._log.of_key(order.key) is not None:
            return Answer(Outcome.NOTHING, f"an order with the key {order.key!r} was carried out before")
        match order.action:
            case Action.PAUSE:
                return self._pause(order.why or "", one, at)
            case Action.RESUME:
                was_paused = durable.remove(self._root.private / PAUSED)
                return Answer(Outcome.DONE if was_paused else Outcome.NOTHING, events=(ResumeAsked(at),))
            case Action.DRAIN:
                return Answer(Outcome.DONE, events=(DrainAsked(at),))
            case Action.CANCEL:
                return self._cancel(PlanId(order.plan or ""), order.why or "", one, at)
            case Action.RETRY:
                return self._retry(PlanId(order.plan or ""), one, at)

    def _pause_in_force(self) -> tuple[int, str] | None:
        """The number of the order that asked for it, and why."""
        try:
            text = looking.read_file(self._root.private / PAUSED).decode("utf-8", "replace")
        except FileNotFoundError:
            return None
        number, _, why = text.partition("\n")
        return int(number) if number.isascii() and number.isdecimal() else 0, why.strip()

    def _pause(self, why: str, one: OrderInHand, at: Moment) -> Answer:
        before = self._pause_in_force()
        # Told in any case: the engine may not have heard of it, where an error came in between.
        asked = (PauseAsked(at, before[1] if before else why),)
        if before is not None and before[0] != one.number:
            return Answer(Outcome.NOTHING, "it was paused already", events=asked)
        # Its name is what has to outlive a power cut; that its content is synced too comes with that.
        durable.replace(self._root.private / PAUSED, f"{one.number}\n{why}".encode())
        return Answer(Outcome.DONE, events=asked)

    def _cancel(self, plan: PlanId, why: str, one: OrderInHand, at: Moment) -> Answer:
        if self._in_hand(plan) is None and not self._ids.has(plan):
            lying = self._find_in_inbox(plan)
            if lying is None:
                return Answer(Outcome.NOTHING, f"no plan {plan} is known")
            self._events += self._reception.take([lying], at)
            if not self._ids.has(plan):
                return Answer(Outcome.NOTHING, f"the file of {plan} was taken back, or cannot be moved")
        elif (held := self._in_hand(plan)) is None and not self._is_on_its_way(plan):
            return Answer(Outcome.NOTHING, f"{plan} is settled already")
        elif held is not None and held.state in {State.SETTLING, State.GATHERING}:
            return Answer(Outcome.NOTHING, f"the run of {plan} is over already")
        # Noted for good before the order goes: a daemon that is killed now still knows of it.
        self._journals.append(plan, "cancel-asked", sync=True, order=one.number, why=why)
        if self._reception.is_unread(plan):
            self._reception.cancel(plan, why)
            return Answer(Outcome.DONE, f"{plan} is settled as soon as it was read")
        return Answer(Outcome.DONE, events=(CancelAsked(at, plan, why),))

    def _is_on_its_way(self, plan: PlanId) -> bool:
        """Whether a plan is taken and the engine does not know it yet, by what is read or by what orders have told."""
        told = (event for event in self._events if isinstance(event, PlanAccepted | PlanRefused))
        coming = (event.facts.plan if isinstance(event, PlanAccepted) else event.plan for event in told)
        return self._reception.is_unread(plan) or plan in coming

    def _find_in_inbox(self, plan: PlanId) -> Newcomer | None:
        """Find the file that would get this id; of several the one that would be taken first."""
        found = []
        with opened(self._root.inbox) as folder:
            for name in effects.list(folder):
                # Whose name was had before would become `name-2`: by that it is meant, and by no other id.
                if not kind_of(name).is_document or self._ids.next_free(plan_id_of(name)) != plan:
                    continue
                seen = look(folder, name)
                if seen.kind is FileKind.REGULAR:
                    found.append((seen.mtime_ns, name, seen.size))
        if not found:
            return None
        _, name, size = min(found)
        return Newcomer(name, size)

    def _retry(self, plan: PlanId, one: OrderInHand, at: Moment) -> Answer:
        held = self._in_hand(plan)
        if held is not None:
            if held.state is State.WAITING:
                return Answer(Outcome.DONE, f"{plan} is looked at now", events=(LookAgain(at, plan),))
            if held.state is State.SETTLING:
                # Its result may be seen already, and whoever saw it is right to ask: carried out in a moment.
                raise NotYet(plan)
            return Answer(
                Outcome.NOTHING,
                f"{plan} is {held.state.value}; a retry is for a plan that waits or is settled",
            )
        if not self._ids.has(plan):
            return Answer(Outcome.NOTHING, f"no plan {plan} is known")
        if self._is_on_its_way(plan):
            return Answer(
                Outcome.NOTHING, f"{plan} is being taken in; a retry is for a plan that waits or is settled"
            )
        try:
            new_plan = accept_again(self._root, self._ids, self._reception, plan, one.number, at)
        except NeverRead as error:
            return Answer(Outcome.NOTHING, str(error))
        if new_plan is None:
            return Answer(Outcome.NOTHING, f"the archive holds the plan {plan} no longer; hand it in anew")
        self._events += self._reception.look(at)
        return Answer(Outcome.DONE, new_plan=new_plan)


def _put_away(path: Path) -> None:
    """Remove what was taken as an order; somebody may have put a folder in its place at the last moment.

    Should it come back with the power, it is known by its number and goes again; synced, it does not come back.
    """
    try:
        durable.remove(path)
    except OSError as error:
        if not isinstance(error, IsADirectoryError | PermissionError) or not looking.is_folder(path):
            raise
        durable.remove_tree(path)


def _because(answer: Answer) -> str:
    return f" ({answer.message})" if answer.message else ""


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
