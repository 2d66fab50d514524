"""What must come of each plan, whatever happened to the daemon meanwhile: the model that the machine is held against.

The oracle asks what holds of any root. Here stands what only the writer knows: which plan had which key, came after
which, was cancelled when, was never finished; and so how it may end, and how not.
"""

from __future__ import annotations

import hashlib
import json
import tomllib
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Any

from handoff.root import Root
from orchestrd.record.journal import read_journal
from tests.acceptance.stage import Entry
from tests.faults.campaign import Violation
from tests.faults.machine.writing import Way, Writer

PATIENCE_SECONDS = 1.0
"""As configured for these daemons."""
ATTEMPTS = 2
STOPPED_SECONDS = 2.0
"""So long after a cancel was acknowledged a start that was under way may still be seen."""


class Does(StrEnum):
    """What the agent does."""

    SUCCEED = "[write made.txt x]"
    SLOW = "[write made.txt x] [sleep 0.2]"
    FAIL = "[fail it broke]"
    WAIT = "[await {gate}] [write made.txt x]"
    DIE = "[signal 9]"


class Date(StrEnum):
    """When a plan may start."""

    ANY = "any"
    FROM_PAST = "not before a date that is over"
    FROM_SOON = "not before 0.3 s from now"
    FROM_LATER = "not before an hour from now"
    UNTIL_LATER = "until an hour from now"
    UNTIL_PAST = "until a date that is over"


HOUR = 3600.0
WHEN: Mapping[Date, tuple[str | None, float]] = {
    Date.ANY: (None, 0.0),
    Date.FROM_PAST: ("not_before", -HOUR),
    Date.FROM_SOON: ("not_before", 0.3),
    Date.FROM_LATER: ("not_before", HOUR),
    Date.UNTIL_LATER: ("expires", HOUR),
    Date.UNTIL_PAST: ("expires", -HOUR),
}
"""As fields of a plan, in seconds from now."""


@dataclass(slots=True)
class Handed:
    """A plan, and what was done about it."""

    plan: str
    writer: Writer
    does: Does = Does.SUCCEED
    date: Date = Date.ANY
    after: tuple[str, ...] = ()
    key: str | None = None
    priority: int = 50
    attempts: int = 1
    in_place: bool = False
    paused: bool = False
    """It was handed in after a pause was acknowledged, and that pause has not been ended."""
    kills: int = 0
    """So many processes of its runs were killed."""
    cancels: list[str] = field(default_factory=list)
    """The keys of the orders to cancel it."""


def as_plan(handed: Handed, project: Path, gate: Path) -> dict[str, Any]:
    """The plan itself. Dates as texts where its language knows none."""
    given = {
        "handoff": 1,
        "project": str(project),
        "prompt": handed.does.format(gate=gate),
        "priority": handed.priority,
        "limits": {"attempts": handed.attempts},
        "key": handed.key,
        "after": list(handed.after) or None,
    }
    field, seconds = WHEN[handed.date]
    if field is not None:
        date = datetime.now(UTC) + timedelta(seconds=seconds)
        given[field] = date if not handed.writer.name.endswith(".json") else date.isoformat()
    return {name: value for name, value in given.items() if value is not None}


@dataclass(slots=True)
class Given:
    """An order that was given, and what is known of it."""

    key: str
    action: str
    plan: str | None = None
    life: int = 0
    """Which daemon it was given to."""
    outcome: str | None = None
    seen: float | None = None
    """When its outcome was seen."""


@dataclass(slots=True)
class Ended:
    """A plan's folder in the archive."""

    plan: str
    folder: Path
    result: dict[str, Any]
    records: list[dict[str, Any]]
    sha256: str

    @property
    def status(self) -> str:
        """How it ended."""
        return str(self.result["status"])

    @property
    def is_retry(self) -> bool:
        """Whether an order made it."""
        return "retry_of" in self.result


@dataclass(slots=True)
class Model:
    """All that was handed in and ordered."""

    plans: list[Handed] = field(default_factory=list)
    orders: list[Given] = field(default_factory=list)
    jumps: list[float] = field(default_factory=list)
    """What the clock was wrong by, one after the other."""

    def judge(self, root: Root, starts: list[Entry], ends: list[Entry]) -> Iterator[Violation]:
        """Tell everything that did not come as it must. Call it when all is settled."""
        archived = list(read_archive(root))
        by_id = {one.plan: one for one in archived}
        by_content: dict[str, list[Ended]] = defaultdict(list)
        for one in archived:
            by_content[one.sha256].append(one)
        ran = _Ran(starts, ends)
        for handed in self.plans:
            firsts = [one for one in by_content.get(handed.writer.sha256 or "", ()) if not one.is_retry]
            yield from self._judge_plan(handed, firsts, by_id, ran)
        yield from self._judge_keys(archived)
        yield from self._judge_orders(archived)
        for one in archived:
            yield from _judge_result(one, ran)

    def _judge_plan(
        self, handed: Handed, found: list[Ended], by_id: Mapping[str, Ended], ran: _Ran
    ) -> Iterator[Violation]:
        writer = handed.writer
        if writer.gone or writer.lies is None:
            if found:
                yield Violation(
                    "I1", writer.name, "it was taken back, or never finished, and was taken all the same"
                )
            return
        if len(found) != 1:
            return  # the oracle's I1
        one = found[0]
        allowed = self._may_end(handed, by_id)
        if one.status not in allowed:
            said = one.result.get("reason"), one.result.get("summary")
            yield Violation(
                "-", one.plan, f"it ended as {one.status} {said}, not as {'/'.join(sorted(allowed))}"
            )
        yield from self._judge_cancelled(handed, one, ran)
        for name in handed.after:
            first, end = ran.first_start(one.plan), ran.last_end(name)
            if first is not None and (end is None or end > first):
                yield Violation(
                    "-", one.plan, f"it was started before {name}, which it is to come after, had ended"
                )
        if len(ran.starts_of(one.plan)) > handed.attempts:
            yield Violation("I2", one.plan, f"it was started {len(ran.starts_of(one.plan))} times")

    def _may_end(self, handed: Handed, by_id: Mapping[str, Ended]) -> set[str]:
        """How a plan may end, after all that was done about it."""
        if not handed.writer.is_whole:
            return {"rejected"}
        may = {"failed"} if handed.does in {Does.FAIL, Does.DIE} else {"succeeded"}
        if handed.kills or (may == {"failed"} and handed.attempts > 1):
            # A session that is resumed hears nothing of what it did the first time.
            may = {"failed", "succeeded"}
        if self._may_be_overdue(handed):
            may.add("expired")
        if handed.date is Date.UNTIL_PAST and not any(jump < 0 for jump in self.jumps):
            may = {"expired"}
        if handed.date is Date.FROM_LATER and not any(jump > 0 for jump in self.jumps):
            may = set()  # it can only be cancelled
        if any(name not in by_id or by_id[name].status != "succeeded" for name in handed.after):
            may = {"cancelled"} | (may & {"expired"})
        if handed.cancels:
            may.add("cancelled")
        if _may_be_refused(handed.writer):
            may.add("rejected")
        if handed.key is not None and sum(one.key == handed.key for one in self.plans) > 1:
            may.add("duplicate")
        return may

    def _may_be_overdue(self, handed: Handed) -> bool:
        if handed.date is Date.UNTIL_PAST:
            return True
        return handed.date is Date.UNTIL_LATER and any(jump > 0 for jump in self.jumps)

    def _judge_cancelled(self, handed: Handed, one: Ended, ran: _Ran) -> Iterator[Violation]:
        """A cancel that was acknowledged is kept to."""
        done = [order for order in self.orders if order.key in handed.cancels and order.outcome == "done"]
        for order in done:
            # Where nobody looked when it was acknowledged, nobody knows what came after that.
            acknowledged = float("inf") if order.seen is None else order.seen + STOPPED_SECONDS
            late = [at for at in ran.starts_of(one.plan) if at > acknowledged]
            if late:
                yield Violation("-", one.plan, "it was started after its cancel was acknowledged")
            if not ran.starts_of(one.plan) and one.status == "succeeded":
                yield Violation("-", one.plan, "it was cancelled and never started, and succeeded")

    def _judge_keys(self, archived: list[Ended]) -> Iterator[Violation]:
        """Of the plans with one key one is carried out, and the others name it."""
        groups: dict[str, list[Ended]] = defaultdict(list)
        for one in archived:
            if "key" in one.result and not one.is_retry and one.status != "rejected":
                groups[one.result["key"]].append(one)
        for key, group in groups.items():
            firsts = [one.plan for one in group if one.status != "duplicate"]
            if len(firsts) != 1:
                yield Violation("-", key, f"of the plans with this key these were carried out: {firsts}")
                continue
            for one in group:
                if one.status == "duplicate" and one.result.get("duplicate_of") != firsts[0]:
                    yield Violation("-", one.plan, f"it is no duplicate of {one.result.get('duplicate_of')}")

    def _judge_orders(self, archived: list[Ended]) -> Iterator[Violation]:
        for order in self.orders:
            if order.outcome is None:
                yield Violation("-", order.key, f"nothing came of this order to {order.action}")
        made = Counter(one.records[0]["order"] for one in archived if one.is_retry)
        for number, count in made.items():
            if count > 1:
                yield Violation("-", f"order {number}", f"this retry made {count} plans")


class _Ran:
    """What agents wrote into the ledger, by plan."""

    def __init__(self, starts: list[Entry], ends: list[Entry]) -> None:
        self._starts: dict[str, list[float]] = defaultdict(list)
        self._ends: dict[str, list[float]] = defaultdict(list)
        for entries, found in ((starts, self._starts), (ends, self._ends)):
            for entry in entries:
                found[entry.plan].append(entry.time)

    def starts_of(self, plan: str) -> list[float]:
        return self._starts.get(plan, [])

    def first_start(self, plan: str) -> float | None:
        return min(self._starts.get(plan, ()), default=None)

    def last_end(self, plan: str) -> float | None:
        return max(self._ends.get(plan, ()), default=None)


def _may_be_refused(writer: Writer) -> bool:
    """Whether a plan that is whole may have been refused: its writer took longer than a writer is waited for."""
    if writer.way in {Way.RENAME, Way.COPY, Way.HALF, Way.HIDDEN_HALF}:
        return False
    return writer.finished is None or writer.finished > writer.began + PATIENCE_SECONDS


def _judge_result(one: Ended, ran: _Ran) -> Iterator[Violation]:
    """A result is that of what was read and of what ran."""
    told = one.result.get("sha256")
    if told is not None and told != one.sha256:
        yield Violation("I3", one.plan, "its result is of other bytes than those which lie beside it")
    ended = ran.last_end(one.plan) is not None
    if one.status == "succeeded" and not ended:
        yield Violation("I3", one.plan, "it succeeded, and no agent has come to its end")
    if one.status in {"rejected", "duplicate", "expired"} and ran.starts_of(one.plan):
        yield Violation("-", one.plan, f"it is {one.status}, and was started")


def read_archive(root: Root) -> Iterator[Ended]:
    """Read everything that is settled."""
    for folder in sorted(root.archive.glob("*-*/*")):
        files = list(folder.glob("plan.*"))
        result = next(iter(folder.glob("result.*")), None)
        if not files or result is None:
            continue  # the oracle's
        text = result.read_text("utf-8")
        told = json.loads(text) if result.suffix == ".json" else tomllib.loads(text)
        sha256 = hashlib.sha256(files[0].read_bytes()).hexdigest()
        yield Ended(folder.name, folder, told, read_journal(folder / "journal.jsonl"), sha256)
