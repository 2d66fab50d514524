"""Whatever is killed, and when: one result, no start twice, nothing left behind."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from tests.acceptance.stage import drop_plan, entries, git, is_alive, runs_now, starts
from tests.serving import Serving
from tests.waiting import wait_until


def test_a_run_whose_daemon_is_killed_is_followed_by_the_next_one_to_its_one_result(
    here: Serving, project: Path, tmp_path: Path
) -> None:
    gate = tmp_path / "gate"
    here.start()
    drop_plan(
        here, "streams", project, f"[detach 600] [child 600] [say Hello] [await {gate}] [write a.txt b]"
    )
    wait_until(lambda: entries(here, "child", "streams"), 10, "the agent's children")

    here.kill()
    here.start()
    gate.touch()

    result = here.result("streams")
    assert result["status"] == "succeeded"
    assert result["steps"][0]["attempts"] == 1
    assert result["changes"]["files_changed"] == 1
    assert git(project, "show", "handoff/streams:a.txt") == "b"
    assert len(starts(here, "streams")) == 1
    assert [r["event"] for r in here.journal("streams")].count("run-intended") == 1
    wait_until(lambda: not here.processes(), 10, "every process to be gone")


def test_what_was_killed_with_its_runner_goes_on_as_on_interrupt_says(
    here: Serving, project: Path, tmp_path: Path
) -> None:
    here.start(LIMITS__MAX_PARALLEL="4")
    for way in ("resume", "restart", "stop"):
        drop_plan(
            here, way, project, "[write early.txt x] [detach 600] [block]", limits={"on_interrupt": way}
        )
    drop_plan(here, "runner-only", project, "[child 600] [block]", limits={"on_interrupt": "stop"})
    runs = {way: runs_now(here, way) for way in ("resume", "restart", "stop", "runner-only")}
    wait_until(lambda: len(entries(here, "detached")) == 3 and entries(here, "child"), 10, "their children")

    os.kill(runner_of(here, "runner-only"), signal.SIGKILL)
    alone = here.result("runner-only")
    assert (alone["status"], alone["reason"]) == ("failed", "interrupted")
    here.kill()
    for way in ("resume", "restart", "stop"):
        os.kill(runner_of(here, way), signal.SIGKILL)
        os.kill(runs[way].pid, signal.SIGKILL)
    here.start(LIMITS__MAX_PARALLEL="4")

    stopped = here.result("stop")
    assert (stopped["status"], stopped["reason"]) == ("failed", "interrupted")
    assert stopped["steps"][0]["attempts"] == 1
    assert git(project, "show", "handoff/stop:early.txt") == "x"
    for way in ("resume", "restart"):
        wait_until(lambda way=way: len(starts(here, way)) == 2, 15, f"a second start of {way}")
        intended = [r for r in here.journal(way) if r["event"] == "run-intended"]
        assert [r["attempt"] for r in intended] == [1, 2]
        assert [r["resumes"] for r in intended] == [False, way == "resume"]
        assert (intended[0]["session_id"] == intended[1]["session_id"]) == (way == "resume")
    # The resumed session is told to go on, so it ends by itself; the other begins anew and blocks again.
    resumed = here.result("resume")
    assert (resumed["status"], resumed["steps"][0]["attempts"]) == ("succeeded", 2)
    here.order("end.toml", 'action = "cancel"\nplan = "restart"\n')
    assert here.result("restart")["status"] == "cancelled"
    wait_until(lambda: not here.processes(), 10, "every process to be gone")
    assert not any(is_alive(one.pid) for one in entries(here))


def runner_of(here: Serving, plan: str) -> int:
    """The process beside a plan's agent."""
    started = wait_until(
        lambda: [r for r in here.journal(plan) if r["event"] == "run-started"], 5, f"the runner of {plan}"
    )
    return int(started[-1]["pid"])


@pytest.mark.parametrize("moment", ["taken", "accepted", "workspace-intended", "run-intended", "settling"])
def test_a_daemon_killed_at_any_moment_leaves_a_plan_that_the_next_one_brings_to_its_one_result(
    here: Serving, project: Path, moment: str
) -> None:
    plans = [f"plan-{number}" for number in range(4)]
    here.start(LIMITS__MAX_PARALLEL="2")
    for plan in plans:
        drop_plan(here, plan, project, f"[write {plan}.txt done]")

    wait_until(lambda: any(moment in events_of(here, plan) for plan in plans), 15, f"a plan that is {moment}")
    here.kill()
    here.start(LIMITS__MAX_PARALLEL="2")

    for plan in plans:
        result = here.result(plan)
        assert (result["status"], result["verdict"]) == ("succeeded", "changed")
        assert len(starts(here, plan)) == result["steps"][0]["attempts"] == 1
        assert git(project, "show", f"handoff/{plan}:{plan}.txt") == "done"
    wait_until(lambda: not list(here.root.active.iterdir()), 10, "nothing to be in hand")
    assert sorted(path.name for path in here.root.archive.glob("*-*/*")) == plans
    assert git(project, "worktree", "list").count("\n") == 0
    assert not list(here.root.inbox.iterdir())


def events_of(here: Serving, plan: str) -> str:
    """The raw text of a plan's journal, wherever it lies at the moment; empty while it lies nowhere."""
    try:
        return (here.plan_folder(plan) / "journal.jsonl").read_text()
    except (OSError, StopIteration):
        return ""
