"""What the registers have forgotten and the folders still tell: one was lost, or is older than the archive beside it.

The folders count. Nothing is read but the names of folders where the two agree: with 100,000 plans archived that is
one list a month.
"""

from __future__ import annotations

import json
import re
import tomllib
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from handoff import durable, looking
from handoff.effects import effects
from handoff.root import PlanId, Root
from orchestrd.record.account import account_of
from orchestrd.record.archived import archived_folder
from orchestrd.record.ids import IdLine, Ids, OrderLine, Orders
from orchestrd.record.journal import JournalDamaged, Record, read_journal, time_of

_NUMBERED = re.compile(r".+-\d+")
_REFUSED = ("rejected", "duplicate")


@dataclass(slots=True)
class Forgotten:
    """Plans in the archive that the register of ids does not know, in the order in which they were taken."""

    lines: list[IdLine] = field(default_factory=list)
    arrival: int = 0
    """The last of the places in the order of arrival that they had."""
    unread: dict[PlanId, str] = field(default_factory=dict)
    """Those whose folders the disk did not give, and what it said: of them only the ids are known."""


def forgotten_folders(root: Root, ids: Ids) -> list[Path]:
    """Find the folders in `archive/*/` whose ids the register lacks. Raises OSError."""
    found = []
    for month in sorted(looking.folders_in(root.archive)):
        names = [name for name in effects.list(root.archive / month) if not ids.has(name)]
        found += [root.archive / month / name for name in looking.folders_in(root.archive / month, names)]
    return found


def read_forgotten(folders: list[Path]) -> Forgotten:
    """Read what the register should have had of settled plans, out of their journals or, failing these, results."""
    found = Forgotten()
    placed: list[tuple[datetime, int, IdLine]] = []
    for folder in folders:
        plan = PlanId(folder.name)
        try:
            line, arrival = _line_in(plan, folder)
        except OSError as error:
            found.unread[plan] = f"{error.filename or folder}: {error.strerror}"
            continue
        placed.append((line.taken or datetime.min.replace(tzinfo=UTC), arrival, line))
        found.arrival = max(found.arrival, arrival)
    # Of two with one key the first has it.
    found.lines += [line for _, _, line in sorted(placed, key=lambda one: one[:2])]
    return found


def forgotten_orders(root: Root, ids: Ids, orders: Orders) -> list[OrderLine]:
    """Find the orders that made plans and whose lines the register lacks. Raises OSError.

    Was the number of one given again, the order that got it would take that plan for its own. Those that lie in
    `.orchestrd/orders/` are not among them: they are still to be carried out, and written down then.
    """
    lost = ids.retries - orders.made
    lost |= {
        PlanId(name) for name in effects.list(root.active) if _NUMBERED.fullmatch(name) and not ids.has(name)
    }
    in_hand = {name.partition(".")[0] for name in effects.list(root.orders)}
    lines: dict[int, OrderLine] = {}
    for plan in sorted(lost):
        active = root.plan_folder(plan)
        folder = active if looking.is_there(active) else archived_folder(root, plan)
        records = _records_in(folder) if folder is not None else []
        taken = account_of(records).taken
        order = taken.get("order")
        if isinstance(order, int) and not orders.has(order) and str(order) not in in_hand:
            lines[order] = OrderLine(
                order,
                time_of(taken),
                file="",
                outcome="done",
                action="retry",
                plan=taken.get("retry_of"),
                new_plan=plan,
                message="its own line was lost; the plan that it made tells of it",
            )
    return [lines[order] for order in sorted(lines)]


def _line_in(plan: PlanId, folder: Path) -> tuple[IdLine, int]:
    account = account_of(_records_in(folder))
    told = account.checked or _result_in(folder)
    source = account.taken.get("source", told.get("source"))
    retry_of = account.taken.get("retry_of", told.get("retry_of"))
    was_accepted = account.is_accepted if account.checked else told.get("status") not in _REFUSED
    key = told.get("key") if was_accepted and retry_of is None else None
    taken = time_of(account.taken) if account.taken else None
    arrival = account.taken.get("arrival", 0)
    return (
        IdLine(plan, source, key, told.get("sha256"), taken, retry_of),
        arrival if isinstance(arrival, int) else 0,
    )


def _records_in(folder: Path) -> list[Record]:
    """What its journal tells, as far as it can be believed; nothing where there is none."""
    try:
        return read_journal(folder / durable.JOURNAL)
    except JournalDamaged as error:
        return error.records
    except (FileNotFoundError, NotADirectoryError):
        return []


def _result_in(folder: Path) -> dict[str, Any]:
    for name, read in (("result.toml", tomllib.loads), ("result.json", json.loads)):
        try:
            found = read(looking.read_file(folder / name).decode())
        except (FileNotFoundError, ValueError):
            continue
        if isinstance(found, dict):
            return found
    return {}
