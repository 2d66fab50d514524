"""What happens to the steps of a plan that is open: started, tried again, parked, over; and what follows.

Steps whose needs are met stand in the queue side by side. When one fails for good, no further step of its plan begins;
those that run are let end, for what they do is paid for. When all are done, the checks decide whether the plan is.
"""

from __future__ import annotations

from dataclasses import replace

from handoff.result import Reason, Status
from orchestrd.core import endings
from orchestrd.core import events as told
from orchestrd.core.account_limit import AccountLimit
from orchestrd.core.after_run import Again, Over, decide_after_run, has_money
from orchestrd.core.budget import Budget
from orchestrd.core.checks import Checks
from orchestrd.core.commands import CANCELLED, Command, Gather, GatherStep, Join, Settle, StopRun
from orchestrd.core.events import Ending, Moment, RunOutcome
from orchestrd.core.facts import check_number
from orchestrd.core.graph import GraphFault, expanded, implementing, last_ones
from orchestrd.core.in_hand import InHand
from orchestrd.core.plan import EngineFault, PlanInHand
from orchestrd.core.plan_life import Life, Trigger
from orchestrd.core.pressure import Candidate, Yielding
from orchestrd.core.starts import Starts
from orchestrd.core.step import StepInHand, Wait
from orchestrd.core.step_life import NOT_BEGUN, StepState, StepTrigger

MOST_YIELDS = 3
"""A step that had to stop more often for the machine's sake is what troubles it."""
PARKED_LOOK_SECONDS = 60.0
YIELD_SECONDS = 30.0
"""So long it waits at least until it goes on."""


class Steps:
    """The rules for steps. Each method returns what is to be done now."""

    def __init__(self, plans: InHand, limit: AccountLimit, budget: Budget, max_parked_seconds: float) -> None:
        self._plans = plans
        self._limit = limit
        self._budget = budget
        self._yielding = Yielding()
        self._max_parked = max_parked_seconds
        self.starts = Starts(plans, limit, budget)
        self.checks = Checks(plans, self.starts, self.go_on)

    # -- until they are started -----------------------------------------------------------------------------------

    def open(self, plan: PlanInHand, at: Moment) -> list[Command]:
        """A plan's turn has come: those of its steps that need no others are ready."""
        plan.lay_out()
        self._plans.move(plan, Trigger.FREED)
        return self.go_on(plan, at)

    def weigh(self, plan: PlanInHand, at: Moment) -> bool:
        """Let those steps be ready in whose way nothing stands any more.

        True: none may go on, for there is no money for any, or one has waited too long for the account's limit.
        """
        if self._is_parked_too_long(plan, at):
            plan.decided = endings.parked_too_long(self._max_parked)
            return True
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

    def start(self, plan: PlanInHand, step: StepInHand, at: Moment, *, may_start: bool) -> list[Command]:
        """Its workspace is there."""
        if plan.cancelled is not None or plan.decided is not None:
            self.starts.give_back(plan, step)
            self._plans.move_step(plan, step, StepTrigger.GIVEN_UP)
            return self.go_on(plan, at)
        if not may_start:
            # Paused while its workspace was being made: that waits for it.
            self.starts.give_back(plan, step)
            self._plans.move_step(plan, step, StepTrigger.HELD)
            self._plans.line_up(plan, step)
            return []
        if not has_money(plan, step):
            self.starts.give_back(plan, step)
            self._wait_for_money(plan, step)
            return self.go_on(plan, at)
        return self.starts.start(plan, step, at)

    def _wait_for_money(self, plan: PlanInHand, step: StepInHand) -> None:
        """What its plan may cost is used up, or in the hands of the steps beside it: it waits for what they leave."""
        step.paused_until, step.wait = None, Wait("budget")
        self._plans.move_step(plan, step, StepTrigger.PUT_OFF)

    def workspace_failed(self, plan: PlanInHand, event: told.WorkspaceFailed) -> list[Command]:
        """There is nowhere to run a step."""
        step = self._step(plan, event.step)
        self.starts.give_back(plan, step)
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

    # -- while a run is alive -------------------------------------------------------------------------------------

    def asked(self, plan: PlanInHand | None, event: told.Asked) -> None:
        """A run waits for a person: its slot is free for others meanwhile."""
        step = _alive(plan, event)
        if plan is not None and step is not None and step.state is StepState.RUNNING:
            self._plans.move_step(plan, step, StepTrigger.ASKED)

    def answered(self, plan: PlanInHand | None, event: told.Answered) -> None:
        """It goes on by itself, whoever has been given its slot."""
        step = _alive(plan, event)
        if plan is not None and step is not None and step.state is StepState.ASKING:
            self._plans.move_step(plan, step, StepTrigger.ANSWERED)

    # -- when a run is over ---------------------------------------------------------------------------------------

    def run_ended(self, plan: PlanInHand, event: told.RunEnded) -> list[Command]:
        """A step's or a check's start is over and judged."""
        step, outcome = self._step(plan, event.step), event.outcome
        self.starts.book(plan, step, outcome.cost_usd, event.at)
        if check_number(step.name) is not None:
            return self.checks.ended(plan, step, outcome, event.at)
        step.is_yielding = False
        if outcome.reason is Reason.USAGE_LIMIT:
            # It holds for all, whatever becomes of this plan.
            pause = self._limit.reach(event.at, outcome.limit_resets_at)
            if plan.cancelled is None:
                return self._park(plan, step, outcome, pause, event.at)
        if outcome.succeeded or outcome.cost_usd:
            self._limit.ended((plan.facts.plan, step.name))
        else:
            # Nothing was answered: if it was to find out whether the limit is over, another one has to.
            self._limit.held((plan.facts.plan, step.name))
        if outcome.reason is Reason.CANCELLED and plan.cancelled is None:
            # Nobody wanted the plan to end, so it was the machine; perhaps an earlier daemon had it stop.
            return self._yielded(plan, step, outcome, event.at)
        if self._is_held_by_a_cap(plan, step, outcome):
            return self._again(plan, step, outcome.session, 0.0, event.at, same_attempt=True)
        match decide_after_run(plan, step, outcome):
            case Again(waits_for_money=True, session=session):
                return self._again(plan, step, session, 0.0, event.at, same_attempt=True, word="budget")
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
        if not pause_seconds and word == "budget":
            step.paused_until, step.wait = None, Wait(word)  # nobody knows until when
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
            and has_money(plan, step)
            and (step.facts.max_usd is None or step.spent_usd < step.facts.max_usd)
        )

    def _yielded(self, plan: PlanInHand, step: StepInHand, outcome: RunOutcome, at: Moment) -> list[Command]:
        """It has stopped for the machine's sake, and goes on later; one that does so again and again is the cause."""
        step.yielded += 1
        if step.yielded > MOST_YIELDS:
            step.outcome = outcome
            return self._over(plan, step, endings.too_heavy(step.yielded), at)
        return self._again(plan, step, outcome.session, YIELD_SECONDS, at, same_attempt=True, word="pressure")

    def let_yield(self, at: Moment, words: str = "") -> list[Command]:
        """The machine is dying: have one run stop, the least urgent and youngest, and see. `words`: what is short."""
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
            words,
        )
        if chosen is None:
            return []
        one = chosen.candidate
        alive[one.plan, one.step][1].is_yielding = True
        return [StopRun(one.plan, chosen.message, one.step, yields=True)]

    def _park(
        self, plan: PlanInHand, step: StepInHand, outcome: RunOutcome, pause: float, at: Moment
    ) -> list[Command]:
        """Let it wait until the account's limit is over, and go on then: that is no failure and no attempt."""
        before = step.parked_since_before
        # What has cost something was not refused at once: it has waited in vain no longer.
        since = before if before is not None and not outcome.cost_usd else at.wall
        if at.wall - since >= self._max_parked:
            step.outcome = outcome
            return self._over(plan, step, endings.parked_too_long(self._max_parked), at)
        step.parked_since, step.is_parked_untold = since, self._limit.is_guess
        self.remind_of_parked(plan, step)
        return self._again(plan, step, outcome.session, pause, at, same_attempt=True, word="limit")

    def remind_of_parked(self, plan: PlanInHand, step: StepInHand) -> None:
        """Have the plan looked at when one of its steps has been parked for as long as may be."""
        if step.parked_since is not None:
            self._plans.waiting.remind(plan, step.parked_since + self._max_parked)

    def _is_parked_too_long(self, plan: PlanInHand, at: Moment) -> bool:
        late = any(
            step.parked_since is not None
            and step.state in {StepState.WAITING, StepState.READY}
            and at.wall - step.parked_since >= self._max_parked
            for step in plan.own_steps()
        )
        if late and not self._limit.is_reached:
            # It may go on, but for a slot; the limit may be found to hold still before it has one.
            self._plans.waiting.remind(plan, at.wall + PARKED_LOOK_SECONDS)
        return late and self._limit.is_reached

    def _over(self, plan: PlanInHand, step: StepInHand, ending: Ending, at: Moment) -> list[Command]:
        if ending.status is Status.SUCCEEDED:
            ending = self._expand(plan, step)
        succeeded = ending.status is Status.SUCCEEDED
        if not succeeded:
            ending = endings.of_step(step.name, ending, is_alone=len(plan.facts.steps) == 1)
            plan.decided = plan.decided or ending
            self.skip(plan)
        step.ending = None if succeeded else ending
        if plan.is_staged:
            self._plans.move_step(plan, step, StepTrigger.TO_GATHER)
            return [GatherStep(plan.facts.plan, step.name, step.ending)]
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
        failed = event.problem is not None or step.ending is not None
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
        return [Join(plan.facts.plan, _to_join(plan))]

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
        stops: list[Command] = [StopRun(plan.facts.plan, CANCELLED, step.name) for step in runs]
        return [*stops, *(self._wind_up(plan) if plan.life is Life.OPEN else [])]

    # -- small parts ----------------------------------------------------------------------------------------------

    def _step(self, plan: PlanInHand, name: str) -> StepInHand:
        try:
            return plan.steps[name]
        except KeyError:
            message = f"plan {plan.facts.plan} has no step {name}"
            raise EngineFault(message) from None


def _alive(plan: PlanInHand | None, event: told.Asked | told.Answered) -> StepInHand | None:
    """The step of which a run has said something; None: that run is over, and this came late."""
    step = plan.steps.get(event.step) if plan is not None else None
    return step if step is not None and step.is_alive and step.starts == event.number else None


def _to_join(plan: PlanInHand) -> tuple[str, ...]:
    """The steps in whose work all that was done is: those that nobody needs, in the order of definition.

    In a round of mending that is the mender alone. It began with what all had left, and those who need it are not run
    anew: what it has mended is with none of them.
    """
    mender = implementing(plan.facts.steps) if plan.round else None
    return (mender.step,) if mender is not None else tuple(last_ones(plan.facts.steps))
