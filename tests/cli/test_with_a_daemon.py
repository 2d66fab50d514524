"""The command line and a daemon: what is asked through the root is answered through the root."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestrd.record.index import IndexReader
from tests.acceptance.stage import AGENT, PORTABLE
from tests.cli.commands import CommandLine, Said
from tests.serving import Serving, a_repository, serving
from tests.waiting import wait_until
from tests.warm import as_it_is


class Session:
    """A daemon that serves, and a user beside it."""

    def __init__(self, here: Serving, folder: Path) -> None:
        self.here = here
        self.project = a_repository(folder / "project")
        self.gate = folder / "gate"
        self._command_line = CommandLine(here.home)
        self._command_line.environ = here.environ | {"ORCHESTRD_ROOT": str(here.root.path)}

    def __call__(self, *words: str, stdin: str = "") -> Said:
        return self._command_line(*words, stdin=stdin)

    def submit(self, *told: str, title: str = "A plan") -> str:
        """Hand in a plan whose agent does what it is told, in that order."""
        prompt = " ".join(f"[{one}]" for one in told)
        plan = f'handoff = 1\ntitle = "{title}"\nproject = "{self.project}"\nprompt = "Do: {prompt}"\n'
        said = self("submit", "-", stdin=plan)
        assert (said.code, said.err) == (0, "")
        return said.out.strip()

    def submit_and_hold(self) -> str:
        """Hand in a plan whose run goes on until `gate` is there; returns when it runs."""
        plan = self.submit("say One moment.", f"await {self.gate}", "say There you are.", title="Held")
        wait_until(lambda: self.state(plan) == "running", 20, "the run")
        return plan

    def state(self, plan: str) -> str | None:
        plans = json.loads(self("ps", "--json").out)["plans"]
        return next((one["state"] for one in plans if one["id"] == plan), None)


@pytest.fixture
def session(tmp_path: Path) -> Iterator[Session]:
    with serving(tmp_path, {}, AGENT, as_it_is) as here:
        here.start(LIMITS__MAX_PARALLEL="1")
        yield Session(here, tmp_path)


def test_a_plan_is_handed_in_waited_for_listed_shown_and_read(session):
    plan = session.submit("write made.txt made", "say I made it.", title="Make it")

    waited = session("wait", plan, "--timeout", "30")

    assert (waited.code, waited.out) == (0, f"{plan}: succeeded\n")
    assert json.loads(session("wait", plan, "--json").out)["changes"]["files_changed"] == 1
    page = session("show", plan).out
    assert page.startswith(f"Make it\n{plan}: succeeded, changed\n")
    assert f"branch         handoff/{plan}" in page
    listed = wait_until(
        lambda: [one for one in json.loads(session("ls", "--json").out) if one.get("status")], 10, "ls"
    )
    assert [(one["id"], one["status"], one["title"]) for one in listed] == [(plan, "succeeded", "Make it")]
    assert "I made it." in session("logs", plan).out
    assert "running, root" in session("ps").out


def test_the_daemons_log_is_found_by_the_command_line(session):
    session.submit("say Hello.")

    assert "serving" in session("logs").out


def test_a_plan_that_runs_is_shown_cancelled_and_tried_again(session):
    plan = session.submit_and_hold()

    assert plan in session("ps").out
    assert f"{plan}: running" in session("show", plan).out
    cancelled = session("cancel", plan, "--why", "not needed")

    assert (cancelled.code, cancelled.out.partition("(")[0].strip()) == (0, f"cancel {plan}: done")
    waited = session("wait", plan, "--timeout", "30")
    assert (waited.code, waited.out) == (1, f"{plan}: cancelled (cancelled)\n")

    assert session("logs", plan).out.rstrip().endswith("── stopped: cancelled")

    session.gate.touch()
    wait_until(lambda: not session.here.root.plan_folder(plan).exists(), 10, "the archive")
    again = session("retry", plan)

    assert (again.code, again.out) == (0, f"{plan}-2\n")
    assert session("wait", f"{plan}-2", "--timeout", "30").code == 0
    assert json.loads(session("show", f"{plan}-2", "--json").out)["retry_of"] == plan


def test_the_log_of_a_run_is_followed_to_its_end(session):
    plan = session.submit_and_hold()
    command = [sys.executable, "-m", "orchestrd", "--root", str(session.here.root.path), "logs", plan, "-f"]
    with subprocess.Popen(command, env=session.here.environ, stdout=subprocess.PIPE, text=True) as following:
        assert following.stdout
        seen = ""
        while "One moment." not in seen:
            seen += following.stdout.readline() or pytest.fail(f"the log ended early: {seen}")
        session.gate.touch()

        rest = following.stdout.read()

    assert "There you are." in rest
    assert following.returncode == 0


def test_nothing_starts_in_a_pause_and_a_drained_daemon_ends(session):
    assert session("pause", "--why", "lunch").out == "pause: done\n"
    plan = session.submit("say Hello.")
    wait_until(lambda: session.state(plan) == "waiting", 10, "the plan to wait")
    assert "daemon: paused" in session("ps").out
    assert session("wait", plan, "--timeout", "0.3").code == 124

    assert session("resume").out == "resume: done\n"
    assert session("wait", plan, "--timeout", "30").code == 0

    assert session("drain").out == "drain: done\n"
    assert session.here.daemon.wait(20) == 0
    assert "not running" in session("ps").out


def test_what_is_ignored_and_what_troubles_the_daemon_is_told_by_ps(session):
    (session.here.root.inbox / "folder.toml").mkdir()
    wait_until(lambda: session.here.status("daemon")["ignored"], 10, "the daemon to see it")

    assert "ignored: folder.toml — " in session("ps").out.replace("inbox/", "")


def test_a_daemon_that_was_killed_is_told_to_be_gone_at_once(session):
    session.here.kill()

    portable = session.here.environ.get("ORCHESTRD_PORTABLE") == "1"
    assert ("not running" in session("ps").out) or portable


def test_a_daemon_that_is_refused_leaves_no_log(session, tmp_path):
    session.here.root.path.chmod(0o770)

    said = session("--root", str(session.here.root.path), "serve")

    assert said.code == 2
    other = tmp_path / "other"
    other.mkdir()
    other.chmod(0o777)
    assert session("--root", str(other), "serve").code == 2
    assert len(list(session.here.home.rglob("daemon-*.jsonl"))) == 1


def test_an_order_for_a_plan_that_nobody_knows_is_told(session):
    said = session("cancel", "no-such-plan")

    assert "no-such-plan" in said.out + said.err
    assert "done" not in said.out


def test_all_plans_are_cancelled_and_what_came_of_each_is_told(session):
    running = session.submit_and_hold()
    waiting = [session.submit("say Hello.", title=f"Waiting {number}") for number in range(3)]
    wait_until(lambda: all(session.state(plan) == "waiting" for plan in waiting), 20, "the others to wait")

    said = session("cancel", "--all", "--why", "enough for today")

    assert (said.code, said.err) == (0, "")
    told = [line.partition(" (")[0] for line in said.out.splitlines()]
    assert sorted(told) == sorted(f"cancel {plan}: done" for plan in (running, *waiting))
    assert told[-1] == f"cancel {running}: done"
    for plan in (running, *waiting):
        assert session("wait", plan, "--timeout", "20").out == f"{plan}: cancelled (cancelled)\n"
    assert "Held" in session("show", running).out
    wait_until(lambda: not list(session.here.root.active.iterdir()), 10, "all to be archived")
    assert "no plan is in work" in session("cancel", "--all").err


def test_plans_that_no_daemon_has_seen_yet_are_cancelled_by_the_next_one(session):
    plan = session.submit("say Hello.", title="Twice")
    assert session("wait", plan, "--timeout", "30").code == 0
    assert session.here.stop() == 0
    content = f'handoff = 1\nproject = "{session.project}"\nprompt = "[say Never.]"\n'
    # The name was had before: it will be another plan.
    names = (f"{plan}.toml", "fresh.toml", "fresh.plan.toml")
    for name in names:
        session.here.drop(name, content)

    assert session("cancel", "--all").code == 0
    session.here.start()

    for name in (f"{plan}-2", "fresh", "fresh-2"):
        result = session.here.result(name)
        assert (result["status"], "started" in result) == ("cancelled", False), name
    assert not list(session.here.root.inbox.iterdir())


def test_the_index_is_not_made_anew_under_a_running_daemon(session):
    said = session("reindex")

    assert said.code == 1
    assert "stop it first" in said.err


def test_the_index_made_anew_gives_the_same_answers(session):
    for number in range(3):
        assert (
            session("wait", session.submit("say Hello.", title=f"Number {number}"), "--timeout", "30").code
            == 0
        )
    index = IndexReader(session.here.root.index)
    wait_until(lambda: [row.folder[:7] for row in index.latest()] == ["archive"] * 3, 10, "the index")
    assert session.here.stop() == 0
    before = json.loads(session("ls", "--json").out)
    session.here.root.index.unlink()

    assert session("reindex").code == 0

    assert len(before) == 3
    assert json.loads(session("ls", "--json").out) == before


def test_a_plan_made_of_ones_own_workflow_is_carried_out(session):
    folder = session.here.home / "config" / "orchestrd" / "workflows"
    folder.mkdir(parents=True)
    (folder / "say.toml").write_text(
        'handoff = 1\ntitle = "Say"\ndescription = "Says something."\nprompt = "[say {{words}}]"\n'
        '[params.words]\ntype = "string"\ndescription = "What is said"\nrequired = true\n'
    )

    plan = session(
        "submit", "--workflow", "say", "-p", "words=Made of a workflow.", "--project", str(session.project)
    )

    assert plan.code == 0, plan.err
    assert session("wait", plan.out.strip()).out == f"{plan.out.strip()}: succeeded\n"
    shown = session("show", plan.out.strip()).out
    assert "Say: Made of a workflow." in shown
    journal = next(session.here.root.archive.glob("*/say-*/journal.jsonl")).read_text()
    assert '"workflow":"say"' in journal.replace('": "', '":"')


@pytest.mark.skipif(PORTABLE, reason="who holds a lock is not told here")
def test_a_daemon_that_a_signal_stopped_is_shown_as_standing_still_with_what_lets_it_go_on(session):
    pid = session.here.daemon.pid

    with session.here.frozen():
        shown = session("ps").out
        told = json.loads(session("ps", "--json").out)["daemon"]
        paused = session("pause")
        reindexed = session("reindex")
        looked = session("doctor").out

    assert f"daemon: stopped by a signal (pid {pid}), root" in shown
    assert f"kill -CONT {pid}" in shown
    assert (told["alive"], told["stalled_pid"]) == (False, pid)
    assert f"the daemon is stopped by a signal (pid {pid}): `kill -CONT {pid}` lets it go on" in paused.err
    assert (reindexed.code, "holds this root" in reindexed.err) == (1, True)
    assert f"stopped by a signal (pid {pid})" in looked
    wait_until(lambda: "daemon: paused" in session("ps").out, 10, "it to go on and take the order")
