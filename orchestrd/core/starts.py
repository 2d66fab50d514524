"""How a step is started: the slot, the money for it, the run; and what its end costs."""

from __future__ import annotations

from orchestrd.core.account_limit import AccountLimit
from orchestrd.core.after_run import remaining_usd
from orchestrd.core.budget import Budget, Later
from orchestrd.core.commands import Command, Prepare, StartRun
from orchestrd.core.events import Moment
from orchestrd.core.graph import works_apart
from orchestrd.core.in_hand import InHand
from orchestrd.core.plan import PlanInHand
from orchestrd.core.step import StepInHand
from orchestrd.core.step_life import StepState, StepTrigger

MONEY_LOOK_SECONDS = 1.0
"""After this it is asked again whether a plan's other runs have left something of their money."""


class Starts:
    """From the slot to the run. What is told of the account's limit and reckoned of money is told and reckoned here."""

    def __init__(self, plans: InHand, limit: AccountLimit, budget: Budget) -> None:
        self._plans = plans
        self._limit = limit
        self._budget = budget

    def choose(self, plan: PlanInHand, step: StepInHand) -> Command:
        """It is given a slot."""
        self._plans.move_step(plan, step, StepTrigger.CHOSEN)
        if not step.facts.is_command:
            self._limit.started((plan.facts.plan, step.name))
        if not plan.begun:
            self._plans.begin(plan)
        if self.is_capped(step):
            facts = plan.facts
            self._budget.admit(facts.plan, facts.project, facts.max_usd, plan.spent_usd, self._plans.wall)
        order = [one.step for one in plan.facts.steps]
        return Prepare(
            plan.facts.plan,
            step.name,
            needs=tuple(sorted(step.facts.needs, key=order.index)),
            own=len(order) > 1 and not plan.facts.in_place and works_apart(plan.facts.steps, step.facts),
            round=plan.round,
            is_staged=plan.is_staged,
        )

    def is_capped(self, step: StepInHand) -> bool:
        """What it costs counts against a day's cap."""
        return self._budget.has_caps and not step.facts.is_command

    def give_back(self, plan: PlanInHand, step: StepInHand) -> None:
        """It had a slot and does not start: nothing is to be learned from it of the account's limit."""
        self._limit.held((plan.facts.plan, step.name))

    def start(self, plan: PlanInHand, step: StepInHand, at: Moment) -> list[Command]:
        """Start a model's step or a command in the workspace that is there; nothing where the caps hold it back."""
        budget = remaining_usd(plan, step)
        if self.is_capped(step):
            granted = self._budget.next_run(plan.facts.plan, at.wall, among=_sharers(plan, step))
            if isinstance(granted, Later):
                self._put_off(plan, step, granted, at)
                return []
            budget = min((usd for usd in (budget, granted.usd) if usd is not None), default=None)
        self._plans.move_step(plan, step, StepTrigger.WORKSPACE_MADE)
        step.started = at.boot
        return [self.run(plan, step, budget)]

    def _put_off(self, plan: PlanInHand, step: StepInHand, later: Later, at: Moment) -> None:
        """Its slot is given back until there is money for it."""
        self.give_back(plan, step)
        pause = later.until - at.wall if later.until is not None else MONEY_LOOK_SECONDS
        self._plans.waiting.pause(plan, step, pause, at, "budget")
        self._plans.move_step(plan, step, StepTrigger.PUT_OFF)

    def run(self, plan: PlanInHand, step: StepInHand, budget_usd: float | None) -> Command:
        """Count one start more, with so many US dollars; None: its plan has no cap."""
        step.starts += 1
        if not step.same_attempt:
            step.attempt += 1
        step.same_attempt = False
        step.given_usd = budget_usd
        if self.is_capped(step):
            self._budget.hand(plan.facts.plan, _run(step), budget_usd)
        # To go on after a limit is neither an attempt nor a resumption of one that failed; nor is a further round.
        goes_on = step.parked_since is None and plan.round == step.round
        step.resumes += step.session is not None and goes_on
        step.round = plan.round
        step.parked_since_before, step.parked_since = step.parked_since, None
        return StartRun(
            plan.facts.plan, step.starts, step.attempt, step.session, budget_usd, step.name, plan.round
        )

    def book(self, plan: PlanInHand, step: StepInHand, cost_usd: float, at: Moment) -> None:
        """Its last start is over and has cost this."""
        plan.spent_usd += cost_usd
        step.spent_usd += cost_usd
        if self.is_capped(step):
            facts, run = plan.facts, _run(step)
            self._budget.book(facts.plan, facts.project, run, cost_usd, at.wall)
            self._budget.run_over(facts.plan, run)


def _sharers(plan: PlanInHand, step: StepInHand) -> int:
    """Among how many runs, this one and those that are about to start beside it, the plan's money is to be divided."""
    soon = {StepState.READY, StepState.PREPARING}
    beside = [one for one in plan.own_steps() if one is not step and not one.facts.is_command]
    return 1 + sum(one.state in soon for one in beside)


def _run(step: StepInHand) -> str:
    """What the last start of a step is called where money is reckoned."""
    return f"{step.name}.{step.starts}"
