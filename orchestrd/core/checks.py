"""Whether an open plan is done: its steps' work is joined, its checks run, and a failed one goes back to the model."""

from __future__ import annotations

from collections.abc import Callable

from handoff.result import Reason, Status
from orchestrd.core import endings
from orchestrd.core import events as told
from orchestrd.core.commands import Command, Gather
from orchestrd.core.events import Ending, Moment, RunOutcome
from orchestrd.core.graph import implementing
from orchestrd.core.in_hand import InHand
from orchestrd.core.plan import PlanInHand
from orchestrd.core.plan_life import Trigger
from orchestrd.core.starts import Starts
from orchestrd.core.step import StepInHand
from orchestrd.core.step_life import StepState, StepTrigger

MOST_STARTS = 3
"""So often one round's check is started anew that was interrupted."""


class Checks:
    """The rules for a plan's checks. `go_on` finds out what follows for a plan whose steps have their turn again."""

    def __init__(
        self, plans: InHand, starts: Starts, go_on: Callable[[PlanInHand, Moment], list[Command]]
    ) -> None:
        self._plans = plans
        self._starts = starts
        self._go_on = go_on

    def joined(self, plan: PlanInHand, event: told.Joined) -> list[Command]:
        """What the steps have left is in one place: now it is seen whether it is what was wanted."""
        if event.problem is not None:
            failed = endings.conflict if event.is_conflict else endings.no_workspace
            plan.decided = failed(event.problem)
        if plan.decided is not None or plan.cancelled is not None:
            return self._finish(plan)
        self._plans.move(plan, Trigger.JOINED)
        return self._check(plan, event.at)

    def _check(self, plan: PlanInHand, at: Moment) -> list[Command]:
        """Run the next check of this round; after the last one decide whether the plan is done."""
        if any(one.state is StepState.RUNNING for one in plan.checks()):
            return []  # one that was found after a restart, and is told of next
        todo = next((one for one in plan.checks() if one.state is StepState.PENDING), None)
        if todo is not None and plan.cancelled is None:
            for trigger in (StepTrigger.FREED, StepTrigger.CHOSEN, StepTrigger.WORKSPACE_MADE):
                todo.move(trigger)
            return [self._starts.run(plan, todo, None)]
        failed = [
            number
            for number, one in enumerate(plan.checks(), 1)
            if one.outcome is not None and not one.outcome.succeeded
        ]
        if not failed and plan.cancelled is None:
            plan.decided = Ending(Status.SUCCEEDED)
            return self._finish(plan)
        mender = implementing(plan.facts.steps)
        if plan.cancelled is None and mender is not None and plan.round < plan.facts.rounds:
            return self._another_round(plan, plan.steps[mender.step], at)
        if plan.cancelled is None:
            plan.decided = endings.check_failed(failed, plan.round)
        return self._finish(plan)

    def ended(self, plan: PlanInHand, check: StepInHand, outcome: RunOutcome, at: Moment) -> list[Command]:
        """A check's start is over."""
        check.outcome = outcome
        if (
            outcome.reason is Reason.INTERRUPTED
            and plan.cancelled is None
            and check.starts < (plan.round + 1) * MOST_STARTS
        ):
            return [self._starts.run(plan, check, None)]
        check.move(StepTrigger.SUCCEEDED if outcome.succeeded else StepTrigger.FAILED)
        return self._check(plan, at)

    def _another_round(self, plan: PlanInHand, mender: StepInHand, at: Moment) -> list[Command]:
        """Let a failed check go back to the session that implemented it."""
        plan.round += 1
        for check in plan.checks():
            check.state = StepState.PENDING
        mender.session = mender.outcome.session if mender.outcome is not None else None
        mender.same_attempt = True
        self._plans.move(plan, Trigger.CHECK_FAILED)
        self._plans.move_step(plan, mender, StepTrigger.ANOTHER_ROUND)
        return self._go_on(plan, at)

    def _finish(self, plan: PlanInHand) -> list[Command]:
        if plan.decided is None:
            plan.decided = endings.cancelled(plan.cancelled or "")
        self._plans.move(plan, Trigger.OVER)
        return [Gather(plan.facts.plan)]
