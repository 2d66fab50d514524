"""The table of a plan's life is the law: what it does not list is refused and changes nothing."""

from __future__ import annotations

import itertools

import pytest

from handoff.root import PlanId
from orchestrd.core.events import PlanFacts
from orchestrd.core.plan import PlanInHand
from orchestrd.core.plan_life import TABLE, IllegalTransitionError, State, Trigger

PAIRS = sorted(itertools.product(State, Trigger))


@pytest.mark.parametrize(("state", "trigger"), [pair for pair in PAIRS if pair not in TABLE])
def test_what_the_table_does_not_list_is_refused_and_changes_nothing(state: State, trigger: Trigger) -> None:
    plan = PlanInHand(PlanFacts(PlanId("p"), 1, 0.0, "/p"), since=0.0, state=state)

    with pytest.raises(IllegalTransitionError, match=f"a plan that is {state} cannot be '{trigger}'"):
        plan.move(trigger)

    assert plan.state is state


@pytest.mark.parametrize(("state", "trigger"), sorted(TABLE))
def test_what_the_table_lists_happens(state: State, trigger: Trigger) -> None:
    plan = PlanInHand(PlanFacts(PlanId("p"), 1, 0.0, "/p"), since=0.0, state=state)

    plan.move(trigger)

    assert plan.state is TABLE[state, trigger]


def test_every_state_can_be_reached_and_leads_to_the_end() -> None:
    onward: dict[State, set[State]] = {state: set() for state in State}
    for (state, _), following in TABLE.items():
        onward[state].add(following)

    def reached_from(start: State) -> set[State]:
        seen, fresh = set[State](), {start}
        while fresh:
            seen |= fresh
            fresh = set().union(*(onward[state] for state in fresh)) - seen
        return seen

    assert reached_from(State.WAITING) == set(State)
    assert all(State.SETTLED in reached_from(state) for state in State)
