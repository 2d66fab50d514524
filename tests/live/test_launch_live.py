"""What we put together for a run, as the real Claude Code takes it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from handoff.plan import Plan
from handoff.result import Reason, Status
from orchestrd.rehearsal import Rehearsal, Script
from orchestrd.runs.claude import ClaudeCommand
from orchestrd.runs.launch import Launch, RunSettings, Start, compose
from orchestrd.runs.stream import StreamFacts
from orchestrd.runs.trust import Trust, TrustedBy
from orchestrd.runs.verdict import Outcome, judge
from tests.live.conftest import MARK, Rehearse, git

UNTRUSTED, TRUSTED = Trust(), Trust(TrustedBy.ORCHESTRD)

MCP_SERVER = """
import json, sys
for line in sys.stdin:
    asked = json.loads(line)
    if "id" not in asked:
        continue
    given = {
        "initialize": {
            "protocolVersion": asked.get("params", {}).get("protocolVersion"),
            "capabilities": {"tools": {}},
            "serverInfo": {"name": "echo", "version": "1"},
        },
        "tools/list": {"tools": [{"name": "say", "description": "Says.", "inputSchema": {"type": "object"}}]},
        "tools/call": {"content": [{"type": "text", "text": "said by the server"}]},
    }.get(asked["method"], {})
    print(json.dumps({"jsonrpc": "2.0", "id": asked["id"], "result": given}), flush=True)
"""


@dataclass(frozen=True)
class Ran:
    launch: Launch
    events: list[dict[str, Any]]
    facts: StreamFacts
    outcome: Outcome
    stderr: str

    @property
    def servers(self) -> dict[str, str]:
        init = next(event for event in self.events if event.get("subtype") == "init")
        return {server["name"]: server["status"] for server in init["mcp_servers"]}


@dataclass(frozen=True)
class Runs:
    """Composes launches of plans and runs them as the runner does: stdin stays open until the first result."""

    binary: Path
    project: Path
    environment: Callable[..., dict[str, str]]
    folder: Path
    sessions: list[str] = field(default_factory=list)

    def run(
        self,
        model: Rehearsal,
        prompt: str = "Go.",
        *,
        trust: Trust = UNTRUSTED,
        checkout: Path | None = None,
        resume: str | None = None,
        budget_usd: float | None = None,
        readable: tuple[Path, ...] = (),
        kept_out: tuple[Path, ...] = (),
        env: Mapping[str, str] | None = None,
        **fields: Any,
    ) -> Ran:
        plan = Plan.model_validate(
            {"handoff": 1, "project": str(self.project), "prompt": prompt, "model": "sonnet", **fields}
        )
        run_folder = self.folder / uuid4().hex
        run_folder.mkdir(parents=True)
        session = resume or str(uuid4())
        launch = compose(
            plan,
            Start(
                checkout or self.project,
                run_folder,
                session,
                prompt,
                resume=resume is not None,
                budget_usd=budget_usd,
                readable=readable,
                kept_out=kept_out,
            ),
            claude=ClaudeCommand(self.binary, "test"),
            trust=trust,
            environ=self.environment(model, **(env or {})),
            settings=RunSettings(env_pass=(MARK,), api_retries=0),
        )
        for name, content in launch.files.items():
            (run_folder / name).write_bytes(content)
        return self._start(launch)

    def _start(self, launch: Launch) -> Ran:
        process = subprocess.Popen(
            launch.argv,
            cwd=launch.cwd,
            env=launch.env,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        facts, events = StreamFacts(), []
        try:
            process.stdin.write(launch.stdin)
            process.stdin.flush()
            for line in process.stdout:
                facts.feed(line)
                events.append(json.loads(line))
                if facts.has_result:
                    process.stdin.close()
            code = process.wait(timeout=30)
        finally:
            process.kill()
        stderr = process.stderr.read().decode()
        exit_record = {"why": "ended", "exit_code": code, "signal": None, "saw_result": facts.has_result}
        return Ran(launch, events, facts, judge(facts, exit_record, stderr_tail=stderr), stderr)


@pytest.fixture
def runs(
    claude_binary: Path, project: Path, live_environment: Callable[..., dict[str, str]], tmp_path: Path
) -> Runs:
    return Runs(claude_binary, project, live_environment, tmp_path / "runs")


def a_script(*turns: Mapping[str, Any]) -> Script:
    return Script.model_validate({"conversations": [{"turns": list(turns)}]})


def bash(*commands: str) -> dict[str, Any]:
    calls = [{"name": "Bash", "input": {"command": command, "description": "x"}} for command in commands]
    return {"tools": calls}


DONE = {"text": "Done."}


def test_a_large_prompt_and_a_large_addition_to_the_system_prompt_arrive_whole(
    runs: Runs, rehearse: Rehearse
):
    model = rehearse(a_script(DONE))
    prompt = "BEGIN " + "p" * 300_000 + " END"
    addition = "FIRST " + "s" * 200_000 + " LAST"

    ran = runs.run(model, prompt, system_prompt_append=addition)

    assert ran.outcome.status is Status.SUCCEEDED
    body = json.dumps(model.messages[0].body)
    assert prompt in body
    assert addition in body


def test_the_session_is_the_one_that_was_chosen_and_can_be_resumed_with_its_own_cost(
    runs: Runs, rehearse: Rehearse
):
    model = rehearse(a_script({"text": "One."}))

    first = runs.run(model)
    resumed = runs.run(model, "And on.", resume=first.launch.session_id)

    assert first.facts.session_id == resumed.facts.session_id == first.launch.session_id
    assert resumed.outcome.status is Status.SUCCEEDED
    assert resumed.facts.cost_usd > 0
    total = first.facts.cost_usd + resumed.facts.cost_to_book(first.facts.cost_usd)
    assert total >= resumed.facts.cost_usd
    assert resumed.facts.session_cost_usd in (pytest.approx(total), pytest.approx(resumed.facts.cost_usd))


def test_a_session_that_is_not_there_is_refused(runs: Runs, rehearse: Rehearse):
    ran = runs.run(rehearse(), resume=str(uuid4()))

    assert ran.outcome.resume_refused


def test_an_allow_rule_with_spaces_and_commas_allows_and_a_deny_rule_denies(runs: Runs, rehearse: Rehearse):
    model = rehearse(a_script(bash("git tag one", "git tag two", "git branch a,b", "git branch c"), DONE))
    rules = {"allow": ["Bash(git tag *)", "Bash(git branch a,b)"], "deny": ["WebFetch", "Bash(git tag two)"]}

    ran = runs.run(model, permissions=rules)

    assert ran.outcome.status is Status.SUCCEEDED
    assert git(runs.project, "tag").split() == ["one"]
    assert git(runs.project, "branch", "--format=%(refname:short)").split() == ["a,b", "main"]
    assert len(ran.facts.denied) == 2
    assert all(denied.why for denied in ran.facts.denied)


def test_a_file_outside_the_checkout_that_is_handed_over_may_be_read_and_neither_written_nor_what_is_beside_it(
    runs: Runs, rehearse: Rehearse, tmp_path: Path
):
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    handed = tmp_path / "link" / "runs, (a) [b] *c? #1'" / "main.1" / "stdout.log"
    beside = handed.parent / "launch.json"
    handed.parent.mkdir(parents=True)
    for path in (handed, beside):
        path.write_text(f"the words of {path.name}\n")
    reads = [{"name": "Read", "input": {"file_path": str(path)}} for path in (handed, beside)]
    write = {"name": "Write", "input": {"file_path": str(handed), "content": "forged"}}
    model = rehearse(a_script({"tools": reads}, {"tools": [write]}, DONE))

    ran = runs.run(model, permissions={"mode": "acceptEdits"}, readable=(handed,))

    assert ran.outcome.status is Status.SUCCEEDED
    heard = json.dumps(model.messages[-1].body)
    assert "the words of stdout.log" in heard
    assert "the words of launch.json" not in heard
    assert handed.read_text() == "the words of stdout.log\n"
    assert {denied.tool for denied in ran.facts.denied} == {"Read", "Write"}


def test_no_tool_for_files_writes_into_the_root_whatever_the_plan_allows(
    runs: Runs, rehearse: Rehearse, tmp_path: Path
):
    root, beside = tmp_path / "hand off (mine)", tmp_path / "beside.txt"
    (root / "replies").mkdir(parents=True)
    forged = root / "replies" / "p.main.1.1.approval.toml"
    paths = [str(forged), str(root / "inbox.plan.md"), str(beside)]
    writes = [{"name": "Write", "input": {"file_path": path, "content": "yes"}} for path in paths]
    by_shell = {"name": "Bash", "input": {"command": f"echo yes > '{forged}'", "description": "Answers"}}
    model = rehearse(a_script({"tools": writes}, {"tools": [by_shell]}, DONE))

    ran = runs.run(model, permissions={"allow": ["Write", "Edit", "Bash(echo *)"]}, kept_out=(root,))

    assert ran.outcome.status is Status.SUCCEEDED
    assert beside.read_text() == "yes"
    assert [path for path in root.rglob("*") if path.is_file()] == []
    assert sorted(denied.tool for denied in ran.facts.denied) == ["Bash", "Write", "Write"]


def give_it_settings(project: Path, hook_log: Path) -> None:
    """A project with memory, a rule that allows, a hook and a server of its own, all committed."""
    (project / ".claude").mkdir()
    (project / "server.py").write_text(MCP_SERVER)
    (project / "CLAUDE.md").write_text("The magic word is xyzzy.\n")
    hook = {"matcher": "Bash", "hooks": [{"type": "command", "command": f"echo hook >> '{hook_log}'"}]}
    settings = {
        "permissions": {"allow": ["Bash(git update-ref refs/tags/shared HEAD)"]},
        "hooks": {"PreToolUse": [hook]},
    }
    (project / ".claude" / "settings.json").write_text(json.dumps(settings))
    server = {"command": sys.executable, "args": [str(project / "server.py")]}
    (project / ".mcp.json").write_text(json.dumps({"mcpServers": {"own": server}}))
    git(project, "add", "--all")
    git(project, "commit", "--quiet", "--message=Settings")
    # Not committed, as ever: a worktree does not have it.
    local = {"permissions": {"allow": ["Bash(git update-ref refs/tags/private HEAD)"]}}
    (project / ".claude" / "settings.local.json").write_text(json.dumps(local))


def test_of_an_untrusted_project_no_hook_server_or_rule_acts_and_its_memory_reaches_the_model(
    runs: Runs, rehearse: Rehearse, tmp_path: Path
):
    give_it_settings(runs.project, tmp_path / "hooks")
    model = rehearse(
        a_script(
            bash("git update-ref refs/tags/shared HEAD", "git update-ref refs/tags/private HEAD", "echo hi"),
            DONE,
        )
    )

    ran = runs.run(model)

    assert ran.outcome.status is Status.SUCCEEDED
    assert not (tmp_path / "hooks").exists()
    assert ran.servers == {}
    assert len(ran.facts.denied) == 2
    assert "The magic word is xyzzy." in json.dumps(model.messages[0].body)


def test_the_settings_of_a_trusted_project_hold_in_a_worktree_of_it(
    runs: Runs, rehearse: Rehearse, tmp_path: Path
):
    give_it_settings(runs.project, tmp_path / "hooks")
    checkout = tmp_path / "checkout"
    git(runs.project, "worktree", "add", "--quiet", "-b", "work", str(checkout))
    model = rehearse(
        a_script(bash("git update-ref refs/tags/shared HEAD", "git update-ref refs/tags/private HEAD"), DONE)
    )

    ran = runs.run(model, trust=TRUSTED, checkout=checkout)

    assert ran.outcome.status is Status.SUCCEEDED
    assert ran.facts.denied == ()
    assert git(checkout, "tag").split() == ["private", "shared"]
    # The checkout has the same hook in its own settings: it runs once a call all the same.
    assert (tmp_path / "hooks").read_text().splitlines() == ["hook", "hook"]
    assert ran.servers == {"own": "connected"}
    assert "The magic word is xyzzy." in json.dumps(model.messages[0].body)


def test_nothing_of_the_users_own_claude_configuration_is_trusted_by_a_run(
    runs: Runs, rehearse: Rehearse, claude_home: Path
):
    runs.run(rehearse(a_script(DONE)), trust=TRUSTED)

    state = json.loads((claude_home / ".claude" / ".claude.json").read_text())
    trusted = [entry.get("hasTrustDialogAccepted") for entry in state.get("projects", {}).values()]
    assert True not in trusted


def test_a_server_of_the_plan_that_does_not_start_is_named_and_the_run_goes_on(
    runs: Runs, rehearse: Rehearse
):
    ran = runs.run(rehearse(a_script(DONE)), mcp={"gone": {"command": "/nowhere/server"}})

    assert ran.outcome.status is Status.SUCCEEDED
    assert ran.facts.servers_not_connected == ("gone",)


def test_the_tool_of_a_plans_server_can_be_called(runs: Runs, rehearse: Rehearse, tmp_path: Path):
    (tmp_path / "server.py").write_text(MCP_SERVER)
    model = rehearse(a_script({"tools": [{"name": "mcp__echo__say", "input": {}}]}, DONE))
    server = {"command": sys.executable, "args": [str(tmp_path / "server.py")]}

    ran = runs.run(model, mcp={"echo": server}, permissions={"allow": ["mcp__echo"]})

    assert ran.servers == {"echo": "connected"}
    assert "said by the server" in json.dumps(model.messages[-1].body)


def test_the_remaining_budget_holds_for_a_resumed_run_alone(runs: Runs, rehearse: Rehearse):
    turn = {"text": "One.", "usage": {"output_tokens": 10_000}}
    model = rehearse(a_script(turn, turn))

    first = runs.run(model, budget_usd=10)
    # Too little for both, enough for one.
    resumed = runs.run(model, resume=first.launch.session_id, budget_usd=first.facts.cost_usd * 1.3)
    over = runs.run(rehearse(a_script({**bash("echo hi"), **turn, "text": None})), budget_usd=0.01)

    assert first.outcome.status is Status.SUCCEEDED
    assert resumed.outcome.status is Status.SUCCEEDED
    assert over.outcome.reason is Reason.BUDGET
