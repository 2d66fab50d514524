"""What was spent today against the caps of a day, in words, of what `status/daemon` says."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from typing import Any

from orchestrd.views.words import one_line

MOST_PROJECTS = 5


def spent_today(status: Mapping[str, Any]) -> Iterator[str]:
    """Yield a line for each cap that is in force, and one for each project that has spent something of its own."""
    limits, budget = status.get("limits") or {}, status.get("budget") or {}
    per_day, per_project = limits.get("per_day_usd"), limits.get("per_project_usd")
    if not budget:
        return
    of_cap = f" of {_usd(per_day)}" if per_day else ""
    yield f"spent today (UTC): {_usd(budget.get('spent_today_usd'))}{of_cap}{_reserved(budget)}"
    if not per_project:
        return
    projects = budget.get("projects") or []
    for one in projects[:MOST_PROJECTS]:
        name = one_line(os.path.basename(str(one.get("project"))), 40)
        yield f"  {name}: {_usd(one.get('spent_today_usd'))} of {_usd(per_project)}{_reserved(one)}"
    if len(projects) > MOST_PROJECTS:
        yield f"  and {len(projects) - MOST_PROJECTS} more projects; see status/daemon.toml"


def _reserved(amounts: Mapping[str, Any]) -> str:
    reserved = amounts.get("reserved_usd")
    return f", {_usd(reserved)} reserved by plans at work" if reserved else ""


def _usd(amount: object) -> str:
    """Dollars and cents; of less than a cent what there is."""
    usd = float(str(amount or 0))
    return f"${usd:.2f}" if round(usd, 2) == round(usd, 4) else f"${usd:.4f}"
