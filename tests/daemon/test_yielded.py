"""That a run had to stop for the machine's sake is told for as long as it goes on by itself, and no longer."""

from __future__ import annotations

import pytest

from handoff.result import Reason
from handoff.root import PlanId
from orchestrd.core.engine import Engine
from orchestrd.core.events import Moment, PlanAccepted, RunEnded, RunOutcome, Tick, WorkspaceMade
from orchestrd.core.facts import PlanFacts, StepFacts
from orchestrd.core.steps import MOST_YIELDS, YIELD_SECONDS
from orchestrd.daemon.yielded import YieldedRuns

P = PlanId("p")
BAD = RunOutcome(succeeded=False, reason=Reason.AUTH)
STOPPED = RunOutcome(succeeded=False, reason=Reason.CANCELLED, session="s")
WELL = RunOutcome(succeeded=True, session="s")
BROKE = RunOutcome(succeeded=False, reason=Reason.API, may_retry=True, session="s", cost_usd=0.25)


class Served:
    """A plan of two steps that run, and what is told of those that had to yield."""

    def __init__(self) -> None:
        self.told = YieldedRuns()
        self._now = 0.0
        self._engine = Engine(max_parallel=9)
        steps = (StepFacts("a"), StepFacts("b"))
        facts = PlanFacts(plan=P, arrival=1, accepted=self._at().wall, project="/src/api", steps=steps)
        self._engine.handle(PlanAccepted(self._at(), facts))
        for step in steps:
            self._engine.handle(WorkspaceMade(self._at(), P, step.step))

    def words(self) -> list[str]:
        return [one.word for one in self.told]

    def end(self, step: str, outcome: RunOutcome) -> None:
        self._engine.handle(RunEnded(self._at(), P, outcome, step))
        plan = self._engine.plan(P)
        self.told.ended(P, step, plan.steps if plan is not None else {})

    def start_again(self, step: str) -> None:
        self._now += YIELD_SECONDS + 1
        plan = self._engine.plan(P)
        assert plan is not None
        self._engine.handle(Tick(self._at()))
        self._engine.handle(WorkspaceMade(self._at(), P, step))
        assert plan.steps[step].is_alive
        self.told.goes_on(P, step)

    def _at(self) -> Moment:
        return Moment(wall=1_000_000.0 + self._now, boot=500.0 + self._now)


def test_of_two_steps_of_a_plan_each_is_told_until_it_goes_on() -> None:
    served = Served()
    for step in ("a", "b"):
        served.told.stop(P, step, "why")
        served.end(step, STOPPED)

    assert served.words() == ["yielded-p.a", "yielded-p.b"]
    assert [one.message for one in served.told] == ["p: why"] * 2

    served.start_again("a")
    assert served.words() == ["yielded-p.b"]


@pytest.mark.parametrize("outcome", [WELL, BROKE])
def test_a_run_that_ended_by_itself_before_it_was_stopped_is_not_told_to_go_on(outcome: RunOutcome) -> None:
    served = Served()
    served.told.stop(P, "a", "why")

    served.end("a", outcome)

    assert served.words() == []


@pytest.mark.parametrize("order", [(("a", STOPPED), ("b", BAD)), (("b", BAD), ("a", STOPPED))])
def test_a_step_whose_plan_fails_is_not_told_to_go_on(order: tuple[tuple[str, RunOutcome], ...]) -> None:
    served = Served()
    served.told.stop(P, "a", "why")

    for step, outcome in order:
        assert served.words() == ["yielded-p.a"]
        served.end(step, outcome)

    assert served.words() == []


def test_a_step_that_had_to_yield_too_often_is_not_told_to_go_on() -> None:
    served = Served()
    for _ in range(MOST_YIELDS):
        served.told.stop(P, "a", "why")
        served.end("a", STOPPED)
        assert served.words() == ["yielded-p.a"]
        served.start_again("a")

    served.told.stop(P, "a", "why")
    served.end("a", STOPPED)

    assert served.words() == []
