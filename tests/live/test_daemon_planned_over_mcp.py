"""The closed loop over MCP, with the real Claude Code executing: the SDK's own client plans, then Claude Code does."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from mcp import Client, StdioServerParameters

from orchestrd.bridge.documents import read_text
from orchestrd.rehearsal import Script, parse_script
from tests.bridge.talking import Talk, talking
from tests.live.conftest import ClaudeCode
from tests.live.real import MAY_WRITE, Live, a_plan, git, live
from tests.waiting import wait_until

DOCUMENT = {"path": "docs/new.md", "content": "# The new file\n\nIt is `new.txt`.\n"}
EXECUTES = {
    "match": "Write new.txt",
    "turns": [
        {
            "tools": [
                {"name": "Write", "input": {"file_path": "{cwd}/new.txt", "content": "made by the run\n"}}
            ]
        },
        {"text": "I wrote new.txt."},
    ],
}


def a_plan_to_document(project: Path, title: str) -> str:
    asked = {"request": True, "about": "What new.txt is", "write_to": ["docs/**"]}
    return a_plan(project, "Write new.txt", title=title, permissions=MAY_WRITE, docs=asked)


def command_of(there: Live) -> dict[str, Any]:
    """How the server is started."""
    words = ["-m", "orchestrd", "mcp", "--root", str(there.root.path)]
    return {"command": sys.executable, "args": words, "env": dict(there.here.environ)}


def assert_documented(project: Path, result: dict[str, Any]) -> None:
    """The document is committed on the plan's branch, on top of its work, and the result names it."""
    branch, docs = result["branch"], result["docs"]
    assert docs["files"] == ["docs/new.md"]
    assert git(project, "rev-parse", branch) == docs["commit"]
    assert git(project, "show", f"{branch}:docs/new.md") == "# The new file\n\nIt is `new.txt`."
    assert git(project, "show", f"{branch}:new.txt") == "made by the run"


def test_the_loop_closes_over_stdio_in_one_script(claude_binary: Path, project: Path, tmp_path: Path):
    script = Script.model_validate({"conversations": [EXECUTES]})

    async def until(
        told: Callable[[dict[str, Any]], bool], client: Client, tool: str, **given: Any
    ) -> dict[str, Any]:
        async with asyncio.timeout(45):
            while True:
                found = await client.call_tool(tool, given)
                assert not found.is_error, found.content
                if told(found.structured_content):
                    return dict(found.structured_content)
                await asyncio.sleep(0.1)

    async def plan_execute_document(server: StdioServerParameters) -> tuple[dict[str, Any], dict[str, Any]]:
        async with Client(server) as client:
            submitted = await client.call_tool("submit_plan", {"plan": a_plan_to_document(project, "A file")})
            plan = submitted.structured_content["id"]
            await until(lambda one: one["state"] == "settled", client, "plan_status", plan=plan)
            waiting = await until(lambda one: one["open"] > 0, client, "list_requests", plan=plan)
            name = waiting["requests"][0]["name"]
            asked = await client.call_tool("get_request", {"name": name})
            await client.call_tool("answer_request", {"name": name, "documents": [DOCUMENT]})
            result = await until(lambda one: "commit" in one.get("docs", {}), client, "get_result", plan=plan)
            return asked.structured_content, result

    with live(tmp_path / "live", claude_binary, script) as there:
        asked, result = asyncio.run(plan_execute_document(StdioServerParameters(**command_of(there))))

    assert (asked["kind"], asked["about"]) == ("docs", "What new.txt is")
    assert "+made by the run" in asked["text"]["text"]
    assert (result["status"], result["verdict"]) == ("succeeded", "changed")
    assert_documented(project, result)


def test_claude_code_plans_and_another_session_of_it_documents_what_became_of_it(
    claude_binary: Path, project: Path, tmp_path: Path
):
    text = a_plan_to_document(project, "Planned by Claude Code")
    plan = read_text(text).name.removesuffix(".plan.toml")
    request = f"{plan}.docs.md"
    chat = tmp_path / "chat"
    chat.mkdir()

    def uses(tool: str, **given: Any) -> dict[str, Any]:
        return {"tools": [{"name": f"mcp__orchestrd__{tool}", "input": given}]}

    def looks_up(*tools: str) -> dict[str, Any]:
        """Claude Code tells the model of a server's tools when it asks for them by name."""
        named = ",".join(f"mcp__orchestrd__{tool}" for tool in tools)
        return {"tools": [{"name": "ToolSearch", "input": {"query": f"select:{named}"}}]}

    planning = {
        "match": "Have a file made",
        "turns": [looks_up("submit_plan"), uses("submit_plan", plan=text), {"text": "Handed in."}],
    }
    looking = {
        "match": "What became of it",
        "turns": [
            looks_up("list_plans", "get_result", "list_requests", "get_request", "answer_request"),
            uses("list_plans", since="1d"),
            uses("get_result", plan=plan),
            uses("list_requests", kind="docs"),
            uses("get_request", name=request),
            uses("answer_request", name=request, documents=[DOCUMENT]),
            {"text": "Documented."},
        ],
    }
    script = parse_script(json.dumps({"conversations": [planning, looking, EXECUTES]}), "json")

    with live(tmp_path / "live", claude_binary, script) as there:
        servers = tmp_path / "servers.json"
        servers.write_text(json.dumps({"mcpServers": {"orchestrd": command_of(there)}}))
        given = ("--mcp-config", str(servers), "--strict-mcp-config", "--allowedTools", "mcp__orchestrd")
        # What it starts carries the mark of all that belongs to this root, and is missed at the end.
        environ = {**there.here.environ, "CLAUDE_CODE_MAX_RETRIES": "0"}
        planner = ClaudeCode(claude_binary, chat, lambda _model, **_more: environ)

        first = planner.run(there.model, "Have a file made.", *given)
        there.result(plan)
        second = planner.run(there.model, "What became of it?", *given)
        wait_until(lambda: "commit" in there.result(plan)["docs"], 20, f"the commit; {there.here.said()}")
        result = there.result(plan)

    server = next(one for one in first.events[0]["mcp_servers"] if one["name"] == "orchestrd")
    assert server["status"] == "connected"
    (submitted,) = answers_in(first.events)
    assert (submitted["submitted"], submitted["id"], submitted["daemon"]) == (True, plan, "running")
    listed, found, waiting, asked, answered = answers_in(second.events)
    assert (listed["plans"][0]["id"], listed["plans"][0]["state"]) == (plan, "succeeded")
    assert (found["status"], found["summary"]) == ("succeeded", "I wrote new.txt.")
    assert waiting["requests"][0]["name"] == request
    assert "+made by the run" in asked["text"]["text"]
    assert answered["outcome"] in {"taken", "waiting"}
    assert second.result["result"] == "Documented."
    assert_documented(project, {"branch": result["changes"]["branch"], "docs": result["docs"]})


def test_what_a_run_asks_is_answered_over_mcp(
    claude_binary: Path, project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    question = {
        "question": "Which database?",
        "header": "Data base",
        "multiSelect": False,
        "options": [
            {"label": "Postgres", "description": "large"},
            {"label": "SQLite", "description": "small"},
        ],
    }
    command = 'python3 -c \'open("asked.txt", "w")\''
    asking = {
        "match": "Ask me",
        "turns": [
            {"tools": [{"name": "Bash", "input": {"command": command}}]},
            {"tools": [{"name": "AskUserQuestion", "input": {"questions": [question]}}]},
            {"text": "I asked."},
        ],
    }

    with live(tmp_path / "live", claude_binary, Script.model_validate({"conversations": [asking]})) as there:
        for name in ("HOME", "XDG_CONFIG_HOME", "XDG_STATE_HOME"):
            monkeypatch.setenv(name, there.here.environ[name])
        with talking(there.root.path, there.here.environ) as talk:
            permissions = {"mode": "acceptEdits", "ask": "request"}
            plan = talk("submit_plan", plan=a_plan(project, "Ask me", permissions=permissions))["id"]
            approval = first_request(talk, plan, "approval")
            asked = talk("get_request", name=approval)
            allowed = talk("answer_request", name=approval, decision="allow", message="Go on")
            chosen = first_request(talk, plan, "question")
            (one,) = talk("get_request", name=chosen)["questions"]
            answered = talk("answer_request", name=chosen, answers={one["id"]: ["SQLite"]})
            again = talk("answer_request", name=chosen, answers={one["id"]: ["SQLite"]})
            result = there.result(plan)
            told = there.asked("Ask me")[-1].results[-1].text

    assert (asked["tool"], asked["input"]["command"]) == ("Bash", command)
    assert (allowed["outcome"], answered["outcome"]) == ("taken", "taken")
    assert (again["outcome"], again["delivered"]) == ("taken", False)
    assert "SQLite" in told
    assert (result["status"], result["summary"]) == ("succeeded", "I asked.")
    assert git(project, "ls-tree", "--name-only", result["changes"]["branch"], "asked.txt") == "asked.txt"


def first_request(talk: Talk, plan: str, kind: str) -> str:
    """Wait until a plan asks something of this kind; plan_status names it."""
    named = wait_until(
        lambda: [one for one in talk("plan_status", plan=plan).get("requests", []) if one["kind"] == kind],
        30,
        f"the {kind} of {plan}",
    )
    return str(named[0]["name"])


def answers_in(events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """What the tools answered, as Claude Code handed it to the model."""
    parts = [
        part
        for event in events
        if event["type"] == "user"
        for part in event["message"]["content"]
        if part["type"] == "tool_result" and part["tool_use_id"] not in _lookups(events)
    ]
    texts = [
        part["content"] if isinstance(part["content"], str) else part["content"][0]["text"] for part in parts
    ]
    return [json.loads(text) for text in texts]


def _lookups(events: list[dict[str, Any]]) -> set[str]:
    parts = [part for event in events if event["type"] == "assistant" for part in event["message"]["content"]]
    return {part["id"] for part in parts if part.get("name") == "ToolSearch"}
