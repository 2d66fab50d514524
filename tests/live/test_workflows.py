"""Every workflow that ships, from plan to result: a real daemon, the real Claude Code, and its script as the model."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path
from shutil import copytree
from typing import Any

import pytest

from handoff.root import Root
from orchestrd.library.finding import SHIPPED
from orchestrd.rehearsal import Script, load_script
from tests.live.real import Live, git, live

EXAMPLES = Path(__file__).parents[2] / "examples"
NAMES = tuple(SHIPPED.names(None))
SUBMIT = "# orchestrd submit "
TEST = ["python3", "-m", "unittest"]
RESULT_SECONDS = 180.0


@dataclass(frozen=True)
class Expected:
    """What has to come of a workflow's rehearsal."""

    steps: dict[str, str]
    """In their order, with what the evidence says of each."""
    files: frozenset[str] = frozenset()
    """What the branch changes."""
    says: str = ""
    """Of the end's summary."""
    checks: int = 0
    output_of: tuple[str, str] = ("", "")
    """A step that returns data, and a field of these."""


EXPECTED = {
    "feature": Expected(
        {
            "analyse": "no-change-needed",
            "write-tests": "changed",
            "implement": "changed",
            "integrate": "no-change-needed",
            "document": "changed",
            "review": "no-change-needed",
            "revise": "no-change-needed",
        },
        frozenset({"README.md", "greeting.py", "test_farewell.py"}),
        says="hello(name) says nothing about an empty name either.",
        checks=1,
        output_of=("analyse", "interface"),
    ),
    "bugfix": Expected(
        {
            "reproduce": "changed",
            "fix": "changed",
            "review": "no-change-needed",
        },
        frozenset({"greeting.py", "test_hello.py"}),
        checks=1,
        output_of=("review", "verdict"),
    ),
    "refactor": Expected(
        {
            "analyse": "no-change-needed",
            "pin": "changed",
            "change": "changed",
            "review": "no-change-needed",
        },
        frozenset({"greeting.py", "test_hello.py"}),
        checks=1,
        output_of=("review", "verdict"),
    ),
    "docs": Expected(
        {
            "survey": "no-change-needed",
            "write": "changed",
            "verify": "no-change-needed",
            "correct": "changed",
        },
        frozenset({"README.md"}),
        says="README.md:7 is corrected.",
        output_of=("verify", "findings"),
    ),
    "review": Expected(
        dict.fromkeys(("correctness", "security", "tests", "design", "summary"), "no-change-needed"),
        says="Nobody looked at the packaging.",
        output_of=("correctness", "looked_at"),
    ),
    "coordinate": Expected(
        {
            "divide": "no-change-needed",
            "divide-evening": "changed",
            "divide-leave": "changed",
            "divide-tests": "changed",
            "review": "no-change-needed",
            "revise": "no-change-needed",
        },
        frozenset({"evening.py", "leave.py", "test_both.py"}),
        says="All of the task is done",
        checks=1,
        output_of=("review", "verdict"),
    ),
}


@dataclass(frozen=True)
class Rehearsed:
    """What came of a workflow."""

    root: Root
    project: Path
    result: dict[str, Any]


@pytest.fixture(scope="module")
def rehearsed(claude_binary: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Rehearsed]:
    """All of them, side by side under one daemon. Each is handed in as the first lines of its script say."""
    folder = tmp_path_factory.mktemp("workflows")
    projects = {name: a_project(folder / name) for name in NAMES}
    with live(folder / "live", claude_binary, all_scripts(), LIMITS__MAX_PARALLEL="5") as there:
        plans = {name: submit(there, name, project) for name, project in projects.items()}
        results = {name: there.result(plan, RESULT_SECONDS) for name, plan in plans.items()}
    return {name: Rehearsed(there.root, projects[name], results[name]) for name in NAMES}


def a_project(folder: Path) -> Path:
    """The demo's project, as somebody's repository."""
    copytree(EXAMPLES / "demo" / "project", folder)
    (folder / ".gitignore").write_text("__pycache__/\n")
    git(folder, "init", "--quiet", "--initial-branch=main")
    git(folder, "config", "user.name", "Test")
    git(folder, "config", "user.email", "test@example.org")
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message=Begin")
    return folder


def script_of(name: str) -> Path:
    return EXAMPLES / "rehearsals" / f"workflow-{name}.toml"


def all_scripts() -> Script:
    """One model that knows all of them: no prompt of one fits a conversation of another."""
    scripts = [load_script(script_of(name)) for name in NAMES]
    return Script(conversations=tuple(one for script in scripts for one in script.conversations))


def submit(there: Live, name: str, project: Path) -> str:
    """Do what the script says beside itself."""
    lines = script_of(name).read_text("utf-8").splitlines()
    words = next(shlex.split(line.removeprefix(SUBMIT)) for line in lines if line.startswith(SUBMIT))
    said = there.command("submit", "--project", str(project), *words)
    assert said.returncode == 0, said.stderr
    return said.stdout.strip()


@pytest.mark.parametrize("name", NAMES)
def test_a_shipped_workflow_is_carried_out_from_plan_to_result(
    rehearsed: dict[str, Rehearsed], name: str
) -> None:
    here, expected = rehearsed[name], EXPECTED[name]
    result = here.result

    assert result["status"] == "succeeded", result
    assert {step["id"]: step["verdict"] for step in result["steps"]} == expected.steps
    assert list(expected.steps) == [step["id"] for step in result["steps"]]
    for step in result["steps"]:
        assert step["status"] == "succeeded", step
        assert step["attempts"] == 1, step
        assert "denied" not in step, step
        assert (here.root.path / step["log"]).is_file()
    assert result["verdict"] == ("changed" if expected.files else "no-change-needed")
    assert expected.says in result["summary"]
    step, field = expected.output_of
    assert field in next(one["output"] for one in result["steps"] if one["id"] == step)


@pytest.mark.parametrize("name", NAMES)
def test_its_branch_holds_what_its_steps_have_made_and_its_checks_stand_in_the_result(
    rehearsed: dict[str, Rehearsed], name: str
) -> None:
    here, expected = rehearsed[name], EXPECTED[name]
    changes = here.result["changes"]

    branches = git(here.project, "for-each-ref", "--format=%(refname:short)", "refs/heads/handoff").split()
    if expected.files:
        assert branches == [changes["branch"]]
        changed = git(here.project, "diff", "--name-only", f"main..{changes['branch']}").split()
        assert set(changed) == expected.files
        assert changes["files_changed"] == len(expected.files)
    assert git(here.project, "worktree", "list").count("\n") == 0
    assert git(here.project, "status", "--porcelain") == ""
    told = [(one["command"], one["round"], one["exit"]) for one in here.result.get("checks", [])]
    assert told == [(TEST, 0, 0)] * expected.checks
