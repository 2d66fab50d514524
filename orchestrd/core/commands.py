"""What the engine orders. The hands carry each out and report by an event."""

from __future__ import annotations

from dataclasses import dataclass

from handoff.root import PlanId
from orchestrd.core.events import Ending
from orchestrd.core.facts import MAIN

CANCELLED = "cancelled"
"""Why a run is stopped whose plan somebody cancelled; what they said of it stands in the plan's ending."""


@dataclass(frozen=True, slots=True)
class Prepare:
    """Make the workspace of a plan's step, or find it as it was made before."""

    plan: PlanId
    step: str = MAIN
    needs: tuple[str, ...] = ()
    """The steps with whose work it begins, in the order of their definition."""
    own: bool = False
    """Others may write beside it, so it gets a checkout of its own."""
    round: int = 0
    is_staged: bool = False
    """More follows it than the end of the plan."""


@dataclass(frozen=True, slots=True)
class StartRun:
    """Start a step, or a check: its `number`th start, counted as `attempt`, resuming `session` where one is named."""

    plan: PlanId
    number: int
    attempt: int
    session: str | None
    budget_usd: float | None
    """What is left of the plan's `max_usd`."""
    step: str = MAIN
    round: int = 0
    """How often a failed check has come back to the model."""


@dataclass(frozen=True, slots=True)
class StopRun:
    """Stop a run that is alive; its end is reported like any other."""

    plan: PlanId
    why: str
    step: str = MAIN
    yields: bool = False
    """It is for the machine's sake, and the step goes on later."""


@dataclass(frozen=True, slots=True)
class GatherStep:
    """Commit what a step left, for those that come after it, and compare it with where it began."""

    plan: PlanId
    step: str
    ending: Ending | None = None
    """How its plan ends because of it; None: it has succeeded. Written down with the rest: a restart forgets it not."""


@dataclass(frozen=True, slots=True)
class Join:
    """Merge what steps have left that ran side by side."""

    plan: PlanId
    steps: tuple[str, ...] = ()
    """In whose work all is, in the order of their definition."""


@dataclass(frozen=True, slots=True)
class Gather:
    """Commit what was left, compare it with where it began, write the patch."""

    plan: PlanId


@dataclass(frozen=True, slots=True)
class Settle:
    """Publish the result and move the plan to the archive."""

    plan: PlanId
    ending: Ending


@dataclass(frozen=True, slots=True)
class Leave:
    """Drained: no run is left, the daemon ends."""


Command = Prepare | StartRun | StopRun | GatherStep | Join | Gather | Settle | Leave
