"""The real command over stdin and stdout: with the SDK's own client, with the official inspector, without the SDK."""

from __future__ import annotations

import asyncio
import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from mcp import Client, StdioServerParameters

from handoff.root import Root
from orchestrd.bridge.server import TOOLS
from orchestrd.cli import main
from tests.bridge.settled import settled
from tests.node_tools import node_tool

NAMES = [tool.function.__name__ for tool in TOOLS]


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    passed = {name: os.environ[name] for name in ("PATH", "LANG", "TMPDIR") if name in os.environ}
    return {**passed, "HOME": str(tmp_path / "home")}


def test_the_sdks_own_client_lists_and_calls_over_stdio(root: Root, environ: dict[str, str]):
    settled(root, "api")
    words = ["-m", "orchestrd", "mcp", "--root", str(root.path)]
    server = StdioServerParameters(command=sys.executable, args=words, env=environ)

    async def talk() -> tuple[Any, ...]:
        async with Client(server) as client:
            return (
                client.instructions,
                await client.list_tools(),
                await client.call_tool("get_result", {"plan": "api"}),
                await client.read_resource("handoff://plans/api/result"),
            )

    instructions, tools, result, resource = asyncio.run(talk())

    assert "submit_plan" in instructions
    assert [tool.name for tool in tools.tools] == NAMES
    assert result.structured_content["status"] == "succeeded"
    assert json.loads(resource.contents[0].text)["id"] == "api"


def test_every_tool_says_what_it_is_what_it_takes_and_what_it_returns(root: Root, environ: dict[str, str]):
    """The root may be named by a variable, as in Claude Desktop's configuration; stdout is the protocol's alone."""
    asked = [
        {
            "method": "initialize",
            "params": {
                "protocolVersion": "2025-06-18",
                "capabilities": {},
                "clientInfo": {"name": "t", "version": "1"},
            },
        },
        {"method": "tools/list"},
        {"method": "tools/call", "params": {"name": "daemon_status", "arguments": {}}},
    ]
    lines = [json.dumps({"jsonrpc": "2.0", "id": number, **one}) for number, one in enumerate(asked, 1)]
    lines.insert(1, '{"jsonrpc":"2.0","method":"notifications/initialized"}')

    with subprocess.Popen(
        [sys.executable, "-m", "orchestrd", "mcp"],
        env=environ | {"ORCHESTRD_ROOT": str(root.path)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as server:
        assert server.stdin is not None
        assert server.stdout is not None
        server.stdin.write("\n".join([*lines, ""]).encode())
        server.stdin.flush()
        said = [json.loads(server.stdout.readline()) for _ in asked]
        rest, errors = server.communicate(timeout=20)  # stdin ends: so does the server

    assert (server.returncode, rest, errors) == (0, b"", b"")
    by_id = {one["id"]: one["result"] for one in said}
    assert by_id[3]["structuredContent"]["root"] == str(root.path)
    tools = by_id[2]["tools"]
    for tool in tools:
        told = tool["annotations"]
        assert {"readOnlyHint", "destructiveHint", "idempotentHint", "openWorldHint", "title"} <= told.keys()
        assert len(tool["description"]) > 150, tool["name"]
        assert tool["title"]
        properties = tool["inputSchema"].get("properties", {})
        assert all(one.get("description") for one in properties.values()), tool["name"]
        returned = tool["outputSchema"]["properties"]
        assert "daemon" in returned
        assert all(one.get("description") for one in returned.values()), tool["name"]
    assert {tool["name"] for tool in tools if tool["annotations"]["readOnlyHint"]} == set(NAMES) - {
        "submit_plan",
        "answer_request",
        "cancel_plan",
        "retry_plan",
    }
    assert {tool["name"] for tool in tools if tool["annotations"]["destructiveHint"]} == {
        "answer_request",
        "cancel_plan",
    }


def test_the_official_inspector_lists_and_calls_the_tools(root: Root, environ: dict[str, str]):
    inspector = node_tool("mcp-inspector-cli")
    settled(root, "api")
    server = [sys.executable, "-m", "orchestrd", "mcp", "--root", str(root.path)]
    asked = (
        ("tools/list",),
        ("tools/call", "--tool-name", "list_plans", "--tool-arg", "state=settled"),
    )

    running = [
        subprocess.Popen(
            [inspector, "--cli", *server, "--method", *words],
            env=environ,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        for words in asked
    ]
    ended = [one.communicate(timeout=60) for one in running]

    assert [(one.returncode, errors) for one, (_, errors) in zip(running, ended, strict=True)] == [
        (0, b"")
    ] * 2
    tools, called = (json.loads(said) for said, _ in ended)
    assert [tool["name"] for tool in tools["tools"]] == NAMES
    assert called["structuredContent"]["plans"][0]["id"] == "api"


def test_without_the_sdk_one_line_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], root: Root
):
    found = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "mcp" else found(name))

    code = main(["mcp", "--root", str(root.path)])

    said = capsys.readouterr()
    assert (code, said.out) == (2, "")
    assert said.err == "orchestrd: the MCP SDK is not installed: pip install 'orchestrd[desktop]'\n"
