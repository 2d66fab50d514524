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
from orchestrd.record.index import Wanted

READ_SECONDS = 0.7
"""How long results are read in one call."""
MOST_PLANS = 200_000
_MOST_ENTRIES = 100
_MOST_READ = 5000
_TOKENS = ("input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens")
_NO_MODEL = "(no model)"

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
    more: int = Field(default=0, description="How many entries are not shown.")
    tokens: dict[str, int] = Field(default_factory=dict, description="In all, of the plans that were read.")
    tokens_of: int = Field(default=0, description="Of how many of the plans the tokens (and the models) are.")
    is_complete: bool = Field(
        default=True,
        description="False: tokens and models are of some plans only; the same call again reads further.",
    )


@dataclass(slots=True)
class _Read:
    """What a result says that the index does not."""

    tokens: dict[str, int]
    models: dict[str, tuple[float, dict[str, int]]]


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
    rows = settled_plans(root, wanted, MOST_PLANS).rows if not index.is_there else None
    names = _names(root, wanted, rows)
    known = _read_on(root, [name for name, _, _ in names])
    read = {name: known[name] for name, _, _ in names if name in known}
    report = UsageReport(
        since=wanted.since,
        until=wanted.until,
        plans=len(names),
        cost_usd=round(sum(cost for _, _, cost in names), 6),
        in_work_usd=_in_work(root, place),
        by=by,
        tokens=_added(one.tokens for one in read.values()),
        tokens_of=len(read),
        is_complete=len(read) == len(names) and (rows is None or index.is_there),
    )
    entries = _by_model(read) if by == "model" else _by_key(by, names, read)
    report.entries, report.more = entries[:_MOST_ENTRIES], max(0, len(entries) - _MOST_ENTRIES)
    return report


def _names(
    root: Root, wanted: Wanted, rows: list[dict[str, Any]] | None
) -> list[tuple[str, dict[str, str], float]]:
    """The plans that count, the last one first: id, what it is added up by, US dollars."""
    if rows is None:
        found = index_of(root).costs(wanted)
    else:
        found = [(one["id"], one["project"], one["settled"], one["cost_usd"]) for one in rows]
    return [
        (
            plan,
            {"plan": plan, "project": project or "(unknown)", "day": (settled or "")[:10]},
            float(cost or 0),
        )
        for plan, project, settled, cost in found
    ]


def _by_key(by: str, names: list[tuple[str, dict[str, str], float]], read: dict[str, _Read]) -> list[Spent]:
    entries: dict[str, Spent] = {}
    for plan, keys, cost in names:
        entry = entries.setdefault(keys[by], Spent(name=keys[by], plans=0, cost_usd=0.0))
        entry.plans += 1
        entry.cost_usd += cost
        if plan in read:
            _add(entry.tokens, read[plan].tokens)
    return _sorted(entries, by)


def _by_model(read: dict[str, _Read]) -> list[Spent]:
    entries: dict[str, Spent] = {}
    for one in read.values():
        for model, (cost, tokens) in one.models.items():
            entry = entries.setdefault(model, Spent(name=model, plans=0, cost_usd=0.0))
            entry.plans += 1
            entry.cost_usd += cost
            _add(entry.tokens, tokens)
    return _sorted(entries, "model")


def _sorted(entries: dict[str, Spent], by: str) -> list[Spent]:
    for one in entries.values():
        one.cost_usd = round(one.cost_usd, 6)
    if by == "day":
        return sorted(entries.values(), key=lambda one: one.name, reverse=True)
    return sorted(entries.values(), key=lambda one: (-one.cost_usd, one.name))


def _read_on(root: Root, plans: list[str]) -> dict[str, _Read]:
    """Read the results that were not read before, as far as time allows."""
    known = _KNOWN.setdefault(str(root.path), _Known())
    deadline = time.monotonic() + READ_SECONDS
    with known.lock:
        unread = [plan for plan in plans if plan not in known.of][:_MOST_READ]
        files = index_of(root).results(unread) if unread else {}
        for plan in unread:
            if time.monotonic() > deadline:
                break
            known.of[plan] = _read(root, plan, files.get(plan))
        return dict(known.of)


def _read(root: Root, plan: str, file: str | None) -> _Read:
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
    return _Read(_tokens((result or {}).get("usage") or {}), models)


def _tokens(usage: dict[str, Any]) -> dict[str, int]:
    return {name: int(usage[name]) for name in _TOKENS if isinstance(usage.get(name), int) and usage[name]}


def _add(total: dict[str, int], more: dict[str, int]) -> None:
    for name, count in more.items():
        total[name] = total.get(name, 0) + count


def _added(parts: Any) -> dict[str, int]:
    total: dict[str, int] = {}
    for part in parts:
        _add(total, part)
    return total


def _in_work(root: Root, place: str | None) -> float:
    plans = (one for one in working(root) if place in (None, one.get("project")))
    return round(sum(float(one.get("cost_usd") or 0) for one in plans), 6)
