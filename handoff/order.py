"""An order to the daemon, and the line that tells what came of it (PROTOCOL 7)."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from handoff.fields import Count, Document, Id, Instant, Line, Problem, Prose
from handoff.version import Version


class Action(StrEnum):
    """What the daemon is told to do."""

    CANCEL = "cancel"
    RETRY = "retry"
    PAUSE = "pause"
    RESUME = "resume"
    DRAIN = "drain"


class Outcome(StrEnum):
    """What came of an order."""

    DONE = "done"
    NOTHING = "nothing"
    REFUSED = "refused"


OF_A_PLAN = (Action.CANCEL, Action.RETRY)
"""The orders that name a plan."""


class Order(Document):
    """An order to the daemon."""

    handoff: Version = 1
    """The version of the protocol: 1. May be left out."""
    action: Action
    """What to do."""
    plan: Id | None = None
    """The plan to cancel or to retry."""
    why: Prose | None = None
    """The reason, for whoever reads the journal."""
    key: Line | None = None
    """Idempotency: an order with a key that was there before is not carried out again."""

    @classmethod
    def problems_between(cls, given: Mapping[str, Any]) -> list[Problem]:
        """A plan is named where one is needed, and nowhere else."""
        action, plan = given.get("action"), given.get("plan")
        if not isinstance(action, str):
            return []  # what it is instead, it is told by its own check
        if action in OF_A_PLAN and plan is None:
            return [Problem(("action",), f"`{action}` needs a plan", 'name it: plan = "add-login"')]
        if plan is not None and action in set(Action) - set(OF_A_PLAN):
            return [Problem(("plan",), f"`{action}` is for the whole daemon", "leave `plan` out")]
        return []


class OrderOutcome(Document):
    """A line of `archive/orders.jsonl`: what came of an order."""

    order: Count
    """Its number: orders are carried out in this order."""
    time: Instant
    """When it was carried out."""
    file: str
    """The name of its file."""
    key: str | None = None
    """Its key."""
    action: str | None = None
    """What was to be done; left out where the order could not be read."""
    plan: str | None = None
    """The plan that it named."""
    outcome: Outcome
    """What came of it."""
    new_plan: str | None = None
    """The plan that it made (retry)."""
    message: str | None = None
    """For a person: why it was refused, or why nothing happened."""
