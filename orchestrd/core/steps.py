"""What happens to the steps of a plan that is open, and to its checks: started, tried again, over; and what follows.

Steps whose needs are met stand in the queue side by side. When one fails for good, no further step of its plan begins;
those that run are let end, for what they do is paid for. When all are done, the checks decide whether the plan is.
"""

from __future__ import annotations

from dataclasses import replace

from handoff.result import Reason, Status
from orchestrd.core import endings
from orchestrd.core import events as told
from orchestrd.core.account_limit import AccountLimit
from orchestrd.core.after_run import Again, Over, decide_after_run, has_money, remaining_usd
from orchestrd.core.budget import Budget, Grant, Later
from orchestrd.core.commands import Command, Gather, GatherStep, Join, Prepare, Settle, StartRun, StopRun
from orchestrd.core.events import Ending, Moment, RunOutcome
from orchestrd.core.facts import check_number
from orchestrd.core.graph import GraphFault, expanded, implementing, last_ones, works_apart
from orchestrd.core.in_hand import InHand
from orchestrd.core.plan import EngineFault, PlanInHand
from orchestrd.core.plan_life import Life, Trigger
from orchestrd.core.pressure import Candidate, Yielding
from orchestrd.core.step import StepInHand, Wait
from orchestrd.core.step_life import NOT_BEGUN, StepState, StepTrigger

MONEY_LOOK_SECONDS = 1.0
"""After this it is asked again whether a plan's other runs have left something of their money."""
MOST_YIELDS = 3
"""A step that had to stop more often for the machine's sake is what troubles it."""
YIELD_SECONDS = 30.0
"""So long it waits at least until it goes on."""
MOST_STARTS_OF_A_CHECK = 3
"""So often one round's check is started anew that was interrupted."""


class Steps:
    """The rules for steps. Each method returns what is to be done now."""

    def __init__(self, plans: InHand, limit: AccountLimit, budget: Budget, max_parked_seconds: float) -> None:
        self._plans = plans
        self._limit = limit
        self._budget = budget
        self._yielding = Yielding()
        self._max_parked = max_parked_seconds

    # -- until they are started -----------------------------------------------------------------------------------

    def open(self, plan: PlanInHand, at: Moment) -> list[Command]:
        """A plan's turn has come: those of its steps that need no others are ready."""
        plan.lay_out()
        self._plans.move(plan, Trigger.FREED)
        return self.go_on(plan, at)

    def weigh(self, plan: PlanInHand, at: Moment) -> bool:
        """Let those steps be ready in whose way nothing stands any more. True: there is no money for any."""
        for step in plan.own_steps():
            if step.state is StepState.READY and not has_money(plan, step):
                self._plans.queue.discard(plan.facts.plan, step.name)
                self._wait_for_money(plan, step)
        for step in plan.own_steps():
            paused = step.paused_until is not None and step.paused_until > at.boot
            is_free = (step.state is StepState.WAITING and not paused) or (
                step.state is StepState.PENDING and plan.is_met(step)
            )
            if is_free and has_money(plan, step):
                step.wait = None
                self._plans.move_step(plan, step, StepTrigger.FREED)
                self._plans.line_up(plan, step)
        if not plan.is_out_of_money(has_money):
            return False
        plan.decided = endings.no_money()
        return True

    def _wait_for_money(self, plan: PlanInHand, step: StepInHand) -> None:
        """What its plan may cost is used up, or in the hands of the steps beside it: it waits for what they leave."""
        step.paused_until, step.wait = None, Wait("budget")
        self._plans.move_step(plan, step, StepTrigger.PUT_OFF)

    def choose(self, plan: PlanInHand, step: StepInHand) -> Command:
        """It is given a slot."""
        self._plans.move_step(plan, step, StepTrigger.CHOSEN)
        if not step.facts.is_command:
            self._limit.started((plan.facts.plan, step.name))
        if not plan.begun:
            self._plans.begin(plan)
        if self._budget.has_caps and not step.facts.is_command:
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

    def start(self, plan: PlanInHand, step: StepInHand, at: Moment, *, may_start: bool) -> list[Command]:
        """Its workspace is there."""
        if plan.cancelled is not None or plan.decided is not None:
            self._limit.held((plan.facts.plan, step.name))
            self._plans.move_step(plan, step, StepTrigger.GIVEN_UP)
            return self.go_on(plan, at)
        if not may_start:
            # Paused while its workspace was being made: that waits for it.
            self._limit.held((plan.facts.plan, step.name))
            self._plans.move_step(plan, step, StepTrigger.HELD)
            self._plans.line_up(plan, step)
            return []
        if not has_money(plan, step):
            self._limit.held((plan.facts.plan, step.name))
            self._wait_for_money(plan, step)
            return self.go_on(plan, at)
        budget = remaining_usd(plan, step)
        if self._budget.has_caps and not step.facts.is_command:
            granted = self._granted(plan, step, at)
            if isinstance(granted, Later):
                return self._put_off(plan, step, granted, at)
            budget = min((usd for usd in (budget, granted.usd) if usd is not None), default=None)
        self._plans.move_step(plan, step, StepTrigger.WORKSPACE_MADE)
        step.started = at.boot
        return [self._start(plan, step, budget)]

    def _granted(self, plan: PlanInHand, step: StepInHand, at: Moment) -> Grant | Later:
        """What the caps of the day leave for a start."""
        soon = {StepState.READY, StepState.PREPARING}
        beside = [one for one in plan.own_steps() if one is not step and not one.facts.is_command]
        among = 1 + sum(one.state in soon for one in beside)
        return self._budget.next_run(plan.facts.plan, at.wall, among=among)

    def _put_off(self, plan: PlanInHand, step: StepInHand, later: Later, at: Moment) -> list[Command]:
        """Its slot is given back until there is money for it."""
        self._limit.held((plan.facts.plan, step.name))
        pause = later.until - at.wall if later.until is not None else MONEY_LOOK_SECONDS
        self._plans.waiting.pause(plan, step, pause, at, "budget")
        self._plans.move_step(plan, step, StepTrigger.PUT_OFF)
        return []

    def _start(self, plan: PlanInHand, step: StepInHand, budget_usd: float | None) -> Command:
        step.starts += 1
        if not step.same_attempt:
            step.attempt += 1
        step.same_attempt = False
        step.given_usd = budget_usd
        if self._budget.has_caps and not step.facts.is_command:
            self._budget.hand(plan.facts.plan, _run(step), budget_usd)
        # To go on after a limit is neither an attempt nor a resumption of one that failed.
        step.resumes += step.session is not None and step.parked_since is None
        step.parked_since_before, step.parked_since = step.parked_since, None
        return StartRun(
            plan.facts.plan, step.starts, step.attempt, step.session, budget_usd, step.name, plan.round
        )

    def workspace_failed(self, plan: PlanInHand, event: told.WorkspaceFailed) -> list[Command]:
        """There is nowhere to run a step."""
        step = self._step(plan, event.step)
        self._limit.held((plan.facts.plan, step.name))
        ending = endings.conflict(event.message) if event.is_conflict else endings.no_workspace(event.message)
        self._plans.move_step(plan, step, StepTrigger.WORKSPACE_FAILED)
        plan.decided = plan.decided or ending
        if plan.cancelled is not None:
            plan.decided = endings.cancelled(plan.cancelled)
        if plan.starts or not plan.is_quiet():
            return self.go_on(plan, event.at)
        self.skip(plan)
        self._plans.move(plan, Trigger.GIVEN_UP)
        return [Settle(plan.facts.plan, plan.decided)]

    # -- when a run is over ---------------------------------------------------------------------------------------

    def run_ended(self, plan: PlanInHand, event: told.RunEnded) -> list[Command]:
        """A step's or a check's start is over and judged."""
        step, outcome = self._step(plan, event.step), event.outcome
        plan.spent_usd += outcome.cost_usd
        step.spent_usd += outcome.cost_usd
        if self._budget.has_caps and not step.facts.is_command:
            self._budget.book(
                plan.facts.plan, plan.facts.project, _run(step), outcome.cost_usd, event.at.wall
            )
            self._budget.run_over(plan.facts.plan, _run(step))
        if check_number(step.name) is not None:
            return self._check_ended(plan, step, outcome, event.at)
        if outcome.reason is Reason.USAGE_LIMIT:
            # It holds for all, whatever becomes of this plan.
            pause = self._limit.reach(event.at, outcome.limit_resets_at)
            if plan.cancelled is None:
                return self._park(plan, step, outcome, pause, event.at)
        self._limit.ended((plan.facts.plan, step.name))
        step.is_yielding = False
        if outcome.reason is Reason.CANCELLED and plan.cancelled is None:
            # Nobody wanted the plan to end, so it was the machine; perhaps an earlier daemon had it stop.
            return self._yielded(plan, step, outcome, event.at)
        if self._is_held_by_a_cap(plan, step, outcome):
            return self._again(plan, step, outcome.session, 0.0, event.at, same_attempt=True)
        match decide_after_run(plan, step, outcome):
            case Again(pause_seconds=pause, session=session, same_attempt=same_attempt):
                return self._again(plan, step, session, pause, event.at, same_attempt=same_attempt)
            case Over(ending=ending):
                step.outcome = outcome
                return self._over(plan, step, ending, event.at)

    def _again(
        self,
        plan: PlanInHand,
        step: StepInHand,
        session: str | None,
        pause_seconds: float,
        at: Moment,
        *,
        same_attempt: bool,
        word: str = "retry",
    ) -> list[Command]:
        step.session = session
        step.same_attempt = same_attempt
        self._plans.waiting.pause(plan, step, pause_seconds, at, word)
        self._plans.move_step(plan, step, StepTrigger.RUN_AGAIN)
        return self.go_on(plan, at)

    def _is_held_by_a_cap(self, plan: PlanInHand, step: StepInHand, outcome: RunOutcome) -> bool:
        """Whether a run ended because of the money of the day and not of its plan's own, and can go on tomorrow."""
        return (
            self._budget.has_caps
            and outcome.reason is Reason.BUDGET
            and outcome.session is not None
            and outcome.cost_usd > 0
            and plan.cancelled is None
            and not self._budget.is_used_up(plan.facts.plan)
            and (step.facts.max_usd is None or step.spent_usd < step.facts.max_usd)
        )

    def _yielded(self, plan: PlanInHand, step: StepInHand, outcome: RunOutcome, at: Moment) -> list[Command]:
        """It has stopped for the machine's sake, and goes on later; one that does so again and again is the cause."""
        step.yielded += 1
        if step.yielded > MOST_YIELDS:
            step.outcome = outcome
            return self._over(plan, step, endings.too_heavy(step.yielded), at)
        return self._again(plan, step, outcome.session, YIELD_SECONDS, at, same_attempt=True, word="pressure")

    def let_yield(self, at: Moment) -> list[Command]:
        """The machine is dying: have one run stop, the least urgent and youngest, and see."""
        alive = {
            (plan.facts.plan, step.name): (plan, step)
            for plan in self._plans
            for step in plan.own_steps()
            if step.state is StepState.RUNNING and plan.life is Life.OPEN and not step.is_yielding
        }
        chosen = self._yielding.choose(
            [
                Candidate(plan.facts.plan, plan.facts.priority, step.started, step.name)
                for plan, step in alive.values()
            ],
            at.boot,
        )
        if chosen is None:
            return []
        one = chosen.candidate
        alive[one.plan, one.step][1].is_yielding = True
        return [StopRun(one.plan, chosen.message, one.step)]

    def _park(
        self, plan: PlanInHand, step: StepInHand, outcome: RunOutcome, pause: float, at: Moment
    ) -> list[Command]:
        """Let it wait until the account's limit is over, and go on then: that is no failure and no attempt."""
        before = step.parked_since_before
        # What has cost something was not refused at once: it has waited in vain no longer.
        since = before if before is not None and not outcome.cost_usd else at.wall
        if at.wall + pause - since > self._max_parked:
            step.outcome = outcome
            return self._over(plan, step, endings.parked_too_long(self._max_parked), at)
        step.parked_since, step.is_parked_untold = since, self._limit.is_guess
        return self._again(plan, step, outcome.session, pause, at, same_attempt=True, word="limit")

    def _over(self, plan: PlanInHand, step: StepInHand, ending: Ending, at: Moment) -> list[Command]:
        if ending.status is Status.SUCCEEDED:
            ending = self._expand(plan, step)
        succeeded = ending.status is Status.SUCCEEDED
        if not succeeded:
            plan.decided = plan.decided or (
                endings.step_failed(step.name, ending)
                if len(plan.facts.steps) > 1 and ending.status is Status.FAILED
                else ending
            )
            self.skip(plan)
        if plan.is_staged:
            self._plans.move_step(plan, step, StepTrigger.TO_GATHER)
            return [GatherStep(plan.facts.plan, step.name)]
        self._plans.move_step(plan, step, StepTrigger.SUCCEEDED if succeeded else StepTrigger.FAILED)
        return self.go_on(plan, at)

    def _expand(self, plan: PlanInHand, step: StepInHand) -> Ending:
        """Put in the further steps that a step has returned."""
        more = step.outcome.steps if step.outcome else ()
        there = {one.step for one in plan.facts.steps}
        if not more or there.issuperset(one.step for one in more):
            return Ending(Status.SUCCEEDED)
        try:
            plan.facts = replace(plan.facts, steps=expanded(plan.facts.steps, {step.name: more}))
        except GraphFault as error:
            return Ending(Status.FAILED, Reason.SCHEMA, str(error))
        plan.lay_out()
        return Ending(Status.SUCCEEDED)

    def gathered(self, plan: PlanInHand, event: told.StepGathered) -> list[Command]:
        """What a step left is committed."""
        step = self._step(plan, event.step)
        failed = event.problem is not None or step.outcome is None or not step.outcome.succeeded
        if event.problem is not None:
            plan.decided = plan.decided or endings.no_workspace(event.problem)
        self._plans.move_step(plan, step, StepTrigger.FAILED if failed else StepTrigger.SUCCEEDED)
        return self.go_on(plan, event.at)

    # -- what follows ---------------------------------------------------------------------------------------------

    def go_on(self, plan: PlanInHand, at: Moment) -> list[Command]:
        """Find out what follows for an open plan, now that something of it has changed."""
        is_done = all(step.state is StepState.DONE for step in plan.own_steps())
        if is_done and not plan.is_staged:
            # What has succeeded has succeeded, even if somebody had wanted it to end.
            plan.decided = plan.decided or Ending(Status.SUCCEEDED)
        if plan.decided is not None or plan.cancelled is not None:
            return self._wind_up(plan)
        if not is_done:
            return self._wind_up(plan) if self.weigh(plan, at) else []
        self._plans.move(plan, Trigger.STEPS_OVER)
        return [Join(plan.facts.plan, tuple(last_ones(plan.facts.steps)))]

    def _wind_up(self, plan: PlanInHand) -> list[Command]:
        """Begin nothing more; when all that is at work is over, gather."""
        self.skip(plan)
        if not plan.is_quiet():
            return []
        if plan.cancelled is not None and plan.decided is None:
            plan.decided = endings.cancelled(plan.cancelled)
        self._plans.move(plan, Trigger.OVER)
        return [Gather(plan.facts.plan)]

    def skip(self, plan: PlanInHand) -> None:
        """None of its steps begins any more."""
        for step in plan.own_steps():
            if step.state in NOT_BEGUN:
                self._plans.queue.discard(plan.facts.plan, step.name)
                self._plans.move_step(plan, step, StepTrigger.GIVEN_UP)

    def stop(self, plan: PlanInHand) -> list[Command]:
        """It was cancelled while something of it is at work."""
        runs = [step for step in plan.steps.values() if step.state in {StepState.RUNNING, StepState.ASKING}]
        stops: list[Command] = [StopRun(plan.facts.plan, "cancelled", step.name) for step in runs]
        return [*stops, *(self._wind_up(plan) if plan.life is Life.OPEN else [])]

    # -- checks ---------------------------------------------------------------------------------------------------

    def joined(self, plan: PlanInHand, event: told.Joined) -> list[Command]:
        """What the steps have left is in one place: now it is seen whether it is what was wanted."""
        if event.problem is not None:
            failed = endings.conflict if event.is_conflict else endings.no_workspace
            plan.decided = failed(event.problem)
        if plan.decided is not None or plan.cancelled is not None:
            return self._finish(plan)
        self._plans.move(plan, Trigger.JOINED)
        return self.check(plan, event.at)

    def check(self, plan: PlanInHand, at: Moment) -> list[Command]:
        """Run the next check of this round; after the last one decide whether the plan is done."""
        if any(one.state is StepState.RUNNING for one in plan.checks()):
            return []  # one that was found after a restart, and is told of next
        todo = next((one for one in plan.checks() if one.state is StepState.PENDING), None)
        if todo is not None and plan.cancelled is None:
            for trigger in (StepTrigger.FREED, StepTrigger.CHOSEN, StepTrigger.WORKSPACE_MADE):
                todo.move(trigger)
            return [self._start(plan, todo, None)]
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

    def _check_ended(
        self, plan: PlanInHand, check: StepInHand, outcome: RunOutcome, at: Moment
    ) -> list[Command]:
        check.outcome = outcome
        if (
            outcome.reason is Reason.INTERRUPTED
            and plan.cancelled is None
            and check.starts < (plan.round + 1) * MOST_STARTS_OF_A_CHECK
        ):
            return [self._start(plan, check, None)]
        check.move(StepTrigger.SUCCEEDED if outcome.succeeded else StepTrigger.FAILED)
        return self.check(plan, at)

    def _another_round(self, plan: PlanInHand, mender: StepInHand, at: Moment) -> list[Command]:
        """Let a failed check go back to the session that implemented it."""
        plan.round += 1
        for check in plan.checks():
            check.state = StepState.PENDING
        mender.session = mender.outcome.session if mender.outcome is not None else None
        mender.same_attempt = True
        self._plans.move(plan, Trigger.CHECK_FAILED)
        self._plans.move_step(plan, mender, StepTrigger.ANOTHER_ROUND)
        return self.go_on(plan, at)

    def _finish(self, plan: PlanInHand) -> list[Command]:
        if plan.decided is None:
            plan.decided = endings.cancelled(plan.cancelled or "")
        self._plans.move(plan, Trigger.OVER)
        return [Gather(plan.facts.plan)]

    # -- small parts ----------------------------------------------------------------------------------------------

    def _step(self, plan: PlanInHand, name: str) -> StepInHand:
        try:
            return plan.steps[name]
        except KeyError:
            message = f"plan {plan.facts.plan} has no step {name}"
            raise EngineFault(message) from None


def _run(step: StepInHand) -> str:
    """What the last start of a step is called where money is reckoned."""
    return f"{step.name}.{step.starts}"
