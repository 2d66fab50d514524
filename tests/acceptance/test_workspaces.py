"""Where plans work: on branches of their own or in place, and never on what the user has checked out."""

from __future__ import annotations

from pathlib import Path

from tests.acceptance.stage import drop_plan, git, runs_now, starts, waits_for
from tests.serving import Serving, a_repository
from tests.waiting import wait_until


def test_plans_in_worktrees_leave_the_users_checkout_as_it_is_and_keep_theirs_as_told(
    here: Serving, project: Path, tmp_path: Path
) -> None:
    (project / "README.md").write_text("changed by the user\n")
    (project / "untracked.txt").write_text("the user's\n")
    git(project, "branch", "handoff/taken")
    git(project, "branch", "older")
    before = standing(project)
    gates = [tmp_path / "gate-1", tmp_path / "gate-2"]
    here.start(LIMITS__MAX_PARALLEL="3")
    write = "[write new.txt made]"
    drop_plan(here, "one", project, f"{write} [await {gates[0]}]")
    drop_plan(here, "two", project, f"{write} [await {gates[1]}]")
    runs_now(here, "one")
    runs_now(here, "two")
    drop_plan(here, "taken", project, write)
    drop_plan(here, "always", project, write, workspace={"keep": "always"})
    drop_plan(here, "never", project, write + " [no-result]", workspace={"keep": "never"})
    drop_plan(here, "on-failure", project, write + " [no-result]")
    drop_plan(here, "uncommitted", project, write, workspace={"commit": False, "keep": "never"})
    drop_plan(here, "based", project, write, workspace={"base": "older", "branch": "work/{id}"})
    drop_plan(here, "baseless", project, write, workspace={"base": "no-such"})
    for gate in gates:
        gate.touch()
    plans = ("one", "two", "taken", "always", "never", "on-failure", "uncommitted", "based", "baseless")
    for plan in plans:
        here.result(plan)
    wait_until(lambda: not list(here.root.active.iterdir()), 10, "all to be archived")

    for plan in ("one", "two", "taken", "always", "based"):
        result = here.result(plan)
        assert (plan, result["status"], result["verdict"]) == (plan, "succeeded", "changed")
        assert git(project, "show", f"{result['changes']['branch']}:new.txt") == "made"
        assert (result["changes"]["commits"], result["changes"]["files_changed"]) == (1, 1)
        assert (here.root.path / result["changes"]["patch"]).read_text().count("+made") == 1
    assert here.result("taken")["changes"]["branch"] == "handoff/taken-2"
    assert here.result("based")["changes"]["branch"] == "work/based"
    kept = {
        plan: here.result(plan)["changes"].get("workspace")
        for plan in ("one", "always", "never", "on-failure")
    }
    assert kept["one"] is None
    assert kept["never"] is None
    assert (Path(str(kept["always"])) / "new.txt").exists()
    assert (Path(str(kept["on-failure"])) / "new.txt").exists()
    assert git(project, "show", "handoff/never:new.txt") == "made"
    uncommitted = here.result("uncommitted")
    assert uncommitted["changes"]["commits"] == 0
    assert (Path(uncommitted["changes"]["workspace"]) / "new.txt").exists()
    baseless = here.result("baseless")
    assert (baseless["status"], baseless["reason"]) == ("failed", "workspace")
    assert "no-such" in baseless["summary"]
    assert not starts(here, "baseless")
    assert standing(project) == before
    assert git(project, "rev-parse", "handoff/taken") == git(project, "rev-parse", "main")
    assert git(project, "worktree", "list").count("\n") == 3


def test_a_plan_in_place_has_its_project_for_itself_and_touches_nothing_that_it_cannot_tell_apart(
    here: Serving, project: Path, tmp_path: Path
) -> None:
    plain = tmp_path / "plain"
    plain.mkdir()
    unborn = tmp_path / "unborn"
    unborn.mkdir()
    git(unborn, "init", "-q", "-b", "main")
    dirty = a_repository(tmp_path / "dirty")
    (dirty / "README.md").write_text("changed by the user\n")
    gate = tmp_path / "gate"
    in_place = {"workspace": {"mode": "directory"}}
    here.start(LIMITS__MAX_PARALLEL="4")

    drop_plan(here, "first", plain, f"[write one.txt made] [await {gate}]")
    runs_now(here, "first")
    drop_plan(here, "second", plain, "[write two.txt made]")
    drop_plan(here, "unborn", unborn, "[write new.txt made]")
    drop_plan(here, "unborn-here", unborn, "[write new.txt made]", **in_place)
    drop_plan(here, "dirty", dirty, "[write new.txt made]", **in_place)
    drop_plan(here, "tried-twice", project, "[write new.txt made] [fail Overloaded]", **in_place)

    wait_until(lambda: waits_for(here, "second") == "overlap", 10, "the second to wait for the first")
    for plan, wanted in (("unborn", "commit"), ("unborn-here", "commit"), ("dirty", "README.md")):
        result = here.result(plan)
        assert (plan, result["status"], result["reason"]) == (plan, "failed", "workspace")
        assert wanted in result["summary"]
        assert not starts(here, plan)
    assert git(dirty, "status", "--porcelain") == "M README.md"
    assert git(unborn, "status", "--porcelain") == ""
    twice = here.result("tried-twice")
    assert (twice["status"], twice["verdict"], twice["steps"][0]["attempts"]) == ("succeeded", "changed", 2)
    assert (project / "new.txt").read_text() == "made\n"
    assert git(project, "log", "--format=%s", "main") == "Begin"
    assert git(project, "branch", "--format=%(refname:short)") == "main"
    assert not starts(here, "second")
    gate.touch()
    for plan in ("first", "second"):
        result = here.result(plan)
        assert (result["status"], result["verdict"]) == ("succeeded", "unverified")
        assert "changes" not in result
    assert {path.name for path in plain.iterdir()} == {"one.txt", "two.txt"}


def standing(project: Path) -> tuple[str, ...]:
    """What of a user's checkout must not change."""
    index = (project / ".git" / "index").read_bytes().hex()
    told = (("status", "--porcelain"), ("rev-parse", "HEAD"), ("branch", "--show-current"))
    return (*(git(project, "--no-optional-locks", *words) for words in told), index)
