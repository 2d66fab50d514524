"""The demo and rehearsals: the real Claude Code, and nothing of the user's touched."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.cli.commands import CommandLine
from tests.cli.conftest import orchestrd, project
from tests.live.real import a_plan, conversation

__all__ = ["orchestrd", "project"]

pytestmark = pytest.mark.live


STATIONS = (
    r"taken from the inbox",
    r"checked and accepted",
    r"a checkout of its own, on the branch handoff/say-goodbye",
    r"run main\.1 started",
    r"→ Bash python3 -m unittest",
    r"the run has ended: succeeded",
    r"2 files changed, committed on handoff/say-goodbye",
    r"settled: succeeded",
    r"succeeded, changed",
    r"\+def farewell",
    r"requests/say-goodbye\.docs\.md",
    r"replies/say-goodbye\.docs\.md",
    r"committed on handoff/say-goodbye and named in the result",
    r"Document: ",
    r"All of that was so",
)
"""Of the story, in their order."""


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

    said = orchestrd("demo", timeout=120)

    assert said.code == 0, said.out + said.err
    assert everything_in(orchestrd.home) == before
    assert re.search(".*".join(STATIONS), said.out, re.DOTALL), said.out
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
    assert everything_in(project) == before
    assert not (orchestrd.home / "handoff").exists()


def test_a_rehearsal_without_a_script_improvises_and_shows_the_result_and_the_difference(
    orchestrd, project, tmp_path
):
    plan = tmp_path / "write.plan.md"
    plan.write_text(
        f'+++\nhandoff = 1\nproject = "{project}"\npermissions.mode = "acceptEdits"\n+++\nWrite notes.md.\n'
    )

    said = orchestrd("rehearse", str(plan))

    assert said.code == 0, said.out + said.err
    assert "write: succeeded" in said.out
    assert "diff --git" in said.out


def test_a_rehearsal_shows_how_a_plan_would_fail(orchestrd: CommandLine, project: Path, tmp_path: Path):
    plan, script = tmp_path / "fails.toml", tmp_path / "script.toml"
    plan.write_text(a_plan(project, "Do it", key="once", after=["another"]))
    script.write_text(
        conversation("", "error = { status = 400, message = 'Your credit balance is too low' }")
    )

    said = orchestrd("rehearse", str(plan), "--script", str(script), "--json")

    result = json.loads(said.out)
    assert said.code == 1
    assert (result["status"], result["reason"]) == ("failed", "billing")


def test_a_plan_that_is_wrong_is_not_rehearsed(orchestrd, tmp_path):
    plan = tmp_path / "wrong.toml"
    plan.write_text('handoff = 1\nproject = "/no/such/project"\nprompt = "x"\n')

    said = orchestrd("rehearse", str(plan))

    assert said.code == 2
    assert f"{plan}:2: project: " in said.err
