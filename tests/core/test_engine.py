"""What the engine decides, event by event. Time is what the tests say it is."""

from __future__ import annotations

from typing import Any

import pytest

from handoff.result import Reason, Status
from handoff.root import PlanId
from orchestrd.core.commands import Command, Gather, Leave, Prepare, Settle, StartRun, StopRun
from orchestrd.core.engine import Engine
from orchestrd.core.events import (
    CancelAsked,
    ConditionChanged,
    DrainAsked,
    Ending,
    EvidenceGathered,
    History,
    LookAgain,
    Moment,
    PauseAsked,
    PlanAccepted,
    PlanPublished,
    PlanRecovered,
    PlanRefused,
    ResumeAsked,
    RunEnded,
    RunOutcome,
    StepHistory,
    Tick,
    WorkspaceFailed,
    WorkspaceMade,
)
from orchestrd.core.facts import MAIN, PlanFacts
from orchestrd.core.plan_life import State
from orchestrd.core.step import Wait

ARRIVALS = iter(range(1, 1_000_000))


def at(seconds: float) -> Moment:
    return Moment(wall=1_000_000.0 + seconds, boot=500.0 + seconds)


def facts(name: str, **fields: Any) -> PlanFacts:
    given: dict[str, Any] = {"arrival": next(ARRIVALS), "accepted": at(0).wall, "project": "/src/api"}
    return PlanFacts(plan=PlanId(name), **(given | fields))


def accept(engine: Engine, name: str, second: float = 0, **fields: Any) -> list[Command]:
    return engine.handle(PlanAccepted(at(second), facts(name, **fields)))


def run_through(engine: Engine, name: str, outcome: RunOutcome, second: float = 0) -> list[Command]:
    """From a given slot to the end of the run."""
    engine.handle(WorkspaceMade(at(second), PlanId(name)))
    return engine.handle(RunEnded(at(second), PlanId(name), outcome))


def publish(engine: Engine, name: str, second: float = 0, status: Status = Status.SUCCEEDED) -> list[Command]:
    return engine.handle(PlanPublished(at(second), PlanId(name), status))


SUCCESS = RunOutcome(succeeded=True)
BROKE = RunOutcome(succeeded=False, reason=Reason.API, may_retry=True, session="s-1", cost_usd=0.25)
BAD_KEY = RunOutcome(succeeded=False, reason=Reason.AUTH)


def prepared(commands: list[Command]) -> list[str]:
    return [command.plan for command in commands if isinstance(command, Prepare)]


def test_a_plan_walks_from_acceptance_to_the_archive() -> None:
    engine = Engine(max_parallel=1)

    assert accept(engine, "a") == [Prepare(PlanId("a"))]
    assert engine.handle(WorkspaceMade(at(1), PlanId("a"))) == [StartRun(PlanId("a"), 1, 1, None, None)]
    assert engine.handle(RunEnded(at(2), PlanId("a"), SUCCESS)) == [Gather(PlanId("a"))]
    settle = Settle(PlanId("a"), Ending(Status.SUCCEEDED))
    assert engine.handle(EvidenceGathered(at(3), PlanId("a"), changed=True)) == [settle]
    assert publish(engine, "a", 4) == []
    assert engine.plan(PlanId("a")) is None


def test_never_more_plans_hold_a_slot_than_allowed() -> None:
    engine = Engine(max_parallel=3)

    given = [prepared(accept(engine, f"p{number}")) for number in range(10)]

    assert sum(len(names) for names in given) == 3
    assert engine.running() == 3


def test_priority_comes_first_then_arrival() -> None:
    engine = Engine(max_parallel=1)
    accept(engine, "running")
    for name, priority in (("low", 10), ("first", 50), ("high", 90), ("second", 50)):
        accept(engine, name, priority=priority)

    order = []
    current = "running"
    while current:
        run_through(engine, current, SUCCESS)
        commands = engine.handle(EvidenceGathered(at(1), PlanId(current), changed=True))
        current = next(iter(prepared(commands)), "")
        order.append(current)

    assert order == ["high", "first", "second", "low", ""]


def test_projects_of_equal_priority_take_turns() -> None:
    engine = Engine(max_parallel=1)
    accept(engine, "a0", project="/a")
    for name in ("a1", "a2", "a3"):
        accept(engine, name, project="/a")
    accept(engine, "b1", project="/b")

    run_through(engine, "a0", SUCCESS)
    chosen = prepared(engine.handle(EvidenceGathered(at(1), PlanId("a0"), changed=True)))

    assert chosen == ["b1"]


def test_a_plan_that_waited_long_overtakes_a_more_urgent_one() -> None:
    engine = Engine(max_parallel=1)
    accept(engine, "running")
    accept(engine, "patient", priority=50)
    later = 3 * 600.0
    accept(engine, "urgent", second=later, accepted=at(later).wall, priority=52)

    run_through(engine, "running", SUCCESS, later)
    chosen = prepared(engine.handle(EvidenceGathered(at(later), PlanId("running"), changed=True)))

    assert chosen == ["patient"]


@pytest.mark.parametrize("years", [10, -10])
def test_a_clock_that_is_set_lets_no_plan_overtake_a_more_urgent_one(years: int) -> None:
    engine = Engine(max_parallel=1)
    accept(engine, "running")
    accept(engine, "old", priority=50)
    step = years * 365 * 86_400.0
    later = Moment(at(60).wall + step, at(60).boot)
    after_that = Moment(at(1260).wall + step, at(1260).boot)
    for name, moment, priority in (("urgent", later, 51), ("late", after_that, 50)):
        engine.handle(PlanAccepted(moment, facts(name, accepted=moment.wall, priority=priority)))

    order = []
    running = "running"
    for _ in range(3):
        engine.handle(WorkspaceMade(after_that, PlanId(running)))
        engine.handle(RunEnded(after_that, PlanId(running), SUCCESS))
        (running,) = prepared(engine.handle(EvidenceGathered(after_that, PlanId(running), changed=True)))
        order.append(running)

    # "old" has waited 21 minutes, "urgent" 20: two points each.
    assert order == ["urgent", "old", "late"]


def test_one_plan_at_a_time_works_in_place_and_others_are_not_held_up_by_it() -> None:
    engine = Engine(max_parallel=3)
    accept(engine, "here", in_place=True)
    held = accept(engine, "here-too", in_place=True)
    elsewhere = accept(engine, "elsewhere", in_place=True, project="/other")

    assert prepared(held) == []
    assert prepared(elsewhere) == ["elsewhere"]
    waiting = engine.plan(PlanId("here-too"))
    assert waiting is not None
    assert engine.waits_for(waiting) == Wait("overlap")


def test_a_plan_that_closes_a_circle_of_plans_that_wait_for_each_other_is_ended_and_names_it() -> None:
    engine = Engine(max_parallel=1)
    assert accept(engine, "one", after=(PlanId("three"), PlanId("other"))) == []
    assert accept(engine, "two", after=(PlanId("one"),)) == []

    (settle,) = accept(engine, "three", after=(PlanId("two"),))

    assert isinstance(settle, Settle)
    assert (settle.plan, settle.ending.status) == ("three", Status.CANCELLED)
    assert settle.ending.reason is Reason.DEPENDENCY
    assert "three after two after one after three" in (settle.ending.message or "")
    (next_one,) = publish(engine, "three", status=Status.CANCELLED)
    assert isinstance(next_one, Settle)
    assert next_one.plan == "one"


def test_plans_that_wait_for_the_same_ones_are_no_circle_and_neither_are_those_that_are_being_settled() -> (
    None
):
    engine = Engine(max_parallel=1)
    accept(engine, "left", after=(PlanId("top"),))
    accept(engine, "right", after=(PlanId("top"), PlanId("left")))
    accept(engine, "given-up", after=(PlanId("bottom"),))
    engine.handle(CancelAsked(at(0), PlanId("given-up"), ""))

    assert accept(engine, "bottom", after=(PlanId("left"), PlanId("right"), PlanId("given-up"))) == []
    assert prepared(accept(engine, "top")) == ["top"]


def test_a_plan_that_would_come_after_itself_is_ended() -> None:
    (settle,) = accept(Engine(max_parallel=1), "self", after=(PlanId("self"),))

    assert isinstance(settle, Settle)
    assert "self after self" in (settle.ending.message or "")


def test_a_plan_waits_for_those_it_comes_after_and_runs_when_they_succeeded() -> None:
    engine = Engine(max_parallel=2)
    accept(engine, "design")
    assert prepared(accept(engine, "build", after=(PlanId("design"),))) == []

    run_through(engine, "design", SUCCESS)
    engine.handle(EvidenceGathered(at(1), PlanId("design"), changed=True))

    assert prepared(publish(engine, "design", 2)) == ["build"]


@pytest.mark.parametrize("known", [True, False])
def test_a_plan_whose_predecessor_did_not_succeed_is_cancelled_for_that(known: bool) -> None:
    engine = Engine(max_parallel=1)
    settled = {PlanId("design"): Status.FAILED} if known else {}
    commands = engine.handle(PlanAccepted(at(0), facts("build", after=(PlanId("design"),)), settled))
    if not known:
        engine.handle(PlanRefused(at(1), PlanId("design"), Ending(Status.REJECTED, Reason.INVALID)))
        commands = publish(engine, "design", 1, Status.REJECTED)

    (settle,) = commands
    assert isinstance(settle, Settle)
    assert (settle.ending.status, settle.ending.reason) == (Status.CANCELLED, Reason.DEPENDENCY)


def test_a_plan_is_not_started_before_its_date() -> None:
    engine = Engine(max_parallel=1)
    assert accept(engine, "tonight", not_before=at(100).wall) == []
    assert engine.next_look(at(40)) == pytest.approx(60)

    assert engine.handle(Tick(at(99))) == []
    assert prepared(engine.handle(Tick(at(100)))) == ["tonight"]


def test_a_date_that_has_passed_and_is_to_come_again_is_waited_for() -> None:
    engine = Engine(max_parallel=2)
    accept(engine, "first")
    accept(engine, "second", after=(PlanId("first"),), not_before=at(60).wall)
    engine.handle(Tick(at(61)))
    set_back = Moment(at(30).wall, at(62).boot)
    for event in (
        WorkspaceMade(set_back, PlanId("first")),
        RunEnded(set_back, PlanId("first"), SUCCESS),
        EvidenceGathered(set_back, PlanId("first"), changed=True),
        PlanPublished(set_back, PlanId("first"), Status.SUCCEEDED),
    ):
        assert prepared(engine.handle(event)) == []

    assert engine.next_look(set_back) == 30.0
    assert prepared(engine.handle(Tick(Moment(at(60).wall, at(92).boot)))) == ["second"]


@pytest.mark.parametrize("ready", [True, False])
def test_a_plan_that_was_never_started_expires(ready: bool) -> None:
    engine = Engine(max_parallel=1)
    accept(engine, "running")
    after = () if ready else (PlanId("unknown"),)
    accept(engine, "short-lived", expires=at(10).wall, after=after)

    (settle,) = engine.handle(Tick(at(10)))

    assert isinstance(settle, Settle)
    assert settle == Settle(
        PlanId("short-lived"), Ending(Status.EXPIRED, Reason.EXPIRED, settle.ending.message)
    )


def test_what_is_transient_is_tried_again_after_a_pause_and_resumes_its_session() -> None:
    engine = Engine(max_parallel=1)
    accept(engine, "a")

    assert run_through(engine, "a", BROKE, 1) == []
    waiting = engine.plan(PlanId("a"))
    assert waiting is not None
    assert engine.waits_for(waiting) == Wait("retry", at(3).wall)
    assert engine.running() == 0
    assert prepared(engine.handle(Tick(at(3)))) == ["a"]
    assert engine.handle(WorkspaceMade(at(3), PlanId("a"))) == [StartRun(PlanId("a"), 2, 2, "s-1", None)]


def test_a_session_is_resumed_twice_and_attempts_end() -> None:
    engine = Engine(max_parallel=1)
    accept(engine, "a", attempts=4)
    starts = []
    second = 0.0
    for _ in range(4):
        starts += engine.handle(WorkspaceMade(at(second), PlanId("a")))
        last = engine.handle(RunEnded(at(second), PlanId("a"), BROKE))
        second += 60
        last += engine.handle(Tick(at(second)))

    assert [(start.attempt, start.session) for start in starts if isinstance(start, StartRun)] == [
        (1, None),
        (2, "s-1"),
        (3, "s-1"),
        (4, None),
    ]
    assert last == [Gather(PlanId("a"))]
    (settle,) = engine.handle(EvidenceGathered(at(999), PlanId("a"), changed=False))
    assert settle == Settle(PlanId("a"), Ending(Status.FAILED, Reason.API))


def test_what_is_permanent_is_not_tried_again() -> None:
    engine = Engine(max_parallel=1)
    accept(engine, "a")

    assert run_through(engine, "a", BAD_KEY) == [Gather(PlanId("a"))]


def test_a_refused_resume_starts_anew_at_once_in_the_same_attempt() -> None:
    engine = Engine(max_parallel=1)
    accept(engine, "a")
    run_through(engine, "a", BROKE)
    engine.handle(Tick(at(2)))
    refused = RunOutcome(succeeded=False, reason=Reason.NO_OUTPUT, resume_refused=True)

    assert prepared(run_through(engine, "a", refused, 2)) == ["a"]
    assert engine.handle(WorkspaceMade(at(2), PlanId("a"))) == [StartRun(PlanId("a"), 3, 2, None, None)]


def test_a_further_attempt_may_cost_what_is_left_and_not_more() -> None:
    engine = Engine(max_parallel=1)
    accept(engine, "a", max_usd=0.5)
    run_through(engine, "a", BROKE)
    engine.handle(Tick(at(60)))

    assert engine.handle(WorkspaceMade(at(60), PlanId("a"))) == [StartRun(PlanId("a"), 2, 2, "s-1", 0.25)]
    assert engine.handle(RunEnded(at(60), PlanId("a"), BROKE)) == [Gather(PlanId("a"))]
    (settle,) = engine.handle(EvidenceGathered(at(61), PlanId("a"), changed=False))
    assert isinstance(settle, Settle)
    assert settle.ending.reason is Reason.BUDGET


@pytest.mark.parametrize(("wish", "session"), [("resume", "s-1"), ("restart", None)])
def test_an_interrupted_run_is_taken_up_as_the_plan_wishes(wish: str, session: str | None) -> None:
    engine = Engine(max_parallel=1)
    accept(engine, "a", on_interrupt=wish)
    cut = RunOutcome(succeeded=False, reason=Reason.INTERRUPTED, may_retry=True, session="s-1")
    run_through(engine, "a", cut)
    engine.handle(Tick(at(2)))

    (start,) = engine.handle(WorkspaceMade(at(2), PlanId("a")))

    assert isinstance(start, StartRun)
    assert start.session == session


def test_an_interrupted_run_is_not_taken_up_where_the_plan_says_stop() -> None:
    engine = Engine(max_parallel=1)
    accept(engine, "a", on_interrupt="stop")
    cut = RunOutcome(succeeded=False, reason=Reason.INTERRUPTED, may_retry=True, session="s-1")

    assert run_through(engine, "a", cut) == [Gather(PlanId("a"))]


def test_cancelling_a_waiting_plan_settles_it_at_once() -> None:
    engine = Engine(max_parallel=1)
    accept(engine, "running")
    accept(engine, "waiting")

    (settle,) = engine.handle(CancelAsked(at(1), PlanId("waiting"), "not needed"))

    assert settle == Settle(
        PlanId("waiting"), Ending(Status.CANCELLED, Reason.CANCELLED, "Cancelled: not needed")
    )


def test_cancelling_a_running_plan_stops_it_once_and_keeps_its_work() -> None:
    engine = Engine(max_parallel=1)
    accept(engine, "a")
    engine.handle(WorkspaceMade(at(0), PlanId("a")))

    assert engine.handle(CancelAsked(at(1), PlanId("a"))) == [StopRun(PlanId("a"), "cancelled")]
    assert engine.handle(CancelAsked(at(1), PlanId("a"))) == []
    stopped = RunOutcome(succeeded=False, reason=Reason.CANCELLED)
    assert engine.handle(RunEnded(at(2), PlanId("a"), stopped)) == [Gather(PlanId("a"))]
    (settle,) = engine.handle(EvidenceGathered(at(3), PlanId("a"), changed=True))
    assert isinstance(settle, Settle)
    assert settle.ending.status is Status.CANCELLED


def test_a_plan_cancelled_while_its_workspace_is_made_never_runs() -> None:
    engine = Engine(max_parallel=1)
    accept(engine, "a")

    assert engine.handle(CancelAsked(at(1), PlanId("a"))) == []
    assert engine.handle(WorkspaceMade(at(1), PlanId("a"))) == [Gather(PlanId("a"))]


def test_a_plan_cancelled_between_two_attempts_is_gathered_first() -> None:
    engine = Engine(max_parallel=1)
    accept(engine, "a")
    run_through(engine, "a", BROKE)

    assert engine.handle(CancelAsked(at(1), PlanId("a"))) == [Gather(PlanId("a"))]


def test_cancelling_what_is_not_there_does_nothing() -> None:
    assert Engine(max_parallel=1).handle(CancelAsked(at(0), PlanId("nobody"))) == []


@pytest.mark.parametrize(
    ("wish", "changed", "denied", "reason"),
    [
        ("expected", False, False, Reason.NO_CHANGES),
        ("expected", False, True, Reason.PERMISSION),
        ("expected", True, True, None),
        ("expected", None, False, Reason.NO_CHANGES),
        ("forbidden", True, False, Reason.CHECK_FAILED),
        ("forbidden", False, False, None),
        ("allowed", False, True, None),
    ],
)
def test_a_claim_of_success_is_held_against_the_evidence(
    wish: str, changed: bool | None, denied: bool, reason: Reason | None
) -> None:
    engine = Engine(max_parallel=1)
    accept(engine, "a", changes=wish)
    run_through(engine, "a", RunOutcome(succeeded=True, denied=denied))

    (settle,) = engine.handle(EvidenceGathered(at(1), PlanId("a"), changed=changed))

    assert isinstance(settle, Settle)
    assert settle.ending.reason is reason
    assert (settle.ending.status is Status.SUCCEEDED) == (reason is None)


def test_a_workspace_that_cannot_be_made_is_the_end() -> None:
    engine = Engine(max_parallel=1)
    accept(engine, "a")
    accept(engine, "b")

    settle, following = engine.handle(WorkspaceFailed(at(1), PlanId("a"), "no commit yet"))

    assert settle == Settle(PlanId("a"), Ending(Status.FAILED, Reason.WORKSPACE, "no commit yet"))
    assert following == Prepare(PlanId("b"))


def test_while_paused_plans_are_taken_in_and_none_starts() -> None:
    engine = Engine(max_parallel=1)
    engine.handle(PauseAsked(at(0)))

    assert accept(engine, "a") == []
    waiting = engine.plan(PlanId("a"))
    assert waiting is not None
    assert engine.waits_for(waiting) == Wait("pause")
    assert prepared(engine.handle(ResumeAsked(at(1)))) == ["a"]


@pytest.mark.parametrize("word", ["claude", "space"])
def test_while_the_machine_lacks_something_plans_wait_and_say_so(word: str) -> None:
    engine = Engine(max_parallel=1)
    engine.handle(ConditionChanged(at(0), word, holds=True))

    assert accept(engine, "a") == []
    waiting = engine.plan(PlanId("a"))
    assert waiting is not None
    assert engine.waits_for(waiting) == Wait(word)
    assert prepared(engine.handle(ConditionChanged(at(1), word, holds=False))) == ["a"]


def test_a_draining_daemon_leaves_when_its_last_plan_is_out() -> None:
    engine = Engine(max_parallel=1)
    accept(engine, "a")
    accept(engine, "b")
    engine.handle(WorkspaceMade(at(0), PlanId("a")))

    assert engine.handle(DrainAsked(at(0))) == []
    engine.handle(RunEnded(at(0), PlanId("a"), SUCCESS))
    (settle,) = engine.handle(EvidenceGathered(at(1), PlanId("a"), changed=True))
    assert isinstance(settle, Settle)
    assert publish(engine, "a") == [Leave()]


def test_retrying_a_plan_that_waits_ends_its_pause() -> None:
    engine = Engine(max_parallel=1)
    accept(engine, "a")
    run_through(engine, "a", BROKE)

    assert prepared(engine.handle(LookAgain(at(0.5), PlanId("a")))) == ["a"]


def test_after_a_restart_a_run_in_hand_holds_its_slot_and_is_not_started_again() -> None:
    engine = Engine(max_parallel=1)
    history = History({MAIN: StepHistory(starts=1, attempt=1, in_hand=True)})

    assert engine.handle(PlanRecovered(at(0), facts("a"), history)) == []
    assert accept(engine, "b") == []
    assert engine.handle(RunEnded(at(1), PlanId("a"), SUCCESS)) == [Gather(PlanId("a"))]


def test_after_a_restart_a_decided_ending_is_published() -> None:
    engine = Engine(max_parallel=1)
    ending = Ending(Status.FAILED, Reason.API)

    commands = engine.handle(
        PlanRecovered(at(0), facts("a"), History({MAIN: StepHistory(starts=1)}, ending=ending))
    )

    assert commands == [Settle(PlanId("a"), ending)]


def test_after_a_restart_a_cancel_that_was_noted_is_carried_out() -> None:
    engine = Engine(max_parallel=1)
    alive = History({MAIN: StepHistory(starts=1, attempt=1, in_hand=True)}, cancelled="enough")

    assert engine.handle(PlanRecovered(at(0), facts("a"), alive)) == [StopRun(PlanId("a"), "cancelled")]
    (settle,) = engine.handle(PlanRecovered(at(0), facts("b"), History(cancelled="enough")))
    assert isinstance(settle, Settle)
    assert settle.ending.status is Status.CANCELLED


def test_after_a_restart_attempts_and_costs_count_on() -> None:
    engine = Engine(max_parallel=1)
    history = History({MAIN: StepHistory(starts=2, attempt=2, resumes=1, session="s-1")}, spent_usd=0.75)

    engine.handle(PlanRecovered(at(0), facts("a", max_usd=1.0), history))
    assert prepared(engine.handle(Tick(at(0)))) == ["a"]

    assert engine.handle(WorkspaceMade(at(1), PlanId("a"))) == [StartRun(PlanId("a"), 3, 3, "s-1", 0.25)]
    plan = engine.plan(PlanId("a"))
    assert plan is not None
    assert plan.state is State.RUNNING


def test_a_pause_also_holds_a_plan_whose_workspace_is_being_made() -> None:
    engine = Engine(max_parallel=1)
    accept(engine, "a")
    engine.handle(PauseAsked(at(1), "lunch"))

    assert engine.handle(WorkspaceMade(at(2), PlanId("a"))) == []
    assert engine.running() == 0
    assert prepared(engine.handle(ResumeAsked(at(3)))) == ["a"]
    assert engine.handle(WorkspaceMade(at(4), PlanId("a"))) == [StartRun(PlanId("a"), 1, 1, None, None)]


def test_a_drain_lets_no_plan_start_whose_workspace_is_being_made() -> None:
    engine = Engine(max_parallel=1)
    accept(engine, "a")
    engine.handle(DrainAsked(at(1)))

    assert engine.handle(WorkspaceMade(at(2), PlanId("a"))) == [Leave()]


def test_since_tells_when_a_plan_came_to_where_it_stands() -> None:
    engine = Engine(max_parallel=1)
    accept(engine, "running")
    accept(engine, "waiting", 5)
    engine.handle(WorkspaceMade(at(1), PlanId("running")))
    engine.handle(RunEnded(at(9), PlanId("running"), SUCCESS))
    running, waiting = engine.plan(PlanId("running")), engine.plan(PlanId("waiting"))
    assert running is not None
    assert waiting is not None

    assert (running.since, waiting.since) == (at(0).wall, at(5).wall)
    engine.handle(EvidenceGathered(at(10), PlanId("running"), changed=True))
    assert (running.since, waiting.since) == (at(10).wall, at(10).wall)


def test_after_a_restart_since_is_what_it_was() -> None:
    engine = Engine(max_parallel=1)
    engine.handle(
        PlanRecovered(
            at(100),
            facts("a"),
            History({MAIN: StepHistory(starts=1, attempt=1, in_hand=True)}, since=at(3).wall),
        )
    )

    plan = engine.plan(PlanId("a"))
    assert plan is not None
    assert plan.since == at(3).wall


def test_after_a_restart_no_plan_is_given_a_slot_before_all_are_told() -> None:
    engine = Engine(max_parallel=1)
    waiting = PlanRecovered(at(0), facts("waiting", in_place=True), History())
    alive = PlanRecovered(
        at(0), facts("alive", in_place=True), History({MAIN: StepHistory(starts=1, attempt=1, in_hand=True)})
    )

    commands = [*engine.handle(waiting), *engine.handle(alive), *engine.handle(Tick(at(1)))]

    assert commands == []
    assert engine.running() == 1


def test_after_a_restart_a_refused_plan_among_those_told_gives_nobody_a_slot_yet() -> None:
    engine = Engine(max_parallel=1)
    alive = History({MAIN: StepHistory(starts=1, attempt=1, in_hand=True)})

    engine.handle(PlanRecovered(at(0), facts("waits"), History()))
    refused = engine.handle(PlanRefused(at(0), PlanId("bad"), Ending(Status.REJECTED, Reason.INVALID)))
    engine.handle(PlanRecovered(at(0), facts("alive"), alive))

    assert prepared([*refused, *engine.handle(Tick(at(0)))]) == []


def test_a_plan_that_expires_while_a_pause_holds_it_never_starts() -> None:
    engine = Engine(max_parallel=1)
    accept(engine, "a", expires=at(5).wall)
    engine.handle(PauseAsked(at(1)))
    engine.handle(Tick(at(6)))

    (settle,) = engine.handle(WorkspaceMade(at(7), PlanId("a")))

    assert isinstance(settle, Settle)
    assert settle.ending.status is Status.EXPIRED
