"""An example that comes with a script of its own is carried out as its first lines say."""

from __future__ import annotations

import tomllib
from pathlib import Path

import tomli_w

from orchestrd.rehearsal import load_script
from tests.live.real import Live, git, live
from tests.live.test_workflows import a_project
from tests.waiting import wait_until

EXAMPLES = Path(__file__).parents[2] / "examples"


def test_the_example_of_a_coordinator_divides_translates_and_tests(
    claude_binary: Path, tmp_path: Path
) -> None:
    project = a_project(tmp_path / "greetings")
    plan = tomllib.loads((EXAMPLES / "coordinate.plan.toml").read_text("utf-8"))
    script = load_script(EXAMPLES / "rehearsals" / "coordinate.toml")

    with live(tmp_path / "live", claude_binary, script, LIMITS__MAX_PARALLEL="2") as there:
        there.here.drop("coordinate.toml", tomli_w.dumps({**plan, "project": str(project)}))
        result = there.result("coordinate", 90)
        translators = [there.asked(f"Write {name}.py")[0].system for name in ("german", "french")]

    assert result["status"] == "succeeded", result
    assert [step["id"] for step in result["steps"]] == ["divide", "divide-german", "divide-french", "test"]
    assert [check["exit"] for check in result["checks"]] == [0]
    assert [step["id"] for step in result["steps"] if "denied" in step] == []
    assert all(plan["agents"]["translator"]["prompt"] in system for system in translators)
    changed = git(project, "diff", "--name-only", f"main..{result['changes']['branch']}").split()
    assert changed == ["french.py", "german.py", "test_languages.py"]


def test_the_example_that_asks_goes_by_the_answers_of_a_person_and_is_documented(
    claude_binary: Path, tmp_path: Path
) -> None:
    plan = (EXAMPLES / "ask-first.plan.toml").read_text("utf-8")
    script = load_script(EXAMPLES / "rehearsals" / "ask-first.toml")

    with live(tmp_path / "live", claude_binary, script) as there:
        project = a_project(there.here.home / "src/greetings")
        there.here.drop("ask-first.plan.toml", plan)
        says(there, "ask-first.main.1.1.question.toml", "answer", "ask-first", "French", "--wait")
        says(there, "ask-first.main.1.2.approval.toml", "approve", "ask-first", "--wait")
        result = there.result("ask-first", 60)
        (tmp_path / "greetings.md").write_text("# Greetings\n\n`bonjour(name)` greets in French.\n")
        says(there, "ask-first.docs.md", "document", "ask-first", str(tmp_path / "greetings.md"), "--wait")

    assert result["status"] == "succeeded", result
    assert "denied" not in result["steps"][0]
    told = {used.tool: used.text for request in there.model.messages for used in request.results}
    assert "French" in told["AskUserQuestion"]
    assert told["Bash"].startswith("Bonjour, Ada !")
    assert "bonjour" in git(project, "show", "handoff/ask-first:greeting.py")
    assert git(project, "show", "handoff/ask-first:docs/greetings.md").startswith("# Greetings")


def says(there: Live, request: str, *words: str) -> None:
    """Wait for a request, and answer it at the terminal."""
    wait_until((there.root.requests / request).is_file, 60, f"{request}; {there.here.said()}")
    said = there.command(*words)
    assert said.returncode == 0, said.stderr
