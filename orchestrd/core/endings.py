"""How plans end that no run has ended: cancelled, expired, in vain after another, without a workspace."""

from __future__ import annotations

from collections.abc import Sequence

from handoff.result import Reason, Status
from handoff.root import PlanId
from orchestrd.core.events import Ending


def cancelled(why: str) -> Ending:
    """Somebody wanted it to end."""
    return Ending(
        Status.CANCELLED, Reason.CANCELLED, f"Cancelled: {why}" if why else "The plan was cancelled."
    )


def expired() -> Ending:
    """Its date came before its turn."""
    return Ending(Status.EXPIRED, Reason.EXPIRED, "It was not started before it expired.")


def missed(dependency: PlanId, status: Status) -> Ending:
    """A plan that it was to come after did not succeed."""
    message = f"It was to run after {dependency}, which ended as {status.value}."
    return Ending(Status.CANCELLED, Reason.DEPENDENCY, message)


def in_a_circle(circle: Sequence[PlanId]) -> Ending:
    """It was to come after plans that come after it."""
    message = (
        f"It would never run: {' after '.join([*circle, circle[0]])}. "
        "Take one of them out of another's `after`, and hand in again what did not run."
    )
    return Ending(Status.CANCELLED, Reason.DEPENDENCY, message)


def no_workspace(message: str) -> Ending:
    """There is nowhere to run it."""
    return Ending(Status.FAILED, Reason.WORKSPACE, message)


def parked_too_long(seconds: float) -> Ending:
    """The account's limit was not over in time."""
    hours = f"{seconds / 3600:g} h"
    message = (
        f"The account's usage limit was not over within {hours} (limits.max_parked), so it was given up."
    )
    return Ending(Status.FAILED, Reason.USAGE_LIMIT, message)


def too_heavy(times: int) -> Ending:
    """It was stopped for the machine's sake again and again."""
    message = f"It was stopped {times} times because the machine ran out of memory while it was at work."
    return Ending(Status.FAILED, Reason.MEMORY, message)


def no_money() -> Ending:
    """What it may cost is used up."""
    message = "What the plan may cost is used up, so it was not tried again."
    return Ending(Status.FAILED, Reason.BUDGET, message)


def of_step(step: str, ending: Ending, *, is_alone: bool) -> Ending:
    """How a plan ends of which a step has not succeeded."""
    if is_alone or ending.status is not Status.FAILED:
        return ending
    said = f" {ending.message}" if ending.message else ""
    return Ending(ending.status, ending.reason, f"Step {step} did not succeed.{said}")


def check_failed(numbers: Sequence[int], rounds: int) -> Ending:
    """What counts as done was not reached."""
    which = ", ".join(str(number) for number in numbers)
    times = "" if not rounds else f", after {rounds} round{'s' if rounds > 1 else ''} of mending"
    message = f"Not done: check {which} of [accept] failed{times}; what each said stands under `checks`."
    return Ending(Status.FAILED, Reason.CHECK_FAILED, message)


def conflict(message: str) -> Ending:
    """Steps that ran side by side contradict each other."""
    return Ending(Status.FAILED, Reason.CONFLICT, message)
