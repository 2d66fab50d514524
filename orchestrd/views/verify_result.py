"""A result held against what its plan's journal makes of it: what was used, what changed, how it ended, its steps."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from handoff.result import Result
from handoff.root import PlanId
from orchestrd.outbound.story import changes_of, folder_of, shown_steps, step_of, usage_of
from orchestrd.record.account import Account, printable

CHANGES = ("base", "head", "commits", "files_changed", "insertions", "deletions", "patch")
"""What of `changes` the journal alone tells; whether branch and checkout stay, the plan decides."""


def differences(result: Result, plan: PlanId, account: Account) -> Iterator[str]:
    """Say each thing in which a result is not what its journal tells. A journal of no daemon's making raises."""
    said, told = _said(result), _told(plan, account)
    for name in told | said:
        if said.get(name) != told.get(name):
            yield f"it says {name} = {said.get(name)!s}, not {told.get(name)!s}"


def _told(plan: PlanId, account: Account) -> dict[str, Any]:
    folder = folder_of(plan, account.settled) if account.settled else ""
    steps = [step_of(step, account, folder) for step in shown_steps(account)]
    changes = changes_of(account, None, folder) or {}
    return {
        "plan": plan,
        "source": printable(account.taken["source"]),
        "status": account.status,
        "reason": account.reason,
        "sha256": account.checked.get("sha256"),
        "retry_of": account.taken.get("retry_of"),
        "duplicate_of": account.checked.get("duplicate_of"),
        "steps": [step["id"] for step in steps],
        **_under("usage", {name: value for name, value in (usage_of(account.usage) or {}).items() if value}),
        **_under("changes", {name: changes.get(name) for name in CHANGES}),
        **{f"steps.{step['id']}.status": step["status"] for step in steps},
    }


def _said(result: Result) -> dict[str, Any]:
    names = ("plan", "source", "status", "reason", "sha256", "retry_of", "duplicate_of")
    # What is not said is none.
    usage = {name: value for name, value in result.usage if value} if result.usage else {}
    return {
        **{name: getattr(result, name) for name in names},
        "steps": [step.id for step in result.steps],
        **_under("usage", usage),
        **_under("changes", {name: getattr(result.changes, name, None) for name in CHANGES}),
        **{f"steps.{step.id}.status": step.status for step in result.steps},
    }


def _under(table: str, values: Mapping[str, Any]) -> dict[str, Any]:
    return {f"{table}.{name}": value for name, value in values.items()}
