"""What may be spent: caps that hold whatever runs do, sums that are exact, days that end."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass, field
from random import Random

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from handoff.root import PlanId
from orchestrd.core.budget import DAY_SECONDS, Budget, Grant, Later
from orchestrd.core.money import dollars, micros

A, B, C = PlanId("a"), PlanId("b"), PlanId("c")
NOON = 20_000 * DAY_SECONDS + DAY_SECONDS / 2
MIDNIGHT = 20_001 * DAY_SECONDS


def start(
    budget: Budget, plan: PlanId, run: str = "main.1", wall: float = NOON, among: int = 1
) -> float | None:
    granted = budget.next_run(plan, wall, among=among)
    assert isinstance(granted, Grant), granted
    budget.hand(plan, run, granted.usd)
    return granted.usd


def end(budget: Budget, plan: PlanId, cost: float, run: str = "main.1", wall: float = NOON) -> None:
    budget.book(plan, "/api", run, cost, wall)
    budget.run_over(plan, run)


def admitted(budget: Budget, plan: PlanId, max_usd: float | None = None, project: str = "/api") -> bool:
    if budget.wait_for(project, max_usd, 0.0, NOON) is not None:
        return False
    budget.admit(plan, project, max_usd, 0.0, NOON)
    return True


def test_of_five_plans_of_a_dollar_three_are_admitted_for_three_dollars_a_day() -> None:
    budget = Budget(per_day_usd=3.0)

    names = [PlanId(f"p{number}") for number in range(5)]
    at_work = [name for name in names if admitted(budget, name, 1.0)]
    waits = budget.wait_for("/api", 1.0, 0.0, NOON)

    assert at_work == names[:3]
    assert isinstance(waits, Later)
    assert waits.until == MIDNIGHT
    assert waits.message == (
        "[budget] per_day_usd is $3.00: $0.00 left, $1.00 needed ($0.00 spent today, $3.00 reserved by p0, p1, p2)"
    )


def test_who_waits_for_money_is_told_which_cap_what_is_left_and_who_has_the_rest() -> None:
    budget = Budget(per_day_usd=6.0, per_project_usd=2.0)
    for name, project in (("a", "/api"), ("b", "/web"), ("c", "/doc"), ("d", "/more")):
        assert admitted(budget, PlanId(name), 1.4, project)
    budget.book(A, "/api", "main.1", 0.1, NOON)
    late = PlanId("late")

    assert budget.why_it_waits(late, "/api", 1.0, 0.0, NOON) == (
        "[budget] per_project_usd is $2.00: $0.60 left, $1.00 needed ($0.10 spent today, $1.30 reserved by a)"
    )
    assert budget.why_it_waits(late, "/new", 1.5, 0.5, NOON) == (
        "[budget] per_day_usd is $6.00: $0.40 left, $1.00 needed "
        "($0.10 spent today, $5.50 reserved by a, b, c and 1 more)"
    )
    start(budget, A)
    assert budget.why_it_waits(A, "/api", 1.4, 0.1, NOON) == (
        "what this plan may cost is in the hands of its other runs"
    )


def test_who_has_the_money_is_told_to_a_thousand_who_wait_for_it_beside_a_thousand_who_have_it() -> None:
    budget = Budget(per_day_usd=1_000.0, per_project_usd=2.0)
    for number in range(1_000):
        assert admitted(budget, PlanId(f"p{number}"), 1.0, f"/{number // 2}")
    late = PlanId("late")

    began = time.thread_time()
    holders = budget.holders()
    told = [budget.why_it_waits(late, f"/{number // 2}", 1.0, 0.0, NOON, holders) for number in range(1_000)]
    took = time.thread_time() - began

    assert told[-1] == budget.why_it_waits(late, "/499", 1.0, 0.0, NOON)
    assert told[-1].endswith("($0.00 spent today, $2.00 reserved by p998, p999)")
    assert budget.why_it_waits(late, "/new", 1.0, 0.0, NOON, holders).endswith(" by p0, p1, p2 and 997 more)")
    assert took < 0.5, "that is told once a second, in the thread that serves all plans"


def test_what_a_plan_did_not_need_lets_another_in() -> None:
    budget = Budget(per_day_usd=3.0)
    assert admitted(budget, A, 2.0)
    assert not admitted(budget, B, 2.0)
    start(budget, A)
    end(budget, A, 0.9)

    assert not admitted(budget, B, 2.0), "A may have further steps"
    budget.give_back(A)

    assert admitted(budget, B, 2.0)
    assert budget.spent_usd(NOON) == 0.9
    assert budget.reserved_usd() == 2.0


def test_a_plan_without_a_limit_has_what_is_left_of_the_cap_and_is_handed_that() -> None:
    budget = Budget(per_day_usd=3.0)
    assert admitted(budget, A, 1.0)

    assert admitted(budget, B)

    assert start(budget, B) == 2.0
    assert not admitted(budget, C)
    assert not admitted(budget, C, 0.01)
    end(budget, B, 0.5)
    assert start(budget, B, "main.2") == 1.5


def test_without_caps_only_a_plans_own_limit_counts() -> None:
    budget = Budget()
    assert admitted(budget, A, 1.0)
    assert admitted(budget, B)

    assert start(budget, A) == 1.0
    assert start(budget, B) is None
    end(budget, A, 0.25)
    end(budget, B, 1000.0)
    assert start(budget, A, "main.2") == 0.75
    assert start(budget, B, "main.2") is None
    end(budget, A, 0.8, "main.2")
    assert budget.is_used_up(A)
    assert not budget.is_used_up(B)


def test_a_project_has_a_cap_of_its_own_within_that_of_the_day() -> None:
    budget = Budget(per_day_usd=5.0, per_project_usd=2.0)
    assert admitted(budget, A, 1.5, "/api")
    assert not admitted(budget, B, 1.0, "/api")
    assert admitted(budget, B, 2.0, "/web")
    waits = budget.wait_for("/doc", 2.0, 0.0, NOON)

    assert waits is not None
    assert waits.message.startswith("[budget] per_day_usd is $5.00")
    assert budget.wait_for("/doc", 1.5, 0.0, NOON) is None


def test_a_reply_that_cost_too_much_is_made_up_for_by_who_starts_later() -> None:
    budget = Budget(per_day_usd=3.0)
    assert admitted(budget, A, 1.0)
    assert admitted(budget, B, 2.0)
    start(budget, A)

    end(budget, A, 1.7)

    assert budget.is_used_up(A)
    assert start(budget, B) == 1.3


def test_a_plan_that_may_cost_more_than_the_cap_gets_the_cap_and_goes_on_the_next_day() -> None:
    budget = Budget(per_day_usd=3.0)
    assert admitted(budget, A, 5.0)
    assert start(budget, A) == 3.0
    end(budget, A, 3.2)

    assert not budget.is_used_up(A)
    waits = budget.next_run(A, NOON)
    assert isinstance(waits, Later)
    assert waits.until == MIDNIGHT
    assert start(budget, A, "main.2", MIDNIGHT) == pytest.approx(1.8)


def test_runs_side_by_side_share_what_their_plan_may_cost() -> None:
    budget = Budget()
    assert admitted(budget, A, 1.0)

    assert start(budget, A, "one.1", among=3) == dollars(333_333)
    assert start(budget, A, "two.1", among=2) == dollars(333_333)
    assert start(budget, A, "three.1") == dollars(333_334)
    waits = budget.next_run(A, NOON)
    assert waits == Later(None, "what this plan may cost is in the hands of its other runs")
    end(budget, A, 0.1, "one.1")
    assert start(budget, A, "four.1") == dollars(233_333)


def test_a_reply_that_cost_too_much_takes_nothing_away_from_runs_beside_it() -> None:
    budget = Budget(per_day_usd=3.0)
    assert admitted(budget, A, 2.0)
    start(budget, A, "one.1", among=2)
    start(budget, A, "two.1")

    end(budget, A, 1.5, "one.1")

    assert budget.reserved_usd() == 1.0, "two.1 may still cost what it was handed"
    assert not admitted(budget, B, 0.6)
    assert admitted(budget, B, 0.5)


def test_what_runs_have_spent_so_far_is_told_again_and_again_and_counts_once() -> None:
    budget = Budget(per_day_usd=3.0)
    assert admitted(budget, A)
    start(budget, A)

    for so_far in (0.1, 0.1, 0.30000000000000004, 0.3, 0.7):
        budget.book(A, "/api", "main.1", so_far, NOON)

    assert budget.spent_usd(NOON) == 0.7
    assert budget.spent_usd(NOON, "/api") == 0.7
    assert budget.spent_usd(NOON, "/web") == 0.0
    assert budget.reserved_usd() == 2.3


def test_what_a_thousand_runs_cost_is_summed_up_exactly() -> None:
    budget = Budget(per_day_usd=1000.0)

    for number in range(1000):
        budget.book(PlanId("gone"), "/api", f"main.{number}", 0.1, NOON)

    assert budget.spent_usd(NOON) == 100.0


def test_the_day_begins_anew_at_midnight_and_who_is_at_work_keeps_its_reservation() -> None:
    budget = Budget(per_day_usd=3.0)
    assert admitted(budget, A, 2.0)
    start(budget, A)
    budget.book(A, "/api", "main.1", 0.5, MIDNIGHT - 1)

    assert budget.wait_for("/api", 1.5, 0.0, MIDNIGHT) is None
    assert budget.wait_for("/api", 1.6, 0.0, MIDNIGHT) is not None, "A may still cost 1.50"
    budget.book(A, "/api", "main.1", 1.25, MIDNIGHT + 1)

    assert budget.spent_usd(MIDNIGHT - 1) == 0.5
    assert budget.spent_usd(MIDNIGHT) == 0.75
    assert budget.reserved_usd() == 0.75


def test_a_clock_that_is_set_back_over_midnight_finds_what_was_spent_that_day() -> None:
    budget = Budget(per_day_usd=3.0)
    budget.book(A, "/api", "main.1", 2.5, NOON)
    assert budget.wait_for("/api", 1.0, 0.0, MIDNIGHT) is None

    assert budget.wait_for("/api", 1.0, 0.0, NOON) is not None


def test_a_plan_that_costs_nothing_waits_for_no_money() -> None:
    budget = Budget(per_day_usd=1.0)
    budget.book(A, "/api", "main.1", 2.0, NOON)

    assert budget.wait_for("/api", 0.0, 0.0, NOON) is None
    assert budget.wait_for("/api", 0.01, 0.0, NOON) is not None


def test_caps_and_limits_of_less_than_a_cent_are_kept_too() -> None:
    budget = Budget(per_day_usd=0.002)
    assert admitted(budget, A, 0.0005)
    assert not admitted(budget, B), "for less than the whole of such a cap nothing is started"

    assert start(budget, A) == 0.0005
    budget.give_back(A)
    assert admitted(budget, B)
    assert start(budget, B) == 0.002


def test_a_plan_that_was_given_back_in_the_middle_is_billed_all_the_same() -> None:
    budget = Budget(per_day_usd=1.0)
    assert admitted(budget, A, 1.0)
    start(budget, A)
    budget.give_back(A)

    budget.book(A, "/api", "main.1", 0.4, NOON)
    budget.run_over(A, "main.1")
    budget.give_back(A)

    assert (budget.spent_usd(NOON), budget.reserved_usd()) == (0.4, 0.0)


def test_a_daemon_that_is_started_anew_knows_what_the_one_before_knew() -> None:
    before = Budget(3.0, 2.5)
    assert admitted(before, A, 1.0)
    start(before, A)
    end(before, A, 0.25)
    start(before, A, "main.2")
    assert admitted(before, B)
    start(before, B)

    after = Budget(3.0, 2.5, booked_usd={"/api": 0.25}, wall=NOON)
    # In whatever order they are found.
    after.take_up(B, "/api", None, 0.0)
    after.hand(B, "main.1", 1.5)
    after.take_up(A, "/api", 1.0, 0.25)
    after.hand(A, "main.2", 0.75)

    for budget in (before, after):
        assert (budget.spent_usd(NOON), budget.reserved_usd()) == (0.25, 2.25)
        assert not admitted(budget, C)
        end(budget, A, 0.5, "main.2")
        end(budget, B, 0.75)
        assert start(budget, A, "main.3") == 0.25
        assert start(budget, B, "main.2") == 0.75


# -- whatever happens ---------------------------------------------------------------------------------------------

CENTS = st.integers(1, 400).map(lambda cents: cents / 100)
WITHOUT_END = 1 << 60
ODD = st.integers(1, 900_000).map(dollars)


@dataclass
class _LiveRun:
    plan: PlanId
    name: str
    handed: int
    cost: int = 0


@dataclass
class _LivePlan:
    project: str
    max: int | None
    cost: int = 0
    starts: int = 0
    beside: list[_LiveRun] = field(default_factory=list)
    """Its runs that were alive when the last one was started."""


class Spending(RuleBasedStateMachine):
    """Plans that run, reply at whatever cost, are stopped and settled; days that pass; daemons that are killed."""

    def __init__(self) -> None:
        super().__init__()
        self.caps: tuple[float | None, float | None] = (3.0, 2.0)
        self.budget = Budget(*self.caps)
        self.wall = NOON
        self.plans: dict[PlanId, _LivePlan] = {}
        self.runs: list[_LiveRun] = []
        self.beside: list[_LiveRun] = []
        """Runs that were alive when the last one was started, it included."""
        self.beside_in: dict[str, list[_LiveRun]] = {}
        self.booked: Counter[tuple[int, str]] = Counter()
        self.journals: Counter[tuple[int, str]] = Counter()
        """What runs that are over had cost, by the day on which they were."""
        self.over_midnight = False
        self.names = iter(range(10**9))

    @precondition(lambda self: not self.plans and not self.booked)
    @rule(per_day=st.one_of(st.none(), CENTS), per_project=st.one_of(st.none(), CENTS))
    def configure(self, per_day: float | None, per_project: float | None) -> None:
        self.caps = (per_day, per_project)
        self.budget = Budget(*self.caps)

    @rule(project=st.sampled_from(["/a", "/b"]), max_usd=st.one_of(st.none(), CENTS, ODD))
    def admit(self, project: str, max_usd: float | None) -> None:
        waits = self.budget.wait_for(project, max_usd, 0.0, self.wall)
        if waits is not None:
            assert waits.until is not None
            assert self.wall < waits.until <= self.wall + DAY_SECONDS
            return
        name = PlanId(f"p{next(self.names)}")
        self.budget.admit(name, project, max_usd, 0.0, self.wall)
        self.plans[name] = _LivePlan(project, None if max_usd is None else micros(max_usd))

    @precondition(lambda self: self.plans)
    @rule(data=st.data(), among=st.integers(1, 3))
    def start(self, data: st.DataObject, among: int) -> None:
        name = data.draw(st.sampled_from(sorted(self.plans)))
        plan = self.plans[name]
        assert self.budget.is_used_up(name) == (plan.max is not None and plan.cost >= plan.max)
        if self.budget.is_used_up(name):
            return
        granted = self.budget.next_run(name, self.wall, among=among)
        if isinstance(granted, Later):
            return
        if granted.usd is None:
            assert plan.max is None
            assert self.caps == (None, None)
        else:
            assert granted.usd > 0
        plan.starts += 1
        run = _LiveRun(
            name, f"main.{plan.starts}", micros(granted.usd) if granted.usd is not None else WITHOUT_END
        )
        self.budget.hand(name, run.name, granted.usd)
        self.runs.append(run)
        self.beside = list(self.runs)
        self.beside_in[plan.project] = [
            one for one in self.runs if self.plans[one.plan].project == plan.project
        ]
        plan.beside = [one for one in self.runs if one.plan == name]
        self._nothing_is_promised_twice(plan.project)

    def _nothing_is_promised_twice(self, project: str) -> None:
        for cap, which in zip(self.caps, (None, project), strict=True):
            if cap is not None:
                told = micros(self.budget.spent_usd(self.wall, which)) + micros(
                    self.budget.reserved_usd(which)
                )
                open_ = sum(
                    max(0, run.handed - run.cost)
                    for run in self.runs
                    if which in {None, self.plans[run.plan].project}
                )
                assert told >= micros(self.budget.spent_usd(self.wall, which)) + open_
                assert told <= micros(cap)

    @precondition(lambda self: self.runs)
    @rule(data=st.data(), cost=st.integers(0, 1_500_000), stopped=st.booleans())
    def reply(self, data: st.DataObject, cost: int, stopped: bool) -> None:
        """A run tells what it has cost; it ends when that is all it may, or when somebody stops it."""
        run = data.draw(st.sampled_from(self.runs))
        plan = self.plans[run.plan]
        run.cost += cost
        plan.cost += cost
        self.booked[int(self.wall // DAY_SECONDS), plan.project] += cost
        self.budget.book(run.plan, plan.project, run.name, dollars(run.cost), self.wall)
        if stopped or run.cost >= run.handed:
            self.budget.run_over(run.plan, run.name)
            self.journals[int(self.wall // DAY_SECONDS), plan.project] += run.cost
            self.runs.remove(run)

    @precondition(lambda self: self.plans)
    @rule(data=st.data())
    def settle(self, data: st.DataObject) -> None:
        name = data.draw(st.sampled_from(sorted(self.plans)))
        if all(run.plan != name for run in self.runs):
            self.budget.give_back(name)
            del self.plans[name]

    @rule(hours=st.sampled_from([1, 5, 13]))
    def pass_time(self, hours: int) -> None:
        self.over_midnight |= bool(self.runs) and int(self.wall // DAY_SECONDS) != int(
            (self.wall + hours * 3600) // DAY_SECONDS
        )
        self.wall += hours * 3600

    @rule(random=st.randoms())
    def kill_the_daemon(self, random: Random) -> None:
        """The next one knows what journals tell, and runs that it finds again tell all that they have cost so far."""
        before, today = self.budget, int(self.wall // DAY_SECONDS)
        self.booked = Counter(self.journals)
        booked = {project: dollars(cost) for (day, project), cost in self.journals.items() if day == today}
        self.budget = Budget(*self.caps, booked_usd=booked, wall=self.wall)
        for name in random.sample(sorted(self.plans), len(self.plans)):
            plan = self.plans[name]
            alive = [run for run in self.runs if run.plan == name]
            over = plan.cost - sum(run.cost for run in alive)
            self.budget.take_up(
                name, plan.project, None if plan.max is None else dollars(plan.max), dollars(over)
            )
            for run in alive:
                self.budget.hand(name, run.name, None if run.handed == WITHOUT_END else dollars(run.handed))
                self.budget.book(name, plan.project, run.name, dollars(run.cost), self.wall)
                self.booked[today, plan.project] += run.cost
        if not self.over_midnight:
            assert self.budget.spent_usd(self.wall) == before.spent_usd(self.wall)

    @invariant()
    def the_books_are_exact(self) -> None:
        today = int(self.wall // DAY_SECONDS)
        for project in ("/a", "/b"):
            assert self.budget.spent_usd(self.wall, project) == dollars(self.booked[today, project])
        total = sum(cost for (day, _), cost in self.booked.items() if day == today)
        assert self.budget.spent_usd(self.wall) == dollars(total)

    @invariant()
    def no_cap_is_passed_by_more_than_the_last_reply_of_each_run_at_work(self) -> None:
        today = int(self.wall // DAY_SECONDS)
        per_day, per_project = self.caps
        spent = {project: self.booked[today, project] for project in ("/a", "/b")}
        if per_day is not None:
            assert sum(spent.values()) <= micros(per_day) + _too_much(self.beside)
        if per_project is not None:
            for project, cost in spent.items():
                assert cost <= micros(per_project) + _too_much(self.beside_in.get(project, []))

    @invariant()
    def no_plan_passes_its_own_limit_by_more(self) -> None:
        for plan in self.plans.values():
            if plan.max is not None:
                assert plan.cost <= plan.max + _too_much(plan.beside)

    @invariant()
    def nothing_is_kept_by_who_is_gone(self) -> None:
        if not self.plans:
            assert self.budget.reserved_usd() == 0.0
        assert self.budget.reserved_usd() >= 0.0


def _too_much(runs: list[_LiveRun]) -> int:
    """What these runs have cost beyond what they were handed: of each, a part of its last reply."""
    return sum(max(0, run.cost - run.handed) for run in runs)


Spending.TestCase.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
TestSpending = Spending.TestCase
