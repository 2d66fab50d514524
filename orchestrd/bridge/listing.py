"""`list_plans`: the plans of a root, the newest first, those not settled before all others."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field

from handoff.quantities import parse_duration
from handoff.root import Root
from handoff.written_values import format_instant
from orchestrd.bridge.answers import Answer, CannotDo
from orchestrd.bridge.arguments import Cursor, ProjectName, Since
from orchestrd.bridge.desk import Desk
from orchestrd.bridge.in_work import count_in_work, offered, working
from orchestrd.bridge.paging import page_of
from orchestrd.bridge.project_names import project_named
from orchestrd.bridge.settled import settled_plans
from orchestrd.record.wanted import Wanted
from orchestrd.views.words import one_line

State = Literal[
    "any",
    "open",
    "offered",
    "waiting",
    "running",
    "asking",
    "settled",
    "succeeded",
    "failed",
    "cancelled",
    "rejected",
    "expired",
    "duplicate",
]
_OPEN = ("offered", "waiting", "running", "asking", "settling")
_SETTLED = ("succeeded", "failed", "cancelled", "rejected", "expired", "duplicate")
_DAY = re.compile(r"\d{4}-\d\d-\d\d")
_SPAN = re.compile(r"(\d{1,5})d(?:ays?)?")


class ListedPlan(BaseModel):
    """One plan."""

    id: str = Field(description="Its id.")
    state: str = Field(
        description="offered (in the inbox, not taken yet), waiting, running, asking (waits for an answer of yours or "
        "the person's), settling; or how it ended: succeeded, failed, cancelled, rejected, expired, duplicate."
    )
    title: str | None = Field(default=None, description="What it is called.")
    project: str | None = Field(default=None, description="The project's directory.")
    reason: str | None = Field(default=None, description="Why it did not succeed, in a word.")
    verdict: str | None = Field(
        default=None, description="What the evidence says: changed, no-change-needed, unverified."
    )
    waiting_for: str | None = Field(default=None, description="What it waits for.")
    last_words: str | None = Field(default=None, description="What Claude Code said last.")
    cost_usd: float | None = Field(default=None, description="US dollars, so far or in all.")
    since: str | None = Field(default=None, description="Since when it is in this state.")
    settled: str | None = Field(default=None, description="When it ended.")


class Plans(Answer):
    """Plans, the newest first."""

    plans: list[ListedPlan] = Field(
        default_factory=list, description="Those not settled first, then by their age."
    )
    in_work: int = Field(
        default=0, description="How many plans the daemon has in work, whatever was asked for."
    )
    more: bool = Field(default=False, description="Whether there are more.")
    next_cursor: str | None = Field(default=None, description="Give it as `cursor` for the next ones.")
    note: str | None = Field(default=None, description="What is not known here.")


def list_plans(
    desk: Desk,
    state: Annotated[
        State,
        Field(description="Which: any; open (not settled); settled; or one state or ending by its name."),
    ] = "any",
    project: ProjectName = "",
    since: Since = "",
    limit: Annotated[int, Field(ge=1, le=100, description="At most so many at a time.")] = 20,
    cursor: Cursor = "",
) -> Plans:
    """List the plans of this machine: those in work and those that are settled, the newest first.

    Use it to find a plan whose id you do not know, to see what is going on, or what was done lately (`since` = "1d").
    It returns for each its id, title, project, state, what it waits for, and cost. plan_status says more about one that
    is in work, get_result about one that is settled.
    """
    root = desk.root
    place = project_named(root, project) if project else None
    wanted = Wanted(state if state in _SETTLED else None, place, time_of(since) if since else None)
    behind = _behind(cursor)
    rows: list[dict[str, Any]] = []
    following: str | None = None
    if behind is None and state not in ("settled", *_SETTLED):
        entries = [row for row in _open_plans(root) if _is_wanted(row, state, place)]
        page, following = page_of(entries, cursor, limit)
        rows = list(page)
    found = None
    if following is None and state in ("any", "settled", *_SETTLED) and len(rows) < limit:
        found = settled_plans(root, wanted, limit - len(rows), behind)
        rows += found.rows
        following = "~".join(found.before) if found.before else None
    elif following is None and state == "any":
        following = "~"  # the page is full, and the settled ones are next
    return Plans(
        plans=[_listed(row) for row in rows],
        in_work=count_in_work(root),
        more=following is not None,
        next_cursor=following,
        note=None
        if found is None or found.is_whole
        else "There is no index of this root (the daemon makes one when it runs): of settled plans only the latest "
        "were looked at.",
    )


def time_of(since: str) -> str:
    """Read a span back from now, a day or a date-time, as rows have times. Raises CannotDo."""
    text = since.strip()
    days = _SPAN.fullmatch(text)
    try:
        if days:
            back = timedelta(days=int(days[1]))
        elif _DAY.match(text):
            when = datetime.fromisoformat(text)
            return format_instant(when if when.tzinfo else when.replace(tzinfo=UTC))
        else:
            back = timedelta(seconds=parse_duration(text))
        return format_instant((datetime.now(UTC) - back).replace(microsecond=0))
    except (ValueError, OverflowError):
        raise CannotDo(
            f'{one_line(since, 40)!r} is no time: a span like "7d" or "12h", or a date like "2026-11-24"'
        ) from None


def _behind(cursor: str) -> tuple[str, str] | None:
    """Read where in the settled plans to go on; None: the cursor is none of theirs."""
    taken, mark, plan = cursor.partition("~")
    if not mark:
        return None
    return (taken, plan) if taken else ("~", "~")  # greater than all: from the newest one


def _open_plans(root: Root) -> list[dict[str, Any]]:
    return [*working(root), *offered(root)]


def _is_wanted(row: dict[str, Any], state: str, project: str | None) -> bool:
    fits = state in ("any", "open") or row.get("state") == state
    return fits and (project is None or row.get("project") == project)


def _listed(row: dict[str, Any]) -> ListedPlan:
    words = [str(run["last_words"]) for run in row.get("runs") or () if run.get("last_words")]
    return ListedPlan(
        id=str(row.get("id")),
        state=str(row.get("status") or row.get("state")),
        title=row.get("title"),
        project=row.get("project"),
        reason=row.get("reason"),
        verdict=row.get("verdict"),
        waiting_for=row.get("waiting_for"),
        last_words=one_line(words[-1], 200) if words else None,
        cost_usd=row.get("cost_usd"),
        since=row.get("since") or row.get("taken"),
        settled=row.get("settled"),
    )
