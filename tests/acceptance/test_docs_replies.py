"""Docs requests and their answers: committed on the plan's branch, or refused with why; nothing lost, nothing twice."""

from __future__ import annotations

import os
import shutil
import tomllib
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from handoff.formats import Format, read_document
from handoff.request import DocsRequest
from orchestrd.views.verifying import verify
from tests.acceptance.stage import PORTABLE, a_plan_for, as_json, drop_plan, git, give, runs_now, said
from tests.serving import Serving
from tests.waiting import wait_until

SINGLE = {"request": True, "write_to": ["docs/limits.md"]}


def plan_with_docs(here: Serving, name: str, project: Path, **docs: Any) -> None:
    """Hand in a plan that changes something and asks for documentation."""
    drop_plan(here, name, project, f"[write {name}.txt done]", docs=SINGLE | docs)


def is_archived(here: Serving, plan: str) -> bool:
    return any(here.root.archive.glob(f"*/{plan}"))


def archived_result(here: Serving, plan: str) -> dict[str, Any]:
    return tomllib.loads((here.plan_folder(plan) / "result.toml").read_text())


def problem_of(here: Serving, plan: str, before: str = "") -> str:
    """Wait for the problem that a docs request gains, another than the one before."""
    path = here.root.requests / f"{plan}.docs.md"

    def told() -> str | None:
        problem = read_document(DocsRequest, path.read_bytes(), Format.MARKDOWN).problem
        return problem.message if problem is not None and problem.message != before else None

    return wait_until(told, 15, f"a problem of {path.name}; the daemon said: {here.said()}")


def kept(here: Serving, plan: str) -> list[str]:
    folder = here.plan_folder(plan) / "replies"
    return sorted(os.listdir(folder)) if folder.is_dir() else []


def is_answered(here: Serving, plan: str) -> None:
    """Wait until the answer to its docs request is dealt with."""
    gone = here.root.requests / f"{plan}.docs.md"
    wait_until(lambda: not gone.exists(), 15, f"{gone.name} to go; the daemon said: {here.said()}")
    held = here.root.private / "replies" / gone.name
    wait_until(lambda: not held.exists(), 5, "its answer to be put away")


def events(here: Serving, plan: str, *words: str) -> list[dict[str, Any]]:
    return [record for record in here.journal(plan) if record["event"] in words]


def test_an_answer_is_committed_and_named_in_the_result_and_the_request_goes(
    here: Serving, project: Path
) -> None:
    here.start()
    plan_with_docs(here, "api", project)
    plan_with_docs(here, "web", project, write_to=["docs/**", "README.md"])
    here.drop("tool.json", as_json(a_plan_for(project, "[write tool.txt done]", docs=SINGLE)))
    first = {name: here.result(name) for name in ("api", "web", "tool")}
    (here.root.results / "web.toml").unlink()
    asked = read_document(DocsRequest, (here.root.requests / "web.docs.md").read_bytes(), Format.MARKDOWN)
    there = git(project, "show", "handoff/web:README.md")
    assert f"`README.md`, whole:\n\n```markdown\n{there}\n```\n" in asked.text
    assert "<!-- file: docs/example.md -->" in asked.text

    here.reply("api.docs.md", "# Limits\n\nTen a second.\n")
    here.reply("web.docs.md", "<!-- file: docs/a.md -->\n# A\n<!-- file: README.md -->\n# B\n")
    here.reply("tool.docs.md", "<!-- nothing to document -->\n")
    for name in first:
        is_answered(here, name)

    result = here.result("api")
    docs = result["docs"]
    assert git(project, "rev-parse", "handoff/api") == docs["commit"]
    assert git(project, "rev-parse", "handoff/api~1") == result["changes"]["head"]
    assert git(project, "show", "handoff/api:docs/limits.md") == "# Limits\n\nTen a second."
    assert docs["files"] == ["docs/limits.md"]
    assert (here.root.path / docs["reply"]).read_text() == "# Limits\n\nTen a second.\n"
    assert {**result, "docs": None} == {**first["api"], "docs": None}
    assert archived_result(here, "api") == result
    assert docs["commit"][:12] in (here.root.results / "api.md").read_text()
    assert f"commit {docs['commit'][:12]}: docs/limits.md" in said(here, "show", "api")
    assert git(project, "status", "--porcelain") == ""
    assert git(project, "show", "handoff/web:README.md") == "# B"
    assert archived_result(here, "web")["docs"]["files"] == ["docs/a.md", "README.md"]
    assert not (here.root.results / "web.toml").exists()
    declined = here.result("tool")
    assert "commit" not in declined["docs"]
    assert declined["docs"]["reply"].endswith("/tool/replies/tool.docs.md")
    assert git(project, "rev-parse", "handoff/tool") == declined["changes"]["head"]
    (taken,) = events(here, "api", "reply-taken")
    assert (taken["reply"], taken["commit"]) == ("api.docs.md", docs["commit"])
    assert here.status("daemon").get("ignored", []) == []

    here.reply("api.docs.md", "# Another\n")
    wait_until(lambda: len(kept(here, "api")) == 2, 10, "the second answer to be put aside")
    (refused,) = events(here, "api", "reply-refused")
    assert refused["message"] == "the request was answered already, by api.docs.md"
    assert git(project, "rev-parse", "handoff/api") == docs["commit"]


def test_an_answer_that_does_not_fit_is_kept_and_the_request_says_why_until_one_does(
    here: Serving, project: Path
) -> None:
    here.start(LANES__PATIENCE_SECONDS="0.5", LANES__SCAN_SECONDS="0.25")
    plan_with_docs(here, "api", project, write_to=["docs/**"])
    wait_until(lambda: is_archived(here, "api"), 15, "the plan to be archived")

    here.reply("api.docs.md", "no line names a file\n")
    first = problem_of(here, "api")
    assert first.startswith("line 1: no line names a file")
    (here.root.replies / "api.docs.md").write_text("<!-- file: ../x.md -->\nX\n")
    second = problem_of(here, "api", first)
    assert "../x.md" in second
    git(project, "switch", "-q", "handoff/api")
    here.reply("api.docs.md", "<!-- file: docs/x.md -->\nX\n")
    assert "is checked out in" in problem_of(here, "api", second)
    assert "## The last answer was not taken" in (here.root.requests / "api.docs.md").read_text()
    git(project, "switch", "-q", "main")
    give(here, "pause", action="pause")
    here.reply("api.docs.md", "<!-- file: docs/x.md -->\nX\n")
    is_answered(here, "api")

    assert kept(here, "api") == ["api.2.docs.md", "api.3.docs.md", "api.4.docs.md", "api.docs.md"]
    assert here.result("api")["docs"]["reply"].endswith("/api/replies/api.4.docs.md")
    assert len(events(here, "api", "reply-refused")) == 3
    assert git(project, "show", "handoff/api:docs/x.md") == "X"


def test_what_a_plan_in_place_is_answered_is_written_in_place(here: Serving, tmp_path: Path) -> None:
    project = tmp_path / "plain"
    (project / "docs").mkdir(parents=True)
    (project / "docs/limits.md").write_text("# What was known before\n")
    here.start()
    plan_with_docs(here, "plain", project)
    here.result("plain")
    assert "# What was known before" in (here.root.requests / "plain.docs.md").read_text()

    here.reply("plain.docs.md", "# Limits\n")
    is_answered(here, "plain")

    docs = here.result("plain")["docs"]
    assert (project / "docs/limits.md").read_text() == "# Limits\n"
    assert docs["files"] == ["docs/limits.md"]
    assert "commit" not in docs


def test_a_request_whose_time_is_over_goes_and_an_answer_afterwards_is_put_aside(
    here: Serving, project: Path
) -> None:
    soon = datetime.now(UTC) + timedelta(seconds=9 if PORTABLE else 4)
    here.start()
    plan_with_docs(here, "api", project, expires=soon)
    plan_with_docs(here, "web", project, expires=soon)
    wait_until(lambda: is_archived(here, "api") and is_archived(here, "web"), 15, "both to be archived")
    here.kill()
    here.reply("web.docs.md", "# In time, while no daemon was there\n")

    def are_over() -> bool:
        return datetime.now(UTC) > soon

    wait_until(are_over, 10, "the time to be over")
    here.start()
    for name in ("api", "web"):
        is_answered(here, name)

    (expired,) = events(here, "api", "request-expired")
    assert expired["request"] == "api.docs.md"
    assert events(here, "web", "request-expired") == []
    assert git(project, "show", "handoff/web:docs/limits.md") == "# In time, while no daemon was there"
    here.reply("api.docs.md", "# Too late\n")
    wait_until(lambda: kept(here, "api"), 10, "the answer to be put aside")
    (refused,) = events(here, "api", "reply-refused")
    assert refused["message"].startswith("the request expired")
    assert "reply" not in here.result("api")["docs"]


def test_what_answers_nothing_goes_to_its_plan_or_is_shown(here: Serving, project: Path) -> None:
    here.start(LIMITS__MAX_PARALLEL="2")
    drop_plan(here, "works", project, "[block]", docs=SINGLE)
    plan_with_docs(here, "api", project)
    wait_until(lambda: is_archived(here, "api"), 15, "the plan to be archived")
    runs_now(here, "works")

    here.reply("works.main.1.1.approval.toml", 'decision = "allow"\n')
    here.reply("nobody.docs.md", "# X\n")
    here.reply("hello.md", "# X\n")
    here.reply("works.docs.md", "# Too early\n")
    here.reply("api.main.1.1.approval.toml", 'decision = "allow"\n')
    here.reply("api.DOCS.md", "# Nearly\n")
    wait_until(lambda: len(kept(here, "api")) == 2 and kept(here, "works"), 10, "answers to be put aside")
    wait_until(lambda: len(here.status("daemon").get("ignored", [])) == 2, 10, "the others to be shown")

    shown = {one["file"]: one["why"] for one in here.status("daemon")["ignored"]}
    assert shown == {
        "replies/nobody.docs.md": "the file answers no request, and there is no plan nobody",
        "replies/hello.md": "the file answers no request, and there is no plan hello",
    }
    told = {one["reply"]: one["message"] for one in events(here, "api", "reply-refused")}
    assert told == {
        "api.main.1.1.approval.toml": (
            "no request of that name is open; requests/api.docs.md is, and an answer has exactly that name"
        ),
        "api.DOCS.md": (
            "no request of that name is open; requests/api.docs.md is, and an answer has exactly that name"
        ),
    }
    (early,) = events(here, "works", "reply-refused")
    assert early["reply"] == "works.docs.md"
    assert "the plan is in work" in early["message"]
    assert (here.root.replies / "works.main.1.1.approval.toml").exists(), "its run takes it, nobody else"

    here.order("leave.toml", 'action = "drain"\n')
    wait_until(lambda: here.status("daemon")["state"] == "draining", 10, "the daemon to drain")
    here.reply("api.docs.md", "# Answered while it drains\n")
    is_answered(here, "api")
    assert git(project, "show", "handoff/api:docs/limits.md") == "# Answered while it drains"


SLOW_GIT = """#!/bin/sh
# Waits at the given command until the gate opens, once.
case " $* " in
*" $SLOW_WORD "*)
    if mkdir "$SLOW_PLACE/arrived" 2>/dev/null; then
        while [ ! -e "$SLOW_PLACE/gate" ]; do sleep 0.01; done
    fi ;;
esac
exec "$REAL_GIT" "$@"
"""


@pytest.mark.parametrize("word", ["commit-tree", "update-ref"])
def test_killed_while_it_commits_the_next_daemon_finds_what_was_done_and_commits_no_second_time(
    here: Serving, project: Path, tmp_path: Path, word: str
) -> None:
    slow = tmp_path / "slow"
    slow.mkdir()
    (slow / "git").write_text(SLOW_GIT)
    (slow / "git").chmod(0o755)
    here.start()
    plan_with_docs(here, "api", project)
    wait_until(lambda: is_archived(here, "api"), 15, "the plan to be archived")
    assert here.stop() == 0
    real = shutil.which("git")
    assert real is not None
    path = f"{slow}{os.pathsep}{here.environ['PATH']}"
    here.environ |= {"PATH": path, "SLOW_WORD": word, "SLOW_PLACE": str(slow), "REAL_GIT": real}
    here.start()

    here.reply("api.docs.md", "# Limits\n")
    wait_until((slow / "arrived").exists, 10, f"git {word}; the daemon said: {here.said()}")
    here.kill()
    (slow / "gate").touch()
    here.start()
    is_answered(here, "api")

    docs = here.result("api")["docs"]
    assert git(project, "rev-parse", "handoff/api") == docs["commit"]
    assert git(project, "rev-list", "--count", "main..handoff/api") == "2"
    assert len(events(here, "api", "reply-taken")) == 1
    assert kept(here, "api") == ["api.docs.md"]
    assert list(verify(here.root)) == []
