"""What there is to tell a person: a plan asks something, or has ended. In words, and as fields for programs.

Whatever a plan or a model wrote stands on one line and is safe to print. What may hold a secret (a tool's input, a
question) is kept apart, so that a channel can leave it out.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from handoff import looking
from handoff.formats import DocumentError, Format, read_document
from handoff.request import Approval, DocsRequest, Question
from handoff.request_names import parse_request_name
from handoff.result import Result
from handoff.root import PlanId, Root
from handoff.written_values import format_instant
from orchestrd.outbound.markdown import line
from orchestrd.outbound.words import counted
from orchestrd.record.archived import archived_folder

Kind = Literal["approval", "question", "docs"]
MODELS: dict[Kind, type[Approval | Question | DocsRequest]] = {
    "approval": Approval,
    "question": Question,
    "docs": DocsRequest,
}

REQUEST, RESULT = "requests", "results"
MOST_BYTES = 8 << 20
"""More of a request is not read; the daemon writes none that is as long."""
MOST_INPUT = 16_000
"""Characters of a tool's input that are passed on to programs; a longer one is in the request's file."""
MOST_LISTED = 50
"""So many are named where many are told at once."""
LONGEST = 200

_ID = re.compile(r"[a-z0-9-]+")
_DOCS = re.compile(r"[a-z0-9-]+\.docs\.md")
_TELLING = (
    "command",
    "file_path",
    "notebook_path",
    "path",
    "url",
    "query",
    "pattern",
    "prompt",
    "description",
)
"""What of a tool's input says in a line what it is about."""
_MANY = {"approval": "approvals", "question": "questions", "docs": "requests for documentation"}


@dataclass(frozen=True, slots=True)
class News:
    """One thing to tell."""

    id: str
    """`requests/NAME` or `results/ID`: the same for as long as it is the same thing."""
    kind: str
    """Of a request its kind, of a result its status."""
    plan: str
    title: str
    """The plan's title; its id where there is none."""
    text: str
    """What is told, in a line that may be seen by anybody."""
    detail: str
    """What it is about; it may hold a secret."""
    path: Path
    fields: Mapping[str, Any]
    """For programs."""
    private: Mapping[str, Any]
    """The same, of what may hold a secret."""

    @property
    def is_request(self) -> bool:
        """Whether it waits for an answer."""
        return self.id.startswith(f"{REQUEST}/")

    @property
    def name(self) -> str:
        """The request's name; the plan's id of a result."""
        return self.id.partition("/")[2]


def request_kind(name: str) -> Kind | None:
    """Tell what a request asks for by its name; None: nothing that is known here."""
    asked = parse_request_name(name)
    if asked is not None:
        return asked.kind
    return "docs" if _DOCS.fullmatch(name) else None


def plan_of_request(name: str) -> str:
    """Tell whose a request is by its name: an id holds no dot."""
    return name.partition(".")[0]


def news_of_request(root: Root, name: str) -> News | None:
    """Read what a request asks; None: there is none any more. One that cannot be read is told all the same."""
    kind, plan = request_kind(name), plan_of_request(name)
    path = root.requests / name
    document: Approval | Question | DocsRequest | None = None
    try:
        raw = looking.read_file(path, MOST_BYTES)
        document = read_document(MODELS[kind], raw, Format.of(name)) if kind else None
    except FileNotFoundError:
        return None
    except (OSError, DocumentError):
        document = None  # `orchestrd requests` says what is wrong with it; that it is there is news
    title = safe(plan_title(root, plan) or plan)
    asks, detail, more, private = _asked(document)
    fields = {"request": name, **more}
    if document is not None:
        expires = format_instant(document.expires) if document.expires else None
        fields |= {"created": format_instant(document.created), "expires": expires}
    return News(
        id=f"{REQUEST}/{name}",
        kind=kind or "unknown",
        plan=plan,
        title=title,
        text=f"{title}: {asks}",
        detail=detail,
        path=path,
        fields=fields,
        private=private,
    )


def news_of_result(result: Result, path: Path) -> News:
    """What is told of a plan that has ended."""
    title = safe(result.title or result.plan)
    reason = result.reason.value if result.reason else None
    how = f"{result.status.value} ({reason})" if reason else result.status.value
    cost = result.usage.cost_usd if result.usage else None
    return News(
        id=f"{RESULT}/{result.plan}",
        kind=result.status.value,
        plan=result.plan,
        title=title,
        text=f"{title}: {how}",
        detail="",
        path=path,
        fields={"status": result.status.value, "reason": reason, "cost_usd": cost},
        private={},
    )


def told_as(news: Sequence[News], *, include_private: bool) -> dict[str, Any]:
    """Put one thing, or many at once, into the fields that a program is told."""
    if len(news) == 1:
        return _fields(news[0], include_private=include_private)
    return {
        "kind": "summary",
        "count": len(news),
        "text": summary(news),
        "news": [_fields(one, include_private=False) for one in news[:MOST_LISTED]],
        "more": max(0, len(news) - MOST_LISTED),
    }


def in_words(news: Sequence[News], *, include_private: bool) -> tuple[str, str]:
    """Return a heading and a text, for a person."""
    if len(news) > 1:
        return "orchestrd", f"{summary(news)}\norchestrd requests"
    one = news[0]
    detail = f"\n{one.detail}" if one.detail and include_private else ""
    return f"orchestrd: {_heading(one)}", f"{one.text}{detail}"


def summary(news: Sequence[News]) -> str:
    """Say of many things in a line how many of each there are."""
    kinds = Counter(one.kind for one in news if one.is_request)
    ends = Counter(one.kind for one in news if not one.is_request)
    parts = []
    if kinds:
        waiting = ", ".join(counted(number, kind, _MANY.get(kind, kind)) for kind, number in kinds.items())
        verb = "waits" if kinds.total() == 1 else "wait"
        parts.append(f"{counted(kinds.total(), 'request')} {verb} for an answer: {waiting}")
    if ends:
        parts.append(", ".join(f"{counted(number, 'plan')} {kind}" for kind, number in ends.items()))
    return "; ".join(parts)


def in_short(input_json: str) -> str:
    """Say in a line what a tool's input is about."""
    try:
        given = json.loads(input_json)
    except (ValueError, RecursionError):
        return input_json
    if isinstance(given, dict):
        told = next((given[name] for name in _TELLING if isinstance(given.get(name), str)), None)
        if told is not None:
            return str(told)
    return json.dumps(given, ensure_ascii=False)


def plan_title(root: Root, plan: str) -> str | None:
    """Find the title that a plan has, in work or settled; None: it has none, or it cannot be read."""
    if _ID.fullmatch(plan) is None:
        return None
    try:
        active = root.plan_folder(PlanId(plan))
        folder = active if looking.is_folder(active) else archived_folder(root, PlanId(plan))
        accepted = json.loads(looking.read_file(folder / "accepted.json")) if folder else None
    except (OSError, ValueError, RecursionError):
        return None
    title = accepted.get("title") if isinstance(accepted, dict) else None
    return title if isinstance(title, str) and title.strip() else None


def safe(text: str, most: int = LONGEST) -> str:
    """Put foreign text on one line of at most `most` characters, with nothing in it that drives a terminal."""
    told = "".join(one if one.isprintable() else "\N{REPLACEMENT CHARACTER}" for one in line(text))
    return told if len(told) <= most else f"{told[: most - 1]}…"


def _asked(
    document: Approval | Question | DocsRequest | None,
) -> tuple[str, str, dict[str, Any], dict[str, Any]]:
    """What is asked, in words that anybody may see, and in those that not everybody may; and the fields of both."""
    match document:
        case Approval():
            step = _of_step(document.step)
            private: dict[str, Any] = {
                "description": document.description,
                "reason": document.reason,
                "rule": document.rule,
                "input_json": _bounded(document.input_json),
            }
            shown = safe(in_short(document.input_json))
            fields = {"step": document.step, "tool": safe(document.tool)}
            return f"{step}asks to use {safe(document.tool, 60)}", shown, fields, private
        case Question():
            asked = [one.model_dump(exclude_none=True) for one in document.questions]
            detail = safe(document.questions[0].text)
            return (
                f"{_of_step(document.step)}asks a question",
                detail,
                {"step": document.step},
                {"questions": asked},
            )
        case DocsRequest():
            about = safe(document.about or "")
            place: dict[str, Any] = {"project": document.project, "branch": document.branch}
            return "is done and asks for documentation", about, place, {"about": document.about}
        case _:
            return "asks something", "", {}, {}


def _of_step(step: str) -> str:
    return "" if step == "main" else f"step {safe(step, 60)} "


def _bounded(input_json: str) -> str | None:
    return input_json if len(input_json) <= MOST_INPUT else None


def _heading(one: News) -> str:
    headings = {
        "approval": "a yes is wanted",
        "question": "a question",
        "docs": "documentation is wanted",
        "test": "a test",
    }
    return headings.get(one.kind, f"a plan {one.kind}" if not one.is_request else "something is asked")


def _fields(one: News, *, include_private: bool) -> dict[str, Any]:
    head = {"id": one.id, "kind": one.kind, "plan": one.plan, "title": one.title, "text": one.text}
    more = {**one.fields, **(one.private if include_private else {}), "path": str(one.path)}
    return {name: value for name, value in (head | more).items() if value is not None}
