"""The tables of a plan's and a step's life are the law: what they do not list is refused and changes nothing."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping

import pytest

from handoff.root import PlanId
from orchestrd.core.facts import PlanFacts, StepFacts
from orchestrd.core.plan import PlanInHand
from orchestrd.core.plan_life import TABLE, IllegalTransitionError, Life, Trigger
from orchestrd.core.step import StepInHand
from orchestrd.core.step_life import OVER, STEP_TABLE, StepState, StepTrigger

PAIRS = sorted(itertools.product(Life, Trigger))
STEP_PAIRS = sorted(itertools.product(StepState, StepTrigger))


def a_plan(life: Life) -> PlanInHand:
    return PlanInHand(PlanFacts(PlanId("p"), 1, 0.0, "/p"), since=0.0, life=life)


@pytest.mark.parametrize(("life", "trigger"), [pair for pair in PAIRS if pair not in TABLE])
def test_what_the_table_does_not_list_is_refused_and_changes_nothing(life: Life, trigger: Trigger) -> None:
    plan = a_plan(life)

    with pytest.raises(IllegalTransitionError, match=f"a plan that is {life} cannot be '{trigger}'"):
        plan.move(trigger)

    assert plan.life is life


@pytest.mark.parametrize(("life", "trigger"), sorted(TABLE))
def test_what_the_table_lists_happens(life: Life, trigger: Trigger) -> None:
    plan = a_plan(life)

    plan.move(trigger)

    assert plan.life is TABLE[life, trigger]


@pytest.mark.parametrize(("state", "trigger"), STEP_PAIRS)
def test_the_same_holds_for_steps(state: StepState, trigger: StepTrigger) -> None:
    step = StepInHand(StepFacts("s"), state=state)
    following = STEP_TABLE.get((state, trigger))

    if following is None:
        with pytest.raises(IllegalTransitionError, match=f"a step that is {state} cannot be '{trigger}'"):
            step.move(trigger)
    else:
        step.move(trigger)

    assert step.state is (following or state)


def test_every_state_of_a_plan_can_be_reached_and_leads_to_the_end() -> None:
    assert _reached(TABLE, [Life.WAITING]) == set(Life)
    assert all(Life.SETTLED in _reached(TABLE, [life]) for life in Life)


def test_every_state_of_a_step_can_be_reached_and_leads_to_an_end() -> None:
    assert _reached(STEP_TABLE, [StepState.PENDING]) == set(StepState)
    assert all(OVER & _reached(STEP_TABLE, [state]) for state in StepState)


def _reached(table: Mapping[tuple[str, str], str], starts: Iterable[str]) -> set[str]:
    seen, fresh = set[str](), set(starts)
    while fresh:
        seen |= fresh
        fresh = {after for (before, _), after in table.items() if before in fresh} - seen
    return seen
