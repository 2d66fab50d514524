"""What the daemon asks for, and what it is answered: documentation, approvals, questions (PROTOCOL 6)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator

from handoff.fields import NOT_EMPTY, Argument, Count, Document, Flag, Instant, Problem, Prose, problem
from handoff.replies import OBJECT_HINT, NoObject, exact_object
from handoff.request_names import AskedKind, RequestName, parse_request_name
from handoff.version import Version

__all__ = [
    "NOTHING_TO_DOCUMENT",
    "Approval",
    "ApprovalReply",
    "AskedKind",
    "AskedQuestion",
    "ChangedFile",
    "DocsRequest",
    "ExactJson",
    "Option",
    "Question",
    "QuestionReply",
    "Reply",
    "ReplyProblem",
    "Request",
    "RequestName",
    "parse_request_name",
]

NOTHING_TO_DOCUMENT = "<!-- nothing to document -->"
"""A reply that consists of this line declines a docs request."""


def _exact_object(text: str) -> str:
    try:
        exact_object(text)
    except NoObject as error:
        raise problem(str(error), OBJECT_HINT) from None
    return text


ExactJson = Annotated[str, AfterValidator(_exact_object)]
"""An object of exact JSON in a text, so that it survives TOML."""


class ReplyProblem(Document):
    """Why an answer did not fit; the request stays open."""

    reply: str
    """The reply's name."""
    time: Instant
    """When it was looked at."""
    message: str
    """What was wrong with it."""


class Request(Document):
    """What every request carries."""

    handoff: Version = 1
    """The version of the protocol: 1."""
    plan: str
    """The plan's id."""
    created: Instant
    """When it was asked."""
    expires: Instant | None = None
    """When it goes away unanswered."""
    problem: ReplyProblem | None = None
    """Why the last answer did not fit."""


class ChangedFile(Document):
    """A file that a plan changed."""

    path: str
    """The file, inside the project."""
    status: str
    """git's letter: A added, M modified, D deleted, R renamed, C copied, T type changed."""


class DocsRequest(Request):
    """A request for documentation: front matter, then what was done, in words."""

    body_field: ClassVar[str | None] = "text"

    kind: Literal["docs"] = "docs"
    """What is asked for."""
    project: str
    """The project's directory."""
    branch: str | None = None
    """The branch that holds the work; left out where it was done in place."""
    base: str | None = None
    """The commit it began at, in full."""
    head: str | None = None
    """The commit it ended at, in full."""
    commits: Count | None = None
    """Commits from base to head."""
    insertions: Count | None = None
    """Lines that came."""
    deletions: Count | None = None
    """Lines that went."""
    write_to: tuple[str, ...] = ("docs/**",)
    """Files or globs that the reply may write."""
    about: str | None = None
    """What the documentation is for, in the plan's words."""
    files: tuple[ChangedFile, ...] = ()
    """The files that were changed."""
    text: str = ""
    """The body: what was done, in words."""


class Approval(Request):
    """A tool call that wants a person's yes."""

    kind: Literal["approval"] = "approval"
    """What is asked for."""
    step: str
    """The step that asks."""
    tool: str
    """The tool."""
    description: str | None = None
    """What it is to be used for."""
    input_json: str
    """The tool's input, as exact JSON."""
    reason: str | None = None
    """Why Claude Code asks."""
    rule: str | None = None
    """What "for the whole plan" would cover, in Claude Code's own syntax."""


class Option(Document):
    """A possible answer."""

    label: str
    """What to answer."""
    description: str | None = None
    """What it means."""


class AskedQuestion(Document):
    """One question."""

    id: str
    """Its name in the reply's `answers`."""
    text: str
    """What is asked."""
    multiple: Flag = False
    """Whether several answers may be given."""
    options: tuple[Option, ...] = ()
    """Possible answers; words of one's own are possible too."""


class Question(Request):
    """What Claude Code asks a person."""

    kind: Literal["question"] = "question"
    """What is asked for."""
    step: str
    """The step that asks."""
    questions: Annotated[tuple[AskedQuestion, ...], NOT_EMPTY]
    """What is asked."""


class ApprovalReply(Document):
    """The answer to an approval."""

    handoff: Version = 1
    """The version of the protocol: 1. May be left out."""
    decision: Literal["allow", "deny"]
    """Whether the tool may be used."""
    message: Argument | None = None
    """What the model is told."""
    input_json: ExactJson | None = None
    """Allowed with this input instead; exact JSON."""
    scope: Literal["once", "plan"] = "once"
    """For this call, or (by the request's rule) for the rest of the plan."""

    @classmethod
    def problems_between(cls, given: Mapping[str, Any]) -> list[Problem]:
        """Another input belongs to a yes."""
        if given.get("decision") == "deny" and given.get("input_json") is not None:
            return [Problem(("input_json",), "`input_json` belongs to `allow`", "leave it out")]
        return []


class QuestionReply(Document):
    """The answer to a question."""

    handoff: Version = 1
    """The version of the protocol: 1. May be left out."""
    answers: dict[str, Annotated[tuple[Prose, ...], NOT_EMPTY]] | None = None
    """By each question's id: labels, or words of one's own."""
    answer: Prose | None = None
    """Where there is one question: a label, or words of one's own."""

    @classmethod
    def problems_between(cls, given: Mapping[str, Any]) -> list[Problem]:
        """One of the two is given."""
        if (given.get("answers") is None) == (given.get("answer") is None):
            return [Problem((), "exactly one of `answer` and `answers` is needed", 'answer = "…"')]
        return []


Reply = ApprovalReply | QuestionReply
"""What a request that is no docs request is answered with; a docs request is answered with plain Markdown."""
