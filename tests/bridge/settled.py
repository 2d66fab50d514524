"""Plans that are settled, made and published as the daemon does it, in the index too."""

from __future__ import annotations

from typing import Any

from handoff.root import PlanId, Root
from orchestrd.outbound import publish
from orchestrd.record.index import Index
from tests.outbound.telling import Telling, a_success


def settled(root: Root, plan: str, told: Telling | None = None) -> PlanId:
    """Settle a plan; without `told` one that succeeded, whose documentation is asked for."""
    made = told or a_success(root, plan)
    row = publish.settle(root, made.id, lambda _checkout: None).row
    with Index(root.index) as index:
        index.put_many([row])
    return PlanId(plan)


def failed(root: Root, plan: str, **ended: Any) -> PlanId:
    """Settle a plan that failed."""
    told = (
        Telling(root, plan).accepted().worktree().run(status="failed", reason="timeout", **ended).gathered()
    )
    return settled(root, plan, told.ended("failed", reason="timeout"))
