"""What may be spent: the caps of the day, of the whole daemon and of each project, and of each plan.

Theory of operation
-------------------
Days are those of UTC. What a run has cost is *booked* on the day on which it was told. A plan that is admitted
*reserves* what it may still cost: what is left of its own `max_usd`, or, where it names none, what is left of the cap.
What is booked of it is taken off its reservation, so as long as runs keep to what they were handed

    booked today + reserved by all who are admitted <= cap

holds whenever a run is started (`next_run`). Claude Code counts the cost of a reply when it has come, so a run passes
what it was handed by one reply at most. What is started later makes up for it; hence a cap is never passed by more
than the last reply of each run that was alive at one time, of plans that run one by one by a single reply.

A plan that may cost more than a cap is given the whole cap, once nobody else has any of it: then it ends there, with
`budget`, while it has something left of its own. Such a plan, and one without `max_usd`, is not used up
(`is_used_up`): it waits for the next day and goes on.

Inside all sums are exact (`core/money.py`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from handoff.root import PlanId
from orchestrd.core.money import Amounts, Holders, Purse, Run, dollars, holders_of, micros, shown, whole

DAY_SECONDS = 86_400
LEAST_MICROS = 10_000
"""A cent: a run is not started for less of a cap. Its first reply would cost more."""
IN_OTHER_HANDS = "what this plan may cost is in the hands of its other runs"
MOST_NAMED = 3
"""Plans that are named as those who have reserved the money of a cap."""
MOST_DAYS = 4
"""So many days are remembered: the clock may be set back."""


def next_day(wall: float) -> float:
    """When the next day begins, in wall seconds."""
    return (wall // DAY_SECONDS + 1) * DAY_SECONDS


@dataclass(frozen=True, slots=True)
class Later:
    """It cannot start now."""

    until: float | None
    """Wall seconds: then at the latest it is worth asking again. None: when a run of its own is over."""
    message: str
    """For a person: which cap, and who has it."""


@dataclass(frozen=True, slots=True)
class Grant:
    """It may start now."""

    usd: float | None
    """What the run may cost, in US dollars; None: nobody set a limit."""


class Budget:
    """Who may spend how much. Every call costs the same, however many plans wait or have run.

    A plan is known here from `admit` until `give_back`; a run from `hand` until `run_over`. `run` is any name that is
    not given twice within a plan: `main.1`.
    """

    def __init__(
        self,
        per_day_usd: float | None = None,
        per_project_usd: float | None = None,
        *,
        booked_usd: Mapping[str, float] | None = None,
        wall: float = 0.0,
    ) -> None:
        """`booked_usd`: what was spent before on the day of `wall`, by project."""
        self._per_day = None if per_day_usd is None else micros(per_day_usd)
        self._per_project = None if per_project_usd is None else micros(per_project_usd)
        self._days: dict[int, Amounts] = {}
        self._purses: dict[PlanId, Purse] = {}
        self._reserved = Amounts()
        self._eased = 0
        """How often a reservation was given back or made smaller, or a run was over."""
        for project, usd in (booked_usd or {}).items():
            self._day(wall).add(project, micros(usd))

    # -- questions ------------------------------------------------------------------------------------------------

    @property
    def has_caps(self) -> bool:
        """Whether there is a cap of the daemon's; without one only the plans' own count."""
        return bool(self._caps())

    def wait_for(self, project: str, max_usd: float | None, spent_usd: float, wall: float) -> Later | None:
        """Whether a plan has to wait before it is admitted; None: it may be. Changes nothing.

        `spent_usd` is what it has cost already. A plan that can cost nothing (no step has a model) has `max_usd` 0.
        """
        if self.may_admit(project, max_usd, wall, spent_usd):
            return None
        return Later(next_day(wall), self._why(project, self._need(max_usd, spent_usd), wall))

    def may_admit(self, project: str, max_usd: float | None, wall: float, spent_usd: float = 0.0) -> bool:
        """Whether a plan need not wait before it is admitted: `wait_for`, without a word."""
        left = self._left(project, wall)
        if left is None:
            return True
        need = self._need(max_usd, spent_usd)
        # One that needs nothing waits for nothing, not even where a cap was passed.
        return not need or need <= left

    def eased(self, wall: float) -> tuple[int, int]:
        """What is another value whenever there may be more for those who wait than there was."""
        return self._eased, int(wall // DAY_SECONDS)

    def next_run(self, plan: PlanId, wall: float, *, among: int = 1) -> Grant | Later:
        """What the next run of an admitted plan may cost, of so many that are going to be started now, this one too.

        Its reservation is adapted to what there is: that is where replies that cost too much are made up for. Ask only
        for a plan that is not used up, and tell by `hand` what became of it.
        """
        purse = self._purses[plan]
        if not self._caps() and purse.max is None:
            return Grant(None)
        self._reserve(purse, self._within_reach(purse, wall))
        free, least = purse.reserved - purse.open, self._least(purse.left)
        if free and free >= least:
            return Grant(dollars(max(least, free // among)))
        if purse.open:
            return Later(None, IN_OTHER_HANDS)
        return Later(next_day(wall), self._why(purse.project, least, wall))

    def may_go_on(self, plan: PlanId, wall: float) -> bool:
        """Whether a further run of an admitted plan would be granted anything (`next_run`). Changes nothing."""
        purse = self._purses[plan]
        if not self._caps() and purse.max is None:
            return True
        free = self._kept_within(purse, self._within_reach(purse, wall)) - purse.open
        return free > 0 and free >= self._least(purse.left)

    def is_admitted(self, plan: PlanId) -> bool:
        """Whether a plan was admitted, and has given nothing back since."""
        return plan in self._purses

    def is_used_up(self, plan: PlanId) -> bool:
        """Whether nothing is left of an admitted plan's own `max_usd`.

        A run that ends with `budget` while this is False was held by a cap of the daemon's, or by its share among
        several: it is no failure of the plan, which goes on when `next_run` grants it something.
        """
        return self._purses[plan].left == 0

    def why_it_waits(
        self,
        plan: PlanId,
        project: str,
        max_usd: float | None,
        spent_usd: float,
        wall: float,
        holders: Holders | None = None,
    ) -> str:
        """For a person: which cap a plan that waits for money waits for, what is left of it, and who has the rest.

        Who asks for many plans hands in the `holders` of now, so that not all who are admitted are gone through each
        time.
        """
        purse = self._purses.get(plan)
        if not self._caps() or (purse is not None and purse.open):
            return IN_OTHER_HANDS
        need = self._need(max_usd, spent_usd) if purse is None else self._least(purse.left)
        return self._why(project, need, wall, holders)

    def holders(self) -> Holders:
        """Who has reserved something of the caps, now."""
        return holders_of(self._purses) if self.has_caps else {}

    def projects(self, wall: float) -> set[str]:
        """The projects that have spent something on the day of `wall`, or reserved it."""
        return {*self._day(wall).projects(), *self._reserved.projects()}

    def spent_usd(self, wall: float, project: str | None = None) -> float:
        """What is booked on the day of `wall`, of all or of one project."""
        return dollars(self._day(wall).of(project))

    def reserved_usd(self, project: str | None = None) -> float:
        """What those who are admitted may still cost, all or those of one project."""
        return dollars(self._reserved.of(project))

    # -- what happens ---------------------------------------------------------------------------------------------

    def admit(self, plan: PlanId, project: str, max_usd: float | None, spent_usd: float, wall: float) -> None:
        """Reserve what a plan may still cost. Whether it may be admitted was asked (`wait_for`).

        Said again for the same plan, what it has reserved holds.
        """
        if plan in self._purses:
            return
        self.take_up(plan, project, max_usd, spent_usd)
        purse = self._purses[plan]
        left = self._left(project, wall)
        if left is not None and purse.max is None:
            self._reserve(purse, left)

    def take_up(self, plan: PlanId, project: str, max_usd: float | None, spent_usd: float) -> None:
        """A plan was found at work when the daemon started: it is admitted, and its runs are told by `hand`.

        It reserves what is left of its own limit; without one, what its runs were handed: others were admitted beside.
        """
        purse = self._purses[plan] = Purse(project, whole(max_usd), micros(spent_usd))
        if purse.left is not None and self.has_caps:
            self._reserve(purse, min([purse.left, *self._caps()]))

    def hold_for_run(self, plan: PlanId, wall: float) -> None:
        """Reserve what the next run of an admitted plan may cost, so that nobody else has it until that is started.

        Hold it only for a plan that may go on (`may_go_on`).
        """
        if self.has_caps:
            purse = self._purses[plan]
            self._reserve(purse, self._within_reach(purse, wall))

    def let_go(self, plan: PlanId) -> None:
        """An admitted plan may not go on: all is given back that its runs do not need, for whoever can use it."""
        if self.has_caps:
            purse = self._purses[plan]
            self._reserve(purse, purse.open)

    def hand(self, plan: PlanId, run: str, usd: float | None, *, booked_usd: float = 0.0) -> None:
        """A run of an admitted plan was started, or found alive, and may cost so much.

        `booked_usd` of it was booked before: its end was known already when the daemon started.
        """
        purse = self._purses[plan]
        purse.runs.setdefault(run, Run(None if usd is None else micros(usd), micros(booked_usd)))
        if self.has_caps:
            self._reserve(purse, purse.reserved)

    def book(self, plan: PlanId, project: str, run: str, so_far_usd: float, wall: float) -> None:
        """A run has cost so much so far, all in all: what is more than it told before is booked, and nothing twice.

        Also of a plan that is not admitted (any more), for what is spent counts; a run that was never handed anything
        tells once.
        """
        purse = self._purses.get(plan)
        known = purse.runs.get(run) if purse is not None else None
        cost = micros(so_far_usd) - (known.told if known else 0)
        if cost <= 0:
            return
        self._day(wall).add(project, cost)
        if known is not None:
            known.told += cost
        if purse is not None:
            purse.spent += cost
            # One that cost too much takes nothing away from what others beside it were handed.
            self._set_reserved(purse, max(purse.open, purse.reserved - cost))

    def run_over(self, plan: PlanId, run: str) -> None:
        """A run is over; its cost was booked. What it did not need is the plan's again."""
        purse = self._purses.get(plan)
        if purse is not None:
            purse.runs.pop(run, None)
            # It may have been handed more than is left of the plan's own by now.
            self._reserve(purse, purse.reserved)
            self._eased += 1

    def give_back(self, plan: PlanId) -> None:
        """A plan needs nothing any more, or not for long: it is settled, or parked. Nothing happens if unknown."""
        purse = self._purses.pop(plan, None)
        if purse is not None:
            self._reserved.add(purse.project, -purse.reserved)
            self._eased += 1

    # -- small parts ----------------------------------------------------------------------------------------------

    def _caps(self) -> list[int]:
        return [cap for cap in (self._per_day, self._per_project) if cap is not None]

    def _left(self, project: str, wall: float) -> int | None:
        """What nobody has spent or reserved, by the tighter cap; below 0 where a reply cost too much. None: no cap."""
        day, lefts = self._day(wall), []
        if self._per_day is not None:
            lefts.append(self._per_day - day.of(None) - self._reserved.of(None))
        if self._per_project is not None:
            lefts.append(self._per_project - day.of(project) - self._reserved.of(project))
        return min(lefts, default=None)

    def _need(self, max_usd: float | None, spent_usd: float) -> int:
        """What has to be left for a plan to be admitted."""
        cap = whole(max_usd)
        if cap is None:
            return self._least(None)
        return min([max(0, cap - micros(spent_usd)), *self._caps()])

    def _least(self, own: int | None) -> int:
        """What a run is started for."""
        return min([LEAST_MICROS, *self._caps(), *([] if own is None else [own])])

    def _within_reach(self, purse: Purse, wall: float) -> int:
        """What an admitted plan has reserved, and what nobody else has."""
        left = self._left(purse.project, wall)
        return (purse.left or 0) if left is None else purse.reserved + left

    def _kept_within(self, purse: Purse, amount: int) -> int:
        """No more than its own limit, and no less than what its runs were handed."""
        left = purse.left
        return max(purse.open, amount if left is None else min(amount, left))

    def _reserve(self, purse: Purse, amount: int) -> None:
        before = purse.reserved
        self._set_reserved(purse, self._kept_within(purse, amount))
        self._eased += purse.reserved < before

    def _set_reserved(self, purse: Purse, amount: int) -> None:
        self._reserved.add(purse.project, amount - purse.reserved)
        purse.reserved = amount

    def _day(self, wall: float) -> Amounts:
        number = int(wall // DAY_SECONDS)
        if number not in self._days:
            self._days[number] = Amounts()
            for old in sorted(self._days)[:-MOST_DAYS]:
                if old != number:
                    del self._days[old]
        return self._days[number]

    def _why(self, project: str, need: int, wall: float, holders: Holders | None = None) -> str:
        """Which cap stands in the way, and who has it."""
        day = self._day(wall)
        for cap, which, name in (
            (self._per_project, project, "[budget] per_project_usd"),
            (self._per_day, None, "[budget] per_day_usd"),
        ):
            if cap is None:
                continue
            spent, reserved = day.of(which), self._reserved.of(which)
            left = cap - spent - reserved
            if need > left:
                who = (self.holders() if holders is None else holders).get(which, ())
                return (
                    f"{name} is {shown(cap)}: {shown(max(0, left))} left, {shown(need)} needed"
                    f" ({shown(spent)} spent today, {shown(reserved)} reserved{_by_whom(who)})"
                )
        return "its turn comes when others give back what they have reserved"


def _by_whom(names: Sequence[PlanId]) -> str:
    """Name the plans that have reserved something of a cap."""
    more = f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else ""
    return f" by {', '.join(names[:MOST_NAMED])}{more}" if names else ""
