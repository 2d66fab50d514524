"""What the engine orders. The hands carry each out and report by an event."""

from __future__ import annotations

from dataclasses import dataclass

from handoff.root import PlanId
from orchestrd.core.events import Ending


@dataclass(frozen=True, slots=True)
class Prepare:
    """Make the plan's workspace, or find it as it was made before."""

    plan: PlanId


@dataclass(frozen=True, slots=True)
class StartRun:
    """Start Claude Code: the `number`th start, counted as `attempt`, resuming `session` where one is named."""

    plan: PlanId
    number: int
    attempt: int
    session: str | None
    budget_usd: float | None
    """What is left of the plan's `max_usd`."""


@dataclass(frozen=True, slots=True)
class StopRun:
    """Stop the run that is alive; its end is reported like any other."""

    plan: PlanId
    why: str


@dataclass(frozen=True, slots=True)
class Gather:
    """Commit what the run left, compare it with where it began, write the patch."""

    plan: PlanId


@dataclass(frozen=True, slots=True)
class Settle:
    """Publish the result and move the plan to the archive."""

    plan: PlanId
    ending: Ending


@dataclass(frozen=True, slots=True)
class Leave:
    """Drained: no run is left, the daemon ends."""


Command = Prepare | StartRun | StopRun | Gather | Settle | Leave
