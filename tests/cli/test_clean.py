"""`orchestrd clean`: what may go goes, work that is nowhere else stays, each with its reason."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from orchestrd.record.journal import encode_line

IDENTITY = ("-c", "user.name=Ada", "-c", "user.email=ada@localhost")


def git(where: Path, *words: str) -> str:
    return subprocess.run(
        ["git", *IDENTITY, *words], cwd=where, check=True, capture_output=True, text=True
    ).stdout


class Past:
    """Plans that were settled some days ago, with what they left behind."""

    def __init__(self, orchestrd, project: Path) -> None:
        self.root = orchestrd.root
        self.project = project
        name = hashlib.sha256(os.fsencode(self.root)).hexdigest()[:12]
        self.checkouts = orchestrd.home / ".local/state/orchestrd/checkouts" / name
        self.checkouts.mkdir(parents=True)

    def plan(
        self,
        plan: str,
        days: int = 30,
        steps: tuple[str, ...] = (),
        branch: str | None = None,
        *,
        in_place: bool = False,
    ) -> Path:
        """One that was settled so long ago. Each of its `steps` had a checkout and a branch of its own."""
        settled = (datetime.now(UTC) - timedelta(days=days)).strftime("%Y-%m-%dT%H:%M:%SZ")
        folder = self.root / "archive/2026-01" / plan
        folder.mkdir(parents=True)
        changes = f'[changes]\nbranch = "{branch or f"handoff/{plan}"}"\n'
        fields = f'handoff = 1\nplan = "{plan}"\nstatus = "succeeded"\nsettled = {settled}\n'
        told = "".join(f'[[steps]]\nid = "{step}"\nstatus = "failed"\n' for step in steps)
        (folder / "result.toml").write_text(fields + changes + told)
        records = [
            ("taken", {"source": f"{plan}.toml"}),
            ("workspace-intended", self.intent(plan, in_place=in_place)),
            *(("step-place", self.place(plan, step)) for step in steps),
            ("settling", {"status": "succeeded", "settled": settled}),
        ]
        lines = [encode_line(number, *record)[0] for number, record in enumerate(records, 1)]
        (folder / "journal.jsonl").write_bytes(b"".join(lines))
        (folder / "accepted.json").write_text(json.dumps({"project": str(self.project)}))
        return folder

    def checkout(self, plan: str) -> Path:
        path = self.checkouts / plan
        git(self.project, "worktree", "add", "--quiet", "-b", f"handoff/{plan}", str(path))
        (path / f"{plan}.txt").write_text("work\n")
        git(path, "add", "--all")
        git(path, "commit", "--quiet", "--message", plan)
        return path

    def intent(self, plan: str, *, in_place: bool) -> dict[str, object]:
        """What the journal says of the plan's workspace."""
        path, project = str(self.project if in_place else self.checkouts / plan), str(self.project)
        where = {"project": project, "repository": project, "path": path, "cwd": path}
        return (
            {"mode": "directory", **where}
            if in_place
            else {"mode": "worktree", "branch": f"handoff/{plan}", **where}
        )

    def place(self, plan: str, step: str) -> dict[str, object]:
        """What the journal says of the place of a step that works apart."""
        path, project = str(self.checkouts / f"{plan}+{step}"), str(self.project)
        where = {"project": project, "repository": project, "path": path, "cwd": path}
        return {"step": step, "own": True, "mode": "worktree", "branch": f"handoff/{plan}+{step}", **where}

    def branches(self) -> set[str]:
        return set(git(self.project, "branch", "--format=%(refname:short)").split())


@pytest.fixture
def past(orchestrd, project) -> Past:
    orchestrd("init")
    return Past(orchestrd, project)


def test_a_checkout_goes_when_all_of_it_is_committed_and_its_branch_stays_until_it_is_merged(orchestrd, past):
    past.plan("done")
    checkout = past.checkout("done")

    said = orchestrd("clean")

    assert said.code == 0, said.err
    assert not checkout.exists()
    assert f"removed   checkout  {checkout} — settled" in said.out
    assert "kept      branch    handoff/done — is not merged" in said.out
    assert "handoff/done" in past.branches()

    git(past.project, "merge", "--quiet", "handoff/done")
    said = orchestrd("clean")

    assert "removed   branch    handoff/done — is merged" in said.out
    assert "handoff/done" not in past.branches()


@pytest.mark.parametrize("change", ["untracked", "changed", "detached"])
def test_work_that_is_nowhere_else_stays(orchestrd, past, change):
    past.plan("half")
    checkout = past.checkout("half")
    if change == "untracked":
        (checkout / "more.txt").write_text("more\n")
    elif change == "changed":
        (checkout / "half.txt").write_text("other\n")
    else:
        git(checkout, "checkout", "--quiet", "--detach")
        git(checkout, "commit", "--quiet", "--allow-empty", "--message", "on no branch")

    said = orchestrd("clean")

    assert said.code == 0
    assert checkout.is_dir()
    assert f"kept      checkout  {checkout} — holds " in said.out
    assert "nothing to remove" in said.out


def test_what_was_settled_lately_or_is_in_work_stays(orchestrd, past):
    past.plan("fresh", days=1)
    (past.root / "active/working").mkdir()
    fresh, working = past.checkout("fresh"), past.checkout("working")

    said = orchestrd("clean")

    assert fresh.is_dir()
    assert working.is_dir()
    assert "its plan is in work" in said.out
    assert "settled only 24 h" in said.out


def test_archived_plans_go_when_they_are_older_than_the_configuration_keeps(orchestrd, past):
    old, young = past.plan("old", days=91), past.plan("young", days=89)

    said = orchestrd("clean")

    assert f"removed   archive   {old} — settled" in said.out
    assert (old.exists(), young.exists()) == (False, True)


def test_a_dry_run_says_the_same_and_changes_nothing(orchestrd, past):
    old = past.plan("old", days=100)
    checkout = past.checkout("old")

    said = orchestrd("clean", "--dry-run")

    assert said.out.count("would go") == 1
    assert old.is_dir()
    assert checkout.is_dir()
    found = json.loads(orchestrd("clean", "--dry-run", "--json").out)
    assert {(one["kind"], one["goes"]) for one in found} == {
        ("checkout", True),
        ("archive", False),
        ("branch", False),
    }
    # The archive of a plan goes when nothing of it lies anywhere any more.
    orchestrd("clean")
    git(past.project, "merge", "--quiet", "handoff/old")
    orchestrd("clean")
    assert not old.exists()
    assert past.branches() == {"main"}


@pytest.mark.parametrize("in_place", [True, False])
def test_a_branch_that_was_not_made_for_a_plan_is_never_removed(orchestrd, past, in_place):
    # In place a plan's work is on the branch that is checked out; elsewhere a run may bring it to any branch.
    past.plan("there", branch="main", in_place=in_place)
    git(past.project, "switch", "--quiet", "--create", "feature")
    git(past.project, "commit", "--quiet", "--allow-empty", "--message", "more")

    said = orchestrd("clean")

    assert said.code == 0, said.err
    assert "main" not in said.out
    assert past.branches() == {"main", "feature"}


def test_what_steps_had_of_their_own_goes_as_what_plans_have(orchestrd, past):
    past.plan("failed", steps=("left", "right"))
    own, left, right = (past.checkout(name) for name in ("failed", "failed+left", "failed+right"))
    git(own, "merge", "--quiet", "handoff/failed+left")
    (right / "half.txt").write_text("not committed\n")

    said = orchestrd("clean")

    assert said.code == 0, said.err
    assert (own.exists(), left.exists(), right.exists()) == (False, False, True)
    assert f"kept      checkout  {right} — holds work that is not committed" in said.out
    assert "removed   branch    handoff/failed+left — all of it is in handoff/failed" in said.out
    assert f"kept      branch    handoff/failed+right — is checked out in {right}" in said.out
    assert past.branches() == {"main", "handoff/failed", "handoff/failed+right"}

    git(right, "add", "--all")
    git(right, "commit", "--quiet", "--message", "the rest")
    assert "handoff/failed+right — is not merged into what" in orchestrd("clean").out
    assert not right.exists()
    git(past.project, "merge", "--quiet", "handoff/failed", "handoff/failed+right")
    orchestrd("clean")
    assert past.branches() == {"main"}


def test_what_steps_have_of_their_own_stays_while_their_plan_is_in_work(orchestrd, past):
    (past.root / "active/working").mkdir()
    checkout = past.checkout("working+left")

    said = orchestrd("clean")

    assert checkout.is_dir()
    assert f"kept      checkout  {checkout} — its plan is in work" in said.out


@pytest.mark.parametrize("is_linked", [True, False], ids=["linked", "untracked"])
def test_a_checkout_with_a_repository_of_its_own_stays_and_is_named(orchestrd, past, is_linked):
    past.plan("nests")
    checkout = past.checkout("nests")
    (checkout / "n").mkdir()
    git(checkout / "n", "init", "--quiet")
    git(checkout / "n", "commit", "--quiet", "--allow-empty", "--message", "x")
    if is_linked:
        git(checkout, "add", "--all")
        git(checkout, "commit", "--quiet", "--message", "n")

    said = orchestrd("clean")

    assert said.code == 0
    assert "failed" not in said.out
    assert "holds a git repository of its own, n" in said.out
    assert (checkout / "n/.git").is_dir()
