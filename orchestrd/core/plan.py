"""One plan as the engine holds it in hand: its facts, its steps, where it stands, and what was used up so far."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from handoff.root import PlanId
from orchestrd.core.events import Ending, History, Moment
from orchestrd.core.facts import PlanFacts, StepFacts, check_step
from orchestrd.core.plan_life import AT_WORK, Life, State, Trigger, next_life
from orchestrd.core.step import StepInHand, Wait
from orchestrd.core.step_life import BUSY, OVER, StepState


class EngineFault(Exception):
    """The engine was told something that cannot be: a bug of the caller."""


_AS_STATE = {
    Life.WAITING: State.WAITING,
    Life.JOINING: State.RUNNING,
    Life.CHECKING: State.RUNNING,
    Life.GATHERING: State.GATHERING,
    Life.SETTLING: State.SETTLING,
    Life.SETTLED: State.SETTLED,
}
_BY_STEPS = (
    ({StepState.RUNNING, StepState.GATHERING}, State.RUNNING),
    ({StepState.PREPARING}, State.PREPARING),
    ({StepState.ASKING}, State.ASKING),
    ({StepState.READY}, State.READY),
)
"""What a plan that is open is doing, by the first of these in which one of its steps is."""


@dataclass(slots=True)
class PlanInHand:
    """A plan between acceptance and settling. Only the engine changes it."""

    facts: PlanFacts
    since: float
    """Wall seconds since when it is in its state."""
    life: Life = Life.WAITING
    wait: Wait | None = None
    """What it waits for before it is open."""
    awaited: set[PlanId] = field(default_factory=set)
    steps: dict[str, StepInHand] = field(default_factory=dict)
    """In the order of definition; its checks behind them. Empty before it is open."""
    begun: bool = False
    """A slot was given to it once: from then on until it is gathered it holds its place."""
    round: int = 0
    """How often a failed check has gone back to the model."""
    spent_usd: float = 0.0
    cancelled: str | None = None
    decided: Ending | None = None
    """How it ends, until all that is at work is over and the evidence is there."""

    @property
    def state(self) -> State:
        """What it is doing."""
        if self.life is not Life.OPEN:
            return _AS_STATE[self.life]
        there = {step.state for step in self.steps.values()}
        return next((state for states, state in _BY_STEPS if states & there), State.WAITING)

    @property
    def starts(self) -> int:
        """How often something of it was started."""
        return sum(step.starts for step in self.steps.values())

    @property
    def denied(self) -> bool:
        """Some tool call of it was denied."""
        return any(step.outcome is not None and step.outcome.denied for step in self.steps.values())

    @property
    def asks_a_model(self) -> bool:
        """None of its steps that are ready is a mere command."""
        ready = [step for step in self.steps.values() if step.state is StepState.READY]
        return not any(step.facts.is_command for step in ready)

    @property
    def slots(self) -> int:
        """How many slots it holds."""
        if self.life is Life.OPEN:
            return sum(step.state in BUSY for step in self.steps.values())
        return int(self.life in AT_WORK)

    @property
    def is_staged(self) -> bool:
        """More follows a step than the end of the plan: what each leaves is gathered and noted before that begins."""
        return len(self.facts.steps) > 1 or self.facts.steps[0].expands or self.facts.checks > 0

    def move(self, trigger: Trigger) -> None:
        """Follow the table; raises `IllegalTransitionError` and changes nothing where it has no way."""
        self.life = next_life(self.life, trigger)

    def own_steps(self) -> list[StepInHand]:
        """Its steps, without the checks; none before it is open."""
        return [self.steps[one.step] for one in self.facts.steps] if self.steps else []

    def checks(self) -> list[StepInHand]:
        """What its checks' runs are booked on, in order."""
        numbers = range(1, self.facts.checks + 1) if self.steps else ()
        return [self.steps[check_step(number)] for number in numbers]

    def lay_out(self) -> None:
        """Put down its steps and checks, those that are there already as they are."""
        names = [*self.facts.steps, *(_check(number) for number in range(1, self.facts.checks + 1))]
        self.steps = {one.step: self.steps.get(one.step) or StepInHand(one) for one in names}
        for one in names:
            self.steps[one.step].facts = one

    def is_overdue(self, at: Moment) -> bool:
        """It has never been started and its date to expire has come."""
        return not self.starts and self.facts.expires is not None and self.facts.expires <= at.wall

    def is_met(self, step: StepInHand) -> bool:
        """All steps are done that this one needs, and no other writes where it would."""
        if any(self.steps[need].state is not StepState.DONE for need in step.facts.needs):
            return False
        # In place there is one place: those who write take turns.
        return not (self.facts.in_place and step.facts.writes and any(self._writes_now(step)))

    def _writes_now(self, but: StepInHand) -> Iterator[bool]:
        for other in self.own_steps():
            if other is not but and other.facts.writes:
                yield other.state in BUSY or other.state in {
                    StepState.READY,
                    StepState.WAITING,
                    StepState.ASKING,
                }

    def is_quiet(self) -> bool:
        """Nothing is at work for any of its steps."""
        return not any(step.state in BUSY or step.state is StepState.ASKING for step in self.steps.values())

    def has_others_at_work(self, step: StepInHand) -> bool:
        """Something of it runs beside this step."""
        busy = {*BUSY, StepState.ASKING}
        return any(one.state in busy for one in self.own_steps() if one is not step)

    def is_out_of_money(self, has_money: Callable[[PlanInHand, StepInHand], bool]) -> bool:
        """Nothing of it is at work, pauses or may start, but for the money that the next steps would cost."""
        if not self.is_quiet() or any(step.state is StepState.READY for step in self.own_steps()):
            return False
        stuck = [
            step
            for step in self.own_steps()
            if step.state is StepState.WAITING or (step.state is StepState.PENDING and self.is_met(step))
        ]
        return bool(stuck) and not any(has_money(self, step) for step in stuck)

    def are_steps_over(self) -> bool:
        """Every step is done, failed or will not run."""
        return all(step.state in OVER for step in self.own_steps())

    def take_up(self, history: History) -> None:
        """Go on from what the journal tells."""
        self.spent_usd = history.spent_usd
        self.cancelled = history.cancelled
        self.round = history.round
        self.begun = history.starts > 0


def _check(number: int) -> StepFacts:
    return StepFacts(check_step(number), is_command=True)
