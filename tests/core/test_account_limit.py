"""What the engine decides while the account's usage limit is reached. Time is what the tests say it is."""

from __future__ import annotations

import pytest

from handoff.result import Reason
from handoff.root import PlanId
from orchestrd.core.commands import Command, Gather, Prepare, StartRun
from orchestrd.core.engine import Engine
from orchestrd.core.events import (
    CancelAsked,
    EvidenceGathered,
    History,
    LimitTold,
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
from orchestrd.core.step import Wait

A, B = PlanId("a"), PlanId("b")


def at(seconds: float) -> Moment:
    return Moment(wall=1_000_000.0 + seconds, boot=500.0 + seconds)


def refused(resets: float | None = None) -> RunOutcome:
    resets_at = None if resets is None else at(resets).wall
    return RunOutcome(succeeded=False, reason=Reason.USAGE_LIMIT, session="s", limit_resets_at=resets_at)


def parked(*plans: PlanId, resets: float | None = None) -> Engine:
    """Plans that were all refused for the account's limit."""
    engine = Engine(max_parallel=9)
    for arrival, plan in enumerate(plans):
        facts = PlanFacts(plan, arrival, accepted=at(0).wall, project="/src/api")
        engine.handle(PlanAccepted(at(0), facts))
        engine.handle(WorkspaceMade(at(0), plan))
    for plan in plans:
        assert engine.handle(RunEnded(at(0), plan, refused(resets))) == []
    return engine


def prepared(commands: list[Command]) -> list[PlanId]:
    return [command.plan for command in commands if isinstance(command, Prepare)]


def test_when_the_limit_is_over_all_go_on_in_their_sessions_and_in_the_same_attempt() -> None:
    engine = parked(A, B, resets=20)

    assert prepared(engine.handle(Tick(at(20)))) == []
    assert prepared(engine.handle(Tick(at(20.5)))) == [A, B]
    assert engine.handle(WorkspaceMade(at(21), A)) == [StartRun(A, 2, 1, "s", None)]
    assert engine.handle(WorkspaceMade(at(21), B)) == [StartRun(B, 2, 1, "s", None)]


def test_where_nobody_tells_when_the_limit_is_over_one_run_finds_out() -> None:
    engine = parked(A, B)

    assert prepared(engine.handle(Tick(at(59)))) == []
    assert prepared(engine.handle(Tick(at(60)))) == [A]
    assert engine.handle(WorkspaceMade(at(61), A)) == [StartRun(A, 2, 1, "s", None)]
    assert prepared(engine.handle(RunEnded(at(90), A, RunOutcome(succeeded=True)))) == [B]


def test_one_run_that_finds_out_and_is_refused_is_followed_by_another_after_a_longer_while() -> None:
    engine = parked(A, B)
    engine.handle(Tick(at(60)))
    engine.handle(WorkspaceMade(at(60), A))
    engine.handle(RunEnded(at(60), A, refused()))

    assert prepared(engine.handle(Tick(at(179)))) == []
    assert len(prepared(engine.handle(Tick(at(180))))) == 1


def test_a_time_that_is_told_while_one_finds_out_is_believed() -> None:
    engine = parked(A, B)
    engine.handle(Tick(at(60)))
    engine.handle(LimitTold(at(61), "rejected", at(300).wall))

    assert engine.handle(WorkspaceMade(at(62), A)) == []
    assert prepared(engine.handle(Tick(at(299)))) == []
    assert prepared(engine.handle(Tick(at(300.5)))) == [A, B]


def test_a_cancelled_plan_that_was_to_find_out_and_is_refused_is_followed_by_another() -> None:
    engine = parked(A, B)
    engine.handle(Tick(at(60)))
    engine.handle(WorkspaceMade(at(60), A))
    engine.handle(CancelAsked(at(61), A))
    engine.handle(RunEnded(at(62), A, refused()))

    assert engine.next_look(at(62)) == 120.0
    assert prepared(engine.handle(Tick(at(182)))) == [B]


def test_what_a_cancelled_plan_was_told_of_the_limit_holds_for_all() -> None:
    engine = Engine(max_parallel=1)
    for arrival, plan in enumerate((A, B)):
        facts = PlanFacts(plan, arrival, accepted=at(0).wall, project="/src/api")
        engine.handle(PlanAccepted(at(0), facts))
    engine.handle(WorkspaceMade(at(0), A))
    engine.handle(CancelAsked(at(1), A))
    engine.handle(RunEnded(at(2), A, refused(300)))

    assert prepared(engine.handle(EvidenceGathered(at(3), A, changed=True))) == []
    assert prepared(engine.handle(Tick(at(300.5)))) == [B]


def test_near_the_limit_only_what_is_urgent_begins_and_the_others_say_until_when_they_wait() -> None:
    engine = Engine(max_parallel=9)
    engine.handle(LimitTold(at(0), "allowed_warning", at(300).wall))
    for plan, priority in ((A, 79), (B, 80)):
        facts = PlanFacts(plan, 1, accepted=at(1).wall, project="/src/api", priority=priority)
        assert prepared(engine.handle(PlanAccepted(at(1), facts))) == [B] * (plan == B)

    waiting = engine.plan(A)
    assert waiting is not None
    assert engine.waits_for(waiting) == Wait("limit", at(300).wall)
    assert prepared(engine.handle(Tick(at(300)))) == [A]


# -- after a restart ---------------------------------------------------------------------------------------------------


def recovered(second: float, **told: History) -> tuple[Engine, list[PlanId]]:
    """A daemon that finds these plans, and those that it gives slots at once."""
    engine = Engine(max_parallel=9, max_parked_seconds=3600)
    for arrival, (plan, history) in enumerate(told.items()):
        facts = PlanFacts(PlanId(plan), arrival, accepted=at(0).wall, project="/src/api")
        engine.handle(PlanRecovered(at(second), facts, history))
    return engine, prepared(engine.handle(Tick(at(second))))


def parked_until(second: float, *, is_told: bool) -> History:
    step = StepHistory(1, parked_since=at(0).wall, parked_until=at(second).wall, parked_untold=not is_told)
    return History({MAIN: step})


def test_after_a_restart_parked_plans_wait_on() -> None:
    engine, chosen = recovered(10, a=parked_until(20, is_told=True), b=parked_until(30, is_told=True))

    assert chosen == []
    assert prepared(engine.handle(Tick(at(20)))) == []
    assert prepared(engine.handle(Tick(at(30)))) == [A, B]


@pytest.mark.parametrize("restarted_at", [10, 70])
def test_after_a_restart_one_run_finds_out_where_nobody_had_told_when_the_limit_is_over(
    restarted_at: int,
) -> None:
    engine, chosen = recovered(
        restarted_at, a=parked_until(60, is_told=False), b=parked_until(60, is_told=False)
    )

    assert [*chosen, *prepared(engine.handle(Tick(at(71))))] == [A]


def test_after_a_restart_a_plan_has_been_parked_since_it_was_first_refused() -> None:
    ended = StepHistory(2, in_hand=True, outcome=refused(), parked_since_before=at(0).wall)
    engine, _ = recovered(3590, a=History({MAIN: ended}))

    assert engine.handle(RunEnded(at(3590), A, refused())) == []
    assert engine.handle(Tick(at(3599))) == []
    assert engine.handle(Tick(at(3600))) == [Gather(A)]


def test_a_reset_that_is_further_away_than_a_plan_may_be_parked_is_waited_for_until_then() -> None:
    engine, _ = recovered(0, a=parked_until(90_000, is_told=True), b=parked_until(90_000, is_told=True))

    assert engine.handle(Tick(at(3599))) == []
    assert engine.handle(LimitTold(at(3599), "allowed", None)) == []
    assert engine.handle(Tick(at(3600))) == [Gather(A), Gather(B)]


def test_who_was_to_find_out_and_was_answered_nothing_leaves_it_to_another() -> None:
    engine, chosen = recovered(70, a=parked_until(60, is_told=False), b=parked_until(60, is_told=False))
    assert chosen == [A]
    engine.handle(WorkspaceMade(at(70), A))
    failed = RunOutcome(succeeded=False, reason=Reason.TIMEOUT, may_retry=True, session="s")

    # B finds out next, and alone.
    assert prepared(engine.handle(RunEnded(at(71), A, failed))) == [B]
    engine.handle(WorkspaceMade(at(71), B))
    assert prepared(engine.handle(Tick(at(75)))) == []
