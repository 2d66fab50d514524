"""How a function becomes a tool: bound to the desk, answered within two seconds, kept short, its errors told."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any

import anyio
import anyio.to_thread
from mcp.server import MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from mcp.types import CallToolResult, TextContent, ToolAnnotations

from orchestrd.bridge.answers import MOST_CHARS, Answer, CannotDo
from orchestrd.bridge.desk import Desk, daemon_in_words
from orchestrd.bridge.fitting import as_json, fit
from orchestrd.bridge.paging import without_nothing
from orchestrd.views.present import read_daemon
from orchestrd.views.words import plain

ANSWER_SECONDS = 1.9
"""An answer is given by then, be it that there is none yet: clients give up on tools, and models on waiting."""


@dataclass(frozen=True, slots=True)
class Tool:
    """One tool: a function that takes the desk first and returns an `Answer`, and what clients are told of it."""

    function: Callable[..., Answer]
    title: str
    reads_only: bool = True
    destroys: bool = False
    """What it does may not be undone."""
    repeatable: bool = True
    """Called again with the same arguments it does nothing more."""
    starts_work: bool = False
    """What it hands in lets Claude Code work, which may reach what is outside."""
    explained: str = ""
    """What a model is told besides the function's docstring."""


class ToolServer(MCPServer[Any]):
    """A server whose tools that do something refuse arguments that they do not know.

    The SDK passes over these in silence: then `input_json`, the protocol's word for what answer_request calls `input`,
    would allow a tool call just as it was asked.
    """

    def __init__(self, **told: Any) -> None:
        super().__init__(**told)
        self.demanding: dict[str, tuple[str, ...]] = {}
        """Those tools, and the arguments that each takes."""

    async def call_tool(self, name: str, arguments: dict[str, Any], context: Any = None) -> Any:
        """Call a tool. Raises ToolError for what is wrong with the call."""
        known = self.demanding.get(name)
        unknown = [one for one in arguments if known is not None and one not in known]
        if known is not None and unknown:
            told = ", ".join(plain(one[:80]) for one in unknown[:5])
            raise ToolError(f"{name} takes no {told}, and did nothing. Its arguments: {', '.join(known)}")
        return await super().call_tool(name, arguments, context)


def add_tool(server: ToolServer, desk: Desk, tool: Tool) -> None:
    """Register a tool; its description is the function's docstring, its arguments are the function's but the desk."""
    name = tool.function.__name__
    signature = inspect.signature(tool.function, eval_str=True)
    _, *arguments = signature.parameters.values()
    sent = Annotated[CallToolResult, signature.return_annotation]

    async def call(**given: Any) -> CallToolResult:
        with anyio.move_on_after(ANSWER_SECONDS):
            work = partial(_answer, desk, tool, given)
            return await anyio.to_thread.run_sync(work, abandon_on_cancel=True)
        raise ToolError(
            f"{name} has no answer after {ANSWER_SECONDS} s: this machine or its disk is very busy. "
            "Call it again with the same arguments; nothing is done twice."
        )

    found: Callable[..., Awaitable[CallToolResult]] = call
    found.__name__ = name
    found.__annotations__ = {one.name: one.annotation for one in arguments} | {"return": sent}
    found.__signature__ = signature.replace(parameters=arguments, return_annotation=sent)  # type: ignore[attr-defined]
    if not tool.reads_only:
        server.demanding[name] = tuple(one.name for one in arguments)
    server.add_tool(
        found,
        name=name,
        title=tool.title,
        description="\n\n".join(
            filter(None, (inspect.cleandoc(tool.function.__doc__ or ""), tool.explained))
        ),
        annotations=ToolAnnotations(
            title=tool.title,
            read_only_hint=tool.reads_only,
            destructive_hint=tool.destroys,
            idempotent_hint=tool.repeatable,
            open_world_hint=tool.starts_work,
        ),
    )


def _answer(desk: Desk, tool: Tool, given: dict[str, Any]) -> CallToolResult:
    try:
        answer = tool.function(desk, **given)
        answer.daemon = daemon_in_words(read_daemon(desk.root))
    except (
        Exception
    ) as error:  # the border of a tool: what the rooms refuse is told, a bug is the server's to log
        told = why_not(error)
        if told is None:
            raise
        raise ToolError(told) from error
    tree = fit(without_nothing(answer.model_dump(mode="json")), given.get("max_chars") or MOST_CHARS)
    return CallToolResult(
        content=[TextContent(type="text", text=as_json(tree))],
        structured_content=tree,
    )


def why_not(error: Exception) -> str | None:
    """Say what a room refused, for a model; None for what is a bug."""
    if isinstance(error, CannotDo):
        return str(error)
    if isinstance(error, OSError) or type(error).__module__.startswith(("handoff.", "orchestrd.")):
        return plain(error)
    return None
