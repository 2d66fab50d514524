"""`answer_request`: a request's answer, checked as far as it can be here, and put into `replies/`.

Whether it is taken is the daemon's or the runner's to say; what they say within a moment is told at once.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field

from handoff.client import NameTaken, reply
from handoff.document_error import DocumentError
from handoff.foreign import MAX_DOCUMENT_BYTES
from handoff.replies import Asked, answers_to, read_approval_reply, read_question_reply
from handoff.request import Approval, DocsRequest, Question
from handoff.root import Root
from orchestrd.bridge import doc_replies
from orchestrd.bridge.answers import Answer, CannotDo
from orchestrd.bridge.arguments import RequestName, Text
from orchestrd.bridge.desk import Desk, is_there
from orchestrd.bridge.open_requests import request_named
from orchestrd.views.requests import Document, OpenRequest, open_request
from orchestrd.views.words import one_line

TAKEN_SECONDS = 1.0
"""How long one looks whether the answer is taken: what is wrong with it is best told at once."""
_LOOK_SECONDS = 0.03


class GivenDocument(BaseModel):
    """A document for a docs request."""

    path: str = Field(description="The file, inside the project, like docs/limits.md; allowed by `write_to`.")
    content: str = Field(description="The whole file, in Markdown.")


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


def answer_request(
    desk: Desk,
    name: RequestName,
    documents: Annotated[
        list[GivenDocument] | None, Field(description="docs: the documents, each whole with its path.")
    ] = None,
    nothing_to_document: Annotated[
        bool, Field(description="docs: declines, because there is nothing to document.")
    ] = False,
    decision: Annotated[
        Literal["allow", "deny"] | None,
        Field(description="approval: whether Claude Code may do what it asks."),
    ] = None,
    message: Annotated[Text, Field(description="approval: what Claude Code is told with it.")] = "",
    input: Annotated[  # noqa: A002 - the protocol's word
        dict[str, Any] | None,
        Field(description="approval, allow: the tool's whole input, changed, used instead."),
    ] = None,
    scope: Annotated[
        Literal["once", "plan"],
        Field(
            description="approval, allow: for this call, or for all that the request's `rule` covers in this plan."
        ),
    ] = "once",
    answers: Annotated[
        dict[str, list[str]] | None,
        Field(
            description="question: by each question's id its answers, labels of options or words of one's own."
        ),
    ] = None,
    answer: Annotated[
        Text, Field(description="question: the answer, where there is only one question.")
    ] = "",
) -> Answered:
    """Answer a request. Which arguments belong to it depends on its kind; get_request says so in `how_to_answer`.

    docs: `documents` (or `nothing_to_document`): they are committed on the plan's branch and named in its result.
    approval: `decision`, and where wanted `message`, `input`, `scope`: the run goes on at once. question: `answers` or
    `answer`. Ask the person before you allow a tool or decide in their name. What does not fit is told, and the request
    stays open. An answer that was taken cannot be taken back.
    """
    root = desk.root
    request, asked = request_named(root, name)
    given = {
        "documents": documents,
        "nothing_to_document": nothing_to_document or None,
        "decision": decision,
        "message": message or None,
        "input": input,
        "scope": scope if scope != "once" else None,
        "answers": answers,
        "answer": answer or None,
    }
    content = _content(asked, {name: value for name, value in given.items() if value is not None})
    return _deliver(desk, root, request, asked, content)


_OF_KIND = {
    "docs": ("documents", "nothing_to_document"),
    "approval": ("decision", "message", "input", "scope"),
    "question": ("answers", "answer"),
}


def _content(asked: Document, given: dict[str, Any]) -> str | dict[str, Any]:
    """Make the reply of what was given, or say what is wrong with it. Raises CannotDo."""
    others = [name for name in given if name not in _OF_KIND[asked.kind]]
    if others:
        wanted = ", ".join(_OF_KIND[asked.kind])
        raise CannotDo(f"{', '.join(others)}: not for a request of the kind {asked.kind}; it takes {wanted}")
    match asked:
        case DocsRequest():
            documents = [doc_replies.Document(one.path, one.content) for one in given.get("documents") or ()]
            if bool(documents) == bool(given.get("nothing_to_document")):
                raise CannotDo(
                    "a docs request takes `documents`, or nothing_to_document = true: give one of them"
                )
            return doc_replies.text_of(documents, asked.write_to)
        case Approval():
            return _approval(asked, given)
        case Question():
            return _answers(asked, given)


def _approval(asked: Approval, given: dict[str, Any]) -> dict[str, Any]:
    if given.get("decision") == "deny" and given.keys() & {"input", "scope"}:
        raise CannotDo("`input` and `scope` belong to allow: leave them out, or allow")
    if given.get("scope") == "plan" and not asked.rule:
        raise CannotDo('this request has no `rule` that could hold for the whole plan: scope = "once"')
    fields = {name: value for name, value in given.items() if name != "input"}
    if "input" in given:
        fields["input_json"] = json.dumps(given["input"], ensure_ascii=False)
    _as_it_is_read(lambda raw: read_approval_reply(raw, "reply.json"), fields)
    return fields


def _answers(asked: Question, given: dict[str, Any]) -> dict[str, Any]:
    questions = [Asked(one.id, one.multiple) for one in asked.questions]
    _as_it_is_read(lambda raw: answers_to(questions, read_question_reply(raw, "reply.json")), given)
    return given


def _as_it_is_read(read: Callable[[bytes], object], fields: dict[str, Any]) -> None:
    """Read an answer as whoever takes it will. Raises CannotDo with all that is wrong."""
    try:
        read(json.dumps(fields).encode())
    except DocumentError as error:
        told = "; ".join(
            f"{one.path}: {one.message}" + (f" (expected: {one.hint})" if one.hint else "")
            for one in error.errors
        )
        raise CannotDo(f"the answer does not fit: {told}") from None


def _deliver(
    desk: Desk, root: Root, request: OpenRequest, asked: Document, content: str | dict[str, Any]
) -> Answered:
    size = len(content.encode("utf-8", "replace")) if isinstance(content, str) else len(json.dumps(content))
    if size > MAX_DOCUMENT_BYTES:
        raise CannotDo(f"the answer has {size} bytes, and at most {MAX_DOCUMENT_BYTES} are taken: shorten it")
    with desk.one_at_a_time:
        if request.answered is not None and request.answered != _reply_name(request, content):
            raise CannotDo(
                f"another answer lies in replies/{request.answered} and was not taken yet: wait for it"
            )
        try:
            # The same answer once more is no second one: it lies there already.
            file = reply(root, request.name, content)
        except NameTaken:
            raise CannotDo(
                f"another answer lies in replies/{request.answered or request.name} and was not taken yet: wait for it"
            ) from None
    if not is_there(root) and request.kind == "docs":
        return Answered(
            delivered=True,
            outcome="waiting",
            reply=f"replies/{file}",
            next="The daemon is away: the answer lies in replies/ and is taken when the daemon is back.",
        )
    return _await(root, request, asked, f"replies/{file}")


def _await(root: Root, request: OpenRequest, asked: Document, file: str) -> Answered:
    """Look for a moment whether it was taken; a request that is still there and has a new problem refused it."""
    deadline = time.monotonic() + TAKEN_SECONDS
    before = asked.problem.time if asked.problem else None
    while time.monotonic() < deadline:
        time.sleep(_LOOK_SECONDS)
        if (root.path / file).exists():
            continue
        if not request.path.exists():
            return Answered(delivered=True, outcome="taken", reply=file, next=_after(request))
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
        problem_words = "the request went away before the answer was taken: it came too late"
        return Answered(
            delivered=True, outcome="refused", reply=file, problem=problem_words, next=_after_all(request)
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


def _after_all(request: OpenRequest) -> str:
    return f"Nothing more to do here; plan_status with {request.plan} says where the plan stands."


def _after(request: OpenRequest) -> str:
    if request.kind == "docs":
        return (
            f"The request is closed; get_result with {request.plan} names the commit and the files in `docs`."
        )
    return f"The run goes on; plan_status with {request.plan} says how."
