"""An input that comes with an answer is held against what the plan denies."""

from __future__ import annotations

from typing import Any

import pytest

from orchestrd.runs.asking.denied import denied_by
from tests.runs.stand import Stand
from tests.runs.test_asking_runner import Asker, wants

CWD = "/src/x"


def command(text: str) -> dict[str, Any]:
    return {"command": text}


@pytest.mark.parametrize(
    ("tool", "given", "rule"),
    [
        ("Bash", command("rm a"), "Bash(rm *)"),
        ("Bash", command("rm"), "Bash(rm *)"),
        ("Bash", command("rm -rf a"), "Bash(rm:*)"),
        ("Bash", command("ls && rm a"), "Bash(rm *)"),
        ("Bash", command("ls\nA=1 rm a"), "Bash(rm *)"),
        ("Bash", command("(rm a)"), "Bash(rm *)"),
        ("Bash", command("git  push origin"), "Bash(git push *)"),
        ("Bash", command("git push --force"), "Bash(* --force)"),
        ("Bash", command("$X a"), "Bash(rm *)"),
        ("Bash", command("sh -c 'rm a'"), "Bash(rm *)"),
        ("Bash", command("r\\m a"), "Bash(rm *)"),
        ("Bash", command("ls"), "Bash"),
        ("Write", {"file_path": "/src/x/secrets/a"}, "Edit(secrets/**)"),
        ("Write", {"file_path": "/src/x/secrets/a"}, "Edit(./secrets)"),
        ("Edit", {"file_path": "/src/x/a/../.env"}, "Write(.env)"),
        ("Edit", {"file_path": "/etc/passwd"}, "Edit(//etc/**)"),
        ("Read", {"file_path": "sub/.env"}, "Read(.env)"),
        ("WebFetch", {"url": "https://a.example.org:8/x"}, "WebFetch(domain:example.org)"),
        ("WebFetch", {"url": "https://x@example.org/"}, "WebFetch(domain:example.org)"),
        ("mcp__db__drop", {}, "mcp__db"),
        ("mcp__db__drop", {}, "mcp__db__*"),
        ("Task", {"x": 1}, "Task(Explore)"),
    ],
)
def test_what_a_rule_covers_or_may_cover_is_denied(tool: str, given: dict[str, Any], rule: str) -> None:
    assert denied_by(tool, given, ["Nothing", rule], CWD) == rule


@pytest.mark.parametrize(
    ("tool", "given", "rule"),
    [
        ("Bash", command("rmdir a"), "Bash(rm *)"),
        ("Bash", command("ls rm"), "Bash(rm *)"),
        ("Bash", command("git pull"), "Bash(git push *)"),
        ("Bash", command("ls"), "Edit"),
        ("Write", {"file_path": "/src/x/public/a"}, "Edit(secrets/**)"),
        ("Write", {"file_path": "/src/x/a"}, "Read(a)"),
        ("WebFetch", {"url": "https://notexample.org/"}, "WebFetch(domain:example.org)"),
        ("mcp__dbx__drop", {}, "mcp__db"),
    ],
)
def test_what_no_rule_covers_is_not(tool: str, given: dict[str, Any], rule: str) -> None:
    assert denied_by(tool, given, [rule], CWD) is None


def test_a_changed_input_that_the_plan_denies_is_a_problem_and_another_is_carried_out(
    native_stand: Stand,
) -> None:
    asker = Asker(native_stand)
    watch = asker.start(wants(), deny=("Bash(rm *)",))
    asker.asked(asker.name())

    asker.reply(asker.name(), decision="allow", input_json='{"command": "ls; rm a"}')
    asker.problem(asker.name(), "denies Bash(rm *)")
    asker.reply(asker.name(), decision="allow", input_json='{"command": "ls"}')
    asker.stand.end_of(watch)

    assert asker.events() == ["asked", "refused", "answered"]
