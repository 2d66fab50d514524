"""A person is told by a command of theirs, looks, and answers by hand: with the real Claude Code."""

from __future__ import annotations

import json
from pathlib import Path

from tests.live.real import bash, conversation, git, live, write
from tests.waiting import wait_until

ASKS = {"ask": "request"}

SCRIPT = "".join(
    (
        conversation("Allowed", bash("touch allowed.txt"), 'text = "Made."'),
        conversation("Denied", bash("touch denied.txt"), 'text = "Left."'),
        conversation(
            "Choose",
            'tools = [{ name = "AskUserQuestion", input = { questions = [{ question = "Which colour?", '
            'header = "Colour", multiSelect = false, options = [{ label = "Red", description = "warm" }, '
            '{ label = "Blue", description = "cold" }] }] } }]',
            'text = "Chosen."',
        ),
        conversation("Documented", write("made.txt"), 'text = "Made."'),
    )
)


def test_a_person_is_told_looks_and_answers_by_hand(
    claude_binary: Path, project: Path, tmp_path: Path
) -> None:
    told = tmp_path / "told"
    tell = tmp_path / "tell"
    tell.write_text(f'#!/bin/sh\necho "$ORCHESTRD_COUNT" >> "{told}"\n')
    tell.chmod(0o755)
    settings = {"LIMITS__MAX_PARALLEL": "4", "NOTIFY__COMMAND": json.dumps([str(tell)])}
    with live(tmp_path / "live", claude_binary, SCRIPT, **settings) as there:
        for plan in ("allowed", "denied", "choose"):
            there.submit(plan, project, f"{plan.capitalize()}.", permissions=ASKS)
        may_write = {"mode": "acceptEdits"}
        there.submit("documented", project, "Documented.", permissions=may_write, docs={"request": True})

        wait_until(
            lambda: told.exists() and sum(map(int, told.read_text().split())) == 4,
            40,
            f"four requests to be told; {there.here.said()}",
        )
        listed = json.loads(there.command("requests", "--json").stdout)
        assert sorted(one["kind"] for one in listed) == ["approval", "approval", "docs", "question"]
        allowed = there.command("approve", "allowed", "--wait", "--timeout", "20")
        denied = there.command("deny", "denied", "-m", "not this way", "--wait", "--timeout", "20")
        chosen = there.command("answer", "choose", "2", "--wait", "--timeout", "20")
        (tmp_path / "doc.md").write_text("# What was made\n")
        written = there.command(
            "document", "documented", "--as", f"docs/made.md={tmp_path}/doc.md", "--wait", "--timeout", "20"
        )

        for said in (allowed, denied, chosen, written):
            assert (said.returncode, said.stderr) == (0, "")
            assert said.stdout.endswith(": taken\n")
        for plan in ("allowed", "denied", "choose"):
            assert there.result(plan)["status"] == "succeeded"
        assert there.asked("Allowed")[-1].results[-1].is_error is False
        assert "not this way" in there.asked("Denied")[-1].results[-1].text
        assert "Blue" in there.asked("Choose")[-1].results[-1].text
        assert git(project, "show", "handoff/documented:docs/made.md") == "# What was made"
        assert there.command("requests").stdout == "nothing waits for an answer\n"
