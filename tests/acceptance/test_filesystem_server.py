"""Claude Desktop without our server: what MCP's own filesystem server can do is enough for the whole loop."""

from __future__ import annotations

import asyncio
import tomllib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.stage import a_plan_for, as_json, as_markdown, as_toml, git
from tests.node_tools import node_tool
from tests.serving import Serving
from tests.waiting import wait_until

# Looked for only: importing it takes a second, wherever tests are collected.
pytestmark = pytest.mark.skipif(
    find_spec("mcp") is None, reason="the MCP SDK is not installed (extra `desktop`)"
)


class Desktop:
    """What Claude Desktop has of the folder: the tools of a server that it starts."""

    def __init__(self, client: Any, here: Serving) -> None:
        self._client = client
        self._here = here
        self._root = here.root.path

    async def calls(self, tool: str, **arguments: Any) -> str:
        """Call a tool; what it says. It must not have failed."""
        answer = await self._client.call_tool(tool, arguments)
        said = "".join(part.text for part in answer.content if part.type == "text")
        assert not answer.is_error, said
        return said

    async def writes(self, path: str, content: str) -> None:
        await self.calls("write_file", path=str(self._root / path), content=content)

    async def moves(self, source: str, destination: str) -> None:
        await self.calls(
            "move_file", source=str(self._root / source), destination=str(self._root / destination)
        )

    async def edits(self, path: str, old: str, new: str) -> None:
        edits = [{"oldText": old, "newText": new}]
        await self.calls("edit_file", path=str(self._root / path), edits=edits)

    async def reads(self, path: str) -> str:
        return await self.calls("read_text_file", path=str(self._root / path))

    async def lists(self, lane: str) -> list[str]:
        said = await self.calls("list_directory", path=str(self._root / lane))
        return [line.removeprefix("[FILE] ") for line in said.splitlines() if line.startswith("[FILE] ")]

    async def finds(self, lane: str, name: str) -> None:
        """Look into a lane, in this chat or a later one, until a file is there."""
        await self._looks(lane, lambda names: name in names)

    async def misses(self, lane: str, name: str) -> None:
        """Look into a lane until a file is there no more."""
        await self._looks(lane, lambda names: name not in names)

    async def _looks(self, lane: str, is_so: Callable[[list[str]], bool]) -> None:
        for _ in range(300):
            if is_so(await self.lists(lane)):
                return
            await asyncio.sleep(0.05)
        raise AssertionError(f"in {lane}/ are {await self.lists(lane)}; {self._here.said()}")


@asynccontextmanager
async def desktop(here: Serving) -> AsyncIterator[Desktop]:
    """Start the server on the handoff root and nothing else, as Desktop's configuration would."""
    from mcp import Client, StdioServerParameters

    server = StdioServerParameters(command=node_tool("mcp-server-filesystem"), args=[str(here.root.path)])
    async with Client(server, read_timeout_seconds=20) as client:
        yield Desktop(client, here)


def test_a_plan_that_the_filesystem_server_wrote_runs_and_the_loop_closes_by_files_alone(
    here: Serving, project: Path
) -> None:
    plan = a_plan_for(
        project,
        "Say where the limits are. [write limits.txt ten]",
        docs={"request": True, "about": "For operators", "write_to": ["docs/limits.md"]},
    )

    async def story() -> tuple[dict[str, Any], str, str]:
        async with desktop(here) as chat:
            await chat.writes("inbox/limits-7f3a.plan.md", as_markdown(plan))
        async with desktop(here) as later_chat:
            await later_chat.finds("results", "limits-7f3a.toml")
            result = tomllib.loads(await later_chat.reads("results/limits-7f3a.toml"))
            page = await later_chat.reads("results/limits-7f3a.md")
            assert await later_chat.lists("requests") == ["limits-7f3a.docs.md"]
            request = await later_chat.reads("requests/limits-7f3a.docs.md")
            await later_chat.writes("replies/.limits-7f3a.docs.md.tmp", "# Limits\n\nTen.\n")
            await later_chat.moves("replies/.limits-7f3a.docs.md.tmp", "replies/limits-7f3a.docs.md")
            await later_chat.misses("requests", "limits-7f3a.docs.md")
            result |= tomllib.loads(await later_chat.reads("results/limits-7f3a.toml"))
            return result, page, request

    here.start()
    result, page, request = asyncio.run(story())

    assert (result["status"], result["verdict"]) == ("succeeded", "changed")
    assert git(project, "show", "handoff/limits-7f3a:limits.txt") == "ten"
    assert "requests/limits-7f3a.docs.md" in page
    assert 'write_to = [\n    "docs/limits.md",\n]' in request
    assert "+ten" in request
    assert result["docs"]["files"] == ["docs/limits.md"]
    assert git(project, "show", f"{result['docs']['commit']}:docs/limits.md") == "# Limits\n\nTen."
    assert git(project, "rev-parse", "handoff/limits-7f3a") == result["docs"]["commit"]


def test_a_plan_moved_from_a_temporary_name_runs_and_so_does_one_that_is_mended_in_the_inbox(
    here: Serving, project: Path
) -> None:
    wrong = as_toml(a_plan_for(project)).replace("prompt", "promt")

    async def story() -> None:
        async with desktop(here) as chat:
            await chat.writes("inbox/.moved-1b2c.plan.json.tmp", as_json(a_plan_for(project)))
            await chat.moves("inbox/.moved-1b2c.plan.json.tmp", "inbox/moved-1b2c.plan.json")
            await chat.writes("inbox/mended-9d8e.plan.toml", wrong)
            await chat.edits("inbox/mended-9d8e.plan.toml", "promt", "prompt")
            # Written twice: the server puts a second version in the place of the first by a rename.
            await chat.writes("inbox/twice-4c5d.plan.toml", wrong)
            await chat.writes("inbox/twice-4c5d.plan.toml", as_toml(a_plan_for(project)))

    here.start()
    asyncio.run(story())

    for plan in ("moved-1b2c", "mended-9d8e", "twice-4c5d"):
        assert here.result(plan)["status"] == "succeeded", plan
    wait_until(lambda: not list(here.root.inbox.iterdir()), 5, "an empty inbox")
