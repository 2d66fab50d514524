"""Resources: plans, results, logs, requests and contexts by their addresses, for a person to put into a chat."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import anyio
import anyio.to_thread
from mcp.server import MCPServer
from mcp.server.mcpserver.exceptions import ResourceError, ResourceNotFoundError
from mcp.shared.exceptions import MCPError
from mcp.types import INVALID_PARAMS, Resource

from handoff.root import RootError
from orchestrd.bridge.answers import MOST_CHARS, Answer
from orchestrd.bridge.desk import Desk, daemon_in_words, plan_named
from orchestrd.bridge.fitting import as_json, fit
from orchestrd.bridge.in_work import working
from orchestrd.bridge.logs import end_of_log
from orchestrd.bridge.open_requests import open_requests, raw_request
from orchestrd.bridge.paging import without_nothing
from orchestrd.bridge.project_names import known_project, projects_of
from orchestrd.bridge.results import get_result
from orchestrd.bridge.settled import settled_plans
from orchestrd.bridge.standing import plan_status
from orchestrd.bridge.toolbox import ANSWER_SECONDS, ToolServer, why_not
from orchestrd.record.wanted import Wanted
from orchestrd.views.present import read_daemon
from orchestrd.views.words import one_line

MOST_RECENT = 20
"""So many of each kind are in the list; all others can be read by their addresses too."""

JSON = "application/json"
MARKDOWN = "text/markdown"


class Serving(ToolServer):
    """The server: its list of resources is looked up anew each time, and a prompt says what it lacks."""

    def __init__(self, desk: Desk, **told: Any) -> None:
        super().__init__(**told)
        self._desk = desk

    async def list_resources(self) -> list[Resource]:
        """List the latest plans, the open requests, the contexts; nothing where there is no root."""
        with anyio.move_on_after(ANSWER_SECONDS):
            return await anyio.to_thread.run_sync(_recent, self._desk, abandon_on_cancel=True)
        return []

    async def get_prompt(
        self, name: str, arguments: dict[str, Any] | None = None, context: Any = None
    ) -> Any:
        """Make a prompt. Raises MCPError with what is missing: the SDK calls that an error of the server's."""
        try:
            return await super().get_prompt(name, arguments, context)
        except ValueError as error:
            raise MCPError(INVALID_PARAMS, str(error)) from None


def add_to(server: MCPServer[Any], desk: Desk) -> None:
    """Register the addresses."""
    _add(server, desk, "handoff://plans/{id}", _plan, "Where a plan stands", JSON)
    _add(server, desk, "handoff://plans/{id}/result", _result, "What became of a plan", JSON)
    _add(server, desk, "handoff://plans/{id}/log", _log, "The end of what a plan's runs said", "text/plain")
    _add(
        server,
        desk,
        "handoff://requests/{name}",
        _request,
        "A request that waits for an answer",
        "text/plain",
    )
    _add(server, desk, "handoff://projects/{name}/context", _context, "What is known of a project", MARKDOWN)


def _add(
    server: MCPServer[Any], desk: Desk, address: str, read: Callable[[Desk, str], str], title: str, kind: str
) -> None:
    async def read_it(key: str) -> str:
        with anyio.move_on_after(ANSWER_SECONDS):
            return await anyio.to_thread.run_sync(partial(_told, read, desk, key), abandon_on_cancel=True)
        raise ResourceError(f"no answer after {ANSWER_SECONDS} s: this machine or its disk is very busy")

    # The SDK wants a parameter of the name that the address has.
    if "{id}" in address:

        async def by_id(id: str) -> str:  # noqa: A002 - the address's word
            return await read_it(id)

        found: Callable[..., Any] = by_id
    else:

        async def by_name(name: str) -> str:
            return await read_it(name)

        found = by_name
    words = address.replace("handoff://", "").replace("{", "").replace("}", "").replace("/", "-")
    server.resource(address, name=words, title=title, description=read.__doc__, mime_type=kind)(found)


def _told(read: Callable[[Desk, str], str], desk: Desk, key: str) -> str:
    try:
        return read(desk, key)
    except Exception as error:  # the border of a resource: what the rooms refuse is told
        told = why_not(error)
        if told is None:
            raise
        raise ResourceNotFoundError(told) from error


def _plan(desk: Desk, plan: str) -> str:
    """Where a plan stands: what it waits for, what it does now, its last words, its cost."""
    return _answer(desk, plan_status(desk, plan))


def _result(desk: Desk, plan: str) -> str:
    """What became of a plan: how it ended and why, what was done, what it cost, its branch."""
    return _answer(desk, get_result(desk, plan))


def _log(desk: Desk, plan: str) -> str:
    """The end of what Claude Code said and did for a plan."""
    root = desk.root
    return end_of_log(root, plan_named(root, plan), MOST_CHARS)


def _request(desk: Desk, name: str) -> str:
    """A request as it lies in the root: for documentation, an approval, an answer."""
    text = raw_request(desk.root, name).decode("utf-8", "replace")
    return _cut(text, "get_request shows it in pieces")


def _context(desk: Desk, name: str) -> str:
    """What is known of a project from the plans that worked in it."""
    found = known_project(desk.root, name)
    if found.context is None:
        return f"No context is kept of {found.path} yet."
    return _cut(found.context.words, "project_context shows it in pieces")


def _answer(desk: Desk, answer: Answer) -> str:
    answer.daemon = daemon_in_words(read_daemon(desk.root))
    return as_json(fit(without_nothing(answer.model_dump(mode="json")), MOST_CHARS))


def _cut(text: str, remedy: str) -> str:
    if len(text) <= MOST_CHARS:
        return text
    kept = MOST_CHARS - 200
    return f"{text[:kept]}\n[… {len(text) - kept} more characters; the tool {remedy}]\n"


def _recent(desk: Desk) -> list[Resource]:
    try:
        root = desk.root
    except RootError:
        return []
    found = []
    for work in working(root)[:MOST_RECENT]:
        name = str(work.get("id"))
        title = one_line(f"{work.get('state')}: {work.get('title') or name}", 100)
        found.append(Resource(uri=f"handoff://plans/{name}", name=name, title=title, mime_type=JSON))
    for row in settled_plans(root, Wanted(), MOST_RECENT).rows:
        title = one_line(f"{row['status']}: {row['title'] or row['id']}", 100)
        address = f"handoff://plans/{row['id']}/result"
        found.append(Resource(uri=address, name=f"{row['id']} result", title=title, mime_type=JSON))
    for one in open_requests(root)[:MOST_RECENT]:
        title = f"{one.kind} asked by {one.plan}"
        found.append(Resource(uri=f"handoff://requests/{one.name}", name=one.name, title=title))
    for project in projects_of(root)[:MOST_RECENT]:
        if project.context is not None:
            address = f"handoff://projects/{project.name}/context"
            title = f"What is known of {project.path}"
            found.append(
                Resource(uri=address, name=f"{project.name} context", title=title, mime_type=MARKDOWN)
            )
    return found
