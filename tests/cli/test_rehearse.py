"""The demo and rehearsals: the real Claude Code, and nothing of the user's touched."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import time
from pathlib import Path

import pytest

from tests.cli.commands import CommandLine

pytestmark = pytest.mark.live


def everything_in(folder: Path) -> dict[str, bytes]:
    return {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def processes_with(text: str) -> list[str]:
    listed = subprocess.run(["ps", "-eo", "pid,args"], capture_output=True, text=True, check=True).stdout
    return [line for line in listed.splitlines() if text in line]


def test_the_demo_tells_the_whole_way_of_a_plan_and_leaves_the_users_own_things_alone(orchestrd: CommandLine):
    (orchestrd.home / ".claude").mkdir()
    (orchestrd.home / ".claude/settings.json").write_text(
        '{"env": {"ANTHROPIC_BASE_URL": "http://127.0.0.1:9"}}'
    )
    before = everything_in(orchestrd.home)
    began = time.monotonic()

    said = orchestrd("demo", timeout=120)

    assert said.code == 0, said.out + said.err
    assert time.monotonic() - began < 20
    assert everything_in(orchestrd.home) == before
    for told in ("taken from the inbox", "→ Bash python3 -m unittest", "+def farewell", "succeeded, changed"):
        assert told in said.out
    folder = re.search(r"Everything is left for you to look at in (\S+)", said.out)
    assert folder
    assert processes_with(folder[1]) == []
    shutil.rmtree(folder[1])


def test_a_rehearsal_shows_what_a_plan_would_do_and_changes_nothing(
    orchestrd: CommandLine, project: Path, tmp_path
):
    plan = tmp_path / "write.plan.md"
    plan.write_text(
        f'+++\nhandoff = 1\nproject = "{project}"\nkey = "once"\npermissions.mode = "acceptEdits"\n+++\nWrite.\n'
    )
    script = tmp_path / "script.toml"
    script.write_text(
        "[[conversations]]\n[[conversations.turns]]\n"
        'tools = [{ name = "Write", input = { file_path = "{cwd}/made.txt", content = "made" } }]\n'
        '[[conversations.turns]]\ntext = "Made."\n'
    )
    before = everything_in(project)

    said = orchestrd("rehearse", str(plan), "--script", str(script), "--json")

    assert said.code == 0, said.err
    result = json.loads(said.out)
    assert (result["status"], result["changes"]["files_changed"], result["summary"]) == (
        "succeeded",
        1,
        "Made.",
    )
    assert result["payer"] == "nobody"
    assert everything_in(project) == before
    assert not (orchestrd.home / "handoff").exists()


def test_a_rehearsal_tells_only_what_is_so(orchestrd: CommandLine, project: Path, tmp_path):
    plan = tmp_path / "explain.plan.md"
    plan.write_text(f'+++\nhandoff = 1\nproject = "{project}"\n+++\nWhat is this project?\n')

    said = orchestrd("rehearse", str(plan))
    kept = orchestrd("rehearse", str(plan), "--keep")

    assert said.code == kept.code == 0, said.err + kept.err
    assert "taken from the inbox (explain.plan.md)" in said.out
    assert "nobody: it was a rehearsal" in said.out
    assert "would have cost $" in said.out
    assert "rehearse --keep" in said.out
    for untrue in ("api-key", "  cost ", "orchestrd-rehearsal-", "archive/"):
        assert untrue not in said.out
    folder = re.search(r"^  files +(\S+)$", kept.out, re.MULTILINE)
    assert folder
    assert (Path(folder[1]) / "result.toml").is_file()
    shutil.rmtree(Path(folder[1]).parents[3])


def test_what_is_not_there_is_told_as_submit_tells_it(orchestrd: CommandLine, tmp_path):
    plan = tmp_path / "none.toml"

    assert orchestrd("rehearse", str(plan)).err == f"orchestrd: {plan}: No such file or directory\n"


def test_a_plan_that_is_wrong_is_not_rehearsed(orchestrd, tmp_path):
    plan = tmp_path / "wrong.toml"
    plan.write_text('handoff = 1\nproject = "/no/such/project"\nprompt = "x"\n')

    said = orchestrd("rehearse", str(plan))

    assert said.code == 2
    assert f"{plan}:2: project: " in said.err
