"""`plan_status`: where one plan stands now."""

from __future__ import annotations

import json
from typing import Any

from pydantic import BaseModel, Field

from handoff import looking
from handoff.root import PlanId, Root
from orchestrd.bridge.answers import Answer
from orchestrd.bridge.arguments import PlanName
from orchestrd.bridge.desk import Desk, plan_named, result_of
from orchestrd.bridge.in_work import demand_not_gone, file_in_inbox, work_of
from orchestrd.bridge.open_requests import requests_of
from orchestrd.bridge.settled import in_utc
from orchestrd.views.looking import starts, waits_for
from orchestrd.views.present import read_daemon, read_plans
from orchestrd.views.words import one_line

_TAIL_BYTES = 65_536
_MOST_WORDS = 1000
_MOST_STEPS = 100


class Run(BaseModel):
    """A run of Claude Code, or of a command, that is alive."""

    step: str | None = Field(default=None, description="The step; `main` where the plan has only one.")
    attempt: int | None = Field(default=None, description="The attempt.")
    since: str | None = Field(default=None, description="When it was started.")
    turns: int | None = Field(default=None, description="Turns of the model so far.")
    cost_usd: float | None = Field(default=None, description="US dollars so far.")
    last_words: str | None = Field(default=None, description="What the model said last.")


class StepStanding(BaseModel):
    """A step of a plan in work."""

    id: str = Field(description="The step.")
    standing: str = Field(description="Where it stands, in words.")


class OpenRequest(BaseModel):
    """A request that waits for an answer."""

    name: str = Field(description="Its name: get_request shows it, answer_request answers it.")
    kind: str = Field(description="docs, approval or question.")


class PlanStatus(Answer):
    """Where a plan stands."""

    id: str = Field(description="The plan's id.")
    state: str = Field(description="offered (in the inbox), waiting, running, asking, settling, or settled.")
    title: str | None = Field(default=None, description="What it is called.")
    project: str | None = Field(default=None, description="The project's directory.")
    since: str | None = Field(default=None, description="Since when it is in this state.")
    waiting_for: str | None = Field(default=None, description="What it waits for.")
    until: str | None = Field(default=None, description="Until when, where that is known.")
    priority: int | None = Field(default=None, description="Its priority, 0 to 100.")
    cost_usd: float | None = Field(default=None, description="US dollars: so far, or in all.")
    payer: str | None = Field(default=None, description="Who is billed.")
    runs: list[Run] = Field(default_factory=list, description="What it does now.")
    steps: list[StepStanding] = Field(default_factory=list, description="Of a plan of several steps, each.")
    last_words: str | None = Field(default=None, description="What Claude Code said last.")
    status: str | None = Field(default=None, description="Once settled: how it ended.")
    reason: str | None = Field(default=None, description="Once settled: why it did not succeed, in a word.")
    summary: str | None = Field(
        default=None, description="Once settled: the beginning of Claude Code's final words."
    )
    requests: list[OpenRequest] = Field(default_factory=list, description="What it waits for an answer to.")
    note: str | None = Field(default=None, description="How fresh this is, where it is not.")
    next: str = Field(description="What to do now.")


def plan_status(desk: Desk, plan: PlanName) -> PlanStatus:
    """Say where a plan stands: what it waits for, what it does now, its last words, its cost, what it asks.

    Use it when the person wants to know how a plan is doing. Do not call it again and again to wait: plans take minutes
    to hours. Where `state` is settled, get_result says what became of it; where `requests` are open, get_request and
    answer_request are next.
    """
    root = desk.root
    found = plan_named(root, plan)
    asked = [OpenRequest(name=one.name, kind=one.kind) for one in requests_of(root, found)]
    result = result_of(root, found)
    if result is not None:
        return _settled(found, result, asked)
    if root.plan_folder(found).is_dir():
        return _in_work(root, found, asked)
    file = file_in_inbox(root, found)
    if file is not None:
        return _offered(root, found, file)
    result = result_of(root, found)  # it was settled between two looks
    if result is None:
        demand_not_gone(root, found)
        return _offered(root, found, "")  # taken between two looks
    return _settled(found, result, asked)


def _settled(plan: PlanId, result: dict[str, Any], asked: list[OpenRequest]) -> PlanStatus:
    usage = result.get("usage") or {}
    waits = " A request is open: see get_request." if asked else ""
    return PlanStatus(
        id=plan,
        state="settled",
        title=result.get("title"),
        since=in_utc(result.get("settled")),
        cost_usd=usage.get("cost_usd"),
        payer=result.get("payer"),
        status=result.get("status"),
        reason=result.get("reason"),
        summary=one_line(result["summary"], 500) if result.get("summary") else None,
        requests=asked,
        next=f"It is over: get_result says what became of it.{waits}",
    )


def _offered(root: Root, plan: PlanId, file: str) -> PlanStatus:
    alive = read_daemon(root).alive
    return PlanStatus(
        id=plan,
        state="offered",
        waiting_for=None if alive else "the daemon, which is away",
        note=f"It lies in inbox/{file}." if file else "It was just taken.",
        next="The daemon takes it within a second; look again later."
        if alive
        else "It runs when the daemon is back: `orchestrd serve` starts it.",
    )


def _in_work(root: Root, plan: PlanId, asked: list[OpenRequest]) -> PlanStatus:
    from orchestrd.views.steps import steps_in_work

    work = work_of(root, plan)
    others = read_plans(root)
    steps = steps_in_work(root, plan, work)[:_MOST_STEPS]
    runs = [_run(one) for one in work.get("runs") or ()]
    said = next((one.last_words for one in reversed(runs) if one.last_words), None)
    alive = read_daemon(root).alive
    return PlanStatus(
        id=plan,
        state=str(work.get("state")),
        title=work.get("title"),
        project=work.get("project"),
        since=in_utc(work.get("since")),
        waiting_for=waits_for(root, work, others),
        until=in_utc(work.get("until")),
        priority=work.get("priority"),
        cost_usd=work.get("cost_usd"),
        payer=work.get("payer"),
        runs=runs,
        steps=[StepStanding(id=step, standing=words) for step, words in steps],
        last_words=said or _last_words(root, plan),
        requests=asked,
        note=None
        if alive
        else "The daemon is away: this is what was last known. A run that had begun goes on without it.",
        next=_what_next(asked),
    )


def _what_next(asked: list[OpenRequest]) -> str:
    if asked:
        return f"It asks something: get_request with {asked[0].name}, then answer_request."
    return "Nothing to do now. Look again later, when the person asks; do not poll."


def _run(run: dict[str, Any]) -> Run:
    words = run.get("last_words")
    return Run(
        step=run.get("step"),
        attempt=run.get("attempt"),
        since=in_utc(run.get("since")),
        turns=run.get("turns"),
        cost_usd=run.get("cost_usd"),
        last_words=one_line(words, _MOST_WORDS) if words else None,
    )


def _last_words(root: Root, plan: PlanId) -> str | None:
    """Find what was said last in the stream of the plan's last start, looking at its end only."""
    for start in reversed(starts(root.plan_folder(plan))[-3:]):
        try:
            fd = looking.open_regular(start / "events.jsonl")
        except OSError:
            continue
        with open(fd, "rb") as stream:
            stream.seek(max(0, stream.seek(0, 2) - _TAIL_BYTES))
            lines = stream.read(_TAIL_BYTES).splitlines()
        for line in reversed(lines):
            words = _words_in(line)
            if words:
                return one_line(words, _MOST_WORDS)
    return None


def _words_in(line: bytes) -> str | None:
    if b'"assistant"' not in line:
        return None
    try:
        event = json.loads(line)
        parts = event["message"]["content"] if event.get("type") == "assistant" else ()
        texts = [part["text"] for part in parts if part.get("type") == "text"]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None
    return str(texts[-1]) if texts else None
