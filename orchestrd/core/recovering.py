"""Where a plan stood when the daemon ended: its steps and checks as its journal tells them. Pure."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from handoff.result import Reason, Status
from orchestrd.core import endings
from orchestrd.core.events import Ending, History, StepHistory
from orchestrd.core.facts import check_number
from orchestrd.core.graph import expanded
from orchestrd.core.plan import PlanInHand
from orchestrd.core.plan_life import Life
from orchestrd.core.step import StepInHand
from orchestrd.core.step_life import NOT_BEGUN, StepState


def note_of_further_start(step: StepInHand) -> dict[str, Any] | None:
    """The fields of `run-again`, now that an end of this step was decided upon; None: no further start follows it.

    A check has none: in another round it is run because of that round, not because of how it ended before.
    """
    if check_number(step.name) is not None or step.state not in {*NOT_BEGUN, StepState.PREPARING}:
        return None
    fields: dict[str, Any] = {"step": step.name, "same_attempt": step.same_attempt}
    if step.session:
        fields["session_id"] = step.session
    if step.wait is not None and step.state is StepState.WAITING:
        fields |= {"waiting_for": step.wait.word, "until": step.wait.until}
    if step.parked_since is not None and step.wait is not None:
        fields |= {"parked_since": step.parked_since, "parked_until": step.wait.until}
        if step.is_parked_untold:
            fields["parked_untold"] = True
    return fields


def take_up(plan: PlanInHand, history: History) -> Life:
    """Put the steps of a plan, of which something was started, where they stood; return where the plan stands."""
    plan.take_up(history)
    more = {
        name: step.outcome.steps
        for name, step in history.steps.items()
        if step.outcome is not None and step.outcome.succeeded and step.outcome.steps and step.ending is None
    }
    if more:
        plan.facts = replace(plan.facts, steps=expanded(plan.facts.steps, more))
    plan.lay_out()
    life = Life.OPEN
    for name, told in history.steps.items():
        step = plan.steps.get(name)
        if step is None:
            continue  # a newer version, or another file, of this plan
        step.take_up(told)
        if check_number(name) is not None:
            if _stands_in_check(step, told, plan.round):
                life = Life.CHECKING
        else:
            _place(plan, step, told)
    return life


def _place(plan: PlanInHand, step: StepInHand, told: StepHistory) -> None:
    if told.is_over:
        step.outcome = told.outcome
        ending = told.ending
        if ending is None and not (told.outcome is not None and told.outcome.succeeded):
            reason = told.outcome.reason if told.outcome is not None else None
            failed = Ending(Status.FAILED, reason or Reason.INTERRUPTED)
            ending = endings.of_step(step.name, failed, is_alone=len(plan.facts.steps) == 1)
        step.state = StepState.DONE if ending is None else StepState.FAILED
        plan.decided = plan.decided or ending
    elif told.in_hand:
        step.state = StepState.RUNNING
    # Between two starts it is pending: its pause has been long enough.


def _stands_in_check(check: StepInHand, told: StepHistory, round_: int) -> bool:
    """Whether this check belongs to the round in which the plan stood; in hand it is run, or told of again."""
    if told.round != round_ or not told.in_hand:
        return False
    check.state = StepState.RUNNING
    return True
