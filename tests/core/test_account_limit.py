"""What the engine decides while the account's usage limit is reached. Time is what the tests say it is."""

from __future__ import annotations

from handoff.result import Reason
from handoff.root import PlanId
from orchestrd.core.commands import Command, Prepare, StartRun
from orchestrd.core.engine import Engine
from orchestrd.core.events import Moment, PlanAccepted, RunEnded, RunOutcome, Tick, WorkspaceMade
from orchestrd.core.facts import PlanFacts

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
