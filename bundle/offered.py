"""What the server says that it has, asked over stdio as Desktop will ask it."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mcp import Client, StdioServerParameters
from mcp.client.stdio import stdio_client

from bundle.manifest import Offered

SERVER = (sys.executable, "-m", "orchestrd", "mcp")


def ask(root: Path, command: Sequence[str] = SERVER) -> Offered:
    """Start the server for a root and list what it has. A prompt's text has its arguments left open."""
    return asyncio.run(_ask(command, {"ORCHESTRD_ROOT": str(root)}))


async def _ask(command: Sequence[str], env: dict[str, str]) -> Offered:
    server = StdioServerParameters(command=command[0], args=list(command[1:]), env=env)
    async with Client(stdio_client(server)) as client:
        tools = (await client.list_tools()).tools
        prompts = (await client.list_prompts()).prompts
        return Offered(
            [{"name": one.name, "description": one.description or ""} for one in tools],
            [await _prompt(client, one) for one in prompts],
        )


async def _prompt(client: Client, prompt: Any) -> dict[str, Any]:
    names = [one.name for one in prompt.arguments or []]
    got = await client.get_prompt(prompt.name, {name: "${arguments." + name + "}" for name in names})
    told: dict[str, Any] = {"name": prompt.name, "description": prompt.description or ""}
    if names:
        told["arguments"] = names
    # A prompt of ours is text; the protocol would allow pictures.
    texts = [getattr(message.content, "text", "") for message in got.messages]
    return told | {"text": "\n\n".join(texts)}
