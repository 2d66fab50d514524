"""The registers of a root: every id and key that it has had, and what came of every order. Append-only, for ever.

They outlive the plans' folders. Only the daemon appends; whoever reads skips a line that a cut has torn.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from handoff.root import PlanId, Root
from orchestrd.record.archived import lies_somewhere
from orchestrd.record.journal import format_time
from orchestrd.record.register import Register, read_register

_MOST_ORDERS = 2**62
"""A number beyond it is a hand's: what is counted on from it would be no file's name in the end."""


@dataclass(frozen=True, slots=True)
class IdLine:
    """One plan in `archive/ids.jsonl` (PROTOCOL 3). No `key` for what was rejected, a duplicate or a retry."""

    plan: PlanId
    source: str | None
    key: str | None
    sha256: str | None
    taken: datetime | None
    """Neither of where nor of when it was taken is anything known where only a folder is left of it."""
    retry_of: PlanId | None = None

    def fields(self) -> dict[str, Any]:
        """Lay it out as the line has it; what has no value is left out."""
        whole = {
            "id": self.plan,
            "source": self.source,
            "key": self.key,
            "sha256": self.sha256,
            "taken": format_time(self.taken.timestamp()) if self.taken else None,
            "retry_of": self.retry_of,
        }
        return {name: value for name, value in whole.items() if value is not None}


@dataclass(frozen=True, slots=True)
class OrderLine:
    """What came of one order, in `archive/orders.jsonl` (PROTOCOL 7)."""

    order: int
    time: datetime
    file: str
    outcome: str
    """`done`, `nothing` or `refused`."""
    action: str | None = None
    key: str | None = None
    plan: str | None = None
    new_plan: PlanId | None = None
    message: str | None = None

    def fields(self) -> dict[str, Any]:
        """Lay it out as the line has it; what has no value is left out."""
        whole = {
            "order": self.order,
            "time": format_time(self.time.timestamp()),
            "file": self.file,
            "key": self.key,
            "action": self.action,
            "plan": self.plan,
            "outcome": self.outcome,
            "new_plan": self.new_plan,
            "message": self.message,
        }
        return {name: value for name, value in whole.items() if value is not None}


class Ids:
    """Every id and key that a root has had, in memory: about 25 MB for 100,000.

    With a `root`, an id whose folder lies there is never given either, whatever the register knows.
    """

    def __init__(
        self, register: Register, records: Iterable[dict[str, Any]], root: Root | None = None
    ) -> None:
        self._register = register
        self._root = root
        self._had: set[str] = set()
        self._keys: dict[str, PlanId] = {}
        self._next_number: dict[str, int] = {}
        self._owed: list[IdLine] = []
        """Lines that the disk has refused; they are written with the next ones."""
        self.retries: set[PlanId] = set()
        """The plans that an order to retry has made."""
        for record in records:
            plan = record.get("id")
            if not isinstance(plan, str):
                continue
            self._had.add(plan)
            key = record.get("key")
            if isinstance(key, str):
                self._keys.setdefault(key, PlanId(plan))
            if "retry_of" in record:
                self.retries.add(PlanId(plan))
        self._arrivals = len(self._had)

    @classmethod
    def load(cls, root: Root) -> Ids:
        """Read `archive/ids.jsonl`; none yet is fine. Raises OSError."""
        raw = read_register(root.ids_log)
        register = Register(root.ids_log, raw)
        return cls(register, register.records(raw), root)

    @property
    def problems(self) -> list[str]:
        """The lines that could not be read, for a person."""
        return self._register.problems

    def __len__(self) -> int:
        return len(self._had)

    def has(self, plan: str) -> bool:
        """Whether this root has had that id."""
        return plan in self._had

    def of_key(self, key: str) -> PlanId | None:
        """The first plan with that key; None where it is free."""
        return self._keys.get(key)

    def hold_key(self, key: str, plan: PlanId) -> None:
        """Give a key to the plan that is accepted with it, before its line is appended; the first one keeps it."""
        self._keys.setdefault(key, plan)

    def next_free(self, wanted: PlanId) -> PlanId:
        """The id itself, or with the first of -2, -3, … that this root has not had (PROTOCOL 3).

        Raises OSError where the disk does not say whether its folder is there.
        """
        if not self._was_had(wanted):
            return wanted
        number = self._next_number.get(wanted, 2)
        while self._was_had(PlanId(f"{wanted}-{number}")):
            number += 1
        # Ids are never free again but by `give_back`, so the search need not begin anew.
        self._next_number[wanted] = number
        return PlanId(f"{wanted}-{number}")

    def allot(self, wanted: PlanId) -> PlanId:
        """Give the next free id to a plan; it counts as had from now on. Raises OSError, and then none is given."""
        plan = self.next_free(wanted)
        self._had.add(plan)
        return plan

    def hold(self, plan: PlanId) -> None:
        """Let an id count as had by the plan whose folder lies there."""
        self._had.add(plan)

    def give_back(self, plan: PlanId) -> None:
        """Free an id that was allotted to a plan that could not be taken: it is had once its file is in `active/`."""
        self._had.discard(plan)
        base, _, number = plan.rpartition("-")
        if number.isdigit() and base in self._next_number:
            self._next_number[base] = min(self._next_number[base], int(number))

    def next_arrival(self) -> int:
        """The next place in the order in which plans are taken, from 1."""
        self._arrivals += 1
        return self._arrivals

    def arrived(self, arrival: int) -> None:
        """Take note of a place that was given by a daemon before: later ones come after it."""
        self._arrivals = max(self._arrivals, arrival)

    def append(self, lines: Iterable[IdLine]) -> None:
        """Remember plans for ever, all with one sync. Called before they run or get a result. Raises OSError."""
        lines = list(lines)
        if not lines:
            return
        # Synced, though a start mends it from the folders: of one that somebody has removed nothing else tells.
        self._register.append(line.fields() for line in (*self._owed, *lines))
        self._owed.clear()
        self._remember(lines)

    def take_in(self, lines: Iterable[IdLine]) -> None:
        """Remember plans again that the register has lost. Raises OSError where it cannot be written.

        They count as had even then, with their keys, and their lines are written with the next ones.
        """
        lines = list(lines)
        self._remember(lines)
        self._owed += lines
        self._register.append(line.fields() for line in self._owed)
        self._owed.clear()

    def _remember(self, lines: Iterable[IdLine]) -> None:
        for line in lines:
            self._had.add(line.plan)
            if line.key is not None:
                self._keys.setdefault(line.key, line.plan)
            if line.retry_of is not None:
                self.retries.add(line.plan)

    def _was_had(self, plan: PlanId) -> bool:
        return plan in self._had or (self._root is not None and lies_somewhere(self._root, plan))


class Orders:
    """What came of every order that this root was given."""

    def __init__(self, register: Register, records: Iterable[dict[str, Any]]) -> None:
        self._register = register
        self._known: set[int] = set()
        self._keys: dict[str, int] = {}
        self._last = 0
        self.made: set[PlanId] = set()
        """The plans that orders have made."""
        for record in records:
            order, key, made = record.get("order"), record.get("key"), record.get("new_plan")
            if isinstance(order, int) and 0 <= order < _MOST_ORDERS:
                self._remember(order, key if isinstance(key, str) else None)
                if isinstance(made, str):
                    self.made.add(PlanId(made))

    @classmethod
    def load(cls, root: Root) -> Orders:
        """Read `archive/orders.jsonl`; none yet is fine. Raises OSError."""
        raw = read_register(root.orders_log)
        register = Register(root.orders_log, raw)
        return cls(register, register.records(raw))

    @property
    def problems(self) -> list[str]:
        """The lines that could not be read, for a person."""
        return self._register.problems

    def has(self, order: int) -> bool:
        """Whether what came of that order is written down."""
        return order in self._known

    def of_key(self, key: str) -> int | None:
        """The first order with that key; None where it is free."""
        return self._keys.get(key)

    @property
    def last(self) -> int:
        """The greatest number that an order has had here; 0 before the first."""
        return self._last

    def append(self, lines: Iterable[OrderLine]) -> None:
        """Write down what came of orders, all with one sync. Raises OSError."""
        lines = list(lines)
        self._register.append(line.fields() for line in lines)
        for line in lines:
            self._remember(line.order, line.key)
            if line.new_plan is not None:
                self.made.add(line.new_plan)

    def count_on(self, order: int) -> None:
        """Take note of a number that was given by a daemon before: later ones come after it."""
        if order < _MOST_ORDERS:
            self._last = max(self._last, order)

    def _remember(self, order: int, key: str | None) -> None:
        self._known.add(order)
        self._last = max(self._last, order)
        if key is not None:
            self._keys.setdefault(key, order)
