"""What waits for an answer: the requests of a root, each as far as it can be read. It changes nothing."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, TypeAlias

from handoff import looking
from handoff.formats import DocumentError, Format, read_document
from handoff.request import Approval, DocsRequest, Question, ReplyProblem
from handoff.root import Root, kind_of
from orchestrd.outbound.news import (
    MODELS,
    MOST_BYTES,
    Kind,
    in_short,
    plan_of_request,
    plan_title,
    request_kind,
)
from orchestrd.views.request_names import request_names
from orchestrd.views.words import plain

Document: TypeAlias = Approval | Question | DocsRequest


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
    is_in_hand: bool = False
    """An answer was taken, and the daemon is about to carry it out; what holds that up is among its problems."""

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
                return f"{tool}: {in_short(given)}"
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
            "in_hand": self.is_in_hand or None,
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
    plan, kind = plan_of_request(name), request_kind(name)
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
        title=plan_title(root, plan),
        document=document,
        fault=fault,
        answered=answer_lying(root, name),
        is_in_hand=looking.is_there(root.private / "replies" / name),
    )
