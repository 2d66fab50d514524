"""A model that talks to the server: in this process, by the SDK's own client."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from anyio.from_thread import BlockingPortal, start_blocking_portal
from mcp import Client
from mcp.shared.exceptions import MCPError

from orchestrd.bridge.desk import Desk
from orchestrd.bridge.server import make_server


class ToolFailed(Exception):
    """The tool said that it cannot; as a text it is what the model is told."""


class Talk:
    """One client and one server; a call is `talk("plan_status", plan="x")` and returns the structured answer."""

    def __init__(self, client: Client, portal: BlockingPortal) -> None:
        self._client = client
        self._portal = portal
        self.last_text = ""

    def __call__(self, tool: str, **arguments: Any) -> dict[str, Any]:
        answer: Any = self._portal.call(self._client.call_tool, tool, arguments)
        self.last_text = "".join(part.text for part in answer.content)
        if answer.is_error:
            raise ToolFailed(self.last_text)
        assert json.loads(self.last_text) == answer.structured_content
        return dict(answer.structured_content)

    def at_once(self, *calls: tuple[str, dict[str, Any]]) -> list[dict[str, Any]]:
        """Make several calls at the same time."""

        async def call() -> list[Any]:
            return await asyncio.gather(*(self._client.call_tool(tool, given) for tool, given in calls))

        return [dict(answer.structured_content) for answer in self._portal.call(call)]

    def ask(self, method: str, *arguments: Any) -> Any:
        """Call any other method of the client."""
        try:
            return self._portal.call(getattr(self._client, method), *arguments)
        except MCPError as error:
            raise ToolFailed(str(error)) from error

    def read(self, address: str) -> str:
        """Read a resource."""
        return "".join(part.text for part in self.ask("read_resource", address).contents)


@contextmanager
def talking(root: Path, environ: Mapping[str, str]) -> Iterator[Talk]:
    """Connect a client to the server of a root."""
    with (
        start_blocking_portal() as portal,
        portal.wrap_async_context_manager(Client(make_server(Desk(root, environ)))) as client,
    ):
        yield Talk(client, portal)
