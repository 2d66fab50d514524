"""From a file in the inbox to a plan in `active/`: taken, read, checked, registered.

Whatever lies in the inbox and is ready gets an id and its event: accepted, refused or a duplicate. Nothing here
decides when a plan runs. Everything can be cut off anywhere: what was taken and not yet looked at is found again
by recovery, and what the disk refuses to take is tried again.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from handoff import durable, looking
from handoff.effects import clock
from handoff.formats import FieldError, Format
from handoff.plan import Plan
from handoff.result import Reason, Status
from handoff.root import PlanId, Root, plan_id_of
from handoff.settling import MAX_DOCUMENT_BYTES, BadFile, StillWritten, read_settled
from orchestrd.config import Limits
from orchestrd.core.events import CancelAsked, Ending, Event, Moment, PlanAccepted, PlanRefused
from orchestrd.core.history import facts_of, fields_of_step
from orchestrd.core.steps_of_plan import facts_of_step
from orchestrd.inbound.accepted import write_accepted
from orchestrd.inbound.intake import Accepted, Refused, check_plan
from orchestrd.inbound.lanes import LaneFile
from orchestrd.inbound.taken import Taken, is_no_lane, opened, optional, why_it_stays
from orchestrd.library.finding import SHIPPED, Library
from orchestrd.record.archived import status_of
from orchestrd.record.ids import IdLine, Ids
from orchestrd.record.journals import Journals

MOST_AT_ONCE = 256
"""Files of one turn of the loop: a burst of 20,000 must not keep the daemon from its runs."""
PORTION_SECONDS = 0.25
"""Nor must a burst of the largest and worst documents, each of which is the work of a second."""


@dataclass(frozen=True, slots=True)
class Newcomer:
    """A file of the inbox that is to be taken now; `bad` says why it must not be opened."""

    name: str
    size: int
    bad: str | None = None


class Reception:
    """Takes plans in. Lives in the loop's thread.

    An OSError leaves what was begun to be gone on with at the next call.
    """

    def __init__(
        self,
        root: Root,
        ids: Ids,
        journals: Journals,
        limits: Limits,
        patience_seconds: float,
        library: Library = SHIPPED,
    ) -> None:
        self._root = root
        self._ids = ids
        self._journals = journals
        self._limits = limits
        self._patience = patience_seconds
        self._library = library
        self._unread: dict[PlanId, Taken] = {}
        self._give_up_at: dict[PlanId, float] = {}
        self._unregistered: list[tuple[Event, IdLine]] = []
        self._cancelled: dict[PlanId, str] = {}
        self.stay: dict[str, str] = {}
        """Of the last portion: the files that cannot be moved, and why."""
        self.is_behind = False
        """There is more to be read than fitted into one turn."""

    @property
    def unread(self) -> int:
        """How many plans are taken and not told to the engine: still being written to, or the disk is full."""
        return len(self._unread) + len(self._unregistered)

    def is_worth_taking(self, file: LaneFile) -> bool:
        """Whether what lies in the inbox under its final name, and settled, is a valid plan already."""
        try:
            with opened(self._root.inbox) as folder:
                raw = read_settled(folder, file.name, MAX_DOCUMENT_BYTES)
            checked = check_plan(
                raw, Format.of(file.name), plan_id_of(file.name), self._limits, self._library
            )
        except (BadFile, StillWritten, OSError):
            return False
        return isinstance(checked, Accepted)

    def take(self, newcomers: Sequence[Newcomer], at: Moment) -> list[Event]:
        """Take files out of the inbox, all together, and look at each. What its writer took back is left out.

        Raises OSError where the disk did not do as it was told; what was taken all the same is looked at later.
        """
        self.stay = {}
        try:
            with opened(self._root.inbox) as lane:
                trouble = self._take_out(newcomers, lane, at)
        except OSError as error:
            if not is_no_lane(error, self._root.inbox):
                raise
            return self.look(at)
        if trouble is not None:
            raise trouble
        return self.look(at)

    def _take_out(self, newcomers: Sequence[Newcomer], lane: int, at: Moment) -> OSError | None:
        now = datetime.fromtimestamp(at.wall, UTC)
        taken = self._name_all(newcomers, now)
        trouble: OSError | None = None
        takes = [self._take_of(one, lane) for one in taken]
        for one, take, problem in zip(taken, takes, durable.take_many(takes), strict=True):
            # After a failed sync the file may have moved all the same; a folder that was there is another plan's.
            moved = isinstance(problem, durable.DurabilityLost) and self._lies_in_active(one)
            if problem is None or moved:
                self.take_up(one)
            else:
                self._ids.give_back(one.plan)
            if problem is None or isinstance(problem, FileNotFoundError | FileExistsError):
                continue
            why = why_it_stays(problem, take.lane_file)
            if why is None:
                trouble = problem
            else:
                self.stay[one.source] = why
        return trouble

    def take_up(self, one: Taken, sequence: int = 1, cancelled: str | None = None) -> None:
        """Remember a plan that lies in `active/` to be looked at; its journal's last line has this number.

        `cancelled` says why it is not to run, if somebody said so before it was looked at.
        """
        self._journals.begin(one.plan, sequence)
        self._unread[one.plan] = one
        if cancelled is not None:
            self._cancelled[one.plan] = cancelled

    def is_unread(self, plan: PlanId) -> bool:
        """Whether a plan is taken and the engine has not heard of it yet."""
        return plan in self._unread or any(line.plan == plan for _, line in self._unregistered)

    def cancel(self, plan: PlanId, why: str) -> None:
        """Let an unread plan be cancelled as soon as the engine knows it."""
        self._cancelled[plan] = why

    def look(self, at: Moment) -> list[Event]:
        """Read and check what was taken, register it, and say what became of each. Raises OSError, and is repeated."""
        trouble: OSError | None = None
        until = clock.awake() + PORTION_SECONDS
        self.is_behind = False
        for one in list(self._unread.values()):
            if clock.awake() > until:
                self.is_behind = True
                break
            try:
                self._unregistered.append(self._look_at(one, at))
            except StillWritten:
                # Behind the others: what is written for ever must not use up every turn.
                self._unread[one.plan] = self._unread.pop(one.plan)
                continue
            except OSError as error:
                trouble = error
                continue
            del self._unread[one.plan]
            self._give_up_at.pop(one.plan, None)
        # Before anybody hears of them: a line is written before its plan runs or gets a result (PROTOCOL 3).
        self._ids.append(line for _, line in self._unregistered)
        events: list[Event] = []
        for event, line in self._unregistered:
            events.append(event)
            why = self._cancelled.pop(line.plan, None)
            if why is not None:
                events.append(CancelAsked(at, line.plan, why))
        self._unregistered.clear()
        if trouble is not None and not events:
            raise trouble
        return events

    def _name_all(self, newcomers: Sequence[Newcomer], now: datetime) -> list[Taken]:
        """Give each its id. Raises OSError where the disk does not say whether one is free; then none is given."""
        taken: list[Taken] = []
        try:
            for newcomer in newcomers:
                taken.append(self._name(newcomer, now))  # noqa: PERF401 - what was named so far is needed
        except OSError:
            for one in taken:
                self._ids.give_back(one.plan)
            raise
        return taken

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

    def _lies_in_active(self, one: Taken) -> bool:
        return looking.is_there(self._root.plan_folder(one.plan) / one.file_name)

    def _take_of(self, one: Taken, lane: int) -> durable.Take:
        lane_file = os.path.join(self._root.inbox, one.source)
        return durable.Take(
            lane_file, self._root.plan_folder(one.plan), one.file_name, one.first_line(), lane
        )

    def _look_at(self, one: Taken, at: Moment) -> tuple[Event, IdLine]:
        if one.bad_file is not None:
            return self._refuse(one, _bad_file(one.bad_file), None, at)
        try:
            with opened(self._root.plan_folder(one.plan)) as folder:
                raw = read_settled(folder, one.file_name, MAX_DOCUMENT_BYTES)
        except BadFile as error:
            return self._refuse(one, _bad_file(error.why), None, at)
        except FileNotFoundError as error:
            if error.filename != one.file_name:
                raise
            # Somebody removed it; waiting for it would keep all the others waiting.
            return self._refuse(one, _bad_file("was removed after it was taken"), None, at)
        except StillWritten:
            if at.boot < self._give_up_at.setdefault(one.plan, at.boot + self._patience):
                raise
            return self._refuse(one, _bad_file("was still being written after it was taken"), None, at)
        sha256 = hashlib.sha256(raw).hexdigest()
        checked = check_plan(raw, one.file_format, one.plan, self._limits, self._library)
        if isinstance(checked, Refused):
            return self._refuse(one, checked, sha256, at)
        if one.retry_of is not None:
            checked = _undated(checked)
        key = checked.plan.key if one.retry_of is None else None
        first = self._ids.of_key(key) if key is not None else None
        if first is not None and first != one.plan:
            return self._duplicate(one, checked, first, sha256, at)
        return self._accept(one, checked, key, sha256, at)

    def _accept(
        self, one: Taken, checked: Accepted, key: str | None, sha256: str, at: Moment
    ) -> tuple[Event, IdLine]:
        write_accepted(self._root, one.plan, checked)
        record = self._journals.append(one.plan, "accepted", **_accepted_fields(checked, sha256))
        if key is not None:
            self._ids.hold_key(key, one.plan)
        facts = facts_of(one.plan, one.arrival, one.taken.timestamp(), record)
        known = {name: status for name in facts.after if (status := self._status_of(name)) is not None}
        return PlanAccepted(at, facts, known), one.id_line(sha256, key)

    def _refuse(self, one: Taken, refused: Refused, sha256: str | None, at: Moment) -> tuple[Event, IdLine]:
        fields = optional(sha256=sha256, key=refused.key, title=refused.title)
        errors = [_error_fields(error) for error in refused.errors]
        self._journals.append(one.plan, "refused", reason=refused.reason.value, errors=errors, **fields)
        ending = Ending(Status.REJECTED, refused.reason)
        return PlanRefused(at, one.plan, ending), one.id_line(sha256, None)

    def _duplicate(
        self, one: Taken, checked: Accepted, first: PlanId, sha256: str, at: Moment
    ) -> tuple[Event, IdLine]:
        fields = optional(key=checked.plan.key, title=checked.plan.title)
        self._journals.append(one.plan, "duplicate", duplicate_of=first, sha256=sha256, **fields)
        ending = Ending(Status.DUPLICATE, Reason.DUPLICATE)
        return PlanRefused(at, one.plan, ending), one.id_line(sha256, None)

    def _status_of(self, plan: PlanId) -> Status | None:
        """How a plan ended that is settled; None where it is in hand or unknown."""
        return status_of(self._root, plan) if self._ids.has(plan) else None


def _undated(checked: Accepted) -> Accepted:
    """A retry is wanted now, whatever the dates of the first time were (PROTOCOL, section 7)."""
    plan = checked.plan.model_copy(update={"not_before": None, "expires": None})
    return replace(checked, plan=plan)


def _accepted_fields(checked: Accepted, sha256: str) -> dict[str, Any]:
    """What the engine must know of a plan, and the plan's checksum: the journal's record `accepted`."""
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
    } | optional(
        key=plan.key, max_usd=plan.limits.max_usd, workflow=checked.workflow, **dates, **_graph_fields(plan)
    )


def _graph_fields(plan: Plan) -> dict[str, Any]:
    """What is told of a plan that is more than one prompt."""
    steps = [fields_of_step(facts_of_step(plan, step)) for step in plan.steps]
    checks = len(plan.accept.checks)
    return {
        "steps": steps or None,
        "touches": list(plan.workspace.touches) or None,
        "checks": checks or None,
        "rounds": plan.accept.rounds if checks else None,
    }


def _error_fields(error: FieldError) -> dict[str, Any]:
    return {"path": error.path, "message": error.message} | optional(line=error.line, hint=error.hint)


def _bad_file(why: str) -> Refused:
    """Why a file was not read at all."""
    hint = "write the plan as a plain file of your own, at most 1 MiB, and rename it into place"
    return Refused(Reason.BAD_FILE, (FieldError("", f"the file {why}", hint, None),))
