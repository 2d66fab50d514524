"""One request on a page, for whoever is to answer it: what is asked, and the commands that answer it.

All that a model, a plan or a repository wrote is made safe to print, and cannot pass for a line of ours.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from handoff.document_paths import single_path
from handoff.request import Approval, AskedQuestion, DocsRequest, Question
from orchestrd.views.requests import OpenRequest
from orchestrd.views.words import how_long, one_line, plain, until

MOST_FILES = 30
SHORT_INPUT = 160
"""An input of at most so many characters is put into a command to copy; a longer one is better in a file."""


def page_of_request(request: OpenRequest, command: str = "orchestrd") -> str:
    """Show a request whole. `command` is how this root's command line is called."""
    lines = [*_head(request), ""]
    match request.document:
        case Approval() as approval:
            lines += [*_approval(approval), "", "To answer:", *_approving(request, approval, command)]
        case Question() as question:
            lines += [*_question(question), "", "To answer:", *_answering(request, question, command)]
        case DocsRequest() as docs:
            lines += [*_docs(docs), "", "To answer:", *_documenting(request, docs, command)]
        case _:
            lines += [plain(request.fault)]
    return "\n".join(lines)


def _head(request: OpenRequest) -> Iterator[str]:
    now = datetime.now(UTC)
    of_step = f", step {plain(request.step)}" if request.step and request.step != "main" else ""
    title = f" ({one_line(request.title, 80)})" if request.title else ""
    yield f"{plain(request.name)}: {request.kind or 'a request'} of plan {plain(request.plan)}{title}{of_step}"
    if request.created is not None:
        asked = how_long((now - request.created).total_seconds())
        waits = f"waits {until(request.expires, now)}" if request.expires else "waits without end"
        yield f"  asked {asked} ago, {waits}"
    if request.answered is not None:
        yield f"  answered: replies/{plain(request.answered)} lies there and was not taken yet"
    if request.is_in_hand:
        yield "  answered: the answer is being carried out"
    elif request.problem is not None:
        yield f"  ! the answer {one_line(request.problem.reply, 80)} did not fit: {plain(request.problem.message)}"


def _approval(asked: Approval) -> Iterator[str]:
    yield f"Tool: {one_line(asked.tool, 200)}"
    if asked.description:
        yield from _block("What for", asked.description)
    if asked.reason:
        yield from _block("Why it asks", asked.reason)
    yield "Input:"
    yield from _input(asked.input_json)
    if asked.rule:
        yield f"For the whole plan it would be: {one_line(asked.rule, 200)}"


def _approving(request: OpenRequest, asked: Approval, command: str) -> Iterator[str]:
    name = shlex.quote(request.name)
    yield f"  {command} approve {name}"
    if asked.rule:
        yield f"  {command} approve {name} --plan-wide"
    given = " ".join(asked.input_json.split("\n"))
    shown = shlex.quote(given) if len(given) <= SHORT_INPUT and given.isprintable() else "@FILE"
    yield f"  {command} approve {name} --input {shown}    # with another input"
    yield f"  {command} deny {name} --message 'what to do instead'"


def _question(asked: Question) -> Iterator[str]:
    for place, one in enumerate(asked.questions):
        if place:
            yield ""
        yield from _one_question(one, is_one_of_many=len(asked.questions) > 1)


def _one_question(one: AskedQuestion, *, is_one_of_many: bool) -> Iterator[str]:
    named = f"[{one_line(one.id, 80)}] " if is_one_of_many else ""
    several = " (several may be given)" if one.multiple else ""
    yield from _block(f"{named}Asked{several}", one.text)
    for number, option in enumerate(one.options, 1):
        meaning = f" — {one_line(option.description, 300)}" if option.description else ""
        yield f"  {number}. {one_line(option.label, 200)}{meaning}"


def _answering(request: OpenRequest, asked: Question, command: str) -> Iterator[str]:
    name = shlex.quote(request.name)
    if len(asked.questions) == 1:
        only = asked.questions[0]
        if only.options:
            yield f"  {command} answer {name} 1" + ("" if not only.multiple else " 2")
        yield f"  {command} answer {name} 'words of your own'"
    else:
        ids = [one_line(one.id, 80) for one in asked.questions]
        to = " ".join(f"--to {shlex.quote(f'{one}=1')}" for one in ids)
        yield f"  {command} answer {name} {to}    # an option's number, its label, or words of your own"
    yield f"  {command} answer {name}    # asks here"


def _docs(asked: DocsRequest) -> Iterator[str]:
    yield f"Project: {plain(asked.project)}"
    if asked.branch:
        span = f" ({asked.base[:12]}..{asked.head[:12]})" if asked.base and asked.head else ""
        yield f"Branch: {one_line(asked.branch, 200)}{plain(span)}"
    if asked.about:
        yield from _block("What for", asked.about)
    yield f"May be written: {', '.join(one_line(rule, 200) for rule in asked.write_to)}"
    if asked.files:
        yield f"Files: +{asked.insertions or 0} -{asked.deletions or 0}"
        yield from (f"  {plain(one.status)} {one_line(one.path, 200)}" for one in asked.files[:MOST_FILES])
        if len(asked.files) > MOST_FILES:
            yield f"  and {len(asked.files) - MOST_FILES} more"
    yield ""
    # Set in, as everything foreign: a line of it is no line of ours.
    yield from (f"| {plain(line)}" for line in asked.text.splitlines())


def _documenting(request: OpenRequest, asked: DocsRequest, command: str) -> Iterator[str]:
    name = shlex.quote(request.name)
    single = single_path(asked.write_to)
    if single is not None:
        yield f"  {command} document {name} FILE    # becomes {plain(single)}"
    else:
        yield f"  {command} document {name} docs/a.md docs/b.md    # as they are named in the project"
        yield f"  {command} document {name} --as docs/a.md=FILE"
    yield f"  {command} document {name} --edit"
    yield f"  {command} document {name} --nothing"


def _input(text: str) -> Iterator[str]:
    try:
        given: Any = json.loads(text)
    except (ValueError, RecursionError):
        yield f"  {one_line(text, 4000)}"
        return
    if not isinstance(given, dict):
        yield f"  {plain(json.dumps(given, ensure_ascii=False))}"
        return
    for name, value in given.items():
        if isinstance(value, str):
            yield from (f"  {line}" for line in _block(one_line(name, 80), value))
        else:
            written = json.dumps(value, ensure_ascii=False, indent=2).splitlines()
            yield f"  {one_line(name, 80)}: {plain(written[0])}"
            yield from (f"    {plain(line)}" for line in written[1:])


def _block(head: str, text: str) -> Iterator[str]:
    """A text of one line beside its head, a longer one below, set in so that it is seen where it ends."""
    lines = text.splitlines() or [""]
    if len(lines) == 1:
        yield f"{head}: {plain(lines[0])}"
        return
    yield f"{head}:"
    yield from (f"  | {plain(line)}" for line in lines)
