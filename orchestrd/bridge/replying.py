"""Putting an answer into `replies/`, and looking for a moment what comes of it.

Whether it is taken is the daemon's to say, or the runner's; what they say at once is told at once.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, TypeAlias

from pydantic import Field

from handoff import looking
from handoff.client import NameTaken, reply
from handoff.foreign import MAX_DOCUMENT_BYTES
from handoff.root import PlanId, Root
from orchestrd.bridge.answers import Answer, CannotDo
from orchestrd.bridge.desk import is_there
from orchestrd.bridge.open_requests import parts_of
from orchestrd.record.replies import FOLDER, TAKEN
from orchestrd.views.looking import plan_folder
from orchestrd.views.requests import Document, OpenRequest, open_request
from orchestrd.views.settled_answers import why_refused
from orchestrd.views.words import one_line, read_lines

Content: TypeAlias = str | dict[str, Any]
"""A reply: Markdown, or fields that are written as JSON."""

TAKEN_SECONDS = 1.0
"""How long one looks whether the answer is taken: what is wrong with it is best told at once."""
_LOOK_SECONDS = 0.03


class Answered(Answer):
    """What came of an answer."""

    delivered: bool = Field(
        description="Whether it was put into replies/ by this call, or lay there already."
    )
    outcome: Literal["taken", "waiting", "refused"] = Field(
        description="taken: the request is gone; waiting: not looked at yet; refused: it does not fit, see `problem`."
    )
    problem: str | None = Field(default=None, description="Why it was refused.")
    reply: str | None = Field(default=None, description="The reply's file.")
    next: str = Field(description="What to do now.")


def deliver(root: Root, request: OpenRequest, content: Content) -> str:
    """Put an answer into `replies/`, where it may lie already; return its file. Raises CannotDo."""
    size = len(content.encode("utf-8", "replace")) if isinstance(content, str) else len(json.dumps(content))
    if size > MAX_DOCUMENT_BYTES:
        raise CannotDo(f"the answer has {size} bytes, and at most {MAX_DOCUMENT_BYTES} are taken: shorten it")
    if request.answered is not None and request.answered != _reply_name(request, content):
        raise CannotDo(
            f"another answer lies in replies/{request.answered} and was not taken yet: wait for it"
        )
    if looking.is_there(root.private / "replies" / request.name):
        raise CannotDo(
            "an answer to this request is being carried out this moment: see get_result in a moment"
        )
    try:
        # The same answer once more is no second one: it lies there already.
        return f"replies/{reply(root, request.name, content)}"
    except NameTaken:
        raise CannotDo(
            f"another answer lies in replies/{request.answered or request.name} and was not taken yet: wait for it"
        ) from None


def taken_before(root: Root, name: str, made: Callable[[str], Content]) -> Answered | None:
    """Find the same answer where it was taken already: a client that had no answer calls again.

    Raises CannotDo where another one was taken.
    """
    parts = parts_of(name)
    if parts is None or looking.is_there(root.requests / name):
        return None
    plan, kind = parts
    folder = plan_folder(root, PlanId(plan))
    kept = _kept(folder, name, kind) if folder else []
    if not kept:
        return None
    if any(_says(file, made(kind)) for file in kept):
        words = f"It was answered so before, and nothing was done. {_what_came(plan, kind)}"
        return Answered(delivered=False, outcome="taken", next=words)
    raise CannotDo(f"{name} was answered already, with something else. {_what_came(plan, kind)}")


def _kept(folder: Path, name: str, kind: str) -> list[Path]:
    """Find the answers that were taken for a request that is not open any more, in the plan's folder."""
    if kind == "docs":
        taken = [one for one in read_lines(folder / "journal.jsonl") if one.get("event") == TAKEN]
        return [
            folder / FOLDER / os.path.basename(str(one.get("reply")))
            for one in taken
            if one.get("request") == name
        ]
    # Those of a run its runner takes; the journal tells of it a moment later.
    stem = f"{name.rpartition('.')[0]}."
    try:
        return [
            folder / FOLDER / file for file in sorted(os.listdir(folder / FOLDER)) if file.startswith(stem)
        ]
    except OSError:
        return []


def _says(file: Path, content: Content) -> bool:
    try:
        raw = looking.read_file(file, MAX_DOCUMENT_BYTES + 1)
        said = json.loads(raw) if isinstance(content, dict) else raw.decode()
    except (OSError, ValueError):
        return False
    return bool(said == content)


def outcome_of(root: Root, request: OpenRequest, asked: Document, file: str, content: Content) -> Answered:
    """Look for a moment whether it was taken; a request that is still there and has a new problem refused it."""
    if request.kind == "docs" and not is_there(root):
        away = "The daemon is away: the answer lies in replies/ and is taken when the daemon is back."
        return Answered(delivered=True, outcome="waiting", reply=file, next=away)
    after = _what_came(request.plan, str(request.kind))
    deadline = time.monotonic() + TAKEN_SECONDS
    before = asked.problem.time if asked.problem else None
    while time.monotonic() < deadline:
        time.sleep(_LOOK_SECONDS)
        if (root.path / file).exists():
            continue
        if not request.path.exists():
            why = why_refused(root, request.plan, content)
            if why is not None:
                late = f"it came too late: {one_line(why, 1000)}"
                return Answered(delivered=True, outcome="refused", problem=late, next=after)
            return Answered(delivered=True, outcome="taken", reply=file, next=after)
        again = open_request(root, request.name)
        problem = again.problem if again else None
        if problem is not None and problem.time != before:
            return Answered(
                delivered=True,
                outcome="refused",
                problem=one_line(problem.message, 1000),
                next="The request is still open: mend the answer and call answer_request again.",
            )
    if not request.path.exists() and (root.path / file).exists():
        late = "the request went away before the answer was taken: it came too late"
        return Answered(
            delivered=True,
            outcome="refused",
            reply=file,
            problem=late,
            next=after,
        )
    return Answered(
        delivered=True,
        outcome="waiting",
        reply=file,
        next="It was handed over and is not carried out yet; get_result (docs) or plan_status says later what came of "
        "it. If the request is still listed with a `problem` then, answer anew.",
    )


def _reply_name(request: OpenRequest, content: str | dict[str, Any]) -> str:
    return request.name if isinstance(content, str) else f"{request.name.rpartition('.')[0]}.json"


def _what_came(plan: str, kind: str) -> str:
    if kind == "docs":
        return f"get_result with {plan} names the commit and the files in `docs`."
    return f"plan_status with {plan} says where the plan stands."
