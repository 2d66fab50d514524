"""What the engine decides where the money of a day is capped: who starts, who waits until when, what is counted."""

from __future__ import annotations

from typing import Any

import pytest

from handoff.result import Reason, Status
from handoff.root import PlanId
from orchestrd.core.budget import Budget, next_day
from orchestrd.core.commands import Prepare, StartRun
from orchestrd.core.engine import Engine
from orchestrd.core.events import (
    CostTold,
    EvidenceGathered,
    History,
    Moment,
    PlanAccepted,
    PlanPublished,
    PlanRecovered,
    RunEnded,
    RunOutcome,
    StepHistory,
    Tick,
    WorkspaceMade,
)
from orchestrd.core.facts import MAIN, PlanFacts
from orchestrd.core.step import Wait

PROJECT = "/src/api"
CAP = 3.0


def at(seconds: float = 0) -> Moment:
    return Moment(wall=1_000_000.0 + seconds, boot=500.0 + seconds)


def facts(name: str, **fields: Any) -> PlanFacts:
    given: dict[str, Any] = {"arrival": 1, "accepted": at().wall, "project": PROJECT, "max_usd": 1.0}
    return PlanFacts(plan=PlanId(name), **(given | fields))


def engine_with(cap: float = CAP, **booked: float) -> Engine:
    return Engine(max_parallel=9, budget=Budget(cap, booked_usd=booked, wall=at().wall))


def start(engine: Engine, name: str, **fields: Any) -> StartRun | None:
    """Accept a plan and, where it is given a slot, start it."""
    commands = engine.handle(PlanAccepted(at(), facts(name, **fields)))
    if not any(isinstance(command, Prepare) for command in commands):
        return None
    return next(
        command
        for command in engine.handle(WorkspaceMade(at(), PlanId(name)))
        if isinstance(command, StartRun)
    )


def end(engine: Engine, name: str, cost_usd: float, reason: Reason | None = None) -> None:
    """Its run ends, and it is settled."""
    outcome = RunOutcome(succeeded=reason is None, reason=reason, cost_usd=cost_usd)
    engine.handle(RunEnded(at(), PlanId(name), outcome))
    engine.handle(EvidenceGathered(at(), PlanId(name), changed=True))
    engine.handle(PlanPublished(at(), PlanId(name), Status.SUCCEEDED))


def waits_for(engine: Engine, name: str) -> Wait | None:
    plan = engine.plan(PlanId(name))
    assert plan is not None
    return engine.waits_for(plan)


def test_three_plans_of_a_dollar_start_on_a_day_of_three_and_the_next_waits_for_midnight() -> None:
    engine = engine_with()

    started = [start(engine, name) for name in "abcde"]

    assert [one.budget_usd if one else None for one in started] == [1.0, 1.0, 1.0, None, None]
    assert waits_for(engine, "d") == waits_for(engine, "e") == Wait("budget", next_day(at().wall))
    for name in "abc":
        end(engine, name, 1.0)
    assert waits_for(engine, "d") == Wait("budget", next_day(at().wall))
    midnight = at(next_day(at().wall) - at().wall)
    assert [one.plan for one in engine.handle(Tick(midnight)) if isinstance(one, Prepare)] == ["d", "e"]


def test_what_a_run_tells_on_its_way_and_at_its_end_counts_once() -> None:
    engine = engine_with()
    start(engine, "a")

    engine.handle(CostTold(at(), PlanId("a"), MAIN, 1, 0.25))
    assert engine.budget.spent_usd(at().wall) == 0.25
    outcome = RunOutcome(succeeded=True, cost_usd=0.4)
    engine.handle(RunEnded(at(), PlanId("a"), outcome))
    # The last lines of a run are read when it is over, and what they say of its cost is told after its end.
    engine.handle(CostTold(at(), PlanId("a"), MAIN, 1, 0.4))

    assert engine.budget.spent_usd(at().wall) == 0.4


def test_what_a_run_of_an_earlier_attempt_tells_late_counts_no_more() -> None:
    engine = engine_with()
    start(engine, "a")
    broke = RunOutcome(succeeded=False, reason=Reason.API, may_retry=True, session="s", cost_usd=0.25)
    engine.handle(RunEnded(at(), PlanId("a"), broke))
    engine.handle(Tick(at(3)))
    engine.handle(WorkspaceMade(at(3), PlanId("a")))

    engine.handle(CostTold(at(3), PlanId("a"), MAIN, 1, 0.25))

    assert engine.budget.spent_usd(at().wall) == 0.25


@pytest.mark.parametrize("cost", [0.0, 0.4])
def test_the_end_of_a_run_that_an_earlier_daemon_wrote_down_is_counted_with_the_day_and_not_again(
    cost: float,
) -> None:
    engine = engine_with(**{PROJECT: cost})
    outcome = RunOutcome(succeeded=True, cost_usd=cost)
    told = StepHistory(starts=1, attempt=1, in_hand=True, outcome=outcome, given_usd=1.0)
    engine.handle(PlanRecovered(at(), facts("a"), History(steps={MAIN: told})))

    engine.handle(RunEnded(at(), PlanId("a"), outcome))

    assert engine.budget.spent_usd(at().wall) == cost
    assert engine.budget.reserved_usd() == pytest.approx(1.0 - cost)


def test_a_run_that_was_found_alive_tells_all_that_it_has_cost() -> None:
    engine = engine_with()
    told = StepHistory(starts=1, attempt=1, in_hand=True, given_usd=1.0)
    engine.handle(PlanRecovered(at(), facts("a"), History(steps={MAIN: told})))

    engine.handle(CostTold(at(), PlanId("a"), MAIN, 1, 0.3))
    assert (engine.budget.spent_usd(at().wall), engine.budget.reserved_usd()) == (0.3, 0.7)
    end(engine, "a", 0.5)

    assert (engine.budget.spent_usd(at().wall), engine.budget.reserved_usd()) == (0.5, 0.0)
