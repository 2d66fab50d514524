"""From a file in the inbox to a plan in `active/`: taken, read, checked, registered.

Whatever lies in the inbox and is ready gets an id and its event: accepted, refused or a duplicate. Nothing here
decides when a plan runs. Everything can be cut off anywhere: what was taken and not yet read is found again by
`look_at`, which recovery calls as well.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from handoff import durable
from handoff.formats import FieldError, Format
from handoff.result import Reason, Status
from handoff.root import PlanId, Root, plan_id_of
from handoff.settling import MAX_DOCUMENT_BYTES, BadFile, StillWritten, read_settled
from orchestrd.config import Limits
from orchestrd.core.events import Ending, Event, Moment, PlanAccepted, PlanRefused
from orchestrd.core.history import facts_of
from orchestrd.inbound.intake import Accepted, Refused, check_plan
from orchestrd.inbound.lanes import LaneFile
from orchestrd.record import journal
from orchestrd.record.archived import archived_folder, status_of
from orchestrd.record.ids import IdLine, Ids
from orchestrd.record.journals import Journals

MOST_AT_ONCE = 256
"""Files of one turn of the loop: a burst of 20,000 must not keep the daemon from its runs."""


@dataclass(frozen=True, slots=True)
class Taken:
    """A plan's file that lies in `active/ID/` and was not looked at yet."""

    plan: PlanId
    source: str
    file_format: Format
    taken: datetime
    arrival: int
    size: int = 0
    bad_file: str | None = None
    retry_of: PlanId | None = None
    order: int | None = None


@dataclass(frozen=True, slots=True)
class Newcomer:
    """A file of the inbox that is to be taken now; `bad` says why it must not be opened."""

    name: str
    size: int
    bad: str | None = None


class Reception:
    """Takes plans in. Lives in the loop's thread."""

    def __init__(
        self, root: Root, ids: Ids, journals: Journals, limits: Limits, patience_seconds: float
    ) -> None:
        self._root = root
        self._ids = ids
        self._journals = journals
        self._limits = limits
        self._patience = patience_seconds
        self._unread: dict[PlanId, Taken] = {}
        self._give_up_at: dict[PlanId, float] = {}

    @property
    def unread(self) -> int:
        """How many plans are taken but still written to by somebody."""
        return len(self._unread)

    def is_worth_taking(self, file: LaneFile) -> bool:
        """Whether what lies in the inbox under its final name, and settled, is a valid plan already."""
        try:
            with opened(self._root.inbox) as folder:
                raw = read_settled(folder, file.name, MAX_DOCUMENT_BYTES)
        except (BadFile, StillWritten, OSError):
            return False
        checked = check_plan(raw, Format.of(file.name), plan_id_of(file.name), self._limits)
        return isinstance(checked, Accepted)

    def take(self, newcomers: Sequence[Newcomer], at: Moment) -> list[Event]:
        """Take files out of the inbox, all together, and look at each. What its writer took back is left out."""
        now = datetime.fromtimestamp(at.wall, UTC)
        taken: list[Taken] = []
        takes: list[durable.Take] = []
        for newcomer in newcomers:
            one = self._name(newcomer, now)
            taken.append(one)
            takes.append(self._take_of(one))
        for one, problem in zip(taken, durable.take_many(takes), strict=True):
            if isinstance(problem, durable.DurabilityLost):
                raise problem
            if problem is not None:
                self._ids.give_back(one.plan)
                continue
            self._journals.begin(one.plan)
            self._unread[one.plan] = one
        return self.look(at)

    def _name(self, newcomer: Newcomer, now: datetime) -> Taken:
        return Taken(
            plan=self._ids.allot(plan_id_of(newcomer.name)),
            source=newcomer.name,
            file_format=Format.of(newcomer.name),
            taken=now,
            arrival=self._ids.next_arrival(),
            size=newcomer.size,
            bad_file=newcomer.bad,
        )

    def _take_of(self, one: Taken) -> durable.Take:
        lane_file = os.path.join(self._root.inbox, one.source)
        folder = self._root.plan_folder(one.plan)
        return durable.Take(lane_file, folder, plan_file(one.file_format), _first_line(one))

    def take_up(self, one: Taken) -> None:
        """Remember a plan that was taken before (by a daemon that was cut off, or by an order) to be looked at."""
        self._unread[one.plan] = one

    def accept_again(self, plan: PlanId, order: int, at: Moment) -> tuple[PlanId, list[Event]] | None:
        """Accept the bytes of a settled plan as a new one (`retry`); None where the archive has them no longer.

        Repeated for the same `order`, it finds the plan that it made.
        """
        made = self._made_by(order)
        if made is not None:
            return made, []
        folder = archived_folder(self._root, plan)
        files = [] if folder is None else [folder / plan_file(kind) for kind in Format]
        there = next((path for path in files if path.is_file()), None)
        if folder is None or there is None:
            return None
        first = journal.read_journal(folder / durable.JOURNAL)[0]
        kind = Format(there.suffix[1:])
        now = datetime.fromtimestamp(at.wall, UTC)
        one = Taken(
            plan=self._ids.allot(plan),
            source=first["source"],
            file_format=kind,
            taken=now,
            arrival=self._ids.next_arrival(),
            size=there.stat().st_size,
            retry_of=plan,
            order=order,
        )
        copy = self._root.orders / f"{order}-plan.{kind.value}"
        durable.replace(copy, there.read_bytes())
        durable.take(copy, self._root.plan_folder(one.plan), plan_file(kind), _first_line(one))
        self._journals.begin(one.plan)
        self._unread[one.plan] = one
        return one.plan, self.look(at)

    def _made_by(self, order: int) -> PlanId | None:
        for folder in self._root.active.iterdir():
            first = journal.read_journal(folder / durable.JOURNAL)[:1]
            if first and first[0].get("order") == order:
                return PlanId(folder.name)
        return None

    def look(self, at: Moment) -> list[Event]:
        """Read and check what was taken, register it, and say what became of each."""
        lines: list[IdLine] = []
        events: list[Event] = []
        for one in list(self._unread.values()):
            try:
                event, line = self._look_at(one, at)
            except StillWritten:
                if at.boot < self._give_up_at.setdefault(one.plan, at.boot + self._patience):
                    continue
                event, line = self._refuse(one, Refused(Reason.BAD_FILE, (still_written_error(),)), None, at)
            self._give_up_at.pop(one.plan, None)
            del self._unread[one.plan]
            lines.append(line)
            events.append(event)
        self._ids.append(lines)
        return events

    def _look_at(self, one: Taken, at: Moment) -> tuple[Event, IdLine]:
        if one.bad_file is not None:
            return self._refuse(one, Refused(Reason.BAD_FILE, (bad_file_error(one.bad_file),)), None, at)
        try:
            with opened(self._root.plan_folder(one.plan)) as folder:
                raw = read_settled(folder, plan_file(one.file_format), MAX_DOCUMENT_BYTES)
        except BadFile as error:
            return self._refuse(one, Refused(Reason.BAD_FILE, (bad_file_error(str(error)),)), None, at)
        sha256 = hashlib.sha256(raw).hexdigest()
        checked = check_plan(raw, one.file_format, one.plan, self._limits)
        if isinstance(checked, Refused):
            return self._refuse(one, checked, sha256, at)
        key = checked.plan.key if one.retry_of is None else None
        first = self._ids.of_key(key) if key is not None else None
        if first is not None and first != one.plan:
            return self._duplicate(one, checked, first, sha256, at)
        return self._accept(one, checked, key, sha256, at)

    def _accept(
        self, one: Taken, checked: Accepted, key: str | None, sha256: str, at: Moment
    ) -> tuple[Event, IdLine]:
        plan = checked.plan
        durable.replace(
            self._root.plan_folder(one.plan) / "accepted.json", plan.model_dump_json().encode(), sync=False
        )
        record = self._journals.append(one.plan, "accepted", **accepted_fields(checked, sha256))
        if key is not None:
            self._ids.hold_key(key, one.plan)
        facts = facts_of(one.plan, one.arrival, one.taken.timestamp(), record)
        known = {name: status for name in facts.after if (status := self._status_of(name)) is not None}
        return PlanAccepted(at, facts, known), id_line(one, sha256, key)

    def _refuse(self, one: Taken, refused: Refused, sha256: str | None, at: Moment) -> tuple[Event, IdLine]:
        fields = optional(sha256=sha256, key=refused.key, title=refused.title)
        errors = [error_fields(error) for error in refused.errors]
        self._journals.append(one.plan, "refused", reason=refused.reason.value, errors=errors, **fields)
        return PlanRefused(at, one.plan, Ending(Status.REJECTED, refused.reason)), id_line(one, sha256, None)

    def _duplicate(
        self, one: Taken, checked: Accepted, first: PlanId, sha256: str, at: Moment
    ) -> tuple[Event, IdLine]:
        fields = optional(key=checked.plan.key, title=checked.plan.title)
        self._journals.append(one.plan, "duplicate", duplicate_of=first, sha256=sha256, **fields)
        return PlanRefused(at, one.plan, Ending(Status.DUPLICATE, Reason.DUPLICATE)), id_line(
            one, sha256, None
        )

    def _status_of(self, plan: PlanId) -> Status | None:
        """How a plan ended that is settled; None where it is in hand or unknown."""
        return status_of(self._root, plan) if self._ids.has(plan) else None


@contextmanager
def opened(folder: Path) -> Iterator[int]:
    """Hold a folder open, so that a name in it cannot be led elsewhere by exchanging the folder."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        yield fd
    finally:
        os.close(fd)


def plan_file(file_format: Format) -> str:
    """What a plan's file is called in its folder."""
    return f"plan.{file_format.value}"


def _first_line(one: Taken) -> bytes:
    return journal.first_line(taken_fields(one), one.taken.timestamp())


def taken_fields(one: Taken) -> dict[str, Any]:
    """The fields of a journal's first line."""
    fields = {"source": one.source, "format": one.file_format.value, "arrival": one.arrival, "size": one.size}
    return fields | optional(bad_file=one.bad_file, retry_of=one.retry_of, order=one.order)


def taken_from(plan: PlanId, record: Mapping[str, Any]) -> Taken:
    """Read a journal's first line."""
    return Taken(
        plan=plan,
        source=record["source"],
        file_format=Format(record["format"]),
        taken=journal.time_of(record),
        arrival=record["arrival"],
        size=record.get("size", 0),
        bad_file=record.get("bad_file"),
        retry_of=record.get("retry_of"),
        order=record.get("order"),
    )


def accepted_fields(checked: Accepted, sha256: str) -> dict[str, Any]:
    """The fields of a journal's record `accepted`: what the engine must know of a plan, and its checksum."""
    plan = checked.plan
    dates = {
        "not_before": plan.not_before.timestamp() if plan.not_before else None,
        "expires": plan.expires.timestamp() if plan.expires else None,
    }
    return {
        "sha256": sha256,
        "title": plan.title,
        "project": str(checked.project),
        "priority": plan.priority,
        "after": list(plan.after),
        "in_place": checked.in_place,
        "attempts": plan.limits.attempts,
        "on_interrupt": plan.limits.on_interrupt,
        "changes": plan.accept.changes,
        "docs": plan.docs.request,
    } | optional(key=plan.key, max_usd=plan.limits.max_usd, **dates)


def error_fields(error: FieldError) -> dict[str, Any]:
    """One error of a plan as the journal keeps it."""
    return {"path": error.path, "message": error.message} | optional(line=error.line, hint=error.hint)


def bad_file_error(why: str) -> FieldError:
    """The error of a file that was not read at all."""
    return FieldError(
        "", f"the file {why}", "write the plan as a plain file of your own, at most 1 MiB", None
    )


def still_written_error() -> FieldError:
    """The error of a file that somebody kept on writing after it was taken."""
    return FieldError("", "the file was still being written", "write to a temporary name, then rename", None)


def optional(**fields: Any) -> dict[str, Any]:
    """The fields that have a value."""
    return {name: value for name, value in fields.items() if value is not None}


def id_line(one: Taken, sha256: str | None, key: str | None) -> IdLine:
    """A plan's line in the register of ids."""
    return IdLine(one.plan, one.source, key, sha256, one.taken, one.retry_of)
