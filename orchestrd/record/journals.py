"""The journals of the plans in hand: whose line is the next, whichever thread writes it."""

from __future__ import annotations

import threading
from typing import Any

from handoff import durable
from handoff.root import PlanId, Root
from orchestrd.record import journal
from orchestrd.record.journal import Record


class Journals:
    """Appends to the journals in `active/`. Lines of one plan are written one after the other, those of two are not."""

    def __init__(self, root: Root) -> None:
        self._root = root
        self._open: dict[PlanId, _Pen] = {}

    def begin(self, plan: PlanId, sequence: int = 1) -> None:
        """Go on with a plan's journal whose last line has this number."""
        self._open[plan] = _Pen(sequence)

    def append(self, plan: PlanId, event: str, *, sync: bool = False, **fields: Any) -> Record:
        """Append one event; with `sync` it is on the disk when this returns. Raises OSError."""
        pen = self._open[plan]
        path = self._root.plan_folder(plan) / durable.JOURNAL
        with pen.lock:
            if not pen.is_sure:
                # A line that failed is not there, or nobody can say: what cannot be synced cannot be cut off, perhaps.
                pen.sequence = len(journal.open_for_append(path))
            pen.is_sure = False
            record = journal.append(path, pen.sequence + 1, event, sync=sync, **fields)
            pen.sequence += 1
            pen.is_sure = True
        return record

    def read(self, plan: PlanId) -> list[Record]:
        """All that a plan's journal says so far."""
        return journal.read_journal(self._root.plan_folder(plan) / durable.JOURNAL)

    def close(self, plan: PlanId) -> None:
        """Forget a plan that is settled."""
        self._open.pop(plan, None)


class _Pen:
    """The number of a journal's last line, and who may write the next."""

    __slots__ = ("is_sure", "lock", "sequence")

    def __init__(self, sequence: int) -> None:
        self.sequence = sequence
        self.is_sure = True
        self.lock = threading.Lock()
