"""The settled plans of a root, the newest first: from the index where there is one, else from the registers' end.

Without an index as many are looked at as time allows; what was not looked at is said, never passed off as all.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from handoff import looking
from handoff.root import PlanId, Root
from orchestrd.record.index import IndexReader, Row
from orchestrd.record.wanted import Wanted
from orchestrd.views.looking import plan_folder, read_result

INDEX_SECONDS = 0.5
"""How long another's lock on the index is waited for."""
LOOK_SECONDS = 0.8
"""How long results are read where there is no index."""
_TAIL_BYTES = 4_000_000
"""The end of the register of ids: some 20,000 plans."""


@dataclass(frozen=True, slots=True)
class Found:
    """Settled plans, and where to go on."""

    rows: list[dict[str, Any]]
    before: tuple[str, str] | None
    """Behind which one there are more; None: these were all."""
    is_whole: bool = True
    """False: there is no index, and older plans were not looked at."""


def index_of(root: Root) -> IndexReader:
    """Open the index to look something up; whoever holds it is not waited for long."""
    return IndexReader(root.index, INDEX_SECONDS)


def settled_plans(root: Root, wanted: Wanted, limit: int, before: tuple[str, str] | None = None) -> Found:
    """Find settled plans, the last one taken first."""
    index = index_of(root)
    if not index.is_there:
        return _without_index(root, wanted, limit, before)
    rows = index.settled(wanted, limit + 1, before)
    more = rows[limit - 1] if len(rows) > limit else None
    behind = (str(more.taken), str(more.id)) if more else None
    return Found([_of_row(row) for row in rows[:limit]], behind)


def _of_row(row: Row) -> dict[str, Any]:
    names = ("id", "title", "project", "status", "reason", "verdict", "cost_usd", "taken", "settled")
    return {name: getattr(row, name) for name in names}


def _without_index(root: Root, wanted: Wanted, limit: int, before: tuple[str, str] | None) -> Found:
    deadline = time.monotonic() + LOOK_SECONDS
    rows: list[dict[str, Any]] = []
    is_past = before is None
    last: tuple[str, str] | None = before
    for line in _newest_lines(root):
        at = (str(line.get("taken")), str(line.get("id")))
        if not is_past:
            is_past = before is not None and at[1] == before[1]
            continue
        if time.monotonic() > deadline or len(rows) == limit:
            return Found(rows, last, is_whole=False)
        last = at
        row = _looked_up(root, line)
        if row is not None and _fits(row, wanted):
            rows.append(row)
    return Found(rows, None, is_whole=False)


def _newest_lines(root: Root) -> Iterator[dict[str, Any]]:
    try:
        raw = looking.read_file(root.ids_log)[-_TAIL_BYTES:]
    except FileNotFoundError:
        return
    for text in reversed(raw.splitlines()):
        try:
            line = json.loads(text)
        except (ValueError, RecursionError):
            continue
        if isinstance(line, dict):
            yield line


def _looked_up(root: Root, line: dict[str, Any]) -> dict[str, Any] | None:
    plan = PlanId(str(line.get("id")))
    try:
        result = read_result(root, plan)
    except (OSError, ValueError):
        return None
    if result is None:
        return None
    folder = plan_folder(root, plan)
    accepted: dict[str, Any] = {}
    if folder is not None:
        try:
            accepted = json.loads(looking.read_file(folder / "accepted.json"))
        except (OSError, ValueError):
            accepted = {}
    return {
        "id": str(plan),
        "title": result.get("title"),
        "project": _resolved(accepted.get("project")),
        "status": result.get("status"),
        "reason": result.get("reason"),
        "verdict": result.get("verdict"),
        "cost_usd": (result.get("usage") or {}).get("cost_usd"),
        "taken": line.get("taken"),
        "settled": in_utc(result.get("settled")),
    }


def _resolved(project: object) -> str | None:
    """Write a project as the index has it; a plan may have called it `~/src/api`."""
    return os.path.realpath(os.path.expanduser(project)) if isinstance(project, str) else None


def in_utc(when: object) -> str | None:
    """Write a time of a result as rows have it: TOML has read it as one, JSON as text."""
    from handoff.written_values import format_instant

    if when is None or isinstance(when, str):
        return when
    return format_instant(when)  # type: ignore[arg-type]


def _fits(row: dict[str, Any], wanted: Wanted) -> bool:
    settled = row["settled"] or ""
    return (
        wanted.status in (None, row["status"])
        and wanted.project in (None, row["project"])
        and (wanted.since is None or settled >= wanted.since)
        and (wanted.until is None or settled < wanted.until)
    )
