"""What the engine decides for plans of several steps, and for their checks. Time is what the tests say it is."""

from __future__ import annotations

from typing import Any

import pytest

from handoff.result import Reason, Status
from handoff.root import PlanId
from orchestrd.core.commands import Command, Gather, GatherStep, Join, Prepare, Settle, StartRun, StopRun
from orchestrd.core.engine import Engine
from orchestrd.core.events import (
    CancelAsked,
    Ending,
    EvidenceGathered,
    History,
    Joined,
    Moment,
    PlanAccepted,
    PlanRecovered,
    RunEnded,
    RunOutcome,
    StepGathered,
    StepHistory,
    Tick,
    WorkspaceFailed,
    WorkspaceMade,
)
from orchestrd.core.facts import PlanFacts, StepFacts, check_step
from orchestrd.core.plan_life import State
from orchestrd.core.recovering import note_of_further_start
from orchestrd.core.step_life import StepState

P = PlanId("p")
WELL = RunOutcome(succeeded=True, session="s")
BROKE = RunOutcome(succeeded=False, reason=Reason.API, may_retry=True, session="s", cost_usd=0.25)
BAD = RunOutcome(succeeded=False, reason=Reason.AUTH)
RED = RunOutcome(succeeded=False, reason=Reason.COMMAND_FAILED)


def at(seconds: float = 0) -> Moment:
    return Moment(wall=1_000_000.0 + seconds, boot=500.0 + seconds)


def facts(*steps: StepFacts, **fields: Any) -> PlanFacts:
    given = {"arrival": 1, "accepted": at().wall, "project": "/src/api", "steps": steps}
    return PlanFacts(plan=P, **(given | fields))


def opened(*steps: StepFacts, slots: int = 9, **fields: Any) -> tuple[Engine, list[str]]:
    """An engine with one plan, and the steps that were given slots at once."""
    engine = Engine(max_parallel=slots)
    return engine, prepared(engine.handle(PlanAccepted(at(), facts(*steps, **fields))))


def prepared(commands: list[Command]) -> list[str]:
    return [command.step for command in commands if isinstance(command, Prepare)]


def started(engine: Engine, step: str) -> StartRun:
    (start,) = engine.handle(WorkspaceMade(at(), P, step))
    assert isinstance(start, StartRun)
    return start


def end(engine: Engine, step: str, outcome: RunOutcome = WELL) -> list[Command]:
    """A run ends; where what it left is to be gathered, that is done too."""
    commands = engine.handle(RunEnded(at(), P, outcome, step))
    if any(isinstance(command, GatherStep) for command in commands):
        commands = engine.handle(StepGathered(at(), P, step))
    return commands


def run(engine: Engine, step: str, outcome: RunOutcome = WELL) -> list[Command]:
    started(engine, step)
    return end(engine, step, outcome)


def state(engine: Engine, step: str) -> StepState:
    plan = engine.plan(P)
    assert plan is not None
    return plan.steps[step].state


A, B, C, D = (
    StepFacts("a"),
    StepFacts("b", needs=("a",)),
    StepFacts("c", needs=("a",)),
    StepFacts("d", needs=("b", "c")),
)


TEST = StepFacts("test", needs=("left", "right"), is_command=True)


def test_steps_run_when_those_they_need_are_done_and_side_by_side_where_the_graph_allows() -> None:
    engine, first = opened(A, B, C, D)

    assert first == ["a"]
    assert prepared(run(engine, "a")) == ["b", "c"]
    assert run(engine, "b") == []
    assert prepared(run(engine, "c")) == ["d"]
    assert run(engine, "d") == [Join(P, ("d",))]


def test_what_a_step_left_is_gathered_before_the_next_one_begins() -> None:
    engine, _ = opened(A, B)
    started(engine, "a")

    assert engine.handle(RunEnded(at(), P, WELL, "a")) == [GatherStep(P, "a")]
    assert engine.running() == 1
    assert prepared(engine.handle(StepGathered(at(), P, "a"))) == ["b"]


def test_the_steps_of_a_plan_are_in_line_for_slots_like_plans() -> None:
    engine, first = opened(StepFacts("a"), StepFacts("b"), StepFacts("c"), slots=2)

    assert first == ["a", "b"]
    assert prepared(run(engine, "b")) == ["c"]


def test_in_place_those_who_write_take_turns_and_those_who_read_do_not() -> None:
    engine, first = opened(StepFacts("a"), StepFacts("b"), StepFacts("r", writes=False), in_place=True)

    assert first == ["a", "r"]
    assert prepared(run(engine, "a")) == ["b"]


def test_after_a_failure_no_step_begins_and_those_that_run_are_let_end() -> None:
    engine, _ = opened(StepFacts("a"), StepFacts("b"), StepFacts("c", needs=("b",)))
    started(engine, "a")
    started(engine, "b")

    assert end(engine, "a", BAD) == []
    assert (state(engine, "c"), state(engine, "b")) == (StepState.SKIPPED, StepState.RUNNING)
    assert end(engine, "b") == [Gather(P)]
    (settle,) = engine.handle(EvidenceGathered(at(), P, changed=True))
    assert isinstance(settle, Settle)
    assert (settle.ending.status, settle.ending.reason) == (Status.FAILED, Reason.AUTH)
    assert settle.ending.message is not None
    assert "Step a" in settle.ending.message


def test_a_failure_keeps_those_back_at_once_that_wait_for_a_slot() -> None:
    engine = Engine(max_parallel=2)
    other = PlanFacts(PlanId("other"), 0, at().wall, "/src/other")
    engine.handle(PlanAccepted(at(), other))
    assert prepared(engine.handle(PlanAccepted(at(), facts(StepFacts("a"), StepFacts("b"))))) == ["a"]
    started(engine, "a")

    (gather,) = engine.handle(RunEnded(at(), P, BAD, "a"))
    assert isinstance(gather, GatherStep)
    assert gather.ending is not None
    assert state(engine, "b") is StepState.SKIPPED
    assert prepared(engine.handle(WorkspaceFailed(at(), PlanId("other"), "no branch"))) == []


def test_each_step_has_its_own_attempts() -> None:
    engine, _ = opened(StepFacts("a", attempts=1), StepFacts("b", attempts=2))
    started(engine, "a")
    started(engine, "b")

    assert end(engine, "b", BROKE) == []
    assert prepared(engine.handle(Tick(at(2)))) == ["b"]
    assert started(engine, "b") == StartRun(P, 2, 2, "s", None, "b")
    end(engine, "a", BROKE)
    assert state(engine, "a") is StepState.FAILED


def test_a_workspace_that_contradicts_itself_fails_the_plan_as_a_conflict() -> None:
    engine, _ = opened(A, B, C, D)
    for step in ("a", "b", "c"):
        run(engine, step)

    assert engine.handle(WorkspaceFailed(at(), P, "b and c both changed x.py", "d", is_conflict=True)) == [
        Gather(P)
    ]
    (settle,) = engine.handle(EvidenceGathered(at(), P, changed=True))
    assert isinstance(settle, Settle)
    assert (settle.ending.reason, settle.ending.message) == (Reason.CONFLICT, "b and c both changed x.py")


def test_cancelling_stops_all_that_runs_and_gathers_when_it_is_over() -> None:
    engine, _ = opened(StepFacts("a"), StepFacts("b"), StepFacts("c", needs=("b",)))
    started(engine, "a")
    started(engine, "b")

    stops = engine.handle(CancelAsked(at(), P))
    assert stops == [StopRun(P, "cancelled", "a"), StopRun(P, "cancelled", "b")]
    stopped = RunOutcome(succeeded=False, reason=Reason.CANCELLED)
    assert end(engine, "a", stopped) == []
    assert end(engine, "b", stopped) == [Gather(P)]


# -- checks ------------------------------------------------------------------------------------------------------------


def checked(outcomes: list[RunOutcome], rounds: int = 2) -> tuple[list[StartRun], Status, Reason | None]:
    """A plan of one step and one check, whose check ends so each time: all its starts, and how it ends."""
    engine, _ = opened(StepFacts(), checks=1, rounds=rounds)
    starts = [started(engine, "main")]
    left = iter(outcomes)
    commands = end(engine, "main")
    while Gather(P) not in commands:
        if Join(P, ("main",)) in commands:
            commands = engine.handle(Joined(at(), P))
        elif prepared(commands) == ["main"]:
            starts.append(started(engine, "main"))
            commands = end(engine, "main")
        else:
            (start,) = commands
            assert isinstance(start, StartRun)
            starts.append(start)
            commands = engine.handle(RunEnded(at(), P, next(left), start.step))
    (settle,) = engine.handle(EvidenceGathered(at(), P, changed=True))
    assert isinstance(settle, Settle)
    return starts, settle.ending.status, settle.ending.reason


def test_a_check_that_fails_goes_back_to_the_session_until_it_passes() -> None:
    starts, status, reason = checked([RED, RED, WELL])

    assert (status, reason) == (Status.SUCCEEDED, None)
    assert [(one.step, one.number, one.round) for one in starts] == [
        ("main", 1, 0),
        (check_step(1), 1, 0),
        ("main", 2, 1),
        (check_step(1), 2, 1),
        ("main", 3, 2),
        (check_step(1), 3, 2),
    ]
    assert [one.session for one in starts if one.step == "main"] == [None, "s", "s"]
    assert {one.attempt for one in starts if one.step == "main"} == {1}


def test_a_check_that_never_passes_fails_the_plan_after_its_rounds() -> None:
    starts, status, reason = checked([RED, RED, RED])

    assert (status, reason) == (Status.FAILED, Reason.CHECK_FAILED)
    assert len(starts) == 6


def test_a_check_whose_round_is_over_is_no_start_that_another_one_follows() -> None:
    engine, _ = opened(StepFacts(), checks=1)
    run(engine, "main")
    engine.handle(Joined(at(), P))
    engine.handle(RunEnded(at(), P, RED, check_step(1)))
    plan = engine.plan(P)

    assert plan is not None
    assert note_of_further_start(plan.steps[check_step(1)]) is None
    assert note_of_further_start(plan.steps["main"]) is not None


def test_what_is_mended_in_a_round_is_joined_though_others_need_the_step_that_mends() -> None:
    engine, _ = opened(StepFacts("left"), StepFacts("right"), TEST, checks=1)
    run(engine, "left")
    run(engine, "right")
    assert run(engine, "test") == [Join(P, ("test",))]
    engine.handle(Joined(at(), P))

    assert prepared(engine.handle(RunEnded(at(), P, RED, check_step(1)))) == ["right"]
    assert run(engine, "right") == [Join(P, ("right",))]


def test_to_go_back_to_a_session_in_a_round_is_no_resumption_of_one_that_failed() -> None:
    engine, _ = opened(StepFacts(), checks=1)
    run(engine, "main")
    for _ in range(2):
        engine.handle(Joined(at(), P))
        engine.handle(RunEnded(at(), P, RED, check_step(1)))
        last = started(engine, "main")
        if last.round == 1:
            end(engine, "main")

    end(engine, "main", BROKE)
    engine.handle(Tick(at(60)))

    again = started(engine, "main")
    assert (again.round, again.attempt, again.session) == (2, 2, "s")


def test_without_rounds_a_failed_check_is_the_end() -> None:
    starts, status, reason = checked([RED], rounds=0)

    assert (status, reason, len(starts)) == (Status.FAILED, Reason.CHECK_FAILED, 2)


def test_an_interrupted_check_is_run_again_and_is_no_failure() -> None:
    cut = RunOutcome(succeeded=False, reason=Reason.INTERRUPTED, may_retry=True)
    starts, status, _ = checked([cut, WELL])

    assert status is Status.SUCCEEDED
    assert [one.step for one in starts] == ["main", check_step(1), check_step(1)]


def test_all_checks_of_a_round_are_run_even_if_the_first_fails() -> None:
    engine, _ = opened(StepFacts(), checks=2, rounds=0)
    run(engine, "main")

    assert engine.handle(Joined(at(), P)) == [StartRun(P, 1, 1, None, None, check_step(1))]
    assert engine.handle(RunEnded(at(), P, RED, check_step(1))) == [
        StartRun(P, 1, 1, None, None, check_step(2))
    ]
    assert engine.handle(RunEnded(at(), P, WELL, check_step(2))) == [Gather(P)]


def test_a_conflict_between_the_last_steps_fails_the_plan() -> None:
    engine, _ = opened(StepFacts("a"), StepFacts("b"))
    run(engine, "a")

    assert run(engine, "b") == [Join(P, ("a", "b"))]
    assert engine.handle(Joined(at(), P, "a and b both changed x.py", is_conflict=True)) == [Gather(P)]
    (settle,) = engine.handle(EvidenceGathered(at(), P, changed=True))
    assert isinstance(settle, Settle)
    assert settle.ending.reason is Reason.CONFLICT


# -- further steps -----------------------------------------------------------------------------------------------------


def test_further_steps_are_put_in_and_joined_by_whoever_needs_the_one_that_returned_them() -> None:
    engine, _ = opened(StepFacts("plan", writes=False, expands=True), StepFacts("review", needs=("plan",)))
    more = (StepFacts("plan-1"), StepFacts("plan-2"), StepFacts("plan-3", needs=("plan-1",)))
    started(engine, "plan")

    assert prepared(end(engine, "plan", RunOutcome(succeeded=True, steps=more))) == ["plan-1", "plan-2"]
    assert prepared(run(engine, "plan-1")) == ["plan-3"]
    assert run(engine, "plan-2") == []
    assert prepared(run(engine, "plan-3")) == ["review"]
    assert run(engine, "review") == [Join(P, ("review",))]


# -- money -------------------------------------------------------------------------------------------------------------


def test_steps_side_by_side_share_what_is_left_of_the_plans_money() -> None:
    engine, _ = opened(StepFacts("a"), StepFacts("b"), StepFacts("c", needs=("a",)), max_usd=1.0)

    assert (started(engine, "a").budget_usd, started(engine, "b").budget_usd) == (0.5, 0.5)
    # It has used up its share, and "b" may still use up the rest.
    assert prepared(end(engine, "a", RunOutcome(succeeded=True, cost_usd=0.5))) == []
    assert prepared(end(engine, "b", RunOutcome(succeeded=True, cost_usd=0.1))) == ["c"]
    assert started(engine, "c").budget_usd == pytest.approx(0.4)


def test_a_plan_whose_money_is_used_up_before_its_last_step_fails_for_that() -> None:
    engine, _ = opened(StepFacts("a"), StepFacts("b", needs=("a",)), max_usd=1.0)

    assert run(engine, "a", RunOutcome(succeeded=True, cost_usd=1.0)) == [Gather(P)]
    (settle,) = engine.handle(EvidenceGathered(at(), P, changed=True))
    assert isinstance(settle, Settle)
    assert settle.ending.reason is Reason.BUDGET


def test_a_step_whose_turn_comes_when_the_plans_money_is_used_up_is_not_started() -> None:
    engine, first = opened(StepFacts("a"), StepFacts("b"), slots=1, max_usd=1.0)

    assert first == ["a"]
    # A reply is counted when it has come: it has cost more than its share, and more than there was.
    assert run(engine, "a", RunOutcome(succeeded=True, cost_usd=1.5)) == [Gather(P)]
    (settle,) = engine.handle(EvidenceGathered(at(), P, changed=True))
    assert isinstance(settle, Settle)
    assert settle.ending.reason is Reason.BUDGET


def test_a_step_that_was_given_a_slot_is_not_started_when_the_plans_money_is_used_up_meanwhile() -> None:
    engine, _ = opened(StepFacts("a"), StepFacts("b"), slots=2, max_usd=1.0)
    run(engine, "a", RunOutcome(succeeded=True, cost_usd=1.5))

    assert engine.handle(WorkspaceMade(at(), P, "b")) == [Gather(P)]


# -- after a restart ---------------------------------------------------------------------------------------------------


def recovered(history: History, *steps: StepFacts, **fields: Any) -> tuple[Engine, list[Command]]:
    engine = Engine(max_parallel=9)
    commands = engine.handle(PlanRecovered(at(), facts(*steps, **fields), history))
    return engine, [*commands, *engine.handle(Tick(at()))]


OVER = StepHistory(starts=1, attempt=1, outcome=WELL, is_over=True)
ALIVE = StepHistory(starts=1, attempt=1, in_hand=True)


def test_after_a_restart_steps_that_are_over_stay_so_and_those_that_run_go_on() -> None:
    engine, commands = recovered(History({"a": OVER, "b": ALIVE}), A, B, C, D)

    assert prepared(commands) == ["c"]
    assert (state(engine, "a"), state(engine, "b")) == (StepState.DONE, StepState.RUNNING)
    assert end(engine, "b") == []
    assert prepared(run(engine, "c")) == ["d"]


def test_after_a_restart_a_plan_between_two_steps_goes_on() -> None:
    _, commands = recovered(History({"a": OVER}), A, B)

    assert prepared(commands) == ["b"]


def test_after_a_restart_a_failed_step_still_fails_the_plan() -> None:
    ending = Ending(Status.FAILED, Reason.MEMORY, "It was stopped again and again.")
    failed = StepHistory(starts=1, attempt=1, outcome=BAD, is_over=True, ending=ending)
    engine, commands = recovered(History({"a": failed}), A, B)

    assert commands == [Gather(P)]
    assert engine.handle(EvidenceGathered(at(), P, changed=True)) == [Settle(P, ending)]


def test_after_a_restart_a_cancelled_plan_is_still_cancelled() -> None:
    ending = Ending(Status.CANCELLED, Reason.CANCELLED, "Cancelled: enough")
    stopped = RunOutcome(succeeded=False, reason=Reason.CANCELLED)
    over = StepHistory(starts=1, attempt=1, outcome=stopped, is_over=True, ending=ending)
    engine, commands = recovered(History({"a": over}, cancelled="enough"), A, B)

    assert commands == [Gather(P)]
    assert engine.handle(EvidenceGathered(at(), P, changed=True)) == [Settle(P, ending)]


def test_after_a_restart_further_steps_that_were_refused_are_not_put_in() -> None:
    more = RunOutcome(succeeded=True, steps=(StepFacts("b"),))
    ending = Ending(Status.FAILED, Reason.SCHEMA, "steps with the same name")
    refused = StepHistory(starts=1, attempt=1, outcome=more, is_over=True, ending=ending)
    engine, commands = recovered(History({"a": refused}), A, B)

    assert commands == [Gather(P)]
    assert engine.handle(EvidenceGathered(at(), P, changed=True)) == [Settle(P, ending)]


def test_after_a_restart_checks_go_on_where_they_were() -> None:
    history = History({"main": OVER, check_step(1): ALIVE})
    engine, commands = recovered(history, StepFacts(), checks=2)

    assert commands == []
    assert engine.running() == 1
    assert engine.handle(RunEnded(at(), P, WELL, check_step(1))) == [
        StartRun(P, 1, 1, None, None, check_step(2))
    ]


def test_after_a_restart_checks_that_ended_are_told_of_again_and_not_run_again() -> None:
    ended = StepHistory(starts=1, attempt=1, in_hand=True, outcome=WELL)
    history = History({"main": OVER, check_step(1): ended, check_step(2): ended})
    engine, commands = recovered(history, StepFacts(), checks=2)

    assert commands == []
    assert engine.handle(RunEnded(at(), P, WELL, check_step(1))) == []
    assert engine.handle(RunEnded(at(), P, WELL, check_step(2))) == [Gather(P)]


def test_after_a_restart_in_a_round_earlier_checks_do_not_count() -> None:
    red = StepHistory(starts=1, attempt=1, in_hand=True, outcome=RED)
    mending = StepHistory(starts=2, attempt=1, in_hand=True, round=1)
    history = History({"main": mending, check_step(1): red})
    engine, commands = recovered(history, StepFacts(), checks=1)

    assert history.in_hand == ("main",)
    assert commands == []
    assert end(engine, "main") == [Join(P, ("main",))]
    assert engine.handle(Joined(at(), P)) == [StartRun(P, 2, 2, None, None, check_step(1), 1)]


def test_after_a_restart_further_steps_are_there_again() -> None:
    more = (StepFacts("plan-1"), StepFacts("plan-2"))
    told = StepHistory(starts=1, attempt=1, outcome=RunOutcome(succeeded=True, steps=more), is_over=True)
    history = History({"plan": told, "plan-1": OVER, "plan-2": ALIVE})
    engine, commands = recovered(
        history, StepFacts("plan", writes=False, expands=True), StepFacts("review", needs=("plan",))
    )

    assert commands == []
    plan = engine.plan(P)
    assert plan is not None
    assert plan.state is State.RUNNING
    assert prepared(end(engine, "plan-2")) == ["review"]
