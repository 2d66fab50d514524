"""`usage_report`: what plans have cost, and which tokens they used.

What was paid is in the index: all plans count. Tokens and models stand in the results, which are read as far as time
allows; what was read is kept, so that the next call goes on. The report says of how many plans they are.
"""

from __future__ import annotations

import json
import threading
import time
import tomllib
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field

from handoff import looking
from handoff.root import Root
from orchestrd.bridge.answers import Answer
from orchestrd.bridge.arguments import ProjectName, Since, Text
from orchestrd.bridge.desk import Desk
from orchestrd.bridge.in_work import working
from orchestrd.bridge.listing import time_of
from orchestrd.bridge.project_names import project_named
from orchestrd.bridge.settled import index_of, settled_plans
from orchestrd.record.index import IndexReader
from orchestrd.record.wanted import Wanted

READ_SECONDS = 0.8
"""How long results are read in one call."""
MOST_PLANS = 200_000
_MOST_ENTRIES = 100
_MOST_READ = 5000
_TOKENS = ("input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens")
_NO_MODEL = "(no model)"
_NO_PROJECT = "(unknown)"

By = Literal["project", "day", "model", "plan"]


class Spent(BaseModel):
    """What belongs together was spent."""

    name: str = Field(description="The project's directory, the day (UTC), the model, or the plan's id.")
    plans: int = Field(description="How many plans.")
    cost_usd: float = Field(description="US dollars.")
    tokens: dict[str, int] = Field(
        default_factory=dict,
        description="Input, output, cache read and cache write, of the plans that were read.",
    )


class UsageReport(Answer):
    """What plans have cost."""

    since: str | None = Field(default=None, description="Plans settled since then; none: all.")
    until: str | None = Field(default=None, description="And before then.")
    plans: int = Field(default=0, description="How many settled plans are counted.")
    cost_usd: float = Field(default=0.0, description="What they cost in all, in US dollars.")
    in_work_usd: float = Field(default=0.0, description="What the plans in work have cost so far, besides.")
    by: str = Field(description="What `entries` are.")
    entries: list[Spent] = Field(
        default_factory=list, description="The dearest first; days: the last one first."
    )
    more: bool = Field(default=False, description="Whether there are entries that are not shown.")
    tokens: dict[str, int] = Field(default_factory=dict, description="In all, of the plans that were read.")
    tokens_of: int = Field(default=0, description="Of how many of the plans the tokens (and the models) are.")
    is_complete: bool = Field(
        default=True,
        description="False: tokens and models are of some plans only; the same call again reads further.",
    )


@dataclass(slots=True)
class _Read:
    """What a result says, as far as it is added up."""

    plan: str
    project: str
    day: str
    cost_usd: float
    tokens: dict[str, int]
    models: dict[str, tuple[float, dict[str, int]]]

    def name(self, by: By) -> str:
        """What it is added up under; not by model."""
        return {"plan": self.plan, "project": self.project, "day": self.day}.get(by, "")


@dataclass(slots=True)
class _Known:
    """What was read of results: they do not change in this."""

    of: dict[str, _Read] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)


_KNOWN: dict[str, _Known] = {}
"""By root."""


def usage_report(
    desk: Desk,
    by: Annotated[By, Field(description="What to add up: by project, day (UTC), model or plan.")] = "project",
    since: Since = "7d",
    until: Annotated[Text, Field(description="Only what was settled before then; as `since`.")] = "",
    project: ProjectName = "",
) -> UsageReport:
    """Say what plans have cost and which tokens they used, by project, day, model or plan, over a span of time.

    Use it when the person asks what was spent. `since` is "7d" if it is not given. Costs are of all plans that were
    settled then; tokens and models are read plan by plan, and `is_complete` says whether all were.
    """
    root = desk.root
    place = project_named(root, project) if project else None
    wanted = Wanted(None, place, time_of(since) if since else None, time_of(until) if until else None)
    index = index_of(root)
    counted = _by_index(root, index, wanted, by) if index.is_there else _by_results(root, wanted, by)
    tokens: dict[str, int] = {}
    for one in counted.read:
        _add(tokens, one.tokens)
    entries = _by_model(counted.read) if by == "model" else counted.entries
    if by != "model":
        _put_tokens(entries, counted.read, by)
    return UsageReport(
        since=wanted.since,
        until=wanted.until,
        plans=counted.plans,
        cost_usd=round(counted.cost_usd, 6),
        in_work_usd=_in_work(root, place),
        by=by,
        entries=[
            Spent(name=name, plans=one.plans, cost_usd=round(one.cost_usd, 6), tokens=one.tokens)
            for name, one in list(entries.items())[:_MOST_ENTRIES]
        ],
        more=len(entries) > _MOST_ENTRIES,
        tokens=tokens,
        tokens_of=len(counted.read),
        is_complete=index.is_there and len(counted.read) == counted.plans,
    )


@dataclass(slots=True)
class _Sum:
    plans: int = 0
    cost_usd: float = 0.0
    tokens: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Counted:
    plans: int
    cost_usd: float
    entries: dict[str, _Sum]
    """In the order in which they are shown."""
    read: list[_Read]


def _by_index(root: Root, index: IndexReader, wanted: Wanted, by: By) -> _Counted:
    """All plans count: the index adds them up."""
    deadline = time.monotonic() + READ_SECONDS
    plans, cost = next(((plans, cost) for _, plans, cost in index.spent(wanted, "all", 1)), (0, 0.0))
    named = index.spent(wanted, "id" if by == "plan" else by, _MOST_ENTRIES + 1) if by != "model" else []
    entries = {name or _NO_PROJECT: _Sum(plans, cost) for name, plans, cost in named}
    known = _known(root)
    with known.lock:
        ids = index.ids(wanted)
        unread = [plan for plan in ids if plan not in known.of][:_MOST_READ]
        for row in index.rows(unread):
            if time.monotonic() > deadline:
                break
            known.of[row.id] = _read(root, row.id, row.project, row.settled, row.result)
        return _Counted(plans, cost, entries, [known.of[plan] for plan in ids if plan in known.of])


def _by_results(root: Root, wanted: Wanted, by: By) -> _Counted:
    """Without an index those count that could be looked at in the time."""
    rows = settled_plans(root, wanted, MOST_PLANS).rows
    known = _known(root)
    with known.lock:
        for row in rows:
            if row["id"] not in known.of:
                known.of[row["id"]] = _read(root, row["id"], row["project"], row["settled"], None)
        read = [known.of[row["id"]] for row in rows]
    entries: dict[str, _Sum] = {}
    for one in read:
        entry = entries.setdefault(one.name(by), _Sum())
        entry.plans += 1
        entry.cost_usd += one.cost_usd
    ordered = sorted(entries.items(), key=lambda one: (-one[1].cost_usd, one[0]))
    if by == "day":
        ordered = sorted(entries.items(), reverse=True)
    return _Counted(len(read), sum(one.cost_usd for one in read), dict(ordered), read)


def _by_model(read: list[_Read]) -> dict[str, _Sum]:
    entries: dict[str, _Sum] = {}
    for one in read:
        for model, (cost, tokens) in one.models.items():
            entry = entries.setdefault(model, _Sum())
            entry.plans += 1
            entry.cost_usd += cost
            _add(entry.tokens, tokens)
    return dict(sorted(entries.items(), key=lambda one: (-one[1].cost_usd, one[0])))


def _put_tokens(entries: dict[str, _Sum], read: list[_Read], by: By) -> None:
    for one in read:
        entry = entries.get(one.name(by))
        if entry is not None:
            _add(entry.tokens, one.tokens)


def _known(root: Root) -> _Known:
    return _KNOWN.setdefault(str(root.path), _Known())


def _read(root: Root, plan: str, project: str | None, settled: str | None, file: str | None) -> _Read:
    """Read a plan's result, from its folder where the index names it."""
    from handoff.root import PlanId
    from orchestrd.views.looking import read_result

    result: dict[str, Any] | None = None
    try:
        if file is not None:
            raw = looking.read_file(root.path / file)
            result = json.loads(raw) if file.endswith(".json") else tomllib.loads(raw.decode())
        else:
            result = read_result(root, PlanId(plan))
    except (OSError, ValueError):
        result = None
    models: dict[str, tuple[float, dict[str, int]]] = {}
    for step in (result or {}).get("steps") or ():
        usage = step.get("usage") or {}
        model = step.get("model") or _NO_MODEL
        cost, tokens = models.get(model, (0.0, {}))
        _add(tokens, _tokens(usage))
        models[model] = (cost + float(usage.get("cost_usd") or 0), tokens)
    whole = (result or {}).get("usage") or {}
    cost = float(whole.get("cost_usd") or 0)
    return _Read(plan, project or _NO_PROJECT, (settled or "")[:10], cost, _tokens(whole), models)


def _tokens(usage: dict[str, Any]) -> dict[str, int]:
    return {name: int(usage[name]) for name in _TOKENS if isinstance(usage.get(name), int) and usage[name]}


def _add(total: dict[str, int], more: dict[str, int]) -> None:
    for name, count in more.items():
        total[name] = total.get(name, 0) + count


def _in_work(root: Root, place: str | None) -> float:
    plans = (one for one in working(root) if place in (None, one.get("project")))
    return round(sum(float(one.get("cost_usd") or 0) for one in plans), 6)
