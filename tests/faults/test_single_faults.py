"""One effect of the daemon fails, once: nothing is lost, nothing is done twice, and no hand is needed afterwards."""

from __future__ import annotations

import errno
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from runpy import run_path

import pytest

from handoff.platform import PLATFORM, lock_holders
from orchestrd.record import journal
from orchestrd.runs.recovery import follow_pid
from orchestrd.views.verifying import verify
from tests.acceptance.stage import AGENT, LEDGER, as_toml, drop_plan, entries, git, orders, runs_now, starts
from tests.serving import Serving, a_repository, serving
from tests.waiting import wait_until

INJECTED = Path(__file__).parent / "injected"
NO_SPACE = errno.ENOSPC
Faulty = Callable[[str], "FaultyDaemon"]

pytestmark = pytest.mark.skipif(
    not PLATFORM.proc, reason="faults are found by /proc/self/fd, which is switched off"
)


class FaultyDaemon:
    """A root whose daemon meets a fault once `arm` was called."""

    def __init__(self, here: Serving, folder: Path) -> None:
        self.here = here
        self.project = a_repository(folder / "project")
        self._armed = folder / "armed"
        self._log = folder / "faults.log"

    def arm(self) -> None:
        self._armed.touch()

    def disarm(self) -> None:
        self._armed.unlink()

    def wait_for_fault(self) -> None:
        wait_until(self._log.exists, 15, "the fault to fire")

    def give(self, name: str, **fields: str) -> None:
        self.here.order(f"{name}.toml", as_toml(fields))

    def outcome(self, action: str) -> dict[str, str]:
        return wait_until(
            lambda: next((one for one in orders(self.here) if one.get("action") == action), None),
            20,
            f"the {action}",
        )


def inject() -> None:
    """What PYTHONPATH has a Python do that is started."""
    run_path(str(INJECTED / "sitecustomize.py"))


@contextmanager
def faulty(folder: Path, faults: str, max_parallel: int = 2) -> Iterator[FaultyDaemon]:
    environ = {
        "FAKE_LEDGER": str(folder / LEDGER),
        "PYTHONPATH": str(INJECTED),
        "FAULTS": faults,
        "FAULTS_ARMED": str(folder / "armed"),
        "FAULTS_LOG": str(folder / "faults.log"),
    }
    with serving(folder, environ, AGENT, inject) as here:
        here.start(LIMITS__MAX_PARALLEL=str(max_parallel))
        yield FaultyDaemon(here, folder)


def test_a_run_whose_start_could_not_be_written_down_is_followed_all_the_same(tmp_path: Path) -> None:
    with faulty(tmp_path, f'write|"run-started"|{NO_SPACE}|1') as at:
        at.arm()
        drop_plan(at.here, "x", at.project, "[write a.txt b] [sleep 0.3]")

        assert at.here.result("x", 20)["status"] == "succeeded"
        at.wait_for_fault()
        assert len(starts(at.here, "x")) == 1


def test_a_run_is_not_started_without_the_memory_of_a_project_that_could_not_be_read(tmp_path: Path) -> None:
    with faulty(tmp_path, f"open|/CLAUDE.md|{errno.EIO}|1") as at:
        (at.project / "CLAUDE.md").write_text("Use tabs.\n")
        git(at.project, "add", "CLAUDE.md")
        git(at.project, "commit", "--quiet", "--message", "memory")
        at.arm()
        drop_plan(at.here, "x", at.project)

        assert at.here.result("x", 20)["status"] == "succeeded"
        at.wait_for_fault()
        prompt = at.here.plan_folder("x") / "runs" / "main.1" / "system-prompt.md"
        assert "Use tabs." in prompt.read_text()
        assert len(starts(at.here, "x")) == 1


@pytest.mark.parametrize("operation", ["open", "rename_new"])
def test_a_wish_to_stop_that_the_disk_refused_reaches_the_run(tmp_path: Path, operation: str) -> None:
    with faulty(tmp_path, f"{operation}|stop.json|{NO_SPACE}|1") as at:
        drop_plan(at.here, "x", at.project, "[block]")
        runs_now(at.here, "x")
        at.arm()
        at.give("c", action="cancel", plan="x")

        assert at.here.result("x", 20)["status"] == "cancelled"
        at.wait_for_fault()


def test_orders_of_one_moment_are_all_carried_out_though_one_met_a_fault(tmp_path: Path) -> None:
    with faulty(tmp_path, f"open|stop.json|{NO_SPACE}|1", max_parallel=3) as at:
        drop_plan(at.here, "z", at.project)
        at.here.result("z")
        drop_plan(at.here, "x", at.project, "[block]")
        runs_now(at.here, "x")
        wait_until(lambda: not (at.here.root.active / "z").exists(), what="z to be settled")
        at.arm()

        with at.here.frozen():
            at.give("a", action="cancel", plan="x")
            at.give("b", action="retry", plan="z")

        assert at.here.result("x", 20)["status"] == "cancelled"
        assert at.here.result("z-2", 20)["status"] == "succeeded"
        at.wait_for_fault()


def test_an_order_is_not_mistaken_for_one_whose_taking_met_a_fault(tmp_path: Path) -> None:
    with faulty(tmp_path, f"sync_dir|.orchestrd/orders|{errno.EIO}|1") as at:
        drop_plan(at.here, "x", at.project, "[block]")
        runs_now(at.here, "x")
        at.arm()
        at.give("p", action="pause")
        at.outcome("pause")
        at.wait_for_fault()
        at.give("c", action="cancel", plan="x")

        assert at.here.result("x", 20)["status"] == "cancelled"
        assert [(one["action"], one["outcome"]) for one in orders(at.here)] == [
            ("pause", "done"),
            ("cancel", "done"),
        ]


def test_a_plan_that_a_retry_made_runs_though_the_orders_line_met_a_fault(tmp_path: Path) -> None:
    with faulty(tmp_path, f'write|"action":"retry"|{NO_SPACE}|1') as at:
        drop_plan(at.here, "x", at.project)
        at.here.result("x")
        wait_until(lambda: not (at.here.root.active / "x").exists(), what="x to be settled")
        at.arm()
        at.give("r", action="retry", plan="x")

        assert at.here.result("x-2", 20)["status"] == "succeeded"
        at.wait_for_fault()
        assert at.outcome("retry")["new_plan"] == "x-2"
        assert not (at.here.root.active / "x-3").exists()


def test_an_order_whose_daemon_was_killed_has_an_outcome_of_its_own_name(tmp_path: Path) -> None:
    with faulty(tmp_path, 'write|"action":"pause"|kill|1') as at:
        at.arm()
        at.give("lunch", action="pause")
        at.wait_for_fault()
        assert at.here.daemon is not None
        at.here.daemon.wait(20)
        at.disarm()
        at.here.start()

        outcome = at.outcome("pause")
        assert (outcome["file"], outcome["outcome"]) == ("lunch.toml", "done")


def test_a_pause_holds_though_its_line_met_a_fault(tmp_path: Path) -> None:
    with faulty(tmp_path, f'write|"action":"pause"|{NO_SPACE}|1') as at:
        at.arm()
        at.give("p", action="pause", why="lunch")
        at.wait_for_fault()

        wait_until(lambda: at.here.status("daemon")["state"] == "paused", what="the pause")
        assert at.outcome("pause")["outcome"] == "done"
        assert at.here.status("daemon")["why"] == "lunch"


def test_a_plan_that_was_cancelled_before_it_was_read_never_runs(tmp_path: Path) -> None:
    with faulty(tmp_path, "open|accepted.json|kill|1") as at:
        at.here.stop()
        at.arm()
        drop_plan(at.here, "x", at.project)
        at.give("c", action="cancel", plan="x")
        at.here.start_to_die()
        at.wait_for_fault()
        at.disarm()

        at.here.start()

        assert at.here.result("x", 20)["status"] == "cancelled"
        assert starts(at.here, "x") == []


def test_a_plan_that_is_cancelled_while_its_writer_still_has_it_open_never_runs(tmp_path: Path) -> None:
    with faulty(tmp_path, "") as at:
        temporary = at.here.root.inbox / ".x.tmp"
        with temporary.open("w") as writer:
            writer.write(as_toml({"handoff": 1, "project": str(at.project), "prompt": "x"}))
            writer.flush()
            temporary.rename(at.here.root.inbox / "x.toml")
            wait_until((at.here.root.active / "x").exists, what="x to be taken")
            at.give("c", action="cancel", plan="x")
            assert at.outcome("cancel")["outcome"] == "done"

        assert at.here.result("x", 20)["status"] == "cancelled"
        assert starts(at.here, "x") == []


def test_a_retry_of_a_plan_whose_journal_is_damaged_is_refused_and_the_daemon_goes_on(tmp_path: Path) -> None:
    with faulty(tmp_path, "") as at:
        drop_plan(at.here, "x", at.project)
        at.here.result("x")
        wait_until(lambda: not (at.here.root.active / "x").exists(), what="x to be settled")
        journal = at.here.plan_folder("x") / "journal.jsonl"
        content = bytearray(journal.read_bytes())
        content[30] ^= 1
        journal.write_bytes(content)
        at.give("r", action="retry", plan="x")

        outcome = at.outcome("retry")

        assert outcome["outcome"] == "refused"
        assert "journal.jsonl" in outcome["message"]
        drop_plan(at.here, "y", at.project)
        assert at.here.result("y")["status"] == "succeeded"


def test_a_stray_file_among_the_active_plans_stops_nothing(tmp_path: Path) -> None:
    with faulty(tmp_path, "") as at:
        drop_plan(at.here, "x", at.project)
        at.here.result("x")
        (at.here.root.active / ".DS_Store").write_text("x")
        at.give("r", action="retry", plan="x")

        assert at.here.result("x-2", 20)["status"] == "succeeded"
        at.here.stop()
        at.here.start()
        drop_plan(at.here, "y", at.project)
        assert at.here.result("y")["status"] == "succeeded"


def test_whoever_sees_a_result_may_order_the_plan_again_at_once(tmp_path: Path) -> None:
    with faulty(tmp_path, "") as at:
        for number in range(4):
            drop_plan(at.here, f"x{number}", at.project, "[write a.txt b]")
            at.here.result(f"x{number}")
            at.give(f"r{number}", action="retry", plan=f"x{number}")

        assert [at.here.result(f"x{number}-2")["retry_of"] for number in range(4)] == [
            f"x{number}" for number in range(4)
        ]
        assert len(entries(at.here, "start")) == 8


def test_the_lock_of_a_root_that_was_removed_ends_its_daemon(tmp_path: Path) -> None:
    with faulty(tmp_path, "") as at:
        at.here.root.lock.unlink()
        drop_plan(at.here, "x", at.project)

        assert at.here.daemon is not None
        assert at.here.daemon.wait(20) == 0


def test_a_retry_whose_plan_moved_though_the_disk_failed_runs(tmp_path: Path) -> None:
    with faulty(tmp_path, f"sync_dir|active/x-2|{errno.EIO}|9") as at:
        drop_plan(at.here, "x", at.project)
        at.here.result("x")
        wait_until(lambda: not (at.here.root.active / "x").exists(), what="x to be settled")
        at.arm()
        at.give("r", action="retry", plan="x")
        at.wait_for_fault()
        at.disarm()

        outcome = at.outcome("retry")
        assert at.here.result(outcome["new_plan"], 20)["status"] == "succeeded"
        assert len(starts(at.here)) == 2


def test_a_plan_that_a_retry_makes_can_be_cancelled_in_the_same_moment(tmp_path: Path) -> None:
    with faulty(tmp_path, "") as at:
        drop_plan(at.here, "x", at.project, "[sleep 1]")
        at.here.result("x")
        wait_until(lambda: not (at.here.root.active / "x").exists(), what="x to be settled")
        with at.here.frozen():
            at.give("a", action="retry", plan="x")
            at.give("b", action="cancel", plan="x-2")

        assert at.here.result("x-2", 20)["status"] == "cancelled"


def test_a_run_whose_stream_cannot_be_read_holds_up_no_other(tmp_path: Path) -> None:
    with faulty(tmp_path, "") as at:
        drop_plan(at.here, "x", at.project, "[block]")
        runs_now(at.here, "x")
        at.here.kill()
        events = at.here.root.active / "x" / "runs" / "main.1" / "events.jsonl"
        events.rename(events.with_suffix(".kept"))
        events.symlink_to("nowhere")

        at.here.start(LIMITS__MAX_PARALLEL="2")
        drop_plan(at.here, "y", at.project)

        assert at.here.result("y", 20)["status"] == "succeeded"
        wait_until(
            lambda: any(one["word"] == "run-x" for one in at.here.status("daemon")["problems"]),
            20,
            "the trouble",
        )


def test_a_checkout_that_the_disk_refused_leaves_nothing_in_the_repository_and_is_made_again(
    tmp_path: Path,
) -> None:
    with faulty(tmp_path, f"rename|x/.git|{NO_SPACE}|1") as at:
        at.arm()
        drop_plan(at.here, "x", at.project, "[write a.txt b]")

        assert at.here.result("x", 30)["status"] == "succeeded"
        at.wait_for_fault()
        assert "locked" not in git(at.project, "worktree", "list", "--porcelain")


def test_a_stray_file_among_the_orders_in_hand_keeps_no_daemon_from_starting(tmp_path: Path) -> None:
    with faulty(tmp_path, "") as at:
        at.here.stop()
        (at.here.root.orders / "7.bak").write_text("x")

        at.here.start()
        drop_plan(at.here, "x", at.project)

        assert at.here.result("x", 20)["status"] == "succeeded"


def test_a_run_that_died_before_it_had_a_log_names_none_in_its_result(tmp_path: Path) -> None:
    with faulty(tmp_path, "") as at:
        drop_plan(at.here, "x", at.project, "[block]", limits={"attempts": 1})
        runs_now(at.here, "x")
        run = at.here.root.active / "x/runs/main.1"
        wait_until((run / "events.jsonl").exists)
        at.here.kill()
        runner = follow_pid(run)
        assert runner is not None
        os.kill(runner, signal.SIGKILL)
        wait_until(lambda: lock_holders(run / "lock") == [])
        (run / "events.jsonl").unlink()

        at.here.start()

        result = at.here.result("x", 20)
        assert (result["status"], result["reason"]) == ("failed", "interrupted")
        assert "log" not in result["steps"][0]
        wait_until(lambda: not (at.here.root.active / "x").exists())
        assert list(verify(at.here.root)) == []


@pytest.mark.parametrize("also", [(), ("accepted.json",)])
def test_a_run_whose_plan_was_removed_from_its_folder_is_followed_and_settled(
    tmp_path: Path, also: tuple[str, ...]
) -> None:
    with faulty(tmp_path, "") as at:
        gate = tmp_path / "gate"
        drop_plan(at.here, "x", at.project, f"[write a.txt b] [await {gate}]")
        runs_now(at.here, "x")
        at.here.kill()
        for name in ("plan.toml", *also):
            (at.here.root.active / "x" / name).unlink()
        assert [(one.where, one.plan) for one in verify(at.here.root, again_seconds=())] == [
            ("active/x/plan.toml", "x")
        ]

        at.here.start()
        gate.touch()

        result = at.here.result("x", 20)
        assert (result["status"], "log" in result["steps"][0]) == ("failed" if also else "succeeded", True)
        if also:
            assert "cannot be read" in result["summary"]
        assert len(starts(at.here, "x")) == 1
        wait_until(lambda: not at.here.processes(), what="the run to be over")


def test_a_plan_whose_file_is_gone_before_it_was_looked_at_is_refused(tmp_path: Path) -> None:
    with faulty(tmp_path, "open|accepted.json|kill|1") as at:
        at.here.stop()
        at.arm()
        drop_plan(at.here, "x", at.project)
        at.here.start_to_die()
        at.wait_for_fault()
        at.disarm()
        (at.here.root.active / "x" / "plan.toml").unlink()
        journal.append(at.here.root.active / "x" / "journal.jsonl", 2, "cancel-asked", why="a doubt")

        at.here.start()

        assert at.here.result("x", 20)["reason"] == "bad-file"
        drop_plan(at.here, "y", at.project)
        assert at.here.result("y")["status"] == "succeeded"


def test_a_folder_that_holds_more_than_a_take_that_was_cut_is_left_alone_and_told(tmp_path: Path) -> None:
    with faulty(tmp_path, "") as at:
        at.here.stop()
        folder = at.here.root.active / "x"
        (folder / "runs" / "main.1").mkdir(parents=True)
        (at.here.root.active / "cut").mkdir()

        at.here.start()

        (problem,) = at.here.status("daemon")["problems"]
        assert problem["word"] == "journal-damaged"
        assert str(folder) in problem["message"]
        assert (folder / "runs" / "main.1").is_dir()
        assert not (at.here.root.active / "cut").exists()


def test_a_fifo_as_the_journal_of_one_plan_stops_neither_a_daemon_at_work_nor_its_start(
    tmp_path: Path,
) -> None:
    with faulty(tmp_path, "") as at:
        drop_plan(at.here, "x", at.project)
        at.here.result("x")
        wait_until(lambda: not (at.here.root.active / "x").exists(), what="x to be settled")
        path = at.here.plan_folder("x") / "journal.jsonl"
        path.unlink()
        os.mkfifo(path)
        at.give("r", action="retry", plan="x")

        outcome = at.outcome("retry")

        assert (outcome["outcome"], str(path) in outcome["message"]) == ("refused", True)
        at.here.stop()
        (at.here.root.active / "z").mkdir()
        os.mkfifo(at.here.root.active / "z" / "journal.jsonl")
        at.here.start()
        assert "z/journal.jsonl: is a FIFO" in str(at.here.status("daemon")["problems"])
        drop_plan(at.here, "y", at.project)
        assert at.here.result("y")["status"] == "succeeded"
        assert (at.here.root.active / "z").exists()


@pytest.mark.parametrize("register", ["ids.jsonl", "orders.jsonl"])
def test_a_folder_in_the_place_of_a_register_is_told_with_what_to_do(tmp_path: Path, register: str) -> None:
    with faulty(tmp_path, "") as at:
        at.here.stop()
        path = at.here.root.archive / register
        path.unlink(missing_ok=True)
        path.mkdir()

        at.here.start_to_die()

        said = at.here.said()
        assert f"{path}: is a directory (expected: a regular file" in said
        assert f"To do: move {path} away" in said


def test_each_plan_that_is_left_alone_is_told_once_with_one_thing_to_do(tmp_path: Path) -> None:
    with faulty(tmp_path, "", max_parallel=3) as at:
        for name in ("x", "y"):
            drop_plan(at.here, name, at.project, "[block]")
            runs_now(at.here, name)
        at.here.kill()
        for name in ("x", "y"):
            path = at.here.root.active / name / "journal.jsonl"
            content = bytearray(path.read_bytes())
            content[30] ^= 1
            path.write_bytes(content)

        at.here.start()

        told = at.here.status("daemon")["problems"]
        assert [one["word"] for one in told] == ["journal-damaged"] * 2
        assert [f"active/{name}/journal.jsonl, line 1" in str(told) for name in ("x", "y")] == [True, True]
        assert not any("To do" in one["message"] for one in told)
        assert all("hand the plan in anew" in one["remedy"] for one in told)


def test_a_lane_that_others_can_write_to_is_told_once(tmp_path: Path) -> None:
    with faulty(tmp_path, "") as at:
        at.here.root.inbox.chmod(0o777)

        told = wait_until(lambda: at.here.status("daemon")["problems"], 20, "the trouble")

        assert [one["remedy"] for one in told] == [f"chmod go-w {at.here.root.inbox}"]
        at.here.root.inbox.chmod(0o700)
        drop_plan(at.here, "x", at.project)
        assert at.here.result("x")["status"] == "succeeded"
