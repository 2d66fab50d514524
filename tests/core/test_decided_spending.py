"""What the engine decides where the money of the day has a cap. Time is what the tests say it is."""

from __future__ import annotations

from handoff.root import PlanId
from orchestrd.core.budget import Budget
from orchestrd.core.commands import Command, Prepare
from orchestrd.core.engine import Engine
from orchestrd.core.events import (
    EvidenceGathered,
    History,
    Moment,
    PlanAccepted,
    PlanRecovered,
    RunEnded,
    RunOutcome,
    StepHistory,
    Tick,
    WorkspaceMade,
)
from orchestrd.core.facts import MAIN, PlanFacts

A, B, C = PlanId("a"), PlanId("b"), PlanId("c")


def at(seconds: float = 0) -> Moment:
    return Moment(wall=1_000_000.0 + seconds, boot=500.0 + seconds)


def facts(plan: PlanId, *, priority: int = 50, max_usd: float | None = None) -> PlanFacts:
    return PlanFacts(plan, 1, at().wall, "/src/api", priority=priority, max_usd=max_usd)


def prepared(commands: list[Command]) -> list[PlanId]:
    return [command.plan for command in commands if isinstance(command, Prepare)]


def test_what_a_settled_plan_gives_back_is_given_at_once_to_whoever_is_next() -> None:
    engine = Engine(max_parallel=2, budget=Budget(per_day_usd=1.0))
    engine.handle(PlanAccepted(at(), facts(A, max_usd=1.0)))
    engine.handle(PlanAccepted(at(), facts(B, priority=90, max_usd=0.5)))
    engine.handle(WorkspaceMade(at(), A))
    engine.handle(RunEnded(at(), A, RunOutcome(succeeded=True, cost_usd=0.25)))

    assert prepared(engine.handle(EvidenceGathered(at(), A, changed=True))) == [B]


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
