"""What a plan becomes: command line, environment, standard input, files."""

from __future__ import annotations

import errno
import json
from pathlib import Path
from typing import Any

import pytest

from handoff.plan import Plan
from handoff.result import Payer
from orchestrd.runs.claude import ClaudeCommand
from orchestrd.runs.launch import Asking, Launch, NotLaunchable, RunSettings, Start, compose
from orchestrd.runs.trust import Trust, TrustedBy
from tests.failing import fail

SESSION = "11111111-1111-4111-8111-111111111111"
UNTRUSTED, TRUSTED = Trust(), Trust(TrustedBy.ORCHESTRD)
DEFAULTS = RunSettings()
ENVIRON = {"PATH": "/bin", "HOME": "/nowhere", "ANTHROPIC_API_KEY": "sk-made-up"}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    (folder / ".claude").mkdir(parents=True)
    return folder


def a_plan(project: Path, **fields: Any) -> Plan:
    return Plan.model_validate({"handoff": 1, "project": str(project), "prompt": "Do it.", **fields})


def launch_of(
    plan: Plan,
    *,
    trust: Trust = UNTRUSTED,
    settings: RunSettings = DEFAULTS,
    environ: dict[str, str] = ENVIRON,
    **start: Any,
) -> Launch:
    project = Path(plan.project)
    begin = {
        "checkout": project,
        "run_folder": Path("/run"),
        "session_id": SESSION,
        "prompt": "Do it.",
        **start,
    }
    claude = ClaudeCommand(Path("/bin/claude"), "PATH")
    return compose(plan, Start(**begin), claude=claude, trust=trust, environ=environ, settings=settings)


def values_of(launch: Launch, flag: str) -> list[str]:
    """What stands behind a flag, up to the next one."""
    found: list[str] = []
    for argument in launch.argv[launch.argv.index(flag) + 1 :]:
        if argument.startswith("-"):
            break
        found.append(argument)
    return found


def test_a_first_start_has_a_session_of_our_choice_and_its_prompt_on_standard_input(project: Path):
    launch = launch_of(a_plan(project), prompt='Say "hé"\n\u2028and go on')

    assert values_of(launch, "--session-id") == [SESSION]
    assert "--resume" not in launch.argv
    assert not any("go on" in argument for argument in launch.argv)
    assert launch.stdin.count(b"\n") == 1
    assert json.loads(launch.stdin)["message"] == {"role": "user", "content": 'Say "hé"\n\u2028and go on'}
    assert launch.cwd == project


def test_a_further_start_resumes_the_session(project: Path):
    launch = launch_of(a_plan(project), resume=True)

    assert values_of(launch, "--resume") == [SESSION]
    assert "--session-id" not in launch.argv


def test_the_stream_is_json_both_ways(project: Path):
    argv = launch_of(a_plan(project)).argv

    assert argv[:7] == (
        "/bin/claude", "-p", "--input-format", "stream-json", "--output-format", "stream-json", "--verbose",
    )  # fmt: skip


def test_who_may_be_asked_is_asked_by_way_of_the_runner_and_what_was_granted_is_allowed(project: Path):
    asking = Asking("/root", "p", "main", 2, "toml", None, 0.25, 2.0, 10.0, polling=False)
    plan = a_plan(project, permissions={"ask": "request", "allow": ["Edit"], "deny": ["Bash(rm *)"]})

    launch = launch_of(plan, asking=asking, granted=("Bash(npm run *)",))

    assert values_of(launch, "--permission-prompt-tool") == ["stdio"]
    assert values_of(launch, "--allowedTools") == ["Edit", "Bash(npm run *)"]
    assert values_of(launch, "--disallowedTools") == ["Bash(rm *)"]
    assert launch.asking == asking
    assert "--permission-prompt-tool" not in launch_of(a_plan(project)).argv


def test_models_effort_and_limits_become_flags_and_what_is_left_out_none(project: Path):
    full = a_plan(
        project,
        model="sonnet",
        fallback_model="haiku",
        effort="high",
        limits={"max_turns": 40, "timeout": "45m", "memory": "4GiB"},
    )

    launch, bare = launch_of(full, budget_usd=0.00002), launch_of(a_plan(project))

    assert values_of(launch, "--model") == ["sonnet"]
    assert values_of(launch, "--fallback-model") == ["haiku"]
    assert values_of(launch, "--effort") == ["high"]
    assert values_of(launch, "--max-turns") == ["40"]
    assert values_of(launch, "--max-budget-usd") == ["0.000020"]
    assert (launch.limits.timeout_seconds, launch.limits.memory_bytes) == (2700.0, 4 << 30)
    assert (bare.limits.timeout_seconds, bare.limits.memory_bytes) == (3600.0, None)
    assert not {"--model", "--fallback-model", "--effort", "--max-turns", "--max-budget-usd"} & set(bare.argv)


def test_a_budget_of_which_nothing_is_left_cannot_be_launched(project: Path):
    with pytest.raises(NotLaunchable, match="max_usd"):
        launch_of(a_plan(project), budget_usd=0.0)


def test_each_rule_is_an_argument_of_its_own(project: Path):
    rules = {"allow": ["Bash(git *)", "Bash(touch a,b)", "Edit"], "deny": ["WebFetch", "Bash(rm *)"]}

    launch = launch_of(a_plan(project, permissions=rules))

    assert values_of(launch, "--allowedTools") == rules["allow"]
    assert values_of(launch, "--disallowedTools") == rules["deny"]
    assert values_of(launch, "--permission-mode") == ["default"]


def test_every_list_on_the_command_line_is_ended_by_a_flag(project: Path):
    plan = a_plan(
        project, permissions={"allow": ["Edit"], "deny": ["WebFetch"]}, mcp={"db": {"command": "uvx"}}
    )

    launch = launch_of(plan, settings=RunSettings(claude_args=("free",)))

    for flag in ("--allowedTools", "--disallowedTools", "--mcp-config"):
        assert "free" not in values_of(launch, flag)


def test_what_no_argument_can_hold_is_refused_with_its_beginning(project: Path):
    with pytest.raises(NotLaunchable, match="128 KiB"):
        launch_of(a_plan(project), settings=RunSettings(claude_args=("x" * 140_000,)))


def test_what_a_prompt_refers_to_goes_by_file_and_may_be_read_and_not_written(project: Path):
    beside = Path("/run/inputs/analyse.txt")

    launch = launch_of(
        a_plan(project, permissions={"allow": ["Edit"]}),
        files={"inputs/analyse.txt": b"long"},
        readable=(beside, Path("/else (where)/stdout.log")),
    )

    assert launch.files["inputs/analyse.txt"] == b"long"
    rules = ["Edit", "Read(//run/inputs/analyse.txt)", "Read(//else ?where?/stdout.log)"]
    assert values_of(launch, "--allowedTools") == rules
    assert "--add-dir" not in launch.argv


def test_what_is_reached_by_a_link_may_be_read_by_both_its_paths(project: Path, tmp_path: Path):
    (tmp_path / "link").symlink_to(tmp_path / "project")

    launch = launch_of(a_plan(project), readable=(tmp_path / "link" / "log",))

    assert values_of(launch, "--allowedTools") == [f"Read(/{tmp_path}/link/log)", f"Read(/{project}/log)"]


def test_the_plans_servers_go_by_file_and_no_others_are_let_in(project: Path):
    server = {"command": "uvx", "args": ["mcp-alchemy"], "env": {"DB_URL": "${DATABASE_URL}"}}
    (project / ".mcp.json").write_text('{"mcpServers": {"own": {"command": "evil"}}}')

    launch = launch_of(a_plan(project, mcp={"database": server}))

    assert values_of(launch, "--mcp-config") == ["/run/mcp.json"]
    assert json.loads(launch.files["mcp.json"]) == {"mcpServers": {"database": server}}
    assert "--strict-mcp-config" in launch.argv
    assert "--strict-mcp-config" in launch_of(a_plan(project)).argv


def test_large_texts_go_by_file_or_standard_input(project: Path):
    plan = a_plan(project, system_prompt_append="s" * 200_000)

    launch = launch_of(plan, prompt="p" * 300_000)

    assert max(map(len, launch.argv)) < 1000
    assert values_of(launch, "--append-system-prompt-file") == ["/run/system-prompt.md"]
    assert launch.files["system-prompt.md"] == b"s" * 200_000


def test_an_untrusted_project_gives_its_memory_as_text_and_nothing_else(project: Path):
    (project / "CLAUDE.md").write_text("Use tabs.")
    (project / ".claude" / "CLAUDE.md").write_text("Be brief.")
    (project / ".claude" / "settings.json").write_text('{"hooks": {}, "permissions": {"allow": ["Bash"]}}')

    launch = launch_of(a_plan(project, system_prompt_append="The plan's own."))

    text = launch.files["system-prompt.md"].decode()
    assert text.index("Use tabs.") < text.index("Be brief.") < text.index("The plan's own.")
    assert values_of(launch, "--setting-sources") == ["user"]
    assert set(launch.files) == {"system-prompt.md"}


def test_memory_may_be_a_link_within_the_project_and_not_one_that_leads_out(project: Path, tmp_path: Path):
    (project / "AGENTS.md").write_text("Shared words.")
    (project / "CLAUDE.md").symlink_to("AGENTS.md")
    (tmp_path / "secret").write_text("not yours")
    (project / "CLAUDE.local.md").symlink_to(tmp_path / "secret")

    launch = launch_of(a_plan(project))

    assert b"Shared words." in launch.files["system-prompt.md"]
    assert b"not yours" not in launch.files["system-prompt.md"]


def test_memory_that_is_no_file_is_passed_over(project: Path):
    (project / "CLAUDE.md").mkdir()

    assert launch_of(a_plan(project)).files == {}


@pytest.mark.parametrize("number", [errno.EIO, errno.EMFILE, errno.ENOMEM, errno.ESTALE])
def test_memory_that_the_machine_does_not_give_now_puts_the_start_off(
    project: Path, monkeypatch: pytest.MonkeyPatch, number: int
):
    (project / "CLAUDE.md").write_text("Use tabs.")
    fail(monkeypatch, "open", number, "CLAUDE.md", times=1)

    with pytest.raises(OSError, match="CLAUDE"):
        launch_of(a_plan(project))

    assert b"Use tabs." in launch_of(a_plan(project)).files["system-prompt.md"]


def test_memory_that_may_not_be_read_is_passed_over(project: Path, monkeypatch: pytest.MonkeyPatch):
    (project / "CLAUDE.md").write_text("Use tabs.")
    (project / "CLAUDE.local.md").write_text("Be brief.")
    fail(monkeypatch, "open", errno.EACCES, "CLAUDE.md")

    text = launch_of(a_plan(project)).files["system-prompt.md"]

    assert b"Be brief." in text
    assert b"Use tabs." not in text


def test_a_trusted_project_is_handed_its_own_settings_and_servers(project: Path):
    (project / "CLAUDE.md").write_text("Loaded by Claude Code itself.")
    (project / ".claude" / "settings.json").write_text(
        json.dumps(
            {"permissions": {"allow": ["Bash(make *)"]}, "model": "opus", "disabledMcpjsonServers": ["off"]}
        )
    )
    (project / ".claude" / "settings.local.json").write_text(
        json.dumps({"permissions": {"allow": ["Edit"]}, "model": "sonnet"})
    )
    servers = {"on": {"command": "a"}, "off": {"command": "b"}, "both": {"command": "c"}}
    (project / ".mcp.json").write_text(json.dumps({"mcpServers": servers}))

    launch = launch_of(a_plan(project, mcp={"both": {"command": "plan"}}), trust=TRUSTED)

    settings = json.loads(launch.files["settings.json"])
    assert settings["permissions"]["allow"] == ["Bash(make *)", "Edit"]
    assert settings["model"] == "sonnet"
    handed = json.loads(launch.files["mcp.json"])["mcpServers"]
    assert {name: server["command"] for name, server in handed.items()} == {"on": "a", "both": "plan"}
    assert values_of(launch, "--setting-sources") == ["user,project,local"]
    assert values_of(launch, "--settings") == ["/run/settings.json"]
    assert "system-prompt.md" not in launch.files


def test_what_is_trusted_is_the_projects_folder_and_not_what_a_branch_brings(project: Path, tmp_path: Path):
    checkout = tmp_path / "checkout"
    checkout.mkdir()
    (checkout / ".mcp.json").write_text('{"mcpServers": {"new": {"command": "x"}}}')

    launch = launch_of(a_plan(project), trust=TRUSTED, checkout=checkout)

    assert launch.cwd == checkout
    assert launch.files == {}


def test_a_key_in_the_settings_of_a_project_is_not_written_into_the_root(project: Path):
    (project / ".claude" / "settings.local.json").write_text(
        json.dumps({"env": {"SERVICE_TOKEN": "t0ps3cret", "LEVEL": "debug"}})
    )

    launch = launch_of(a_plan(project), trust=TRUSTED)

    assert json.loads(launch.files["settings.json"])["env"] == {"LEVEL": "debug"}


def test_configured_settings_are_laid_over_the_projects_because_only_the_last_ones_count(project: Path):
    (project / ".claude" / "settings.json").write_text(
        '{"model": "opus", "permissions": {"allow": ["Edit"]}}'
    )
    configured = RunSettings(claude_args=("--settings", '{"model": "haiku"}', "--debug"))

    launch = launch_of(a_plan(project), trust=TRUSTED, settings=configured)

    assert json.loads(launch.files["settings.json"]) == {"model": "haiku", "permissions": {"allow": ["Edit"]}}
    assert launch.argv.count("--settings") == 1
    assert "--debug" in launch.argv


@pytest.mark.parametrize("content", ["{", "[]", "3", '{"permissions": ', "\udcff"])
def test_broken_files_of_a_project_are_passed_over(content: str, project: Path):
    for name in (".claude/settings.json", ".mcp.json"):
        (project / name).write_bytes(content.encode("utf-8", "surrogateescape"))

    assert launch_of(a_plan(project), trust=TRUSTED).files == {}


def test_the_environment_is_built_from_nothing_and_its_secrets_are_named(project: Path):
    environ = {**ENVIRON, "DB_PASSWORD": "x", "OTHER": "y", "CLAUDECODE": "1"}

    launch = launch_of(
        a_plan(project), environ=environ, settings=RunSettings(env_pass=("DB_PASSWORD",), api_retries=1)
    )

    assert launch.env == {
        **ENVIRON,
        "DB_PASSWORD": "x",
        "CLAUDE_CODE_DISABLE_BACKGROUND_TASKS": "1",
        "CLAUDE_CODE_MAX_RETRIES": "1",
    }
    assert set(launch.secret_names) == {"ANTHROPIC_API_KEY", "DB_PASSWORD"}
    assert launch.payer is Payer.API_KEY


def test_no_value_of_the_environment_shows_in_the_command_line_the_files_or_the_text_of_a_launch(
    project: Path,
):
    launch = launch_of(a_plan(project, mcp={"db": {"command": "x", "env": {"K": "${ANTHROPIC_API_KEY}"}}}))

    assert "sk-made-up" not in repr(launch)
    assert b"sk-made-up" not in b"".join(launch.files.values())
    assert not any("sk-made-up" in argument for argument in launch.argv)


def test_a_budget_that_a_configured_argument_would_replace_is_refused(project: Path) -> None:
    settings = RunSettings(claude_args=("--max-budget-usd", "100"))

    with pytest.raises(
        NotLaunchable, match=r"limits\.max_usd: \[claude\] args names --max-budget-usd.*take it out"
    ):
        launch_of(a_plan(project), settings=settings, budget_usd=1.0)

    assert "100" in launch_of(a_plan(project), settings=settings).argv, (
        "without a cap it is the user's own affair"
    )
