"""What follows a run: a further attempt, or its end; and what the evidence makes of a plan's end. Pure functions."""

from __future__ import annotations

from dataclasses import dataclass

from handoff.result import Reason, Status
from orchestrd.core import endings
from orchestrd.core.events import Ending, RunOutcome
from orchestrd.core.plan import PlanInHand
from orchestrd.core.step import StepInHand
from orchestrd.core.step_life import StepState

PAUSES_SECONDS = (2.0, 10.0, 60.0)
"""Before the second, third and every further attempt (PROTOCOL, section 4)."""

MOST_RESUMES = 2
"""A session is resumed at most twice after failures or interruptions; then a further attempt starts anew."""

LEAST_USD = 0.000001
"""Less is nothing: Claude Code takes no smaller budget."""
WORTH_USD = 0.01
"""With less than this a session that has used up its money is not gone on with."""


@dataclass(frozen=True, slots=True)
class Again:
    """Start once more, after a pause, resuming `session` where there is one."""

    pause_seconds: float
    session: str | None
    same_attempt: bool = False
    waits_for_money: bool = False
    """Until a run beside it is over that may leave some of its own."""


@dataclass(frozen=True, slots=True)
class Over:
    """No further start."""

    ending: Ending


def decide_after_run(plan: PlanInHand, step: StepInHand, outcome: RunOutcome) -> Again | Over:
    """Decide what follows a run of a step that ended as `outcome`; its cost is booked already."""
    if plan.cancelled is not None and not outcome.succeeded:
        return Over(endings.cancelled(plan.cancelled))
    if outcome.succeeded:
        return Over(Ending(Status.SUCCEEDED))
    if outcome.resume_refused and step.session is not None:
        # Its session is gone: the attempt has not begun, so a fresh start belongs to it.
        return Again(0.0, None, same_attempt=True)
    failed = Ending(Status.FAILED, outcome.reason)
    left = remaining_usd(plan, step)
    if outcome.reason is Reason.BUDGET and outcome.session and left is not None and left >= WORTH_USD:
        # It has used up its share; meanwhile those beside it have left something of theirs.
        return Again(0.0, outcome.session, same_attempt=True)
    if outcome.reason is Reason.BUDGET and outcome.session and _may_be_left_some(plan, step):
        return Again(0.0, outcome.session, same_attempt=True, waits_for_money=True)
    interrupted = outcome.reason is Reason.INTERRUPTED
    on_interrupt = step.facts.on_interrupt or plan.facts.on_interrupt
    if not outcome.may_retry or (interrupted and on_interrupt == "stop"):
        return Over(failed)
    if step.attempt >= (step.facts.attempts or plan.facts.attempts):
        return Over(failed)
    if left is not None and left < LEAST_USD and not plan.has_others_at_work(step):
        return Over(endings.no_money())
    fresh = step.resumes >= MOST_RESUMES or (interrupted and on_interrupt == "restart")
    pause = PAUSES_SECONDS[min(max(step.attempt, 1), len(PAUSES_SECONDS)) - 1]
    return Again(pause, None if fresh else outcome.session)


def remaining_usd(plan: PlanInHand, step: StepInHand) -> float | None:
    """US dollars that the next start of a step may cost; None where nothing bounds it.

    What is left of the plan's `max_usd`, less what was given to the steps that run, is shared among those that could
    run now: so the plan's cap holds, whatever the steps beside this one cost.
    """
    if step.facts.is_command:
        return None
    own = None if step.facts.max_usd is None else max(0.0, step.facts.max_usd - step.spent_usd)
    if plan.facts.max_usd is None:
        return own
    others = [one for one in plan.own_steps() if one is not step and not one.facts.is_command]
    given = sum(one.given_usd or 0.0 for one in others if one.is_alive)
    share = max(0.0, plan.facts.max_usd - plan.spent_usd - given) / (
        1 + sum(one.state in _READY for one in others)
    )
    return share if own is None else min(own, share)


def _may_be_left_some(plan: PlanInHand, step: StepInHand) -> bool:
    """Whether a step that has used up its share may still cost something, if those that run beside it cost less."""
    if step.facts.max_usd is not None and step.facts.max_usd - step.spent_usd < WORTH_USD:
        return False
    beside = [one for one in plan.own_steps() if one is not step and one.is_alive]
    return sum(one.given_usd or 0.0 for one in beside if not one.facts.is_command) >= WORTH_USD


_READY = frozenset({StepState.READY, StepState.PREPARING})


def has_money(plan: PlanInHand, step: StepInHand) -> bool:
    """Whether a step may cost anything now; where not, it may later, when one beside it has not used up its share."""
    left = remaining_usd(plan, step)
    has_used_up = step.session is not None and step.wait is not None and step.wait.word == "budget"
    return left is None or left >= (WORTH_USD if has_used_up else LEAST_USD)


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
