"""The plans of a root, the newest first: from the index where there is one, else from the folders themselves."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from orchestrd.views.present import read_plans

if TYPE_CHECKING:
    from handoff.root import Root


def list_plans(root: Root, limit: int) -> list[dict[str, Any]]:
    """Return at most `limit` plans. Those in work carry the state that the daemon last told."""
    from orchestrd.record.index import IndexReader

    working = {str(plan.get("id")): plan for plan in read_plans(root)}
    index = IndexReader(root.index)
    rows = [asdict(row) for row in index.latest(limit)] if index.is_there else _settled_on_disk(root, limit)
    known = {row["id"] for row in rows}
    # The index is written a moment after the status.
    fresh = [{**plan, "status": None} for name, plan in working.items() if name not in known]
    for row in rows:
        if row.get("status") is None:
            row["state"] = working.get(row["id"], {}).get("state", "waiting")
    found = [{name: value for name, value in row.items() if value is not None} for row in (*fresh, *rows)]
    return found[:limit]


def _settled_on_disk(root: Root, limit: int) -> list[dict[str, Any]]:
    from orchestrd.views.looking import read_result, settled_plans

    rows = []
    for plan in settled_plans(root)[:limit]:
        result = read_result(root, plan) or {}
        usage = result.get("usage") or {}
        row = {name: result.get(name) for name in ("title", "status", "reason", "verdict", "settled")}
        rows.append({"id": plan, "cost_usd": usage.get("cost_usd"), **row})
    return rows
