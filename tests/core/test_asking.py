"""A run that waits for a person: it holds no slot, goes on at once, and is nothing special otherwise."""

from __future__ import annotations

import pytest

from handoff.result import Reason, Status
from handoff.root import PlanId
from orchestrd.core.commands import Gather, Leave, Prepare, Settle, StartRun, StopRun
from orchestrd.core.engine import Engine
from orchestrd.core.events import (
    Answered,
    Asked,
    CancelAsked,
    ConditionChanged,
    DrainAsked,
    Ending,
    EvidenceGathered,
    History,
    PlanAccepted,
    PlanRecovered,
    RunEnded,
    RunOutcome,
    StepHistory,
    Tick,
    WorkspaceMade,
)
from orchestrd.core.facts import MAIN, StepFacts
from orchestrd.core.plan_life import State
from tests.core.test_engine import SUCCESS, accept, at, facts, prepared

A, B = PlanId("a"), PlanId("b")


def asking(max_parallel: int = 1) -> Engine:
    """An engine whose plan `a` asks."""
    engine = Engine(max_parallel)
    accept(engine, "a")
    engine.handle(WorkspaceMade(at(1), A))
    engine.handle(Asked(at(2), A, MAIN, 1))
    return engine


def state(engine: Engine, name: str) -> State | None:
    held = engine.plan(PlanId(name))
    return held.state if held is not None else None


def test_a_run_that_asks_leaves_its_slot_to_others_and_is_neither_waiting_nor_running() -> None:
    engine = asking()

    assert prepared(accept(engine, "b", 3)) == ["b"]
    assert (state(engine, "a"), state(engine, "b")) == (State.ASKING, State.PREPARING)
    assert (engine.running(), engine.waiting(), engine.asking()) == (1, 0, 1)
    held = engine.plan(A)
    assert held is not None
    assert engine.waits_for(held) is None
    assert held.since == at(2).wall


def test_once_answered_it_goes_on_above_the_limit_and_nobody_new_begins_meanwhile() -> None:
    engine = asking()
    accept(engine, "b", 3)
    engine.handle(WorkspaceMade(at(4), B))

    assert engine.handle(Answered(at(5), A, MAIN, 1)) == []
    assert engine.running() == 2
    assert prepared(accept(engine, "c", 6)) == []
    assert engine.handle(RunEnded(at(7), B, SUCCESS)) == [Gather(B)]
    assert prepared(engine.handle(EvidenceGathered(at(8), B, changed=True))) == []
    assert engine.handle(RunEnded(at(9), A, SUCCESS)) == [Gather(A)]


def test_what_is_told_late_of_a_run_that_is_over_changes_nothing() -> None:
    engine = asking()
    engine.handle(RunEnded(at(3), A, RunOutcome(succeeded=False, reason=Reason.INTERRUPTED, may_retry=True)))
    assert state(engine, "a") is State.WAITING

    engine.handle(Answered(at(4), A, MAIN, 1))
    engine.handle(Asked(at(4), A, MAIN, 1))
    engine.handle(Asked(at(4), PlanId("unknown"), MAIN, 1))

    assert state(engine, "a") is State.WAITING
    assert prepared(engine.handle(Tick(at(6)))) == ["a"]


def test_told_twice_that_it_asks_is_told_once() -> None:
    engine = asking()
    engine.handle(Asked(at(3), A, MAIN, 1))
    engine.handle(Answered(at(4), A, MAIN, 1))
    engine.handle(Answered(at(5), A, MAIN, 1))

    assert (state(engine, "a"), engine.running()) == (State.RUNNING, 1)


def test_nobody_answered_is_a_failure_that_is_not_tried_again() -> None:
    engine = asking()

    outcome = RunOutcome(succeeded=False, reason=Reason.UNANSWERED, session="s")
    assert engine.handle(RunEnded(at(3), A, outcome)) == [Gather(A)]
    (settle,) = engine.handle(EvidenceGathered(at(4), A, changed=False))
    assert settle == Settle(A, Ending(Status.FAILED, Reason.UNANSWERED))


def test_a_plan_that_asks_may_be_cancelled() -> None:
    engine = asking()

    assert engine.handle(CancelAsked(at(3), A, "enough")) == [StopRun(A, "cancelled")]
    stopped = RunOutcome(succeeded=False, reason=Reason.CANCELLED)
    assert engine.handle(RunEnded(at(4), A, stopped)) == [Gather(A)]


def test_a_drained_daemon_leaves_while_runs_only_ask() -> None:
    engine = asking(max_parallel=2)
    accept(engine, "b", 3)
    engine.handle(WorkspaceMade(at(3), B))

    assert Leave() not in engine.handle(DrainAsked(at(4)))
    assert Leave() in engine.handle(Asked(at(5), B, MAIN, 1))


def test_a_daemon_that_comes_back_takes_it_for_running_until_it_is_told() -> None:
    engine = Engine(max_parallel=1)
    history = History(steps={MAIN: StepHistory(starts=1, attempt=1, session="s", in_hand=True)})
    engine.handle(PlanRecovered(at(1), facts("a"), history))
    engine.handle(PlanAccepted(at(1), facts("b")))
    assert (state(engine, "a"), state(engine, "b")) == (State.RUNNING, State.READY)

    assert prepared(engine.handle(Asked(at(2), A, MAIN, 1))) == ["b"]


def test_beside_a_step_that_asks_the_others_of_its_plan_go_on() -> None:
    engine = Engine(max_parallel=1)
    steps = (StepFacts("one"), StepFacts("two"))
    engine.handle(PlanAccepted(at(0), facts("a", steps=steps)))
    engine.handle(WorkspaceMade(at(1), A, "one"))

    commands = engine.handle(Asked(at(2), A, "one", 1))

    assert [command.step for command in commands if isinstance(command, Prepare)] == ["two"]
    assert [
        command.step
        for command in engine.handle(WorkspaceMade(at(3), A, "two"))
        if isinstance(command, StartRun)
    ] == ["two"]
    assert state(engine, "a") is State.RUNNING


def test_in_place_nobody_writes_beside_a_step_that_asks() -> None:
    engine = Engine(max_parallel=2)
    steps = (StepFacts("one"), StepFacts("two"))
    engine.handle(PlanAccepted(at(0), facts("a", steps=steps, in_place=True)))
    engine.handle(WorkspaceMade(at(1), A, "one"))

    assert engine.handle(Asked(at(2), A, "one", 1)) == []


def test_a_run_that_asks_is_not_the_one_that_yields_to_a_dying_machine() -> None:
    engine = asking(max_parallel=2)
    accept(engine, "b", 3)
    engine.handle(WorkspaceMade(at(3), B))

    (stop,) = engine.handle(ConditionChanged(at(4), "dying", holds=True, message="memory"))

    assert isinstance(stop, StopRun)
    assert stop.plan == "b"


@pytest.mark.parametrize("beside", ["running", "asking"])
def test_a_step_without_money_waits_for_what_one_beside_it_may_leave_though_that_asks(beside: str) -> None:
    engine = Engine(max_parallel=2)
    steps = (StepFacts("one"), StepFacts("two"))
    engine.handle(PlanAccepted(at(0), facts("a", steps=steps, max_usd=1.0)))
    for step in ("one", "two"):
        engine.handle(WorkspaceMade(at(1), A, step))
    if beside == "asking":
        engine.handle(Asked(at(2), A, "one", 1))

    failed = RunOutcome(succeeded=False, reason=Reason.API, may_retry=True, session="s", cost_usd=0.5)
    assert engine.handle(RunEnded(at(3), A, failed, "two")) == []
    held = engine.plan(A)
    assert held is not None
    assert held.decided is None
