"""Whatever comes and goes, the queue gives out each plan once, and always the one that is due."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from handoff.root import PlanId
from orchestrd.core.facts import MAIN, PlanFacts
from orchestrd.core.queue import ASK_ANEW, SECONDS_PER_POINT, Hindrance, Line, Place, Queue

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
    while (chosen := queue.choose()) is not None:
        given_out.append(chosen[0])

    assert sorted(given_out) == sorted(known)
    assert len(queue) == 0


@given(PLANS)
def test_who_has_most_points_says_which_priority_has_its_turn_and_within_a_project_nobody_has_more(
    plans: list[tuple[str, bool, int, float]],
) -> None:
    queue, known = queued(plans)

    def points(name: PlanId) -> int:
        return known[name].priority - int(known[name].accepted // SECONDS_PER_POINT)

    waiting = set(known)
    while (chosen := queue.choose()) is not None:
        name = chosen[0]
        waiting.discard(name)
        of_one_priority = {one for one in {*waiting, name} if known[one].priority == known[name].priority}
        assert max(map(points, of_one_priority)) == max(map(points, {*waiting, name}))
        of_one_project = {one for one in of_one_priority if known[one].project == known[name].project}
        assert all(points(other) <= points(name) for other in of_one_project)


def test_of_equal_priority_projects_take_turns_however_long_one_of_them_has_waited() -> None:
    queue = Queue()
    for number in range(100):
        queue.put(PlanFacts(PlanId(f"a{number}"), number, 0.0, "/a"))
    for number in range(2):
        later = 100 * SECONDS_PER_POINT
        queue.put(PlanFacts(PlanId(f"b{number}"), 100 + number, later, "/b"))

    chosen = [one[0] for one in (queue.choose() for _ in range(5)) if one is not None]
    assert chosen == ["a0", "b0", "a1", "b1", "a2"]


def test_who_has_waited_for_ten_minutes_more_has_a_point_more() -> None:
    for later, order in ((SECONDS_PER_POINT - 1.0, ["b", "a"]), (SECONDS_PER_POINT, ["a", "b"])):
        queue = Queue()
        queue.put(PlanFacts(PlanId("a"), 1, 0.0, "/a", priority=50))
        queue.put(PlanFacts(PlanId("b"), 2, later, "/a", priority=51))

        assert [queue.choose(), queue.choose()] == [(PlanId(name), MAIN) for name in order]


@given(PLANS)
def test_a_busy_project_is_passed_over_by_plans_that_work_in_place(
    plans: list[tuple[str, bool, int, float]],
) -> None:
    queue, known = queued(plans)

    def hinders(line: Line) -> Hindrance | None:
        busy = line.place.in_place and line.place.project == "/a"
        return Hindrance("busy", is_of_place=True) if busy else None

    while (chosen := queue.choose(hinders)) is not None:
        name = chosen[0]
        assert not (known[name].in_place and known[name].project == "/a")

    assert len(queue) == sum(one.in_place and one.project == "/a" for one in known.values())


class Hindered:
    """Some things that hinder lines, and whether they do now. Asked for what is hindered already it complains."""

    def __init__(self) -> None:
        self.holds = {"/a", 1, 2}
        self.told: set[Line | Place] = set()

    def __call__(self, line: Line) -> Hindrance | None:
        assert line not in self.told
        assert line.place not in self.told
        if line.place.in_place and line.place.project in self.holds:
            self.told.add(line.place)
            return Hindrance(line.place.project, is_of_place=True)
        if line.priority in self.holds:
            self.told.add(line)
            return Hindrance(line.priority)
        return None

    def over(self, by: str | int) -> None:
        self.holds.discard(by)
        self.told = {one for one in self.told if by not in {getattr(one, "priority", None), one[0]}}


@given(PLANS, st.lists(st.sampled_from(["/a", 1, 2]), max_size=6), st.data())
def test_what_is_put_aside_comes_back_in_its_order_when_what_hindered_it_is_over(
    plans: list[tuple[str, bool, int, float]], eased: list[str | int], data: st.DataObject
) -> None:
    queue, known = queued(plans)
    hindered, waiting = Hindered(), set(known)

    def points(name: PlanId) -> int:
        return known[name].priority - int(known[name].accepted // SECONDS_PER_POINT)

    def is_free(name: PlanId) -> bool:
        facts = known[name]
        is_taken = facts.in_place and facts.project in hindered.holds
        return not is_taken and facts.priority not in hindered.holds

    for by in [*eased, "/a", 1, 2]:
        for _ in range(data.draw(st.integers(0, 8))):
            chosen = queue.choose(hindered)
            free = {name for name in waiting if is_free(name)}
            assert (chosen is None) == (not free)
            if chosen is not None:
                assert chosen[0] in free
                priority = known[chosen[0]].priority
                equals = {name for name in free if known[name].priority == priority}
                assert max(map(points, equals)) == max(map(points, free))
                waiting.discard(chosen[0])
        if waiting and data.draw(st.booleans()):
            gone = data.draw(st.sampled_from(sorted(waiting)))
            queue.discard(gone)
            waiting.discard(gone)
        hindered.over(by)
        queue.over(by)
    while (chosen := queue.choose(hindered)) is not None:
        waiting.discard(chosen[0])

    assert not waiting
    assert len(queue) == 0


def test_a_plan_that_was_taken_out_is_not_given_out_and_may_come_again() -> None:
    queue, known = queued([("/a", False, 1, 0.0), ("/a", False, 1, 1.0)])
    first, second = PlanId("p0"), PlanId("p1")

    queue.discard(first)
    assert queue.choose() == (second, MAIN)
    queue.put(known[first])
    assert queue.choose() == (first, MAIN)
    assert queue.choose() is None


def test_once_an_answer_has_changed_what_hinders_others_nobody_else_is_asked_or_put_aside() -> None:
    queue = Queue()
    for number in range(5):
        touches = (f"{number}/**",)
        queue.put(PlanFacts(PlanId(f"p{number}"), number, 0.0, "/a", touches=touches))
    asked: list[Line] = []

    def changes(line: Line) -> Hindrance:
        asked.append(line)
        return ASK_ANEW

    assert queue.choose(changes) is None
    assert queue.choose(holds=changes) is None
    assert [line.place.touches for line in asked] == [("0/**",)] * 2
    assert [queue.choose() for _ in range(5)] == [(PlanId(f"p{number}"), MAIN) for number in range(5)]


def test_only_for_the_line_that_is_taken_anything_is_held() -> None:
    queue = Queue()
    for number, project in enumerate(("/a", "/a", "/b")):
        queue.put(PlanFacts(PlanId(f"p{number}"), number, 0.0, project))
    held: list[str] = []

    def holds(line: Line) -> Hindrance | None:
        held.append(line.place.project)
        return None

    chosen = [queue.choose(holds=holds) for _ in range(3)]
    assert chosen == [(PlanId(name), MAIN) for name in ("p0", "p2", "p1")]
    assert held == ["/a", "/b", "/a"]
