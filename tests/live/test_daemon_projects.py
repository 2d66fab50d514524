"""What a project and a plan bring along to a real run through the daemon: trust, servers, and the plan's language."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import tomli_w

from tests.live.real import MAY_ALL, MAY_WRITE, a_plan, bash, conversation, git, live, write
from tests.live.test_launch_live import MCP_SERVER, give_it_settings
from tests.waiting import wait_until


def test_only_a_trusted_projects_settings_act_and_then_in_its_worktree_too(
    claude_binary: Path, project: Path, tmp_path: Path
):
    give_it_settings(project, tmp_path / "hooks")
    tag = bash("git update-ref refs/tags/shared HEAD")
    with live(tmp_path / "live", claude_binary, conversation("", tag, 'text = "{results}"')) as there:
        there.submit("untrusted", project, "Tag it, untrusted")
        untrusted = there.result("untrusted")
        hooks_then = (tmp_path / "hooks").exists()
        tags_then = git(project, "tag")
        assert there.command("trust", str(project)).returncode == 0
        there.submit("trusted", project, "Tag it, trusted")
        trusted = there.result("trusted")

        memory = [there.asked(f"Tag it, {name}")[0].body for name in ("untrusted", "trusted")]
        connected = {
            name: [server["status"] for server in there.events(name)[0].get("mcp_servers", [])]
            for name in ("untrusted", "trusted")
        }
    assert (untrusted["status"], trusted["status"]) == ("succeeded", "succeeded")
    assert (hooks_then, tags_then) == (False, "")
    assert [denied["tool"] for denied in untrusted["steps"][0]["denied"]] == ["Bash"]
    assert (tmp_path / "hooks").read_text().splitlines() == ["hook"]
    assert git(project, "tag") == "shared"
    assert "denied" not in trusted["steps"][0]
    assert connected == {"untrusted": [], "trusted": ["connected"]}
    assert all("The magic word is xyzzy." in json.dumps(body) for body in memory)
    assert git(project, "status", "--porcelain", "--untracked-files=no") == ""


def test_the_tool_of_a_plans_server_is_called(claude_binary: Path, project: Path, tmp_path: Path):
    (tmp_path / "server.py").write_text(MCP_SERVER)
    call = 'tools = [{ name = "mcp__echo__say", input = {} }]'
    server = {"command": sys.executable, "args": [str(tmp_path / "server.py")]}
    with live(tmp_path / "live", claude_binary, conversation("", call, 'text = "{results}"')) as there:
        there.submit(
            "asks", project, "Ask the server", mcp={"echo": server}, permissions={"allow": ["mcp__echo"]}
        )
        result = there.result("asks")

    assert result["summary"] == "said by the server"


def test_a_key_that_a_run_shows_about_is_written_nowhere(claude_binary: Path, project: Path, tmp_path: Path):
    show = bash("printenv ANTHROPIC_API_KEY | tee key.txt; printenv ANTHROPIC_API_KEY >&2")
    say = 'text = "It is {results}"'
    server = {"command": "/nowhere/server", "env": {"KEY": "${ANTHROPIC_API_KEY}"}}
    with live(tmp_path / "live", claude_binary, conversation("", show, say)) as there:
        there.submit(
            "shows",
            project,
            "Show it",
            mcp={"gone": server},
            permissions=MAY_ALL,
            docs={"request": True},
            workspace={"keep": "never"},
        )
        result = there.result("shows")
        key = there.here.environ["ANTHROPIC_API_KEY"]
        request = (there.root.path / result["docs"]["request"]).read_text()
        wait_until((there.root.path / result["changes"]["patch"]).exists, 5, "the archive")
        patch = (there.root.path / result["changes"]["patch"]).read_text()
        holding = [
            str(file)
            for folder in (there.root.path, there.here.home / "state", there.here.log.parent)
            for file in folder.rglob("*")
            if file.is_file() and ".claude" not in file.parts and key.encode() in file.read_bytes()
        ]

    assert result["summary"].startswith("It is [secret:ANTHROPIC_API_KEY]")
    assert "[secret:ANTHROPIC_API_KEY]" in patch
    assert "[secret:ANTHROPIC_API_KEY]" in request
    assert holding == []
    assert git(project, "show", "handoff/shows:key.txt") == key, "what a run commits is its own"


def test_a_plan_runs_alike_in_each_of_its_languages(claude_binary: Path, project: Path, tmp_path: Path):
    fields = {"handoff": 1, "project": str(project), "model": "sonnet", "permissions": MAY_WRITE}
    front_matter = tomli_w.dumps(fields)
    plans = {
        "as-toml.toml": a_plan(project, "Write new.txt", permissions=MAY_WRITE),
        "as-json.json": json.dumps({**fields, "prompt": "Write new.txt"}),
        "as-markdown.plan.md": f"+++\n{front_matter}+++\nWrite new.txt\n",
        "as-yaml.md": f"---\n{json.dumps(fields)[1:-1]}\n---\nWrite new.txt\n".replace(', "', '\n"'),
    }
    script = conversation("", write("new.txt"), 'text = "Written."')
    with live(tmp_path / "live", claude_binary, script, LIMITS__MAX_PARALLEL="4") as there:
        for name, content in plans.items():
            there.here.drop(name, content)
        names = [name.partition(".")[0] for name in plans]
        results = {name: there.result(name) for name in names}
        files = {file.name for file in there.root.results.iterdir()}

    assert files == {"as-toml.toml", "as-json.json", "as-markdown.toml", "as-yaml.toml"} | {
        f"{name}.md" for name in names
    }
    for name, result in results.items():
        assert (result["status"], result["verdict"], result["summary"]) == (
            "succeeded",
            "changed",
            "Written.",
        )
        assert result["changes"]["files_changed"] == 1
        assert git(project, "show", f"handoff/{name}:new.txt") == "made by the run"
    shapes = [shape(result) for result in results.values()]
    assert all(one == shapes[0] for one in shapes)


def shape(result: object) -> object:
    """The names of all fields, less their values."""
    if isinstance(result, dict):
        return {name: shape(value) for name, value in result.items()}
    return [shape(one) for one in result] if isinstance(result, list) else None
