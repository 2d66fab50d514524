"""What waits for an answer: the requests of a root, each as far as it can be read. It changes nothing."""

from __future__ import annotations

import json
import os
import re
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Literal, TypeAlias

from handoff import looking
from handoff.formats import DocumentError, Format, read_document
from handoff.request import Approval, DocsRequest, Question, ReplyProblem
from handoff.root import PlanId, Root, kind_of
from orchestrd.views.looking import plan_folder
from orchestrd.views.words import one_line, plain, read_json

Kind = Literal["approval", "question", "docs"]
Document: TypeAlias = Approval | Question | DocsRequest

MODELS: dict[Kind, type[Document]] = {"approval": Approval, "question": Question, "docs": DocsRequest}
MOST_BYTES = 8 << 20
"""More of a request is not read; the daemon writes none that is as long."""

_NAME = re.compile(r"(?P<plan>[^.]+)\.(?:.*\.)?(?P<kind>approval|question|docs)\.(?:toml|json|md)")
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


@dataclass(frozen=True, slots=True)
class OpenRequest:
    """One request that lies in `requests/`."""

    name: str
    """The file's name, which its reply has too."""
    path: Path
    plan: str
    kind: Kind | None
    """None: no kind that is known here."""
    title: str | None = None
    """The plan's title."""
    document: Document | None = None
    """What it says; None: it cannot be read, and `fault` says why."""
    fault: str | None = None
    answered: str | None = None
    """The name of an answer in `replies/` that nobody has taken yet."""

    @property
    def step(self) -> str | None:
        """The step that asks; None: the plan as a whole does."""
        return self.document.step if isinstance(self.document, Approval | Question) else None

    @property
    def created(self) -> datetime | None:
        """When it was asked."""
        return self.document.created if self.document else None

    @property
    def expires(self) -> datetime | None:
        """Until when it waits; None: without end."""
        return self.document.expires if self.document else None

    @property
    def problem(self) -> ReplyProblem | None:
        """Why the last answer did not fit."""
        return self.document.problem if self.document else None

    @property
    def about(self) -> str:
        """Say in a line what it is about; text of models and plans, not yet safe to print."""
        match self.document:
            case Approval(tool=tool, input_json=given):
                return f"{tool}: {_in_short(given)}"
            case Question(questions=questions):
                more = f" (and {len(questions) - 1} more)" if len(questions) > 1 else ""
                return f"{questions[0].text}{more}"
            case DocsRequest(about=about):
                return about or "document what was done"
            case _:
                return self.fault or ""

    def fields(self) -> dict[str, Any]:
        """For JSON; what has no value is left out."""
        found = {
            "name": self.name,
            "kind": self.kind,
            "plan": self.plan,
            "title": self.title,
            "step": self.step,
            "created": self.created,
            "expires": self.expires,
            "about": self.about,
            "answered": self.answered,
            "problem": self.problem.model_dump() if self.problem else None,
            "fault": self.fault,
            "path": str(self.path),
        }
        return {name: value for name, value in found.items() if value is not None}


def open_requests(root: Root) -> list[OpenRequest]:
    """Return what waits for an answer, the oldest first."""
    found = [_read(root, name) for name in request_names(root)]
    there = [one for one in found if one is not None]
    return sorted(there, key=lambda one: (one.created.timestamp() if one.created else 0.0, one.name))


def request_names(root: Root) -> list[str]:
    """Return the names in `requests/`, less what is still being written."""
    return sorted(name for name in os.listdir(root.requests) if kind_of(name).is_document)


def open_request(root: Root, name: str) -> OpenRequest | None:
    """Read one request by its whole name; None: there is none."""
    return _read(root, name) if "/" not in name and kind_of(name).is_document else None


def answer_lying(root: Root, name: str) -> str | None:
    """Name an answer to a request that lies in `replies/`: of an approval or a question with either ending."""
    stem, _, ending = name.rpartition(".")
    endings = ("md",) if ending == "md" else ("toml", "json")
    return next(
        (f"{stem}.{one}" for one in endings if looking.is_there(root.replies / f"{stem}.{one}")), None
    )


def _read(root: Root, name: str) -> OpenRequest | None:
    path = root.requests / name
    named = _NAME.fullmatch(name)
    plan = named["plan"] if named else name.partition(".")[0]
    kind = next((one for one in MODELS if named and named["kind"] == one), None)
    document, fault = None, None
    try:
        raw = looking.read_file(path, MOST_BYTES)
        if kind is None:
            fault = "no kind of request that this version knows"
        else:
            document = read_document(MODELS[kind], raw, Format.of(name))
    except FileNotFoundError:
        return None
    except DocumentError as error:
        fault = f"cannot be read: {plain(error.errors[0])}"
    except OSError as error:
        fault = f"cannot be read: {error.strerror}"
    return OpenRequest(
        name=name,
        path=path,
        plan=plan,
        kind=kind,
        title=_title(root, PlanId(plan)),
        document=document,
        fault=fault,
        answered=answer_lying(root, name),
    )


def _title(root: Root, plan: PlanId) -> str | None:
    if re.fullmatch(r"[a-z0-9-]+", plan) is None:
        return None
    folder = plan_folder(root, plan)
    title = read_json(folder / "accepted.json").get("title") if folder else None
    return str(title) if title else None


def _in_short(input_json: str) -> str:
    try:
        given = json.loads(input_json)
    except (ValueError, RecursionError):
        return input_json
    if isinstance(given, dict):
        told = next((given[name] for name in _TELLING if isinstance(given.get(name), str)), None)
        if told is not None:
            return str(told)
    return one_line(json.dumps(given, ensure_ascii=False), 500)
