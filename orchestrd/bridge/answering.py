"""`answer_request`: a request's answer, made of what the model gives and checked as whoever takes it will."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field

from handoff.document_error import DocumentError
from handoff.replies import Asked, answers_to, read_approval_reply, read_question_reply
from handoff.request import Approval, DocsRequest, Question
from orchestrd.bridge import doc_replies
from orchestrd.bridge.answers import CannotDo
from orchestrd.bridge.arguments import RequestName, Text
from orchestrd.bridge.desk import Desk
from orchestrd.bridge.open_requests import request_named
from orchestrd.bridge.replying import Answered, Content, deliver, outcome_of, taken_before
from orchestrd.views.requests import Document


class GivenDocument(BaseModel):
    """A document for a docs request."""

    path: str = Field(description="The file, inside the project, like docs/limits.md; allowed by `write_to`.")
    content: str = Field(description="The whole file, in Markdown.")


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
            description="approval: for this call, or for all that the request's `rule` covers in this plan."
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
    said = {name: value for name, value in given.items() if value is not None}
    with desk.one_at_a_time:
        before = taken_before(root, name.strip(), lambda kind: _content(kind, said))
        if before is not None:
            return before
        request, asked = request_named(root, name)
        content = _content(asked.kind, said)
        _check(asked, said, content)
        file = deliver(root, request, content)
    return outcome_of(root, request, asked, file, content)


_OF_KIND = {
    "docs": ("documents", "nothing_to_document"),
    "approval": ("decision", "message", "input", "scope"),
    "question": ("answers", "answer"),
}


def _content(kind: str, given: dict[str, Any]) -> Content:
    """Make the reply of what was given. Raises CannotDo where that is for another kind of request."""
    others = [name for name in given if name not in _OF_KIND[kind]]
    if others:
        wanted = ", ".join(_OF_KIND[kind])
        raise CannotDo(f"{', '.join(others)}: not for a request of the kind {kind}; it takes {wanted}")
    if kind == "docs":
        documents = _documents(given)
        if bool(documents) == bool(given.get("nothing_to_document")):
            raise CannotDo(
                "a docs request takes `documents`, or nothing_to_document = true: give one of them"
            )
        return doc_replies.text_of(documents)
    fields = {name: value for name, value in given.items() if name != "input"}
    if "input" in given:
        fields["input_json"] = json.dumps(given["input"], ensure_ascii=False)
    return fields


def _check(asked: Document, given: dict[str, Any], content: Content) -> None:
    """Read the reply as whoever takes it will. Raises CannotDo with all that is wrong."""
    match asked:
        case DocsRequest():
            doc_replies.check(str(content), _documents(given), asked.write_to)
        case Approval():
            if given.get("decision") == "deny" and "input" in given:
                raise CannotDo("`input` belongs to allow: leave it out, or allow")
            if given.get("scope") == "plan" and not asked.rule:
                raise CannotDo(
                    'this request has no `rule` that could hold for the whole plan: scope = "once"'
                )
            _as_it_is_read(lambda raw: read_approval_reply(raw, "reply.json"), content)
        case Question():
            questions = [Asked(one.id, one.multiple) for one in asked.questions]
            _as_it_is_read(lambda raw: answers_to(questions, read_question_reply(raw, "reply.json")), content)


def _documents(given: dict[str, Any]) -> list[doc_replies.Document]:
    return [doc_replies.Document(one.path, one.content) for one in given.get("documents") or ()]


def _as_it_is_read(read: Callable[[bytes], object], fields: Content) -> None:
    try:
        read(json.dumps(fields).encode())
    except DocumentError as error:
        told = "; ".join(
            f"{one.path}: {one.message}" + (f" (expected: {one.hint})" if one.hint else "")
            for one in error.errors
        )
        raise CannotDo(f"the answer does not fit: {told}") from None
