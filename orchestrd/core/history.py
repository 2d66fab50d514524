"""What a plan's journal tells: a pure fold of its records, for a daemon that is started anew.

The vocabulary of the records is that of `docs/journal.md`; unknown events are passed over, so an older daemon can
read what a newer one wrote.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from handoff.result import Reason, Status
from handoff.root import PlanId
from orchestrd.core.events import Ending, History, PlanFacts, RunOutcome

Record = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Told:
    """All that a daemon needs to go on with a plan."""

    history: History = field(default_factory=History)
    checked: bool = False
    """Its content was looked at: it is accepted, refused or a duplicate."""
    facts: Record | None = None
    """The record `accepted`."""
    number: int = 0
    """The last start that was intended."""
    outcome: RunOutcome | None = None
    """How that start ended, if its end was judged and nothing came of it yet."""
    is_settling: bool = False
    """How it ends is written down (`settling`)."""
    moved: str | None = None
    """When it came to where it stands, as the journal writes a time."""
    sequence: int = 0
    """The number of the journal's last line."""


def read_history(records: Iterable[Record]) -> Told:
    """Fold a plan's records, in order."""
    told, sequence = Told(), 0
    for record in records:
        told, sequence = _follow(told, record), record["seq"]
    return replace(told, sequence=sequence)


def _follow(told: Told, record: Record) -> Told:
    history = told.history
    match record["event"]:
        case "accepted":
            return replace(told, checked=True, facts=record, moved=record.get("time"))
        case "refused":
            ending = Ending(Status.REJECTED, Reason(record["reason"]))
            return replace(told, checked=True, history=replace(history, ending=ending))
        case "duplicate":
            ending = Ending(Status.DUPLICATE, Reason.DUPLICATE)
            return replace(told, checked=True, history=replace(history, ending=ending))
        case "run-intended":
            intended = replace(
                history,
                starts=record["n"],
                attempt=record["attempt"],
                resumes=history.resumes + (bool(record["resumes"]) and record["n"] > told.number),
                session=record["session_id"] if record["resumes"] else None,
                in_hand=True,
                # An end that was acted upon without a word (`run-again` could not be written) has cost what it has.
                spent_usd=history.spent_usd + (told.outcome.cost_usd if told.outcome else 0.0),
            )
            moved = record.get("time")
            return replace(told, history=intended, number=record["n"], outcome=None, moved=moved)
        case "run-ended":
            return replace(told, outcome=outcome_of(record))
        case "run-again":
            spent = history.spent_usd + (told.outcome.cost_usd if told.outcome else 0.0)
            # A start that did not count as an attempt is taken back, so the next one counts as this.
            attempt = history.attempt - bool(record.get("same_attempt"))
            session = record.get("session_id")
            again = replace(history, in_hand=False, session=session, spent_usd=spent, attempt=attempt)
            return replace(told, history=again, outcome=None, moved=record.get("time"))
        case "cancel-asked":
            return replace(told, history=replace(history, cancelled=record.get("why") or ""))
        case "settling":
            reason = record.get("reason")
            ending = Ending(
                Status(record["status"]), Reason(reason) if reason else None, record.get("message")
            )
            settling = replace(history, ending=ending, in_hand=False)
            return replace(told, history=settling, is_settling=True, moved=record.get("time"))
        case _:
            return told


def outcome_of(record: Record) -> RunOutcome:
    """The engine's view of a record `run-ended`."""
    reason = record.get("reason")
    return RunOutcome(
        succeeded=record["status"] == "succeeded",
        reason=Reason(reason) if reason else None,
        may_retry=bool(record.get("retry")),
        session=record.get("session_id"),
        resume_refused=bool(record.get("resume_refused")),
        cost_usd=record.get("cost_usd") or 0.0,
        denied=bool(record.get("denied")),
    )


def facts_of(plan: PlanId, arrival: int, accepted: float, record: Record) -> PlanFacts:
    """The engine's view of a record `accepted`."""
    return PlanFacts(
        plan=plan,
        arrival=arrival,
        accepted=accepted,
        project=record["project"],
        in_place=record["in_place"],
        priority=record["priority"],
        after=tuple(PlanId(name) for name in record.get("after", ())),
        not_before=record.get("not_before"),
        expires=record.get("expires"),
        attempts=record["attempts"],
        on_interrupt=record["on_interrupt"],
        max_usd=record.get("max_usd"),
        changes=record["changes"],
        title=record.get("title", ""),
    )
