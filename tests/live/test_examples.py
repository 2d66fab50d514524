"""An example that comes with a script of its own is carried out as its first lines say."""

from __future__ import annotations

import tomllib
from pathlib import Path

import tomli_w

from orchestrd.rehearsal import load_script
from tests.live.real import git, live
from tests.live.test_workflows import a_project

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
