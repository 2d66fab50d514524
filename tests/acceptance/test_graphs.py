"""Plans of several steps, as a user sees how they end."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.stage import a_plan_for, as_toml, git
from tests.serving import Serving
from tests.waiting import wait_until

MENDED = ["sh", "-c", "test -f mended.txt || { echo '[write mended.txt yes]'; exit 1; }"]


def hand_in(here: Serving, project: Path, steps: list[dict[str, Any]], **fields: Any) -> None:
    here.drop("p.toml", as_toml({"handoff": 1, "project": str(project), "steps": steps, **fields}))


def has(here: Serving, event: str, step: str) -> bool:
    try:
        records = here.journal("p")
    except (FileNotFoundError, StopIteration):
        return False
    return any(record["event"] == event and record.get("step") == step for record in records)


def test_what_is_mended_beside_others_is_in_what_the_checks_and_the_plans_branch_see(
    here: Serving, project: Path
) -> None:
    here.start(LIMITS__MAX_PARALLEL="4")
    steps: list[dict[str, Any]] = [
        {"id": "left", "prompt": "L [write left.txt one]"},
        {"id": "right", "prompt": "R [write right.txt one]"},
        {"id": "test", "run": ["ls"], "needs": ["left", "right"]},
    ]
    hand_in(here, project, steps, accept={"checks": [MENDED], "rounds": 1})

    result = here.result("p")
    assert (result["status"], [check["exit"] for check in result["checks"]]) == ("succeeded", [1, 0])
    names = git(project, "ls-tree", "--name-only", "handoff/p").splitlines()
    assert {"left.txt", "right.txt", "mended.txt"} <= set(names)


def test_a_plan_of_steps_that_is_cancelled_ends_as_cancelled_though_the_daemon_is_killed(
    here: Serving, project: Path
) -> None:
    here.start()
    gate = here.folder / "gate"
    first = {"id": "a", "prompt": f"x [write a.txt one] [await {gate}]"}
    hand_in(here, project, [first, {"id": "b", "prompt": "x", "needs": ["a"]}])
    wait_until(lambda: has(here, "run-started", "a"), 20, "a")
    here.order("c.toml", as_toml({"action": "cancel", "plan": "p", "why": "enough"}))
    wait_until(lambda: has(here, "step-gathered", "a"), 20, "gathered")
    here.kill()
    here.start()

    assert here.result("p")["status"] == "cancelled"


def test_what_checks_leave_is_no_work_of_the_plan(here: Serving, project: Path) -> None:
    here.start(LIMITS__MAX_PARALLEL="4")
    leaving = ["sh", "-c", "echo junk > junk.log; echo more >> README.md; mkdir -p out; echo o > out/o"]
    for name, prompt, changes in (
        ("idle", "[say nothing to do]", "expected"),
        ("quiet", "[say all is well]", "forbidden"),
        ("busy", "[write a.txt one]", "expected"),
    ):
        accept = {"checks": [leaving], "changes": changes}
        here.drop(f"{name}.toml", as_toml(a_plan_for(project, prompt, accept=accept)))

    idle, quiet, busy = (here.result(name) for name in ("idle", "quiet", "busy"))
    assert (idle["status"], idle["reason"]) == ("failed", "no-changes")
    assert (quiet["status"], quiet["verdict"]) == ("succeeded", "no-change-needed")
    assert (busy["status"], busy["verdict"], busy["changes"]["files_changed"]) == ("succeeded", "changed", 1)
    assert git(project, "diff", "--name-only", "main...handoff/busy") == "a.txt"
    archived = here.root.archive
    kept = wait_until(lambda: next(archived.glob("*/busy/left-by-checks.1.patch"), None), 10, "the patch")
    assert {"junk.log", "README.md", "out/o"} == set(
        git(project, "apply", "--numstat", str(kept)).split()[2::3]
    )


def test_what_checks_leave_is_not_committed_with_what_is_mended(here: Serving, project: Path) -> None:
    here.start()
    leaving = ["sh", "-c", "echo junk >> junk.log; " + MENDED[2]]
    here.drop(
        "p.toml",
        as_toml(a_plan_for(project, "[write a.txt one]", accept={"checks": [leaving], "rounds": 1})),
    )

    result = here.result("p")
    assert (result["status"], [check["exit"] for check in result["checks"]]) == ("succeeded", [1, 0])
    assert git(project, "diff", "--name-only", "main...handoff/p").splitlines() == ["a.txt", "mended.txt"]


NESTING = """mkdir {name} && cd {name} && git init -q && echo x > x && git add -A
git -c user.name=A -c user.email=a@localhost commit -qm x"""


def nesting(name: str) -> list[str]:
    """A command that makes a repository of its own in the checkout."""
    return ["sh", "-c", NESTING.format(name=name)]


def test_a_repository_that_a_step_makes_is_named_with_the_checkout_that_is_kept_for_it(
    here: Serving, project: Path
) -> None:
    here.start(LIMITS__MAX_PARALLEL="2")
    steps = [{"id": "a", "run": nesting("n")}, {"id": "b", "run": ["ls"], "needs": ["a"]}]
    # What checks leave is cleared away, and that is not.
    hand_in(here, project, steps, accept={"checks": [["sh", "-c", "echo junk > junk.log"]]})

    result = here.result("p")
    checkout = Path(result["changes"]["workspace"])
    assert (result["status"], result["changes"]["commits"]) == ("succeeded", 0)
    assert (
        "n is a git repository of its own, made by the run. What is in it is in no commit"
        in result["summary"]
    )
    assert f"git clone {checkout}/n" in result["summary"]
    assert f"git clone {checkout}/n" in (here.root.results / "p.md").read_text()
    assert git(checkout / "n", "show", "HEAD:x") == "x"
    assert not (checkout / "junk.log").exists()
    assert "160000" not in git(project, "ls-tree", "handoff/p")


def test_repositories_that_steps_side_by_side_make_are_each_named_with_their_own_checkout(
    here: Serving, project: Path
) -> None:
    here.start(LIMITS__MAX_PARALLEL="2")
    gate = here.folder / "gate"
    wait = f"while test ! -e {gate}; do sleep 0.05; done; "
    plain = ["sh", "-c", wait + "echo 1 > plain.txt"]
    hand_in(
        here, project, [{"id": "a", "run": plain}, {"id": "b", "run": ["sh", "-c", wait + nesting("n")[2]]}]
    )
    wait_until(lambda: has(here, "run-started", "a") and has(here, "run-started", "b"), 20, "both")
    gate.touch()

    result = here.result("p")
    (named,) = [line for line in result["summary"].splitlines() if "git repository of its own" in line]
    place = Path(named.rpartition("git clone ")[2].rstrip("`."))
    assert git(place, "show", "HEAD:x") == "x"
    assert git(project, "show", "handoff/p:plain.txt") == "1"
    assert "160000" not in git(project, "ls-tree", "handoff/p")


def test_where_not_all_can_be_read_nothing_is_cleared_and_what_checks_leave_is_not_committed(
    here: Serving, project: Path
) -> None:
    here.start()
    # Git cannot take in a repository without a commit, and stops there.
    leaving = ["sh", "-c", "git init -q n; echo junk > junk.log"]
    here.drop("p.toml", as_toml(a_plan_for(project, "[write a.txt one]", accept={"checks": [leaving]})))

    assert here.result("p")["status"] == "succeeded"
    assert git(project, "diff", "--name-only", "main...handoff/p") == "a.txt"
    (checkout,) = [line for line in git(project, "worktree", "list").split() if line.endswith("/p")]
    assert (Path(checkout) / "junk.log").read_text() == "junk\n"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may do everything; it takes a user who may not")
@pytest.mark.parametrize(
    "leaving",
    ["mkdir -p out/in; echo o > out/in/o; chmod 0555 out/in", "echo s > secret; chmod 0000 secret"],
    ids=["cannot be removed", "cannot be read"],
)
def test_what_checks_leave_and_nobody_may_touch_fails_no_plan(
    here: Serving, project: Path, leaving: str
) -> None:
    here.start()
    accept = {"checks": [["sh", "-c", leaving]]}
    here.drop("p.toml", as_toml(a_plan_for(project, "[write a.txt one]", accept=accept)))

    assert here.result("p")["status"] == "succeeded"
    assert git(project, "diff", "--name-only", "main...handoff/p") == "a.txt"
