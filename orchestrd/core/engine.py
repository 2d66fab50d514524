"""The engine: events in, commands out. It decides what happens to each plan and when; it does nothing itself.

One `Engine` knows every plan that is not settled. Its rules are the protocol's (sections 4, 5 and 7); which state
may follow which stands in `plan_life`, who is next in `queue`, what follows a run in `after_run`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import assert_never

from handoff.result import Status
from handoff.root import PlanId
from orchestrd.core import endings
from orchestrd.core import events as told
from orchestrd.core.after_run import Again, Over, decide_after_run, judge_evidence, remaining_usd
from orchestrd.core.commands import Command, Gather, Leave, Prepare, Settle, StartRun, StopRun
from orchestrd.core.events import Ending, Event, Moment, PlanFacts
from orchestrd.core.plan import EngineFault, PlanInHand, Wait
from orchestrd.core.plan_life import HOLDS_A_SLOT, SHOWN_AS, State, Trigger
from orchestrd.core.queue import Queue
from orchestrd.core.waiting import Waiting, what_it_waits_for

CONDITIONS = ("claude", "space", "pressure")
"""Troubles of the machine in which no plan starts, in the order in which they are shown."""


class Engine:
    """All plans that are accepted and not yet settled, and the order among them.

    `handle` takes one event and returns what is to be done now, in order. It never raises for anything that a plan
    or a person did; `EngineFault` and `IllegalTransitionError` are bugs of the caller, and change nothing.
    """

    def __init__(self, max_parallel: int) -> None:
        self.max_parallel = max_parallel
        self.paused: str | None = None
        """Why no plan starts ('' where nobody said); None: plans start."""
        self.draining = False
        self._plans: dict[PlanId, PlanInHand] = {}
        self._queue = Queue()
        self._slots: set[PlanId] = set()
        self._beyond: set[PlanId] = set()
        """Plans in hand that neither wait nor hold a slot: asking, settling."""
        self._waiting = Waiting()
        self._troubles: set[str] = set()
        self._wall = 0.0
        self._boot_began: float | None = None
        """Wall seconds at which the clock that only grows began, as the first event told them."""

    # -- what others may look at ----------------------------------------------------------------------------------

    def plans(self) -> Iterator[PlanInHand]:
        """Every plan in hand, in the order of arrival as far as they came in it."""
        return iter(self._plans.values())

    def plan(self, plan: PlanId) -> PlanInHand | None:
        """One plan in hand; None when it is unknown or settled."""
        return self._plans.get(plan)

    def running(self) -> int:
        """How many plans hold a slot."""
        return len(self._slots)

    def waiting(self) -> int:
        """How many plans have not been given a slot yet, or not again."""
        return len(self._plans) - len(self._slots) - len(self._beyond)

    def waits_for(self, plan: PlanInHand) -> Wait | None:
        """What a plan waits for and until when (wall seconds), in the protocol's words; None when it does not wait."""
        if plan.state is State.WAITING:
            return plan.wait
        if plan.state is not State.READY:
            return None
        if self.paused is not None or self.draining:
            return Wait("pause")
        for word in CONDITIONS:
            if word in self._troubles:
                return Wait(word)
        if plan.facts.in_place and plan.facts.project in self._busy():
            return Wait("overlap")
        return Wait("slot")

    def next_look(self, at: Moment) -> float | None:
        """Seconds until a `Tick` has something to do; None when only other events can change anything."""
        return self._waiting.next_look(at)

    # -- the one entrance -----------------------------------------------------------------------------------------

    def handle(self, event: Event) -> list[Command]:
        """Take in one event; return what is to be done, in order."""
        self._wall = event.at.wall
        if self._boot_began is None:
            self._boot_began = event.at.wall - event.at.boot
        commands = self._react(event)
        commands += self._let_time_pass(event.at)
        if not isinstance(event, told.PlanRecovered):
            # Not before all are told: those that run already hold slots and places.
            commands += self._admit(event.at)
        if self.draining and not any(
            plan.state in HOLDS_A_SLOT or plan.state is State.SETTLING for plan in self.plans()
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
                return self._start(self._known(event.plan), event.at)
            case told.WorkspaceFailed():
                return self._workspace_failed(self._known(event.plan), event.message)
            case told.RunEnded():
                return self._run_ended(event)
            case told.EvidenceGathered():
                return self._gathered(event)
            case told.PlanPublished():
                return self._published(event)
            case told.CancelAsked():
                return self._cancel(event)
            case told.LookAgain():
                return self._look_again(event)
            case told.PauseAsked():
                self.paused = event.why
            case told.ResumeAsked():
                self.paused = None
            case told.DrainAsked():
                self.draining = True
            case told.ConditionChanged():
                (self._troubles.add if event.holds else self._troubles.discard)(event.word)
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
        if abs(stepped) >= 1.0:
            # Somebody set the clock: nobody has waited for that.
            facts = replace(facts, accepted=facts.accepted - stepped)
        plan = self._plans[facts.plan] = PlanInHand(facts, since=since)
        if history is not None:
            plan.take_up(history)
        missed = self._waiting.enter(plan, settled)
        if missed is not None:
            return self._give_up(plan, endings.missed(*missed))
        return self._weigh(plan, at)

    def _refuse(self, event: told.PlanRefused) -> list[Command]:
        facts = PlanFacts(event.plan, arrival=0, accepted=event.at.wall, project="")
        plan = self._plans[event.plan] = PlanInHand(facts, since=event.at.wall, state=State.SETTLING)
        self._count(plan)
        return [Settle(event.plan, event.ending)]

    def _recover(self, event: told.PlanRecovered) -> list[Command]:
        history, facts = event.history, event.facts
        if history.ending is None and not history.in_hand:
            commands = self._accept(event.at, facts, event.settled, history)
            plan = self._plans[facts.plan]
            if history.cancelled is not None and plan.state in {State.WAITING, State.READY}:
                return self._give_up(plan, endings.cancelled(history.cancelled))
            return commands
        plan = self._plans[facts.plan] = PlanInHand(facts, since=history.since or event.at.wall)
        plan.take_up(history)
        if history.ending is not None:
            self._place(plan, State.SETTLING)
            return [Settle(facts.plan, history.ending)]
        self._place(plan, State.RUNNING)
        return [StopRun(facts.plan, "cancelled")] if plan.cancelled is not None else []

    def _place(self, plan: PlanInHand, state: State) -> None:
        """Put a recovered plan where its journal says it stood: the one change that is not a trigger."""
        self._queue.discard(plan.facts.plan)
        plan.state = state
        self._count(plan)

    # -- waiting --------------------------------------------------------------------------------------------------

    def _weigh(self, plan: PlanInHand, at: Moment) -> list[Command]:
        """Find out what a waiting plan waits for; with nothing left it is ready."""
        if plan.is_overdue(at):
            return self._give_up(plan, endings.expired())
        plan.wait = what_it_waits_for(plan, at)
        if plan.wait is None:
            self._move(plan, Trigger.FREED)
            self._queue.put(plan.facts)
        return []

    def _let_time_pass(self, at: Moment) -> list[Command]:
        commands: list[Command] = []
        for name in self._waiting.due(at):
            plan = self._plans.get(name)
            if plan is None:
                continue
            if plan.state is State.READY and plan.is_overdue(at):
                self._queue.discard(name)
                self._move(plan, Trigger.HELD)
            if plan.state is State.WAITING:
                commands += self._weigh(plan, at)
        return commands

    def _look_again(self, event: told.LookAgain) -> list[Command]:
        plan = self._plans.get(event.plan)
        if plan is None or plan.state is not State.WAITING:
            return []
        plan.paused_until = None
        return self._weigh(plan, event.at)

    # -- running --------------------------------------------------------------------------------------------------

    def _admit(self, at: Moment) -> list[Command]:
        """Give free slots to those who are next."""
        commands: list[Command] = []
        while self._starts_plans() and len(self._slots) < self.max_parallel:
            name = self._queue.choose(self._even(at), self._busy())
            if name is None:
                break
            self._move(self._plans[name], Trigger.CHOSEN)
            commands.append(Prepare(name))
        return commands

    def _starts_plans(self) -> bool:
        return self.paused is None and not self.draining and not self._troubles

    def _start(self, plan: PlanInHand, at: Moment) -> list[Command]:
        if plan.cancelled is not None:
            plan.decided = endings.cancelled(plan.cancelled)
            self._move(plan, Trigger.RUN_OVER)
            return [Gather(plan.facts.plan)]
        if not self._starts_plans():
            # Paused while its workspace was being made: that waits for it.
            self._move(plan, Trigger.HELD)
            if plan.is_overdue(at):
                return self._give_up(plan, endings.expired())
            self._queue.put(plan.facts)
            return []
        self._move(plan, Trigger.WORKSPACE_MADE)
        plan.starts += 1
        if not plan.same_attempt:
            plan.attempt += 1
        plan.same_attempt = False
        session = plan.session
        plan.resumes += session is not None
        return [StartRun(plan.facts.plan, plan.starts, plan.attempt, session, remaining_usd(plan))]

    def _workspace_failed(self, plan: PlanInHand, message: str) -> list[Command]:
        ending = endings.no_workspace(message)
        if plan.cancelled is not None:
            ending = endings.cancelled(plan.cancelled)
        self._move(plan, Trigger.WORKSPACE_FAILED)
        return [Settle(plan.facts.plan, ending)]

    def _run_ended(self, event: told.RunEnded) -> list[Command]:
        plan = self._known(event.plan)
        plan.spent_usd += event.outcome.cost_usd
        plan.denied = plan.denied or event.outcome.denied
        match decide_after_run(plan, event.outcome):
            case Again(pause_seconds=pause, session=session, same_attempt=same_attempt):
                plan.session = session
                plan.same_attempt = same_attempt
                self._waiting.pause(plan, event.at.boot + pause)
                self._move(plan, Trigger.RUN_AGAIN)
                return self._weigh(plan, event.at)
            case Over(ending=ending):
                plan.decided = ending
                self._move(plan, Trigger.RUN_OVER)
                return [Gather(event.plan)]

    def _gathered(self, event: told.EvidenceGathered) -> list[Command]:
        plan = self._known(event.plan)
        ending = judge_evidence(plan, changed=event.changed, problem=event.problem)
        self._move(plan, Trigger.EVIDENCE_GATHERED)
        return [Settle(event.plan, ending)]

    # -- leaving --------------------------------------------------------------------------------------------------

    def _cancel(self, event: told.CancelAsked) -> list[Command]:
        plan = self._plans.get(event.plan)
        if plan is None or plan.state in {State.SETTLING, State.GATHERING}:
            return []
        if plan.state in {State.WAITING, State.READY}:
            return self._give_up(plan, endings.cancelled(event.why))
        already = plan.cancelled is not None
        plan.cancelled = event.why
        self._move(plan, Trigger.CANCEL_NOTED)
        if plan.state is State.PREPARING or already:
            return []
        return [StopRun(event.plan, "cancelled")]

    def _give_up(self, plan: PlanInHand, ending: Ending) -> list[Command]:
        """Settle a plan that is not running. One that ran before is gathered first, so its work stays on its branch."""
        self._queue.discard(plan.facts.plan)
        self._waiting.leave(plan)
        if plan.starts:
            plan.decided = ending
            self._move(plan, Trigger.RUN_OVER)
            return [Gather(plan.facts.plan)]
        self._move(plan, Trigger.GIVEN_UP)
        return [Settle(plan.facts.plan, ending)]

    def _published(self, event: told.PlanPublished) -> list[Command]:
        self._move(self._known(event.plan), Trigger.PUBLISHED)
        del self._plans[event.plan]
        commands: list[Command] = []
        for name in self._waiting.freed_by(event.plan):
            plan = self._plans[name]
            plan.awaited.discard(event.plan)
            if event.status is Status.SUCCEEDED:
                commands += self._weigh(plan, event.at)
            else:
                commands += self._give_up(plan, endings.missed(event.plan, event.status))
        return commands

    # -- small parts ----------------------------------------------------------------------------------------------

    def _even(self, at: Moment) -> float:
        """Wall seconds as if nobody had ever set the clock: how long plans have waited is counted by these."""
        return at.boot + (self._boot_began or 0.0)

    def _move(self, plan: PlanInHand, trigger: Trigger) -> None:
        before = SHOWN_AS.get(plan.state, plan.state)
        plan.move(trigger)
        if SHOWN_AS.get(plan.state, plan.state) is not before:
            plan.since = self._wall
        self._count(plan)

    def _count(self, plan: PlanInHand) -> None:
        name = plan.facts.plan
        (self._slots.add if plan.state in HOLDS_A_SLOT else self._slots.discard)(name)
        beyond = plan.state in {State.ASKING, State.SETTLING}
        (self._beyond.add if beyond else self._beyond.discard)(name)

    def _busy(self) -> set[str]:
        """The projects in which a plan works in place."""
        held = (self._plans[name].facts for name in self._slots)
        return {facts.project for facts in held if facts.in_place}

    def _known(self, plan: PlanId) -> PlanInHand:
        try:
            return self._plans[plan]
        except KeyError:
            message = f"no plan {plan} is in hand"
            raise EngineFault(message) from None
