"""The little of a plan and of its steps that decisions depend on."""

from __future__ import annotations

from dataclasses import dataclass

from handoff.root import PlanId

MAIN = "main"
"""The step of a plan with one prompt (PROTOCOL 9)."""
_CHECK = "check_"


@dataclass(frozen=True, slots=True)
class StepFacts:
    """One step of a plan."""

    step: str = MAIN
    needs: tuple[str, ...] = ()
    """The steps that must have succeeded before."""
    writes: bool = True
    """It may change files: any step but a model's in permission mode `plan`."""
    is_command: bool = False
    """It is a command, and no model is asked."""
    expands: bool = False
    """Its output is further steps."""
    attempts: int | None = None
    """Left out: the plan's."""
    on_interrupt: str | None = None
    """Left out: the plan's."""
    max_usd: float | None = None
    """US dollars for this step alone, over all its attempts; the plan's holds besides."""


MAIN_ALONE = (StepFacts(),)
"""The steps of a plan with one prompt."""


@dataclass(frozen=True, slots=True)
class PlanFacts:
    """The little of a plan that its order among others depends on; 20,000 of them fit in memory."""

    plan: PlanId
    arrival: int
    accepted: float
    """Wall seconds; waiting counts from here."""
    project: str
    """Where it works, symbolic links resolved: plans in place take turns by it."""
    in_place: bool = False
    priority: int = 50
    after: tuple[PlanId, ...] = ()
    not_before: float | None = None
    expires: float | None = None
    attempts: int = 3
    on_interrupt: str = "resume"
    max_usd: float | None = None
    changes: str = "allowed"
    title: str = ""
    steps: tuple[StepFacts, ...] = MAIN_ALONE
    checks: int = 0
    """How many commands must exit 0 after the last step."""
    touches: tuple[str, ...] = ()
    """Files and globs; plans of one project whose touches overlap do not run at the same time."""
    rounds: int = 2
    """How often a failed check goes back to the model."""


def check_step(number: int) -> str:
    """What the runs of the `number`th check (from 1) are called: no step of a plan can have that name."""
    return f"{_CHECK}{number}"


def check_number(step: str) -> int | None:
    """Which check's runs are called so; None: a step's."""
    return int(step.removeprefix(_CHECK)) if step.startswith(_CHECK) else None
