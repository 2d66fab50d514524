"""The engine: events in, commands out. It decides what happens to each plan and when; it does nothing itself.

One `Engine` knows every plan that is not settled. Its rules are the protocol's (sections 4, 5 and 7); which state
may follow which stands in `plan_life` and `step_life`, who is next in `queue`, whether anybody may start in
`admission`, what happens to the steps of a plan in `steps`, what follows a run in `after_run`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import assert_never

from handoff.result import Status
from handoff.root import PlanId
from orchestrd.core import endings
from orchestrd.core import events as told
from orchestrd.core.account_limit import AccountLimit
from orchestrd.core.admission import Admission
from orchestrd.core.after_run import judge_evidence
from orchestrd.core.budget import Budget, next_day
from orchestrd.core.commands import Command, Gather, Leave, Settle
from orchestrd.core.events import Ending, Event, Moment
from orchestrd.core.facts import PlanFacts
from orchestrd.core.in_hand import InHand
from orchestrd.core.plan import EngineFault, PlanInHand
from orchestrd.core.plan_life import HOLDS_A_SLOT, Life, State, Trigger
from orchestrd.core.pressure import DYING
from orchestrd.core.recovering import take_up
from orchestrd.core.step import Wait
from orchestrd.core.step_life import StepState
from orchestrd.core.steps import Steps
from orchestrd.core.waiting import what_it_waits_for


class Engine:
    """All plans that are accepted and not yet settled, and the order among them.

    `handle` takes one event and returns what is to be done now, in order. It never raises for anything that a plan
    or a person did; `EngineFault` and `IllegalTransitionError` are bugs of the caller, and change nothing.
    """

    def __init__(
        self,
        max_parallel: int,
        *,
        budget: Budget | None = None,
        max_parked_seconds: float = 86_400.0,
        near_limit_priority: int = 80,
    ) -> None:
        self._plans = InHand()
        self._limit = AccountLimit()
        self.budget = budget or Budget()
        """What may be spent, and what is."""
        self._steps = Steps(self._plans, self._limit, self.budget, max_parked_seconds)
        self.admission = Admission(self._plans, self._limit, self.budget, max_parallel, near_limit_priority)
        self._boot_began: float | None = None
        """Wall seconds at which the clock that only grows began, as the first event told them."""
        self._dying = ""
        """What the machine is short of, and how much, while it is dying."""

    # -- what others may look at ----------------------------------------------------------------------------------

    @property
    def max_parallel(self) -> int:
        """How many runs may go on at a time."""
        return self.admission.max_parallel

    @property
    def paused(self) -> str | None:
        """Why no plan starts ('' where nobody said); None: plans start."""
        return self.admission.paused

    @property
    def draining(self) -> bool:
        """No plan starts, and the daemon leaves when no run is left."""
        return self.admission.draining

    def plans(self) -> Iterator[PlanInHand]:
        """Every plan in hand, in the order of arrival as far as they came in it."""
        return iter(self._plans)

    def plan(self, plan: PlanId) -> PlanInHand | None:
        """One plan in hand; None when it is unknown or settled."""
        return self._plans.get(plan)

    def running(self) -> int:
        """How many slots are held."""
        return self._plans.slots

    def waiting(self) -> int:
        """How many plans hold no slot and could hold one, now or later."""
        return self._plans.idle

    def asking(self) -> int:
        """How many plans wait for a person, and do nothing else."""
        return self._plans.asking

    def waits_for(self, plan: PlanInHand) -> Wait | None:
        """What a plan waits for and until when (wall seconds), in the protocol's words; None when it does not wait."""
        return self.admission.waits_for(plan)

    def next_look(self, at: Moment) -> float | None:
        """Seconds until a `Tick` has something to do; None when only other events can change anything."""
        looks = [self._plans.waiting.next_look(at), self._limit.next_look(at)]
        if self.budget.has_caps and len(self._plans.queue):
            looks.append(next_day(at.wall) - at.wall)
        return min((look for look in looks if look is not None), default=None)

    # -- the one entrance -----------------------------------------------------------------------------------------

    def handle(self, event: Event) -> list[Command]:
        """Take in one event; return what is to be done, in order."""
        self._plans.wall = event.at.wall
        if self._boot_began is None:
            self._boot_began = event.at.wall - event.at.boot
        self._limit.let_time_pass(event.at)
        commands = self._react(event)
        commands += self._let_time_pass(event.at)
        for command in commands:
            if isinstance(command, Settle):
                # Before others are admitted: it is theirs from now on.
                self.budget.give_back(command.plan)
        if DYING in self.admission.troubles:
            commands += self._steps.let_yield(event.at, self._dying)
        if not isinstance(event, told.PlanRecovered | told.PlanRefused):
            # Not before all are told that were found at the start: those that run already hold slots and places.
            commands += self._admit()
        self._plans.date_changes()
        if self.draining and not any(
            plan.state in HOLDS_A_SLOT or plan.life is Life.SETTLING for plan in self._plans
        ):
            commands.append(Leave())
        return commands

    def _react(self, event: Event) -> list[Command]:  # noqa: C901, PLR0912 - one line an event
        match event:
            case told.PlanAccepted():
                return self._accept(event.at, event.facts, event.settled)
            case told.PlanRefused():
                return self._refuse(event)
            case told.PlanRecovered():
                return self._recover(event)
            case told.WorkspaceMade():
                return self._workspace_made(event)
            case told.WorkspaceFailed():
                return self._steps.workspace_failed(self._plans.known(event.plan), event)
            case told.RunEnded():
                return self._steps.run_ended(self._plans.known(event.plan), event)
            case told.CostTold():
                self._cost_told(event)
            case told.Asked():
                self._steps.asked(self._plans.get(event.plan), event)
            case told.Answered():
                self._steps.answered(self._plans.get(event.plan), event)
            case told.LimitTold():
                self._limit_told(event)
            case told.StepGathered():
                return self._steps.gathered(self._plans.known(event.plan), event)
            case told.Joined():
                return self._steps.checks.joined(self._plans.known(event.plan), event)
            case told.EvidenceGathered():
                return self._gathered(event)
            case told.PlanPublished():
                return self._published(event)
            case told.CancelAsked():
                return self._cancel(event)
            case told.LookAgain():
                return self._look_again(event)
            case told.PauseAsked():
                self.admission.paused = event.why
            case told.ResumeAsked():
                self.admission.paused = None
            case told.DrainAsked():
                self.admission.draining = True
            case told.ConditionChanged():
                if event.word == DYING:
                    self._dying = event.message
                troubles = self.admission.troubles
                (troubles.add if event.holds else troubles.discard)(event.word)
            case told.Tick():
                pass
            case _:
                assert_never(event)
        return []

    # -- coming in ------------------------------------------------------------------------------------------------

    def _accept(
        self,
        at: Moment,
        facts: PlanFacts,
        settled: Mapping[PlanId, Status],
        history: told.History | None = None,
    ) -> list[Command]:
        if facts.plan in self._plans:
            message = f"plan {facts.plan} is in hand already"
            raise EngineFault(message)
        since = at.wall if history is None or history.since is None else history.since
        stepped = at.wall - self._even(at)
        # Where somebody set the clock nobody has waited for that; and nobody has waited since a time that is to come.
        accepted = facts.accepted - stepped if abs(stepped) >= 1.0 else min(facts.accepted, at.wall)
        if accepted != facts.accepted:
            facts = replace(facts, accepted=accepted)
        plan = PlanInHand(facts, since=since)
        self._plans.add(plan)
        if history is not None and history.starts:
            return self._go_on(plan, history, at)
        missed = self._plans.waiting.enter(plan, settled)
        if missed is not None:
            return self._give_up(plan, endings.missed(*missed))
        circle = self._plans.waiting.circle(plan, self._plans.get)
        if circle:
            return self._give_up(plan, endings.in_a_circle(circle))
        return self._weigh(plan, at)

    def _refuse(self, event: told.PlanRefused) -> list[Command]:
        facts = PlanFacts(event.plan, arrival=0, accepted=event.at.wall, project="")
        self._plans.add(PlanInHand(facts, since=event.at.wall, life=Life.SETTLING))
        return [Settle(event.plan, event.ending)]

    def _recover(self, event: told.PlanRecovered) -> list[Command]:
        history, facts = event.history, event.facts
        if history.ending is not None:
            plan = PlanInHand(facts, since=history.since or event.at.wall, life=Life.SETTLING)
            self._plans.add(plan)
            return [Settle(facts.plan, history.ending)]
        commands = self._accept(event.at, facts, event.settled, history)
        plan = self._plans.known(facts.plan)
        if history.cancelled is not None and not history.starts and plan.life in {Life.WAITING, Life.OPEN}:
            return self._give_up(plan, endings.cancelled(history.cancelled))
        return commands

    def _go_on(self, plan: PlanInHand, history: told.History, at: Moment) -> list[Command]:
        """Go on with a plan of which something was started before."""
        self._plans.place(plan, take_up(plan, history))
        self._park_again(plan, history, at)
        self._take_up_money(plan, history)
        if plan.cancelled is not None:
            return self._steps.stop(plan)
        return self._steps.go_on(plan, at) if plan.life is Life.OPEN else []

    def _take_up_money(self, plan: PlanInHand, history: told.History) -> None:
        """What it may still cost is reserved again, and what its runs were handed is theirs."""
        asked = any(step.starts and not step.facts.is_command for step in plan.own_steps())
        if not self.budget.has_caps or not asked:
            return
        facts = plan.facts
        # The end of a run that stands in the journal is among what was spent, also where it was not acted upon yet.
        booked = {
            name: before.outcome.cost_usd
            for name, before in history.steps.items()
            if before.in_hand and before.outcome is not None
        }
        self.budget.take_up(facts.plan, facts.project, facts.max_usd, plan.spent_usd + sum(booked.values()))
        for step in plan.own_steps():
            if step.is_alive and not step.facts.is_command:
                told_usd = booked.get(step.name, 0.0)
                self.budget.hand(
                    facts.plan, f"{step.name}.{step.starts}", step.given_usd, booked_usd=told_usd
                )

    def _park_again(self, plan: PlanInHand, history: told.History, at: Moment) -> None:
        """Let steps wait on that waited for the account's limit; what is over by now is over."""
        for name, before in history.steps.items():
            until, step = before.parked_until, plan.steps.get(name)
            if before.in_hand or until is None or step is None:
                continue
            self._limit.park_again(at, until, is_guess=before.parked_untold)
            self._steps.remind_of_parked(plan, step)
            if until > at.wall:
                step.state = StepState.WAITING
                self._plans.waiting.pause(plan, step, until - at.wall, at, "limit")

    # -- waiting --------------------------------------------------------------------------------------------------

    def _weigh(self, plan: PlanInHand, at: Moment) -> list[Command]:
        """Find out what a waiting plan waits for; with nothing left its steps have their turn."""
        if plan.is_overdue(at):
            return self._give_up(plan, endings.expired())
        plan.wait = what_it_waits_for(plan, at)
        if plan.wait is None:
            return self._steps.open(plan, at)
        if plan.wait.word == "time" and plan.wait.until is not None:
            # Each time anew: a clock that was set back makes of a date that has passed one that is to come.
            self._plans.waiting.remind(plan, plan.wait.until)
        return []

    def _let_time_pass(self, at: Moment) -> list[Command]:
        commands: list[Command] = []
        for name in self._plans.waiting.due(at):
            plan = self._plans.get(name)
            if plan is None:
                continue
            if plan.life is Life.WAITING:
                commands += self._weigh(plan, at)
            elif plan.life is Life.OPEN:
                commands += self._give_up_overdue(plan, at) or self._steps.go_on(plan, at)
        return commands

    def _give_up_overdue(self, plan: PlanInHand, at: Moment) -> list[Command]:
        if plan.is_overdue(at) and plan.is_quiet():
            return self._give_up(plan, endings.expired())
        return []

    def _look_again(self, event: told.LookAgain) -> list[Command]:
        plan = self._plans.get(event.plan)
        if plan is None:
            return []
        if plan.life is Life.WAITING:
            return self._weigh(plan, event.at)
        if plan.life is not Life.OPEN:
            return []
        for step in plan.steps.values():
            step.paused_until = None
        return self._steps.go_on(plan, event.at)

    # -- running --------------------------------------------------------------------------------------------------

    def _admit(self) -> list[Command]:
        """Give free slots to those who are next."""
        commands: list[Command] = []
        while self.admission.has_room:
            chosen = self.admission.choose()
            if chosen is None:
                break
            plan = self._plans.known(chosen[0])
            commands.append(self._steps.starts.choose(plan, plan.steps[chosen[1]]))
        return commands

    def _workspace_made(self, event: told.WorkspaceMade) -> list[Command]:
        plan = self._plans.known(event.plan)
        step = plan.steps[event.step]
        keeps_back = not step.facts.is_command and self._limit.keeps_back((event.plan, event.step))
        may_start = self.admission.starts_plans and not keeps_back
        commands = self._steps.start(plan, step, event.at, may_start=may_start)
        return commands or self._give_up_overdue(plan, event.at)

    def _cost_told(self, event: told.CostTold) -> None:
        plan = self._plans.get(event.plan)
        step = plan.steps.get(event.step) if plan is not None else None
        if plan is None or step is None or not self.budget.has_caps:
            return
        # What a run tells last is told after its end, with which it was booked.
        if step.is_alive and step.starts == event.number:
            run = f"{event.step}.{event.number}"
            self.budget.book(event.plan, plan.facts.project, run, event.cost_usd, event.at.wall)

    def _limit_told(self, event: told.LimitTold) -> None:
        match event.status:
            case "rejected":
                if self._limit.until is None or event.resets_at is not None:
                    self._limit.reach(event.at, event.resets_at)
            case "allowed_warning":
                self._limit.approach(event.at, event.resets_at)
            case "allowed":
                # Another limit's word, or an older one: a time that was told holds.
                if self._limit.until is None or self._limit.is_guess:
                    self._limit.is_allowed()
            case _:
                pass  # a newer Claude Code's word

    def _gathered(self, event: told.EvidenceGathered) -> list[Command]:
        plan = self._plans.known(event.plan)
        ending = judge_evidence(plan, changed=event.changed, problem=event.problem)
        self._plans.move(plan, Trigger.EVIDENCE_GATHERED)
        return [Settle(event.plan, ending)]

    # -- leaving --------------------------------------------------------------------------------------------------

    def _cancel(self, event: told.CancelAsked) -> list[Command]:
        plan = self._plans.get(event.plan)
        if plan is None or plan.life in {Life.SETTLING, Life.GATHERING}:
            return []
        if plan.state in {State.WAITING, State.READY}:
            return self._give_up(plan, endings.cancelled(event.why))
        already = plan.cancelled is not None
        plan.cancelled = event.why
        self._plans.move(plan, Trigger.CANCEL_NOTED)
        return [] if already else self._steps.stop(plan)

    def _give_up(self, plan: PlanInHand, ending: Ending) -> list[Command]:
        """Settle a plan that is not running. One that ran before is gathered first, so its work stays on its branch."""
        self._steps.skip(plan)
        self._plans.waiting.leave(plan)
        if plan.starts:
            plan.decided = ending
            self._plans.move(plan, Trigger.OVER)
            return [Gather(plan.facts.plan)]
        self._plans.move(plan, Trigger.GIVEN_UP)
        return [Settle(plan.facts.plan, ending)]

    def _published(self, event: told.PlanPublished) -> list[Command]:
        plan = self._plans.known(event.plan)
        self._plans.move(plan, Trigger.PUBLISHED)
        self._plans.remove(plan)
        commands: list[Command] = []
        for name in self._plans.waiting.freed_by(event.plan):
            waiter = self._plans.known(name)
            waiter.awaited.discard(event.plan)
            if event.status is Status.SUCCEEDED:
                commands += self._weigh(waiter, event.at)
            else:
                commands += self._give_up(waiter, endings.missed(event.plan, event.status))
        return commands

    def _even(self, at: Moment) -> float:
        """Wall seconds as if nobody had ever set the clock: how long plans have waited is counted by these."""
        return at.boot + (self._boot_began or 0.0)
