"""`orchestrd requests`: what waits for an answer. And finding the one that somebody means."""

from __future__ import annotations

import shlex
from datetime import UTC, datetime
from difflib import get_close_matches
from typing import TYPE_CHECKING, Annotated

import typer

from orchestrd.cli.calling import Call, Complaint, show_json
from orchestrd.views.words import how_long, one_line, plain, table, until

if TYPE_CHECKING:
    from handoff.root import Root
    from orchestrd.outbound.news import Kind
    from orchestrd.views.requests import OpenRequest

ABOUT_WIDTH = 60
MOST_NAMED = 5
IN_HAND = "the answer is being carried out; what holds that up is told by `orchestrd ps`"

ANSWERED_BY: dict[str | None, str] = {
    "approval": "approve or deny",
    "question": "answer",
    "docs": "document",
}
"""The commands that answer a kind of request."""


def add_to(app: typer.Typer) -> None:
    """Register the command."""
    app.command()(requests)


def requests(
    context: typer.Context,
    name: Annotated[
        str | None,
        typer.Argument(
            metavar="NAME", help="One, shown whole: its name, or its plan's id.", show_default=False
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="JSON, for programs.")] = False,
) -> None:
    """Show what waits for your answer."""
    from orchestrd.views.request_page import page_of_request
    from orchestrd.views.requests import open_requests

    call: Call = context.obj
    if name is not None:
        found = request_named(call.root, name)
        if as_json:
            document = found.document.model_dump(exclude_none=True) if found.document else None
            show_json(found.fields() | {"request": document})
        else:
            print(page_of_request(found, command_of(call)))
        return
    waiting = open_requests(call.root)
    if as_json:
        show_json([one.fields() for one in waiting])
    elif waiting:
        head = ("NAME", "KIND", "PLAN", "STEP", "SINCE", "EXPIRES", "ABOUT")
        print(table([_row(one) for one in waiting], head))
        for one in waiting:
            for line in _notes(one):
                print(line)
    else:
        print("nothing waits for an answer")


def command_of(call: Call) -> str:
    """Spell the command line as it was called: for this root."""
    return f"orchestrd --root {shlex.quote(str(call.root_path))}" if call.named_root else "orchestrd"


def request_named(root: Root, text: str, kind: Kind | None = None) -> OpenRequest:
    """Find the request that is meant: by its name, by how that begins, or by its plan where one of it fits.

    `kind`: what the command answers. Complains where there is none, several, or one of another kind.
    """
    from handoff.root import PlanId, plan_id_of
    from orchestrd.views.looking import plan_folder
    from orchestrd.views.requests import open_request, open_requests

    if not text.strip():
        # As a script's empty variable: it is how every name begins.
        raise Complaint("no request is named; `orchestrd requests` lists them")
    exact = open_request(root, text)
    if exact is not None:
        return _fitting(exact, kind)
    waiting = open_requests(root)
    fitting = [one for one in waiting if kind in (None, one.kind)]
    # Of a plan that asks nothing any more another one is not meant whose id begins so: `api` is not `api-2`.
    is_plan = plan_id_of(text) == text and plan_folder(root, PlanId(text)) is not None
    for found in (
        [one for one in fitting if one.name.rpartition(".")[0] == text],
        [one for one in fitting if one.plan == text],
        [one for one in fitting if one.name.startswith(text) and not is_plan],
    ):
        if len(found) == 1:
            return found[0]
        if found:
            raise Complaint(f"{plain(text)}: {len(found)} requests fit: {_names(found)}; name one of them")
    others = [one for one in waiting if one.plan == text or (one.name.startswith(text) and not is_plan)]
    if len(others) == 1:
        return _fitting(others[0], kind)
    raise Complaint(_unknown(root, text, fitting or waiting))


def _fitting(found: OpenRequest, kind: Kind | None) -> OpenRequest:
    if kind is not None and found.kind != kind:
        how = ANSWERED_BY.get(found.kind)
        told = f"it is answered by: orchestrd {how} {plain(found.name)}" if how else plain(found.fault)
        raise Complaint(f"{plain(found.name)} is no {_spoken(kind)}; {told}")
    return found


def _unknown(root: Root, text: str, waiting: list[OpenRequest]) -> str:
    if not waiting:
        return f"{plain(text)}: no such request; nothing waits for an answer in {root.path}"
    known = {known: one.name for one in waiting for known in (one.plan, one.name)}
    near = list(dict.fromkeys(known[name] for name in get_close_matches(text, known, n=3, cutoff=0.4)))
    hint = f"did you mean {' or '.join(map(plain, near))}?" if near else "`orchestrd requests` lists them"
    return f"{plain(text)}: no such request is open — {hint}"


def _names(found: list[OpenRequest]) -> str:
    more = f" and {len(found) - MOST_NAMED} more" if len(found) > MOST_NAMED else ""
    return ", ".join(plain(one.name) for one in found[:MOST_NAMED]) + more


def _spoken(kind: Kind) -> str:
    return "request for documentation" if kind == "docs" else kind


def _row(one: OpenRequest) -> tuple[str, ...]:
    now = datetime.now(UTC)
    title = f"{one.title}: " if one.title else ""
    return (
        plain(one.name),
        one.kind or "?",
        plain(one.plan),
        plain(one.step or ""),
        how_long((now - one.created).total_seconds()) if one.created else "",
        until(one.expires, now).removeprefix("until ") if one.expires else "",
        one_line(f"{title}{one.about}", ABOUT_WIDTH),
    )


def _notes(one: OpenRequest) -> list[str]:
    """What is to be said of a request besides its line."""
    found = []
    if one.fault:
        found.append(f"  ! {plain(one.name)}: {plain(one.fault)}")
    if one.answered:
        found.append(f"  {plain(one.name)}: answered; replies/{plain(one.answered)} was not taken yet")
    if one.is_in_hand:
        found.append(f"  {plain(one.name)}: answered; {IN_HAND}")
    elif one.problem:
        found.append(
            f"  ! {plain(one.name)}: the last answer did not fit: {one_line(one.problem.message, 200)}"
        )
    return found
