"""What a plan's journal tells: a pure fold of its records, for a daemon that is started anew.

The vocabulary of the records is that of `docs/how-it-works.md`; unknown events are passed over, so an older daemon can
read what a newer one wrote.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from handoff.result import Reason, Status
from handoff.root import PlanId
from orchestrd.core.events import Ending, History, RunOutcome, StepHistory
from orchestrd.core.facts import MAIN, MAIN_ALONE, PlanFacts, StepFacts

Record = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Told:
    """All that a daemon needs to go on with a plan."""

    history: History = field(default_factory=History)
    checked: bool = False
    """Its content was looked at: it is accepted, refused or a duplicate."""
    facts: Record | None = None
    """The record `accepted`."""
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
        case "run-intended" | "run-ended" | "run-again" | "step-gathered":
            name = record.get("step", MAIN)
            before = history.steps.get(name, StepHistory())
            after, booked_usd = _follow_step(before, record)
            history = replace(
                history,
                steps={**history.steps, name: after},
                spent_usd=history.spent_usd + booked_usd,
            )
            moved = told.moved if record["event"] == "run-ended" else record.get("time")
            return replace(told, history=history, moved=moved)
        case "cancel-asked":
            return replace(told, history=replace(history, cancelled=record.get("why") or ""))
        case "settling":
            steps = {name: replace(step, in_hand=False) for name, step in history.steps.items()}
            settling = replace(history, ending=_ending_of(record), steps=steps)
            return replace(told, history=settling, is_settling=True, moved=record.get("time"))
        case _:
            return told


def _follow_step(step: StepHistory, record: Record) -> tuple[StepHistory, float]:
    """One more record of a step: what it is then, and the US dollars of an end that has been acted upon by that."""
    cost = step.outcome.cost_usd if step.outcome is not None and step.in_hand else 0.0
    match record["event"]:
        case "run-intended":
            number, in_round = record["n"], record.get("round") or 0
            goes_on = step.parked_since is None and in_round == step.round
            intended = StepHistory(
                starts=number,
                attempt=record["attempt"],
                # Written down twice, it is one start.
                resumes=step.resumes + (bool(record["resumes"]) and number > step.starts and goes_on),
                session=record["session_id"] if record["resumes"] else None,
                in_hand=True,
                round=in_round,
                spent_usd=step.spent_usd + cost,
                given_usd=record.get("budget_usd"),
                parked_since_before=step.parked_since,
            )
            # An end that was acted upon without a word (`run-again` could not be written) has cost what it has.
            return intended, cost
        case "run-ended":
            return replace(step, outcome=outcome_of(record)), 0.0
        case "run-again":
            # A start that did not count as an attempt is taken back, so the next one counts as this.
            attempt = step.attempt - bool(record.get("same_attempt"))
            session = record.get("session_id")
            spent = step.spent_usd + cost
            again = replace(
                step,
                in_hand=False,
                outcome=None,
                session=session,
                attempt=attempt,
                spent_usd=spent,
                parked_since=record.get("parked_since"),
                parked_until=record.get("parked_until"),
                parked_untold=record.get("parked_untold", False),
                waits_for_money=record.get("waiting_for") == "budget",
            )
            return again, cost
        case _:
            over = replace(step, in_hand=False, is_over=True, spent_usd=step.spent_usd + cost)
            return replace(over, ending=_ending_of(record)), cost


def _ending_of(record: Record) -> Ending | None:
    """What `fields_of_ending` wrote down; None: nothing was."""
    status, reason = record.get("status"), record.get("reason")
    if status is None:
        return None
    return Ending(Status(status), Reason(reason) if reason else None, record.get("message"))


def fields_of_ending(ending: Ending) -> dict[str, str]:
    """An ending as it stands in a journal: what there is nothing of is left out."""
    fields = {
        "status": ending.status.value,
        "reason": ending.reason.value if ending.reason else None,
        "message": ending.message,
    }
    return {name: value for name, value in fields.items() if value is not None}


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
        steps=tuple(step_of(fields) for fields in record.get("further_steps", ())),
        limit_resets_at=record.get("limit_resets_at"),
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
        steps=tuple(step_of(fields) for fields in record.get("steps", ())) or MAIN_ALONE,
        checks=record.get("checks", 0),
        rounds=record.get("rounds", 2),
        touches=tuple(record.get("touches", ())),
    )


def step_of(fields: Record) -> StepFacts:
    """The engine's view of a step, as `fields_of_step` wrote it down."""
    return StepFacts(
        step=fields["step"],
        needs=tuple(fields.get("needs", ())),
        writes=fields.get("writes", True),
        is_command=fields.get("is_command", False),
        expands=fields.get("expands", False),
        attempts=fields.get("attempts"),
        on_interrupt=fields.get("on_interrupt"),
        max_usd=fields.get("max_usd"),
    )


def fields_of_step(facts: StepFacts) -> dict[str, Any]:
    """A step as it stands in a journal: what is as usual is left out."""
    usual = StepFacts(facts.step)
    names = ("needs", "writes", "is_command", "expands", "attempts", "on_interrupt", "max_usd")
    given = {name: getattr(facts, name) for name in names}
    return {
        "step": facts.step,
        **{name: value for name, value in given.items() if value != getattr(usual, name)},
    }
