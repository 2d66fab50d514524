"""Whether anything may start now, and what it waits for where it may not: pauses, troubles of the machine, places."""

from __future__ import annotations

from handoff.root import PlanId
from orchestrd.core.account_limit import AccountLimit
from orchestrd.core.budget import Budget, next_day
from orchestrd.core.in_hand import InHand
from orchestrd.core.plan import PlanInHand
from orchestrd.core.plan_life import Life, State
from orchestrd.core.pressure import DYING
from orchestrd.core.queue import ASK_ANEW, Hindrance, Line
from orchestrd.core.step import Wait
from orchestrd.core.step_life import StepState

CONDITIONS = ("claude", "space", "pressure")
"""Troubles of the machine in which no plan starts, in the order in which they are shown."""

LIMIT, MONEY = "limit", "money"
"""What hinders lines besides plans at work."""


class Admission:
    """What stands in the way of all, or of some."""

    def __init__(
        self,
        plans: InHand,
        limit: AccountLimit,
        budget: Budget,
        max_parallel: int,
        near_limit_priority: int,
    ) -> None:
        self.max_parallel = max_parallel
        self.limit = limit
        """The account's."""
        self._near_limit_priority = near_limit_priority
        self._budget = budget
        self.paused: str | None = None
        """Why no plan starts ('' where nobody said); None: plans start."""
        self.draining = False
        self.troubles: set[str] = set()
        self._plans = plans
        self._limit_was = (False, False)
        self._money_was = (0, 0)

    @property
    def starts_plans(self) -> bool:
        """Nothing keeps all of them from starting."""
        return self.paused is None and not self.draining and not self.troubles

    @property
    def has_room(self) -> bool:
        """A slot is free, and something may start."""
        return self.starts_plans and self._plans.slots < self.max_parallel

    def choose(self) -> tuple[PlanId, str] | None:
        """Take the step out of the queue that is next among those that may start."""
        while True:
            limit = self.limit.is_reached, self.limit.is_near
            if limit != self._limit_was:
                self._limit_was = limit
                self._plans.queue.over(LIMIT)
            if self._has_money_come():
                self._money_was = self._budget.eased(self._plans.wall)
                self._plans.queue.over(MONEY)
            chosen = self._plans.queue.choose(self._hinders, self._holds)
            if chosen is not None or not self._has_money_come():
                return chosen

    def _has_money_come(self) -> bool:
        """Whether there may be money for those that were put aside for want of it."""
        return self._budget.has_caps and self._budget.eased(self._plans.wall) != self._money_was

    def _hinders(self, line: Line) -> Hindrance | None:
        """What, besides the order, keeps the steps of a line from their slots."""
        place = line.place
        if not line.is_command and self.keeps_out(line.priority, is_begun=place.begun is not None):
            return Hindrance(LIMIT)
        if place.begun is not None and self._budget.is_admitted(place.begun):
            # It reserves nothing yet: it may be asked for its points, and the turn be another's (`_holds`).
            if line.is_command or self._budget.may_go_on(place.begun, self._plans.wall):
                return None
            self._budget.let_go(place.begun)
            return self._if_money_came() or Hindrance(MONEY)
        if place.begun is None:
            other = self._in_the_way(place.project, in_place=place.in_place, touches=place.touches)
            if other is not None:
                return Hindrance(other, is_of_place=True)
        if line.is_command or self._has_money(place.project, line.max_usd):
            return None
        return Hindrance(MONEY)

    def _holds(self, line: Line) -> Hindrance | None:
        """Reserve the money for the run of a plan at work that is about to be taken."""
        plan = line.place.begun
        if plan is None or line.is_command or not self._budget.is_admitted(plan):
            return None
        self._budget.hold_for_run(plan, self._plans.wall)
        return self._if_money_came()

    def _if_money_came(self) -> Hindrance | None:
        """Where one that was asked has just given some back, those that come before it are asked first."""
        return ASK_ANEW if self._has_money_come() else None

    def _in_the_way(self, project: str, *, in_place: bool, touches: tuple[str, ...]) -> PlanId | None:
        """The plan at work that keeps one like this from starting."""
        return self._plans.touched.in_the_way(project, in_place=in_place, touches=touches)

    def _has_money(self, project: str, max_usd: float | None) -> bool:
        """Whether the money of the day suffices for a plan that has not begun."""
        return not self._budget.has_caps or self._budget.may_admit(project, max_usd, self._plans.wall)

    def _lacks_money(self, plan: PlanInHand) -> bool:
        """Whether what is ready of a plan waits for money."""
        facts = plan.facts
        if not self._budget.has_caps or not plan.asks_a_model:
            return False
        if self._budget.is_admitted(facts.plan):
            return not self._budget.may_go_on(facts.plan, self._plans.wall)
        return not self._has_money(facts.project, facts.max_usd)

    def keeps_out(self, priority: int, *, is_begun: bool) -> bool:
        """Whether the account's limit stands in the way: reached, of all; near, of what is new and not urgent."""
        if self.limit.is_reached:
            return True
        return self.limit.is_near and not is_begun and priority < self._near_limit_priority

    def waits_for(self, plan: PlanInHand) -> Wait | None:
        """What a plan waits for and until when (wall seconds), in the protocol's words; None when it does not wait."""
        if plan.life is Life.WAITING:
            return plan.wait
        if plan.state is State.WAITING and plan.life is Life.OPEN:
            return self._of_steps(plan)
        return self._of_ready(plan) if plan.state is State.READY else None

    def _of_steps(self, plan: PlanInHand) -> Wait | None:
        """Its steps pause: it goes on when the first of them does."""
        waits = [step.wait for step in plan.steps.values() if step.state is StepState.WAITING and step.wait]
        # One without a time goes on after another.
        return min(waits, key=lambda wait: (wait.until is None, wait.until or 0.0), default=None)

    def _of_ready(self, plan: PlanInHand) -> Wait:
        if self.paused is not None or self.draining:
            return Wait("pause")
        for word in CONDITIONS:
            if word in self.troubles:
                return Wait(word)
        if DYING in self.troubles:
            return Wait("pressure")
        if self.keeps_out(plan.facts.priority, is_begun=plan.begun) and plan.asks_a_model:
            return Wait("limit", self.limit.over_at)
        facts = plan.facts
        other = self._in_the_way(facts.project, in_place=facts.in_place, touches=facts.touches)
        if other is not None and not plan.begun:
            return Wait("overlap")
        return Wait("budget", next_day(self._plans.wall)) if self._lacks_money(plan) else Wait("slot")
