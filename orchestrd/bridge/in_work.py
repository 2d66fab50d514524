"""The plans that are not settled: those that lie in the inbox, and those in work as the daemon last told them."""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from handoff.client import foresee
from handoff.root import PlanId, Root, kind_of, plan_id_of
from handoff.written_values import format_instant
from orchestrd.bridge.answers import CannotDo
from orchestrd.bridge.settled import in_utc, index_of
from orchestrd.record.account import account_of
from orchestrd.record.journal import JournalDamaged, Record, read_journal
from orchestrd.views.present import read_plans
from orchestrd.views.words import read_json

MOST_OFFERED = 200
"""Files in the inbox that are looked at: a root that is busy may have 50,000."""
MOST_UNTOLD = 200
"""Plans in work that the daemon has not told of and that are looked at all the same."""


def offered(root: Root) -> list[dict[str, Any]]:
    """Tell of what lies in the inbox, the newest first; at most `MOST_OFFERED`."""
    files = []
    for name in _names(root.inbox):
        with suppress(OSError):  # taken this moment
            seen = os.lstat(root.inbox / name)
            if kind_of(name).is_document and stat.S_ISREG(seen.st_mode):
                files.append((seen.st_mtime, name))
    files.sort(reverse=True)
    shown = files[:MOST_OFFERED]
    had = {str(row.id) for row in index_of(root).rows(plan_id_of(name) for _, name in shown)}
    return [_offered(root, name, when, had) for when, name in shown]


def _offered(root: Root, name: str, when: float, had: set[str]) -> dict[str, Any]:
    plan = plan_id_of(name)
    if plan in had or (root.active / plan).is_dir():
        plan = foresee(root, name)  # costly in a root that has had many: only where the name was had
    since = format_instant(datetime.fromtimestamp(when, UTC).replace(microsecond=0))
    return {"id": str(plan), "state": "offered", "since": since, "file": f"inbox/{name}"}


def working(root: Root) -> list[dict[str, Any]]:
    """Tell of the plans in work: as the daemon last told them, and of those that it has not told of."""
    told = [dict(plan) for plan in read_plans(root)]
    known = {plan.get("id") for plan in told}
    there = {name for name in _names(root.active) if not name.startswith(".")}
    # What the daemon told a second ago, or before it went away, may be settled by now.
    found = [plan for plan in told if plan.get("id") in there]
    fresh = sorted(there.difference(known))
    return found + [_by_its_journal(root, PlanId(name)) for name in fresh[:MOST_UNTOLD]]


def count_in_work(root: Root) -> int:
    """How many plans are in work."""
    return sum(not name.startswith(".") for name in _names(root.active))


def work_of(root: Root, plan: PlanId) -> dict[str, Any]:
    """Tell where a plan in work stands: as the daemon last told it, else by its journal."""
    told = next((one for one in read_plans(root) if one.get("id") == plan), None)
    return dict(told) if told is not None else _by_its_journal(root, plan)


def _by_its_journal(root: Root, plan: PlanId) -> dict[str, Any]:
    folder = root.plan_folder(plan)
    account = account_of(_records(folder))
    at_work = [step for step in account.steps.values() if step.ran and not step.end]
    state = "settling" if account.settling else "running" if at_work else "waiting"
    accepted = read_json(folder / "accepted.json")
    return {
        "id": str(plan),
        "state": state,
        "since": account.started or account.accepted or in_utc(account.taken.get("time")),
        "title": account.checked.get("title") or accepted.get("title"),
        "project": account.checked.get("project"),
        "priority": accepted.get("priority"),
        "cost_usd": account.usage.get("cost_usd"),
        "runs": [{"step": step.step} for step in at_work],
    }


def _records(folder: Path) -> list[Record]:
    """What a journal says, as far as it can be believed."""
    try:
        return read_journal(folder / "journal.jsonl")
    except JournalDamaged as damaged:
        return damaged.records
    except OSError:
        return []


def file_in_inbox(root: Root, plan: str) -> str | None:
    """Find the file in the inbox that will become a plan of this id."""
    for name in _names(root.inbox):
        if not kind_of(name).is_document:
            continue
        bare = plan_id_of(name)
        if plan == bare or (plan.startswith(f"{bare}-") and plan[len(bare) + 1 :].isdecimal()):
            return name
    return None


def demand_not_gone(root: Root, plan: PlanId) -> None:
    """Raise CannotDo where a plan that has no result is not in work either: its folder was removed, as old ones are."""
    if not root.plan_folder(plan).is_dir() and file_in_inbox(root, plan) is None:
        raise CannotDo(
            f"{plan}: its folder is gone, as those of old plans go (archive.keep); its work stays on its branch"
        )


def _names(folder: os.PathLike[str]) -> list[str]:
    try:
        return os.listdir(folder)
    except OSError:
        return []
