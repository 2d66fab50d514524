"""What a run asks, as the daemon sees it: its `asked.jsonl` read as it grows, and what the journal is to say of it."""

from __future__ import annotations

from collections import deque
from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from handoff import durable, looking
from handoff.effects import effects
from handoff.request_names import parse_request_name
from handoff.root import Root
from handoff.wholesome import is_wholesome
from orchestrd.runs.asking.ledger import ASKED, MOST_BYTES, AskedSoFar, records_in

_EVENTS = {
    "asked": "asked",
    "refused": "reply-refused",
    "settled": "answered-by-rule",
    "unanswered": "request-unanswered",
    "withdrawn": "request-withdrawn",
}
_NOTED = ("request", "tool", "expires", "reply", "decision", "scope", "rules", "message", "by", "changed")
"""What the journal is told besides; whatever else stands in such a file, nobody knows who wrote it."""


@dataclass(slots=True)
class AskedOfRun:
    """One run's requests. `noted`: so many lines of its file were written into the journal by an earlier daemon."""

    run_folder: Path
    noted: int = 0
    to_note: deque[tuple[str, dict[str, Any]]] = field(default_factory=deque)
    """Events for the journal, with their fields; taken out when they are written."""
    _so_far: AskedSoFar = field(default_factory=AskedSoFar)
    _size: int = 0

    @property
    def is_asking(self) -> bool:
        """A person is waited for."""
        return bool(self._so_far.open)

    @property
    def has_asked(self) -> bool:
        """It has ever asked anything."""
        return self._so_far.lines > 0

    def read_new(self) -> None:
        """Take in what was written since the last time. Raises OSError."""
        path = self.run_folder / ASKED
        try:
            size = effects.stat(path, follow=False).st_size
            if size == self._size:
                return
            raw = looking.read_file(path, MOST_BYTES + 1)
        except (FileNotFoundError, looking.NotRegular):
            return  # an agent that puts something else there is no reason to hear no more of its run
        if len(raw) > MOST_BYTES:
            return
        # The last piece is no whole line yet, or never will be one.
        records = records_in(raw.split(b"\n")[:-1])
        for record in records[self._so_far.lines :]:
            self._so_far.feed(record)
            if self._so_far.lines > self.noted:
                self.to_note.append((_event_of(record), self._fields(record)))
        self._size = size

    def fields(self) -> list[dict[str, Any]]:
        """As `status/plans` shows them: what is asked, and until when."""
        # A copy: another thread may read on.
        return [
            {"request": one.name, "until": _date(one.expires)} for one in list(self._so_far.open.values())
        ]

    def _fields(self, record: Mapping[str, Any]) -> dict[str, Any]:
        kept = {name: record[name] for name in _NOTED if name in record and is_wholesome(record[name])}
        return {"line": self._so_far.lines, "at": record.get("time"), **kept}


def noted_lines(records: Iterable[Mapping[str, Any]], step: str, number: int) -> int:
    """How many lines of a run's file stand in the plan's journal already."""
    lines = (
        one["line"] for one in records if one.get("step") == step and one.get("n") == number and "line" in one
    )
    return max((line for line in lines if isinstance(line, int)), default=0)


def withdraw(root: Root, plan: str, step: str, number: int) -> list[str]:
    """Remove what a run still asks that is over: its runner would have, but for its sudden end. Raises OSError."""
    withdrawn = []
    for name in effects.list(root.requests):
        plain = name.removeprefix(".").removesuffix(".tmp")
        found = parse_request_name(plain)
        if found is not None and (found.plan, found.step, found.number) == (plan, step, number):
            durable.remove(root.requests / name, sync=False)
            withdrawn += [name] if plain == name else []
    if withdrawn:
        durable.sync_names(str(root.requests))
    return withdrawn


def withdraw_forgotten(
    root: Root, in_hand: Iterable[tuple[str, str, int]], unknown: Container[str] = ()
) -> list[str]:
    """Remove what no start in hand (plan, step, number) asks: nobody waits for an answer. Raises OSError.

    `unknown` are plans of which it cannot be told.
    """
    kept, withdrawn = set(in_hand), []
    for name in effects.list(root.requests):
        found = parse_request_name(name.removeprefix(".").removesuffix(".tmp"))
        if found is None or found.plan in unknown:
            continue
        if (found.plan, found.step, found.number) not in kept:
            durable.remove(root.requests / name)
            withdrawn.append(name)
    return withdrawn


def _event_of(record: Mapping[str, Any]) -> str:
    event = str(record.get("event"))
    if event == "answered":
        return "reply-taken" if record.get("reply") else "answered-by-rule"
    return _EVENTS.get(event, "asked-otherwise")


def _date(wall: float | None) -> datetime | None:
    return None if wall is None else datetime.fromtimestamp(int(wall), UTC)
