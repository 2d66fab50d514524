"""What a rehearsal says at its end is so; the rest of it is shown in `tests/live/test_demo.py`."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from tests.cli.commands import CommandLine

pytestmark = pytest.mark.live


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


def test_a_plan_of_a_trusted_projects_own_workflow_is_rehearsed_on_a_copy_that_nobody_trusts(
    orchestrd: CommandLine, project: Path, tmp_path
):
    folder = project / ".handoff" / "workflows"
    folder.mkdir(parents=True)
    (folder / "ask.toml").write_text(
        'handoff = 1\ntitle = "Ask"\ndescription = "Asks."\nprompt = "What is {{what}}?"\n'
        '[params.what]\ntype = "string"\ndescription = "What"\nrequired = true\n'
    )
    plan = tmp_path / "explain.toml"
    plan.write_text(
        f'handoff = 1\nproject = "{project}"\nworkflow = "ask"\n[params]\nwhat = "this project"\n'
    )

    before = orchestrd("rehearse", str(plan))
    orchestrd("trust", str(project))
    after = orchestrd("rehearse", str(plan))

    assert before.code == 2
    assert f"{plan}:3: workflow: " in before.err
    assert after.code == 0, after.err
    assert "explain: succeeded" in after.out


def test_what_is_not_there_is_told_as_submit_tells_it(orchestrd: CommandLine, tmp_path):
    plan = tmp_path / "none.toml"

    assert orchestrd("rehearse", str(plan)).err == f"orchestrd: {plan}: No such file or directory\n"


ASKING = """
[[answers]]
match = "first"
decision = "allow"

[[answers]]
match = "which"
answer = "B"

[[conversations]]
[[conversations.turns]]
tools = [{ name = "Bash", input = { command = "touch first.txt" } }]
[[conversations.turns]]
tools = [{ name = "Bash", input = { command = "touch second.txt" } }]
[[conversations.turns]]
[[conversations.turns.tools]]
name = "AskUserQuestion"
[[conversations.turns.tools.input.questions]]
question = "Which?"
header = "Which"
multiSelect = false
options = [{ label = "A", description = "a" }, { label = "B", description = "b" }]
[[conversations.turns]]
text = "It said: {results}"
"""


def test_what_a_rehearsed_plan_asks_is_answered_by_its_script_and_else_refused(
    orchestrd: CommandLine, project: Path, tmp_path
):
    (tmp_path / "asks.toml").write_text(
        f'handoff = 1\nproject = "{project}"\nprompt = "Ask"\npermissions.ask = "request"\n'
    )
    (tmp_path / "script.toml").write_text(ASKING)

    said = orchestrd("rehearse", str(tmp_path / "asks.toml"), "--script", str(tmp_path / "script.toml"))

    assert said.code == 0, said.err
    assert "it asks: asks.main.1.1.approval.toml" in said.out
    assert 'it asks a person: Bash {"command": "touch second.txt"}' in said.out
    assert "first.txt" in said.out.partition("diff --git")[2]
    assert "second.txt" not in said.out.partition("diff --git")[2]
    assert '"Which?"="B"' in said.out
