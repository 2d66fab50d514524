"""docs/mcp.md names the tools, arguments, resources and prompts that the server has."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("mcp", reason="the MCP SDK is not installed (extra `desktop`)")

from mcp import Client

from orchestrd.bridge.answers import MOST_ASKED, MOST_CHARS
from orchestrd.bridge.desk import Desk
from orchestrd.bridge.server import make_server

PAGE = (Path(__file__).parent.parent / "docs/mcp.md").read_text("utf-8")


@pytest.fixture(scope="module")
def served() -> tuple[Any, Any, Any]:
    async def ask() -> tuple[Any, Any, Any]:
        async with Client(make_server(Desk(Path("/nowhere"), {}))) as client:
            return (
                await client.list_tools(),
                await client.list_resource_templates(),
                await client.list_prompts(),
            )

    return asyncio.run(ask())


def test_the_page_has_each_tool_with_its_arguments_and_what_it_may_do(served: tuple[Any, Any, Any]):
    rows = re.findall(r"^\| `([a-z_]+)` \| (.*?) \| .* \| ([a-z, ]+) \|$", PAGE, re.MULTILINE)
    rows += [
        (name, "", does)
        for name, does in re.findall(r"^\| `([a-z_]+)` \| \| .* \| ([a-z, ]+) \|$", PAGE, re.MULTILINE)
    ]
    told = {name: (set(re.findall(r"`([a-z_]+)`", arguments)), does) for name, arguments, does in rows}
    tools = {tool.name: tool for tool in served[0].tools}

    assert told.keys() == tools.keys()
    told["check_plan"] = (told["submit_plan"][0] - {"again"}, "reads")  # the page says it so
    for name, (arguments, does) in told.items():
        tool = tools[name]
        assert arguments == set(tool.input_schema.get("properties", {})), name
        assert ("reads" in does) == tool.annotations.read_only_hint, name
        assert ("cannot be undone" in does) == tool.annotations.destructive_hint, name


def test_the_page_has_each_resource_and_prompt_and_the_sizes(served: tuple[Any, Any, Any]):
    addresses = {one.uri_template for one in served[1].resource_templates}

    assert set(re.findall(r"^\| `(handoff://\S+)`", PAGE, re.MULTILINE)) == addresses
    for prompt in served[2].prompts:
        assert f"`{prompt.name}`" in PAGE
    assert f"{MOST_CHARS:,} characters" in PAGE
    assert f"{MOST_ASKED:,}" in PAGE
