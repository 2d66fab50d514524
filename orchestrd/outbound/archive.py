"""Pruning the archive: which settled plans are old enough to go, with a reason each, and their removal.

What a root has had stays known: `ids.jsonl` and `orders.jsonl` are never touched. A plan that somebody may still
need stays, however old: one whose documentation is asked for, or whose checkout lies there.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from handoff import durable, looking
from handoff.effects import effects
from handoff.root import PlanId, Root
from orchestrd.record.account import Account, account_of
from orchestrd.record.journal import JournalDamaged, read_journal

DAY_SECONDS = 86_400.0

_MONTH = re.compile(r"(\d{4})-(\d\d)")
_ENDINGS = (".toml", ".json", ".md")


@dataclass(frozen=True, slots=True)
class OldPlan:
    """A plan that was settled longer ago than plans are kept, and what is to become of it."""

    plan: PlanId
    folder: Path
    settled: datetime
    goes: bool
    reason: str
    """Why it goes, or stays all the same; for a person."""


def find_old(root: Root, keep_seconds: float, now: float) -> Iterator[OldPlan]:
    """Find the plans that were settled more than `keep_seconds` before `now` (wall seconds), oldest month first.

    Nothing is changed. Months that lie wholly within what is kept are not looked into.
    """
    oldest_kept = datetime.fromtimestamp(now - keep_seconds, UTC)
    for month in sorted(effects.list(root.archive)):
        begins = _begin_of(month)
        if begins is None or begins >= oldest_kept:
            continue
        for name in sorted(looking.folders_in(root.archive / month)):
            folder = root.archive / month / name
            account = _account_in(folder)
            settled = _settled(account) or _end_of(begins)
            if settled < oldest_kept:
                age = (now - settled.timestamp()) / DAY_SECONDS
                yield _judge(root, PlanId(name), folder, account, settled, age)


def prune(root: Root, old: Iterable[OldPlan]) -> Iterator[OldPlan]:
    """Remove those of the plans that go, with their results, and tell each when it is gone.

    May be cut off anywhere and done again: what is left of a folder is found by `find_old`, by its month. Raises
    OSError.
    """
    for one in old:
        if not one.goes:
            continue
        # First the results: they name files in the folder, and nothing else leads to them afterwards.
        for ending in _ENDINGS:
            durable.remove(root.results / f"{one.plan}{ending}", sync=False)
        durable.remove_tree(one.folder)
        yield one


def _judge(
    root: Root, plan: PlanId, folder: Path, account: Account, settled: datetime, age_days: float
) -> OldPlan:
    age = f"settled {settled:%Y-%m-%d}, {age_days:.0f} days ago"
    request = root.requests / f"{plan}.docs.md"
    checkout = account.workspace.get("path") if account.workspace.get("mode") == "worktree" else None
    if looking.is_there(request):
        return OldPlan(plan, folder, settled, goes=False, reason=f"{age}; stays: {request} is not answered")
    if checkout and looking.is_there(checkout):
        return OldPlan(
            plan, folder, settled, goes=False, reason=f"{age}; stays: its checkout lies in {checkout}"
        )
    return OldPlan(plan, folder, settled, goes=True, reason=age)


def _account_in(folder: Path) -> Account:
    """What a folder's journal tells; nothing where an earlier removal was cut off."""
    try:
        return account_of(read_journal(folder / durable.JOURNAL))
    except JournalDamaged as error:
        return account_of(error.records)
    except FileNotFoundError:
        return Account()


def _settled(account: Account) -> datetime | None:
    return datetime.fromisoformat(account.settled).astimezone(UTC) if account.settled else None


def _begin_of(month: str) -> datetime | None:
    found = _MONTH.fullmatch(month)
    return (
        datetime(int(found[1]), int(found[2]), 1, tzinfo=UTC) if found and 1 <= int(found[2]) <= 12 else None
    )


def _end_of(begins: datetime) -> datetime:
    year, month = divmod(begins.year * 12 + begins.month, 12)
    return begins.replace(year=year, month=month + 1)
