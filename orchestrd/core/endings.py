"""How plans end that no run has ended: cancelled, expired, in vain after another, without a workspace."""

from __future__ import annotations

from handoff.result import Reason, Status
from handoff.root import PlanId
from orchestrd.core.events import Ending


def cancelled(why: str) -> Ending:
    """Somebody wanted it to end."""
    return Ending(Status.CANCELLED, Reason.CANCELLED, f"Cancelled: {why}" if why else None)


def expired() -> Ending:
    """Its date came before its turn."""
    return Ending(Status.EXPIRED, Reason.EXPIRED, "It was not started before it expired.")


def missed(dependency: PlanId, status: Status) -> Ending:
    """A plan that it was to come after did not succeed."""
    message = f"It was to run after {dependency}, which ended as {status.value}."
    return Ending(Status.CANCELLED, Reason.DEPENDENCY, message)


def no_workspace(message: str) -> Ending:
    """There is nowhere to run it."""
    return Ending(Status.FAILED, Reason.WORKSPACE, message)
