"""Who is next: order, turns of projects, nobody starved, no slot left free that could be used, nobody forgotten."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from orchestrd.core import events as told
from orchestrd.core.after_run import has_money
from orchestrd.core.commands import Command, Prepare
from orchestrd.core.engine import Engine
from orchestrd.core.events import Event
from orchestrd.core.plan import PlanInHand
from orchestrd.core.plan_life import Life
from orchestrd.core.step import StepInHand
from orchestrd.core.step_life import StepState
from tests.simulate.clockwork import Clockwork
from tests.simulate.places import Places
from tests.simulate.script import Script
from tests.simulate.violation import Violation

Share = tuple[int, str]
"""A priority and a project."""
SECONDS_PER_POINT = 600
PATIENCE_SECONDS = 1.0
"""So long after its time somebody may wait for the clock."""


class Turns:
    """Keeps count of the turns that projects had, and of those that went past them."""

    def __init__(self, script: Script, clock: Clockwork, places: Places) -> None:
        self._script = script
        self._clock = clock
        self._places = places
        self._turns: dict[Share, int] = {}
        self._turn = 0
        self._passed: Counter[Share] = Counter()
        self._projects = len({one.record["project"] for one in script.plans})
        self._paused = False
        self._stopped: set[str] = set()

    def restart(self) -> None:
        """A new daemon does not know who had the last turn."""
        self._turns.clear()
        self._turn = 0
        self._passed.clear()
        self._paused = False
        self._stopped.clear()

    def follow(self, event: Event) -> None:
        """Take in whether anybody may start."""
        match event:
            case told.PauseAsked():
                self._stopped.add("pause")
            case told.ResumeAsked():
                self._stopped.discard("pause")
            case told.DrainAsked():
                self._stopped.add("drain")
            case told.ConditionChanged(word=word, holds=holds):
                (self._stopped.add if holds else self._stopped.discard)(word)
            case _:
                pass

    def hold_order(self, engine: Engine, commands: Sequence[Command]) -> None:
        """Its priority is that of one who has most points; of that its project's turn has come, and in that its own."""
        if self._script.is_clock_set:
            return
        # Of those that have begun and share what money there is, who can go on hangs on what the others give back.
        left = [
            (plan, step, self._points(plan))
            for plan, step in self._free(engine)
            if not (plan.begun and self._script.has_caps)
        ]
        # Who is chosen may take the money of one who gave their priority its turn.
        equals_but_for_money = [
            (plan.facts.priority, self._points(plan)) for plan, _ in self._free(engine, but_for_money=True)
        ]
        named = [engine.plan(command.plan) for command in commands if isinstance(command, Prepare)]
        all_chosen = [plan for plan in named if plan is not None]
        for number, chosen in enumerate(all_chosen):
            # Those that were chosen after it had to be passed by, too.
            among = [(one.facts.priority, self._points(one)) for one in all_chosen[number:]]
            equals = [
                points
                for priority, points in (*among, *equals_but_for_money)
                if priority == chosen.facts.priority
            ]
            self._hold_choice(chosen, self._points(chosen), max(equals), left)
            self._turn += 1
            self._turns[chosen.facts.priority, chosen.facts.project] = self._turn

    def _hold_choice(
        self,
        chosen: PlanInHand,
        points: int,
        most_of_priority: int,
        left: list[tuple[PlanInHand, StepInHand, int]],
    ) -> None:
        mine = chosen.facts
        equals = [(plan.facts, others) for plan, _, others in left if plan.facts.priority == mine.priority]
        most = max((others for _, _, others in left), default=points)
        if most > max([most_of_priority, *(others for _, others in equals)]):
            raise Violation(mine.plan, "it comes before others whose priority's turn it is")
        my_turn = self._turns.get((mine.priority, mine.project), 0)
        went_past: set[Share] = set()
        for facts, others in equals:
            if facts.project == mine.project:
                if (-others, facts.arrival) < (-points, mine.arrival):
                    raise Violation(mine.plan, f"it comes before another one whose turn it is: {facts.plan}")
                continue
            if self._turns.get((facts.priority, facts.project), 0) < my_turn:
                raise Violation(mine.plan, f"its project has a turn before another one: {facts.plan}")
            went_past.add((facts.priority, facts.project))
        self._passed[mine.priority, mine.project] = 0
        for share in went_past:
            self._passed[share] += 1
            if self._passed[share] > self._projects:
                raise Violation(
                    mine.plan, f"others go past a project of equal priority again and again: {share[1]}"
                )

    def hold_nobody_idle(self, engine: Engine) -> None:
        """No slot is free that somebody could have, and nobody waits whose time has come."""
        if engine.running() < self._script.max_parallel:
            for plan, _ in self._free(engine):
                raise Violation(plan.facts.plan, "a slot is free, and it could have it")
        at = self._clock.at
        for plan in engine.plans():
            if plan.life is Life.WAITING:
                date = plan.facts.not_before
                if not plan.awaited and (date is None or date + PATIENCE_SECONDS < at.wall):
                    raise Violation(plan.facts.plan, "it waits for nothing")
            elif plan.life is Life.OPEN:
                self._hold_steps(plan, at.boot)

    def _hold_steps(self, plan: PlanInHand, boot: float) -> None:
        if plan.decided is not None or plan.cancelled is not None:
            return
        if any(step.state is StepState.GATHERING for step in plan.own_steps()):
            return  # a moment later all is looked at again
        for step in plan.own_steps():
            is_over = step.paused_until is None or step.paused_until + PATIENCE_SECONDS < boot
            if step.state is StepState.WAITING and is_over and has_money(plan, step):
                raise Violation(
                    plan.facts.plan, f"its pause is over, and nobody goes on with it: {step.name}"
                )
            if step.state is StepState.PENDING and plan.is_met(step) and has_money(plan, step):
                raise Violation(
                    plan.facts.plan, f"nothing stands in its way, and it is not ready: {step.name}"
                )
        if plan.is_quiet() and not any(_may_come(step) for step in plan.steps.values()):
            raise Violation(plan.facts.plan, "nothing of it will ever happen")

    def _free(
        self, engine: Engine, *, but_for_money: bool = False
    ) -> Iterator[tuple[PlanInHand, StepInHand]]:
        """The steps that are ready and could be started if a slot were free."""
        if self._stopped:
            return
        for plan in engine.plans():
            if plan.life is not Life.OPEN:
                continue
            for step in plan.own_steps():
                if step.state is StepState.READY and self._is_free(engine, plan, step, but_for_money):
                    yield plan, step

    def _is_free(
        self,
        engine: Engine,
        plan: PlanInHand,
        step: StepInHand,
        but_for_money: bool,
    ) -> bool:
        facts = plan.facts
        is_command = step.facts.is_command
        if not is_command and engine.admission.keeps_out(facts.priority, is_begun=plan.begun):
            return False
        if not plan.begun and self._places.in_the_way(facts) is not None:
            return False
        if is_command or but_for_money or not self._script.has_caps:
            return True
        if engine.budget.is_admitted(facts.plan):
            return engine.budget.may_go_on(facts.plan, self._clock.wall)
        return engine.budget.may_admit(facts.project, facts.max_usd, self._clock.wall)

    def _points(self, plan: PlanInHand) -> int:
        # By the marks of ten minutes that have passed while it waited.
        waited = self._clock.wall // SECONDS_PER_POINT - plan.facts.accepted // SECONDS_PER_POINT
        return plan.facts.priority + int(waited)


def _may_come(step: StepInHand) -> bool:
    return step.state in {StepState.WAITING, StepState.READY, StepState.PENDING}
