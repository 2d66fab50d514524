"""`orchestrd demo` and `orchestrd rehearse`: what somebody who has just installed it tries first."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from handoff.platform import processes_with_mark
from tests.live.real import MAY_WRITE, a_plan, conversation, git, snapshot
from tests.waiting import wait_until

Command = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def orchestrd(claude_binary: Path, tmp_path: Path) -> Iterator[Command]:
    """Run `orchestrd WORDS` as a user with a home and a temporary folder of their own; nothing may outlive it."""
    for name in ("home", "temporary"):
        (tmp_path / name).mkdir()
    environ = {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path / "home"),
        "TMPDIR": str(tmp_path / "temporary"),
        "LANG": "C.UTF-8",
        "ORCHESTRD_CLAUDE": str(claude_binary),
    }

    def run(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "orchestrd", *words],
            env=environ,
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )

    yield run
    wait_until(
        lambda: not processes_with_mark(f"TMPDIR={environ['TMPDIR']}"), 5, "the end of every process started"
    )


def test_the_demo_tells_the_whole_way_of_a_plan_and_all_of_it_is_so(orchestrd: Command, tmp_path: Path):
    told = orchestrd("demo")

    assert (told.returncode, told.stderr) == (0, ""), told.stdout[-2000:]
    stations = (
        r"taken from the inbox",
        r"checked and accepted",
        r"a checkout of its own, on the branch handoff/say-goodbye",
        r"run main\.1 started",
        r"the run has ended: succeeded",
        r"2 files changed, committed on handoff/say-goodbye",
        r"settled: succeeded",
        r"succeeded, changed",
        r"\+def farewell",
        r"requests/say-goodbye\.docs\.md",
        r"All of that was so",
    )
    assert re.search(".*".join(stations), told.stdout, re.DOTALL), told.stdout
    folder = next((tmp_path / "temporary").glob("orchestrd-demo-*"))
    assert "farewell" in git(folder / "greeting", "show", "handoff/say-goodbye:greeting.py")
    assert (folder / "handoff/results/say-goodbye.md").is_file()
    assert [entry.name for entry in (tmp_path / "home").iterdir()] == [], (
        "the user's own home stays as it was"
    )


def test_a_rehearsal_shows_what_a_plan_would_do_and_leaves_the_project_alone(
    orchestrd: Command, project: Path, tmp_path: Path
):
    plan = tmp_path / "greet.toml"
    plan.write_text(a_plan(project, "Add a greeting to app.py", permissions=MAY_WRITE))
    before, branches = snapshot(project), git(project, "branch", "--all", "--list")

    told = orchestrd("rehearse", str(plan))

    assert told.returncode == 0, told.stderr
    assert "succeeded" in told.stdout
    assert re.search(r"^\+.*#", told.stdout, re.MULTILINE), "the difference is shown"
    assert snapshot(project) == before
    assert git(project, "branch", "--all", "--list") == branches
    assert git(project, "worktree", "list").count("\n") == 0
    assert list((tmp_path / "temporary").glob("orchestrd-*")) == []
    assert [entry.name for entry in (tmp_path / "home").iterdir()] == []


def test_a_rehearsal_by_a_script_shows_how_a_plan_would_fail(
    orchestrd: Command, project: Path, tmp_path: Path
):
    plan, script = tmp_path / "fails.toml", tmp_path / "script.toml"
    plan.write_text(a_plan(project, "Do it", key="once", after=["another"], limits={"attempts": 1}))
    script.write_text(
        conversation("", "error = { status = 400, message = 'Your credit balance is too low' }")
    )

    told = orchestrd("rehearse", "--json", "--script", str(script), str(plan))

    result = json.loads(told.stdout)
    assert told.returncode == 1
    assert (result["status"], result["reason"]) == ("failed", "billing")
