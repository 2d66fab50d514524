"""Answering requests by hand: approve, deny, answer, document. Each answer is checked before it is handed over."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from orchestrd.cli.calling import Call, Complaint
from orchestrd.cli.requests import request_named
from orchestrd.cli.sending import Patience, demand_open, send
from orchestrd.views.words import plain

if TYPE_CHECKING:
    from handoff.fields import Document
    from orchestrd.views.requests import OpenRequest

D = TypeVar("D", bound="Document")

Name = Annotated[
    str,
    typer.Argument(
        metavar="NAME",
        help="The request: its name, how that begins, or its plan's id.",
        show_default=False,
    ),
]
Wait = Annotated[
    bool, typer.Option("--wait", help="Wait until the answer is taken; exit 1 if it did not fit.")
]
Timeout = Annotated[
    float | None,
    typer.Option(
        "--timeout", metavar="SECONDS", help="Wait so long at most; exit 124.", min=0, show_default=False
    ),
]
PlanWide = Annotated[
    bool, typer.Option("--plan-wide", help="Also what is like it, for the rest of this plan.")
]
Message = Annotated[
    str | None, typer.Option("--message", "-m", help="What the model is told with it.", show_default=False)
]


def add_to(app: typer.Typer) -> None:
    """Register the commands."""
    for command in (approve, deny, answer, document):
        app.command()(command)


def approve(
    context: typer.Context,
    name: Name,
    plan_wide: PlanWide = False,
    changed_input: Annotated[
        str | None,
        typer.Option(
            "--input", metavar="JSON|@FILE", help="Allow it with this input instead.", show_default=False
        ),
    ] = None,
    message: Message = None,
    wait: Wait = False,
    timeout: Timeout = None,
) -> None:
    """Allow a tool call that waits for a yes."""
    given = {
        "decision": "allow",
        "input_json": _input(changed_input) if changed_input is not None else None,
        "message": message,
    }
    _decide(context.obj, name, given, "allowed", Patience(wait, timeout), plan_wide=plan_wide)


def deny(
    context: typer.Context,
    name: Name,
    plan_wide: PlanWide = False,
    message: Message = None,
    wait: Wait = False,
    timeout: Timeout = None,
) -> None:
    """Refuse a tool call that waits for a yes. The run goes on without it."""
    given = {"decision": "deny", "message": message}
    _decide(context.obj, name, given, "denied", Patience(wait, timeout), plan_wide=plan_wide)


def _decide(
    call: Call, name: str, given: dict[str, str | None], told: str, patience: Patience, *, plan_wide: bool
) -> None:
    from handoff.request import ApprovalReply

    request = request_named(call.root, name, "approval")
    demand_open(request)
    _demand_rule(request, plan_wide=plan_wide)
    fields = _checked(ApprovalReply, {**given, "scope": "plan" if plan_wide else None})
    send(call.root, request, fields, f"{told} for the whole plan" if plan_wide else told, patience)


def _demand_rule(request: OpenRequest, *, plan_wide: bool) -> None:
    from handoff.request import Approval

    if plan_wide and isinstance(request.document, Approval) and not request.document.rule:
        raise Complaint(
            f"{plain(request.name)} says no rule that could hold for the whole plan; leave --plan-wide out"
        )


def answer(
    context: typer.Context,
    name: Name,
    texts: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[ANSWER]...",
            help="An option's number or label, or words of your own; none: it asks here.",
            show_default=False,
        ),
    ] = None,
    to: Annotated[
        list[str] | None,
        typer.Option("--to", metavar="ID=ANSWER", help="Of several questions, the answer to this one."),
    ] = None,
    wait: Wait = False,
    timeout: Timeout = None,
) -> None:
    """Answer a question of Claude's."""
    from handoff.request import Question, QuestionReply
    from orchestrd.cli.choosing import ask_here, chosen

    call: Call = context.obj
    request = request_named(call.root, name, "question")
    demand_open(request)
    asked = request.document
    assert isinstance(asked, Question)  # noqa: S101 - what `request_named` and `demand_open` have seen to
    answers = chosen(asked, texts or [], to or []) if texts or to else ask_here(request, asked)
    fields = _checked(QuestionReply, {"answers": answers})
    said = "; ".join(", ".join(one) for one in answers.values())
    send(call.root, request, fields, f"answered: {plain(said)}", Patience(wait, timeout))


def document(
    context: typer.Context,
    name: Name,
    files: Annotated[
        list[str] | None,
        typer.Argument(metavar="[FILE]...", help="Markdown files; - is standard input.", show_default=False),
    ] = None,
    placed: Annotated[
        list[str] | None,
        typer.Option("--as", metavar="PATH=FILE", help="A file, and what it is called in the project."),
    ] = None,
    edit: Annotated[bool, typer.Option("--edit", help="Write it in your editor.")] = False,
    nothing: Annotated[bool, typer.Option("--nothing", help="There is nothing to document.")] = False,
    wait: Wait = False,
    timeout: Timeout = None,
) -> None:
    """Hand in the documentation that a plan asks for."""
    from handoff.request import NOTHING_TO_DOCUMENT, DocsRequest
    from orchestrd.cli.documents import edited, gathered

    if sum((bool(files or placed), edit, nothing)) != 1:
        raise Complaint("give FILEs (or --as PATH=FILE), or --edit, or --nothing: one of them")
    call: Call = context.obj
    request = request_named(call.root, name, "docs")
    demand_open(request)
    asked = request.document
    assert isinstance(asked, DocsRequest)  # noqa: S101 - what `request_named` and `demand_open` have seen to
    patience = Patience(wait, timeout)
    if nothing:
        send(call.root, request, f"{NOTHING_TO_DOCUMENT}\n", "nothing to document", patience)
        return
    found = edited(request, asked) if edit else gathered(asked, files or [], placed or [])
    send(call.root, request, found.text, found.in_words, patience)


def _input(text: str) -> str:
    """Read another input for a tool: JSON, or @FILE that holds it. What is handed over is its exact text."""
    if text.startswith("@"):
        try:
            raw = Path(text[1:]).read_bytes()
        except OSError as error:
            raise Complaint(f"--input {plain(text)}: {error.strerror}") from error
        text = raw.decode("utf-8", "replace")
    try:
        given = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise Complaint(f"--input is no JSON: {plain(error)}; @FILE takes it from a file") from None
    if not isinstance(given, dict):
        raise Complaint('--input is a JSON object with the tool\'s fields, as in {"command": "make test"}')
    return text.strip()


def _checked(model: type[D], given: Mapping[str, object]) -> dict[str, object]:
    """Check an answer as whoever takes it will; complain of what does not fit."""
    from handoff.formats import DocumentError, Format, read_document

    fields = {name: value for name, value in given.items() if value is not None}
    try:
        read_document(model, json.dumps(fields).encode(), Format.JSON)
    except DocumentError as error:
        told = "; ".join(
            f"{one.path}: {one.message}" + (f" — {one.hint}" if one.hint else "") for one in error.errors[:3]
        )
        raise Complaint(plain(told)) from None
    return fields
