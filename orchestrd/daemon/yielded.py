"""The runs that had to stop for the machine's sake: each is told of for as long as it is going to go on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from handoff.root import PlanId
from orchestrd.core.step import StepInHand
from orchestrd.core.step_life import StepState
from orchestrd.daemon.troubles import Trouble
from orchestrd.runs.running import Key

GOES_ON = "nothing, it goes on by itself as the same attempt when the machine is well again"
"""What to do about a run that had to yield."""


class YieldedRuns:
    """One trouble a step, with the reason, from when it is told to stop until it is started again or does not go on."""

    def __init__(self) -> None:
        self._troubles: dict[Key, Trouble] = {}

    def __iter__(self) -> Iterator[Trouble]:
        return iter(list(self._troubles.values()))

    def stop(self, plan: PlanId, step: str, why: str) -> None:
        """A run was told to stop."""
        self._troubles[plan, step] = Trouble(f"yielded-{plan}.{step}", f"{plan}: {why}", GOES_ON)

    def ended(self, plan: PlanId, step: str, steps: Mapping[str, StepInHand]) -> None:
        """A run is over, and it was decided what follows: `steps` are those of its plan now; none if it is settled.

        It may have ended by itself before it was stopped, or have had to yield too often to go on. And when a plan
        fails, those of its steps that wait do not go on either.
        """
        for key in [key for key in self._troubles if key[0] == plan]:
            held = steps.get(key[1])
            is_given_up = held is None or held.state is StepState.SKIPPED
            if is_given_up or (key[1] == step and not _waits_for_machine(held)):
                del self._troubles[key]

    def goes_on(self, plan: PlanId, step: str) -> None:
        """A step is started again."""
        self._troubles.pop((plan, step), None)

    def forget(self, plan: PlanId) -> None:
        """It is settled."""
        self._troubles = {key: one for key, one in self._troubles.items() if key[0] != plan}


def _waits_for_machine(step: StepInHand | None) -> bool:
    return step is not None and step.wait is not None and step.wait.word == "pressure"
