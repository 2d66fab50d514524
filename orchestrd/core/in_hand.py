"""All plans in hand, and what is known of them together: who is ready, who waits for whom, who holds slots and places.

What a plan does is changed here alone, so that the sums are always those of the plans.
"""

from __future__ import annotations

from collections.abc import Iterator

from handoff.root import PlanId
from orchestrd.core.overlap import Touched
from orchestrd.core.plan import EngineFault, PlanInHand
from orchestrd.core.plan_life import SHOWN_AS, Life, State, Trigger
from orchestrd.core.queue import Queue
from orchestrd.core.step import StepInHand
from orchestrd.core.step_life import StepState, StepTrigger
from orchestrd.core.waiting import Waiting


class InHand:
    """The plans that are accepted and not settled."""

    def __init__(self) -> None:
        self.queue = Queue()
        self.waiting = Waiting()
        self.wall = 0.0
        """Wall seconds of the event that is being handled."""
        self._plans: dict[PlanId, PlanInHand] = {}
        self._slots: dict[PlanId, int] = {}
        self._taken = 0
        self._beyond: set[PlanId] = set()
        """Plans that neither wait nor hold a slot: asking, settling."""
        self._asking: set[PlanId] = set()
        self.touched = Touched()
        """What the plans at work touch, from the first slot of each until it is gathered."""
        self._before: dict[PlanId, State] = {}
        """What those were shown as that the event changes which is being handled."""

    def __iter__(self) -> Iterator[PlanInHand]:
        return iter(self._plans.values())

    def __len__(self) -> int:
        return len(self._plans)

    def __contains__(self, plan: PlanId) -> bool:
        return plan in self._plans

    def get(self, plan: PlanId) -> PlanInHand | None:
        """One plan; None: it is unknown or settled."""
        return self._plans.get(plan)

    def known(self, plan: PlanId) -> PlanInHand:
        """One plan, of which something was told that can only be true of one in hand."""
        try:
            return self._plans[plan]
        except KeyError:
            message = f"no plan {plan} is in hand"
            raise EngineFault(message) from None

    @property
    def slots(self) -> int:
        """How many slots are held."""
        return self._taken

    @property
    def asking(self) -> int:
        """How many plans wait for a person, and do nothing else."""
        return len(self._asking)

    @property
    def idle(self) -> int:
        """How many plans wait, holding no slot."""
        return len(self._plans) - len(self._slots) - len(self._beyond)

    def add(self, plan: PlanInHand) -> None:
        """A plan more."""
        self._plans[plan.facts.plan] = plan
        self.count(plan)

    def remove(self, plan: PlanInHand) -> None:
        """It is settled."""
        self.count(plan)
        del self._plans[plan.facts.plan]
        self._beyond.discard(plan.facts.plan)

    def move(self, plan: PlanInHand, trigger: Trigger) -> None:
        """Follow the table of plans."""
        before = _shown(plan)
        plan.move(trigger)
        self._changed(plan, before)

    def move_step(self, plan: PlanInHand, step: StepInHand, trigger: StepTrigger) -> None:
        """Follow the table of steps."""
        before = _shown(plan)
        step.move(trigger)
        self._changed(plan, before)

    def place(self, plan: PlanInHand, life: Life) -> None:
        """Put a recovered plan where its journal says it stood: the one change that is not a trigger."""
        plan.life = life
        if plan.begun:
            self._hold_place(plan)
        self.count(plan)

    def _hold_place(self, plan: PlanInHand) -> None:
        facts = plan.facts
        self.touched.begin(facts.plan, facts.project, in_place=facts.in_place, touches=facts.touches)

    def line_up(self, plan: PlanInHand, step: StepInHand) -> None:
        """Put a step that is ready into the queue."""
        rank = next(at for at, name in enumerate(plan.steps) if name == step.name)
        facts = step.facts
        self.queue.put(plan.facts, step.name, rank=rank, is_begun=plan.begun, is_command=facts.is_command)

    def begin(self, plan: PlanInHand) -> None:
        """A plan is given its first slot: it holds its place from now on, and its steps need not wait for one."""
        plan.begun = True
        self._hold_place(plan)
        for step in plan.steps.values():
            if step.state is StepState.READY:
                self.queue.discard(plan.facts.plan, step.name)
                self.line_up(plan, step)
        self.count(plan)

    def count(self, plan: PlanInHand) -> None:
        """Bring the sums up to date."""
        name, slots = plan.facts.plan, plan.slots
        self._taken += slots - self._slots.pop(name, 0)
        if slots:
            self._slots[name] = slots
        state = plan.state
        beyond = state in {State.ASKING, State.SETTLING}
        (self._beyond.add if beyond else self._beyond.discard)(name)
        (self._asking.add if state is State.ASKING else self._asking.discard)(name)
        if plan.life in {Life.SETTLING, Life.SETTLED}:
            self.touched.end(name)
            self.queue.over(name)

    def date_changes(self) -> None:
        """Note since when plans are what they are shown as, now that all that an event changes has been changed."""
        for name, before in self._before.items():
            plan = self._plans.get(name)
            if plan is not None and _shown(plan) is not before:
                plan.since = self.wall
        self._before.clear()

    def _changed(self, plan: PlanInHand, before: State) -> None:
        self._before.setdefault(plan.facts.plan, before)
        self.count(plan)


def _shown(plan: PlanInHand) -> State:
    state = plan.state
    return SHOWN_AS.get(state, state)
