"""A model that talks to the server: in this process, by the SDK's own client."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mcp import Client
from mcp.shared.exceptions import MCPError

from orchestrd.bridge.desk import Desk
from orchestrd.bridge.server import make_server


class ToolFailed(Exception):
    """The tool said that it cannot; as a text it is what the model is told."""


class Talk:
    """One client and one server; a call is `talk("plan_status", plan="x")` and returns the structured answer."""

    def __init__(self, root: Path, environ: Mapping[str, str]) -> None:
        self.root = root
        self.server = make_server(Desk(root, environ))
        self.last_text = ""

    def __call__(self, tool: str, **arguments: Any) -> dict[str, Any]:
        async def call() -> Any:
            async with Client(self.server) as client:
                return await client.call_tool(tool, arguments)

        answer = asyncio.run(call())
        self.last_text = "".join(part.text for part in answer.content)
        if answer.is_error:
            raise ToolFailed(self.last_text)
        assert json.loads(self.last_text) == answer.structured_content
        return dict(answer.structured_content)

    def at_once(self, *calls: tuple[str, dict[str, Any]]) -> list[dict[str, Any]]:
        """Make several calls at the same time."""

        async def call() -> list[Any]:
            async with Client(self.server) as client:
                return await asyncio.gather(*(client.call_tool(tool, given) for tool, given in calls))

        return [dict(answer.structured_content) for answer in asyncio.run(call())]

    def ask(self, method: str, *arguments: Any) -> Any:
        """Call any other method of the client."""

        async def call() -> Any:
            async with Client(self.server) as client:
                try:
                    return await getattr(client, method)(*arguments)
                except MCPError as error:  # raised out of the client it would come in a group
                    return error

        answer = asyncio.run(call())
        if isinstance(answer, MCPError):
            raise ToolFailed(str(answer))
        return answer

    def read(self, address: str) -> str:
        """Read a resource."""
        return "".join(part.text for part in self.ask("read_resource", address).contents)
