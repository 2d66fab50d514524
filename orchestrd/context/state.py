"""What is open in a project, derived anew each time: branches not merged, documents owed, failures and what they left.

Pure: what git and the folders say is handed in. What is closed once is not looked at again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime, timedelta
from typing import Any, Self

from handoff.result import Result, Status
from orchestrd.context.blocks import STATE, Piece
from orchestrd.context.entries import MOST_TITLE
from orchestrd.context.sayings import plain, shortened
from orchestrd.outbound.markdown import code
from orchestrd.outbound.words import counted

MOST_PLANS = 40
"""So many plans of a project are looked at for what is open."""
MOST_PIECES = 12
FAILED_DAYS = 14
"""A plan that failed and left nothing is told of for so long."""


@dataclass(frozen=True, slots=True)
class OpenPlan:
    """What is known of a settled plan that may have left something open."""

    plan: str
    title: str
    status: str
    settled: str
    """RFC 3339, UTC."""
    reason: str | None = None
    branch: str | None = None
    commits: int = 0
    workspace: str | None = None
    asks_docs: bool = False
    retry_of: str | None = None

    @classmethod
    def of(cls, result: Result) -> Self:
        """Take from a result what matters."""
        changes = result.changes
        return cls(
            plan=result.plan,
            title=shortened(result.title or result.plan, MOST_TITLE),
            status=result.status.value,
            settled=result.settled.astimezone(UTC).isoformat(timespec="seconds"),
            reason=result.reason.value if result.reason else None,
            branch=changes.branch if changes else None,
            commits=(changes.commits or 0) if changes else 0,
            workspace=changes.workspace if changes else None,
            asks_docs=bool(result.docs and result.docs.request and not result.docs.reply),
            retry_of=result.retry_of,
        )

    @classmethod
    def from_fields(cls, given: dict[str, Any]) -> Self:
        """Read what `to_fields` wrote. Raises TypeError for anything else."""
        return cls(**given)

    def to_fields(self) -> dict[str, Any]:
        """Write it as plain values, those that say nothing left out."""
        default = {one.name: one.default for one in fields(self)}
        return {name: value for name, value in asdict(self).items() if value != default[name]}

    @property
    def has_branch(self) -> bool:
        """Whether there is work on a branch of its own."""
        return bool(self.branch and self.commits)


@dataclass(frozen=True, slots=True)
class Seen:
    """What git and the folders say now."""

    unmerged: frozenset[str]
    """Branches that are there and merged into none of those that count."""
    owed: frozenset[str]
    """Plans whose request for documentation lies in `requests/`."""
    checkouts: frozenset[str]
    """Checkouts that are there."""


def still_open(plans: Sequence[OpenPlan], seen: Seen, now: datetime) -> list[OpenPlan]:
    """Leave out the plans of which nothing is open any more. The newest stand first, and no others are kept."""
    repeated = {one.retry_of for one in plans if one.status == Status.SUCCEEDED.value}
    oldest = (now - timedelta(days=FAILED_DAYS)).isoformat(timespec="seconds")
    newest = sorted(plans, key=lambda one: one.settled, reverse=True)
    return [one for one in newest if _is_open(one, seen, oldest, repeated)][:MOST_PLANS]


def state_of(plans: Sequence[OpenPlan], seen: Seen) -> tuple[Piece, ...]:
    """Say what is open in the plans that `still_open` found."""
    pieces = [piece for one in plans for piece in _pieces(one, seen)]
    more = len(pieces) - MOST_PIECES
    if more > 0:
        told = f"- and {more} more: `git branch --no-merged` and `orchestrd ls` tell them all."
        pieces = [*pieces[:MOST_PIECES], Piece(f"{STATE}/more", told)]
    return tuple(pieces)


def _is_open(one: OpenPlan, seen: Seen, oldest: str, repeated: set[str | None]) -> bool:
    if _is_unmerged(one, seen) or one.plan in seen.owed or one.workspace in seen.checkouts:
        return True
    return one.status == Status.FAILED.value and one.settled >= oldest and one.plan not in repeated


def _is_unmerged(one: OpenPlan, seen: Seen) -> bool:
    return one.has_branch and one.branch in seen.unmerged


def _pieces(one: OpenPlan, seen: Seen) -> list[Piece]:
    since = f"since {one.settled[:10]}"
    branch = f"branch {code(plain(one.branch or ''))} ({counted(one.commits, 'commit')})"
    found = []
    if one.status == Status.SUCCEEDED.value:
        if _is_unmerged(one, seen):
            told = f"- Not merged: {branch} of plan {one.plan}, {one.title}, {since}."
            found.append(Piece(f"{STATE}/branch:{one.plan}", told))
        if one.workspace in seen.checkouts:
            told = f"- The checkout of plan {one.plan} is kept in {code(plain(one.workspace or ''))}."
            found.append(Piece(f"{STATE}/checkout:{one.plan}", told))
    else:
        left = [f"its {branch} is not merged"] if _is_unmerged(one, seen) else []
        if one.workspace in seen.checkouts:
            left.append(f"its checkout is kept in {code(plain(one.workspace or ''))}")
        why = f"{one.status} ({one.reason})" if one.reason and one.reason != one.status else one.status
        told = f"- Plan {one.plan}, {one.title}, {why} {since}{''.join(f'; {part}' for part in left)}."
        found.append(Piece(f"{STATE}/{one.status}:{one.plan}", told))
    if one.plan in seen.owed:
        told = (
            f"- Documentation is owed for plan {one.plan}, {one.title}: requests/{one.plan}.docs.md, {since}."
        )
        found.append(Piece(f"{STATE}/docs:{one.plan}", told))
    return found
