"""What the engine decides where the money of the day has a cap. Time is what the tests say it is."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from handoff.result import Reason
from handoff.root import PlanId
from orchestrd.core.budget import Budget, next_day
from orchestrd.core.commands import Command, Gather, GatherStep, Prepare, StartRun
from orchestrd.core.engine import Engine
from orchestrd.core.events import (
    EvidenceGathered,
    History,
    Moment,
    PlanAccepted,
    PlanRecovered,
    RunEnded,
    RunOutcome,
    StepGathered,
    StepHistory,
    Tick,
    WorkspaceMade,
)
from orchestrd.core.facts import MAIN, PlanFacts, StepFacts
from orchestrd.core.step import Wait

A, B, C = PlanId("a"), PlanId("b"), PlanId("c")


def at(seconds: float = 0) -> Moment:
    return Moment(wall=1_000_000.0 + seconds, boot=500.0 + seconds)


def facts(plan: PlanId, **fields: Any) -> PlanFacts:
    return PlanFacts(plan, "bac".index(plan), at().wall, "/src/api", **fields)


def prepared(commands: list[Command]) -> list[PlanId]:
    return [command.plan for command in commands if isinstance(command, Prepare)]


def test_what_a_settled_plan_gives_back_is_given_at_once_to_whoever_is_next() -> None:
    engine = Engine(max_parallel=2, budget=Budget(per_day_usd=1.0))
    engine.handle(PlanAccepted(at(), facts(A, max_usd=1.0)))
    engine.handle(PlanAccepted(at(), facts(B, priority=90, max_usd=0.5)))
    engine.handle(WorkspaceMade(at(), A))
    engine.handle(RunEnded(at(), A, RunOutcome(succeeded=True, cost_usd=0.25)))

    assert prepared(engine.handle(EvidenceGathered(at(), A, changed=True))) == [B]


def of_two() -> tuple[Engine, list[Command]]:
    """A plan that has begun with a command and waits for money, and one that came later; the day's money is used up."""
    engine = Engine(max_parallel=9, budget=Budget(per_day_usd=1.0))
    engine.handle(PlanAccepted(at(), facts(B)))
    engine.handle(WorkspaceMade(at(), B))
    command = StepFacts("c", is_command=True)
    engine.handle(PlanAccepted(at(), facts(A, steps=(command, StepFacts("m", needs=("c",))))))
    engine.handle(WorkspaceMade(at(), A, "c"))
    engine.handle(PlanAccepted(at(1), facts(C)))
    engine.handle(RunEnded(at(2), A, RunOutcome(succeeded=True), "c"))
    commands = engine.handle(StepGathered(at(2), A, "c"))
    engine.handle(RunEnded(at(3), B, RunOutcome(succeeded=True, cost_usd=1.0)))
    return engine, [*commands, *engine.handle(EvidenceGathered(at(3), B, changed=True))]


def test_a_plan_that_has_begun_and_waits_for_money_is_next_when_there_is_some() -> None:
    engine, commands = of_two()
    plan = engine.plan(A)

    assert prepared(commands) == []
    assert plan is not None
    assert engine.waits_for(plan) == Wait("budget", next_day(at().wall))
    midnight = next_day(at().wall) - at().wall
    assert prepared(engine.handle(Tick(at(midnight)))) == [A]


def test_a_plan_at_work_leaves_the_money_to_the_project_whose_turn_it_is() -> None:
    """It comes before by its points. That gives its priority the turn, and not its project the day's money."""
    engine = Engine(max_parallel=1, budget=Budget(per_day_usd=1.0))
    steps = (StepFacts("m"), StepFacts("n", needs=("m",)))
    engine.handle(PlanAccepted(at(), facts(A, steps=steps)))
    engine.handle(WorkspaceMade(at(), A, "m"))
    engine.handle(PlanAccepted(at(1), replace(facts(C), project="/src/web")))
    engine.handle(RunEnded(at(2), A, RunOutcome(succeeded=True, cost_usd=1.0), "m"))
    assert prepared(engine.handle(StepGathered(at(2), A, "m"))) == []

    midnight = next_day(at().wall) - at().wall
    assert prepared(engine.handle(Tick(at(midnight)))) == [C]


class CountingBudget(Budget):
    """Counts how often it is asked whether there is more than there was."""

    asked = 0

    def eased(self, wall: float) -> tuple[int, int]:
        self.asked += 1
        return super().eased(wall)


@pytest.mark.parametrize("waiting", [1, 300])
def test_what_a_plan_at_work_gives_back_costs_no_look_at_each_of_those_that_wait(waiting: int) -> None:
    budget = CountingBudget(per_day_usd=1.0)
    engine = Engine(max_parallel=1, budget=budget)
    steps = (StepFacts("m"), StepFacts("n", needs=("m",)))
    engine.handle(PlanAccepted(at(), facts(B, steps=steps)))
    engine.handle(WorkspaceMade(at(), B, "m"))
    for number in range(waiting):
        name, touches = PlanId(f"p{number}"), (f"src/{number}/**",)
        engine.handle(
            PlanAccepted(
                at(1), PlanFacts(name, number + 1, at(1).wall, "/src/api", touches=touches, max_usd=0.005)
            )
        )
    engine.handle(RunEnded(at(2), B, RunOutcome(succeeded=True, cost_usd=0.995), "m"))

    budget.asked = 0
    # Half a cent is left, for which no run of a plan without a limit is started: it gives that back.
    assert prepared(engine.handle(StepGathered(at(2), B, "m"))) == ["p0"]
    assert budget.asked <= 10


def test_a_step_for_which_its_plan_has_no_money_left_takes_no_slot_until_there_is_some() -> None:
    engine = Engine(max_parallel=9, budget=Budget(per_day_usd=1.0))
    steps = (StepFacts("m"), StepFacts("c", is_command=True), StepFacts("n", needs=("c",)))
    engine.handle(PlanAccepted(at(), facts(A, steps=steps)))
    engine.handle(WorkspaceMade(at(), A, "m"))
    engine.handle(WorkspaceMade(at(), A, "c"))
    engine.handle(RunEnded(at(), A, RunOutcome(succeeded=True), "c"))

    assert prepared(engine.handle(StepGathered(at(), A, "c"))) == []
    assert [prepared(engine.handle(Tick(at(second)))) for second in range(1, 5)] == [[], [], [], []]
    engine.handle(RunEnded(at(5), A, RunOutcome(succeeded=True, cost_usd=0.25), "m"))
    assert engine.handle(WorkspaceMade(at(5), A, "n")) == [StartRun(A, 1, 1, None, 0.75, "n")]


def test_after_a_restart_a_run_whose_end_was_written_down_is_not_billed_a_second_time() -> None:
    engine = Engine(
        max_parallel=1, budget=Budget(per_day_usd=1.0, booked_usd={"/src/api": 0.25}, wall=at().wall)
    )
    outcome = RunOutcome(succeeded=True, cost_usd=0.25)
    ended = StepHistory(starts=1, attempt=1, in_hand=True, outcome=outcome, given_usd=0.5)
    engine.handle(PlanRecovered(at(), facts(A, max_usd=0.5), History({MAIN: ended})))
    engine.handle(Tick(at()))

    engine.handle(RunEnded(at(), A, outcome))

    assert engine.budget.spent_usd(at().wall) == 0.25
    assert engine.budget.reserved_usd() == 0.25


@pytest.mark.parametrize("caps", [Budget(), Budget(per_day_usd=5.0)], ids=["alone", "with caps of the day"])
def test_a_step_that_has_used_up_its_share_waits_for_what_those_beside_it_leave(caps: Budget) -> None:
    engine = Engine(max_parallel=9, budget=caps)
    steps = (StepFacts("a"), StepFacts("b"))
    engine.handle(PlanAccepted(at(), facts(A, max_usd=1.0, steps=steps)))
    engine.handle(WorkspaceMade(at(), A, "a"))
    engine.handle(WorkspaceMade(at(), A, "b"))
    broke = RunOutcome(succeeded=False, reason=Reason.BUDGET, session="s", cost_usd=0.5)

    assert engine.handle(RunEnded(at(1), A, broke, "a")) == []
    plan = engine.plan(A)
    assert plan is not None
    assert plan.steps["a"].wait == Wait("budget")
    engine.handle(RunEnded(at(2), A, RunOutcome(succeeded=True, cost_usd=0.05), "b"))
    assert prepared(engine.handle(StepGathered(at(2), A, "b"))) == [A]
    assert engine.handle(WorkspaceMade(at(2), A, "a")) == [StartRun(A, 2, 1, "s", pytest.approx(0.45), "a")]


def test_a_step_that_has_used_up_its_share_fails_when_those_beside_it_leave_nothing() -> None:
    engine = Engine(max_parallel=9)
    engine.handle(PlanAccepted(at(), facts(A, max_usd=1.0, steps=(StepFacts("a"), StepFacts("b")))))
    engine.handle(WorkspaceMade(at(), A, "a"))
    engine.handle(WorkspaceMade(at(), A, "b"))
    broke = RunOutcome(succeeded=False, reason=Reason.BUDGET, session="s", cost_usd=0.5)
    engine.handle(RunEnded(at(1), A, broke, "a"))

    (gather,) = engine.handle(RunEnded(at(2), A, broke, "b"))
    assert isinstance(gather, GatherStep)
    assert engine.handle(StepGathered(at(2), A, "b")) == [Gather(A)]


def test_a_plan_of_which_one_step_waits_for_money_and_another_pauses_says_until_when_it_waits() -> None:
    engine = Engine(max_parallel=9)
    engine.handle(PlanAccepted(at(), facts(A, max_usd=1.0, steps=(StepFacts("a"), StepFacts("b")))))
    engine.handle(WorkspaceMade(at(), A, "a"))
    engine.handle(WorkspaceMade(at(), A, "b"))
    broke = RunOutcome(succeeded=False, reason=Reason.BUDGET, session="s", cost_usd=0.5)
    engine.handle(RunEnded(at(1), A, broke, "a"))
    failed = RunOutcome(succeeded=False, reason=Reason.API, may_retry=True, session="t", cost_usd=0.495)
    engine.handle(RunEnded(at(1), A, failed, "b"))

    plan = engine.plan(A)
    assert plan is not None
    assert engine.waits_for(plan) == Wait("retry", at(3).wall)
