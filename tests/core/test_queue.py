"""Whatever comes and goes, the queue gives out each plan once, and always the one that is due."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from handoff.root import PlanId
from orchestrd.core.facts import MAIN, PlanFacts
from orchestrd.core.queue import SECONDS_PER_POINT, Entry, Line, Queue

PLANS = st.lists(
    st.tuples(
        st.sampled_from(["/a", "/b", "/c"]),
        st.booleans(),
        st.integers(0, 3),
        st.floats(0, 4 * SECONDS_PER_POINT),
    ),
    max_size=30,
)


def queued(plans: list[tuple[str, bool, int, float]]) -> tuple[Queue, dict[PlanId, PlanFacts]]:
    queue, known = Queue(), {}
    for arrival, (project, in_place, priority, accepted) in enumerate(sorted(plans, key=lambda one: one[3])):
        name = PlanId(f"p{arrival}")
        known[name] = PlanFacts(name, arrival, accepted, project, in_place=in_place, priority=priority)
        queue.put(known[name])
    return queue, known


@given(PLANS)
def test_each_plan_is_given_out_once_and_none_is_kept(plans: list[tuple[str, bool, int, float]]) -> None:
    queue, known = queued(plans)

    given_out = []
    while (chosen := queue.choose(5 * SECONDS_PER_POINT)) is not None:
        given_out.append(chosen[0])

    assert sorted(given_out) == sorted(known)
    assert len(queue) == 0


@given(PLANS, st.floats(0, 10 * SECONDS_PER_POINT))
def test_nobody_who_waits_has_more_points_than_the_one_chosen(
    plans: list[tuple[str, bool, int, float]], passed: float
) -> None:
    queue, known = queued(plans)
    now = 4 * SECONDS_PER_POINT + passed

    def points(name: PlanId) -> int:
        return known[name].priority + int((now - known[name].accepted) // SECONDS_PER_POINT)

    waiting = set(known)
    while (chosen := queue.choose(now)) is not None:
        name = chosen[0]
        waiting.discard(name)
        assert all(points(other) <= points(name) for other in waiting)


@given(PLANS)
def test_a_busy_project_is_passed_over_by_plans_that_work_in_place(
    plans: list[tuple[str, bool, int, float]],
) -> None:
    queue, known = queued(plans)

    def may_start(line: Line, _head: Entry) -> bool:
        return not (line.in_place and line.project == "/a")

    while (chosen := queue.choose(0.0, may_start)) is not None:
        name = chosen[0]
        assert not (known[name].in_place and known[name].project == "/a")

    assert len(queue) == sum(one.in_place and one.project == "/a" for one in known.values())


def test_a_plan_that_was_taken_out_is_not_given_out_and_may_come_again() -> None:
    queue, known = queued([("/a", False, 1, 0.0), ("/a", False, 1, 1.0)])
    first, second = PlanId("p0"), PlanId("p1")

    queue.discard(first)
    assert queue.choose(0.0) == (second, MAIN)
    queue.put(known[first])
    assert queue.choose(0.0) == (first, MAIN)
    assert queue.choose(0.0) is None
