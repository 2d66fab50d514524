"""What follows a run: a further attempt, or the end; and what the evidence makes of that end. Pure functions."""

from __future__ import annotations

from dataclasses import dataclass

from handoff.result import Reason, Status
from orchestrd.core import endings
from orchestrd.core.events import Ending, RunOutcome
from orchestrd.core.plan import PlanInHand

PAUSES_SECONDS = (2.0, 10.0, 60.0)
"""Before the second, third and every further attempt (PROTOCOL, section 4)."""

MOST_RESUMES = 2
"""A session is resumed at most twice after failures or interruptions; then a further attempt starts anew."""


@dataclass(frozen=True, slots=True)
class Again:
    """Start once more, after a pause, resuming `session` where there is one."""

    pause_seconds: float
    session: str | None
    same_attempt: bool = False


@dataclass(frozen=True, slots=True)
class Over:
    """No further start."""

    ending: Ending


def decide_after_run(plan: PlanInHand, outcome: RunOutcome) -> Again | Over:
    """Decide what follows a run of `plan` that ended as `outcome`; its cost is booked already."""
    if plan.cancelled is not None and not outcome.succeeded:
        return Over(endings.cancelled(plan.cancelled))
    if outcome.succeeded:
        return Over(Ending(Status.SUCCEEDED))
    if outcome.resume_refused and plan.session is not None:
        # Its session is gone: the attempt has not begun, so a fresh start belongs to it.
        return Again(0.0, None, same_attempt=True)
    failed = Ending(Status.FAILED, outcome.reason)
    interrupted = outcome.reason is Reason.INTERRUPTED
    if not outcome.may_retry or (interrupted and plan.facts.on_interrupt == "stop"):
        return Over(failed)
    if plan.attempt >= plan.facts.attempts:
        return Over(failed)
    left = remaining_usd(plan)
    if left is not None and left <= 0:
        return Over(
            Ending(
                Status.FAILED, Reason.BUDGET, "What the plan may cost is used up, so it was not tried again."
            )
        )
    fresh = plan.resumes >= MOST_RESUMES or (interrupted and plan.facts.on_interrupt == "restart")
    pause = PAUSES_SECONDS[min(plan.attempt, len(PAUSES_SECONDS)) - 1]
    return Again(pause, None if fresh else outcome.session)


def remaining_usd(plan: PlanInHand) -> float | None:
    """US dollars left of the plan's `max_usd`; None where it has none."""
    if plan.facts.max_usd is None:
        return None
    return max(0.0, plan.facts.max_usd - plan.spent_usd)


def judge_evidence(plan: PlanInHand, *, changed: bool | None, problem: str | None) -> Ending:
    """Hold what the run claims against what is there: `changes = "expected"` and `"forbidden"`."""
    ending = plan.decided or Ending(Status.FAILED, Reason.NO_OUTPUT)
    if ending.status is not Status.SUCCEEDED:
        return ending
    if problem is not None:
        return Ending(Status.FAILED, Reason.WORKSPACE, problem)
    if plan.facts.changes == "expected" and not changed:
        if plan.denied:
            message = (
                "Changes were expected and there are none; some tool calls were denied (see steps.denied)."
            )
            return Ending(Status.FAILED, Reason.PERMISSION, message)
        return Ending(Status.FAILED, Reason.NO_CHANGES, "Changes were expected and none can be shown.")
    if plan.facts.changes == "forbidden" and changed:
        return Ending(Status.FAILED, Reason.CHECK_FAILED, "Changes were forbidden and there are some.")
    return ending
