from __future__ import annotations

import fcntl
import json
import os
import signal
import time
from pathlib import Path

import pytest

from handoff import platform
from handoff.effects import effects
from orchestrd.runs import tree
from orchestrd.runs.recovery import (
    Found,
    StillThere,
    follow_pid,
    inspect,
    read_exit,
    read_started,
    remove_unfinished,
    sweep,
    sync_logs,
)
from orchestrd.runs.tree import MARK
from orchestrd.runs.watch import RunWatch
from tests.runs.stand import Stand
from tests.waiting import wait_until


@pytest.mark.parametrize(
    "held, started, ended, found",
    [
        (True, False, False, Found.ALIVE),
        (True, True, False, Found.ALIVE),
        (False, False, False, Found.NEVER_RAN),
        (False, True, True, Found.FINISHED),
        (False, True, False, Found.DIED),
        (True, True, True, Found.FINISHING),
    ],
)
def test_a_start_is_what_its_lock_and_its_two_files_say(
    tmp_path: Path, held: bool, started: bool, ended: bool, found: Found
) -> None:
    lock = os.open(tmp_path / "lock", os.O_CREAT | os.O_RDWR)
    if held:
        fcntl.flock(lock, fcntl.LOCK_EX)
    for name, is_there in (("started.json", started), ("exit.json", ended)):
        if is_there:
            (tmp_path / name).write_text("{}")
    before = sorted(os.listdir(tmp_path))

    assert inspect(tmp_path) is found
    assert inspect(tmp_path) is found

    assert sorted(os.listdir(tmp_path)) == before
    os.close(lock)


def test_a_start_without_a_folder_or_without_a_lock_never_ran(tmp_path: Path) -> None:
    assert inspect(tmp_path / "main.1") is Found.NEVER_RAN
    assert inspect(tmp_path) is Found.NEVER_RAN
    assert not (tmp_path / "lock").exists()


def test_what_a_runner_was_writing_when_the_power_was_cut_is_removed(tmp_path: Path) -> None:
    for name in (".exit.json.tmp", "started.json", "events.jsonl"):
        (tmp_path / name).touch()

    remove_unfinished(tmp_path)

    assert sorted(os.listdir(tmp_path)) == ["events.jsonl", "started.json"]


def test_what_was_being_written_of_its_inputs_is_removed_too(tmp_path: Path) -> None:
    (tmp_path / "inputs").mkdir()
    for name in (".a.txt.tmp", "b.txt"):
        (tmp_path / "inputs" / name).touch()

    remove_unfinished(tmp_path)

    assert os.listdir(tmp_path / "inputs") == ["b.txt"]


@pytest.mark.parametrize("log", ["events.jsonl", "stdout.log"])
def test_what_a_run_said_whose_runner_died_is_on_the_disk_before_a_result_names_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, log: str
) -> None:
    (tmp_path / log).touch()
    synced: list[str] = []
    monkeypatch.setattr(effects, "sync_dir", synced.append, raising=False)
    monkeypatch.setattr(
        effects, "fsync", lambda fd: synced.append(os.readlink(f"/proc/self/fd/{fd}")), raising=False
    )

    sync_logs(tmp_path)

    assert synced == [str(tmp_path / log), str(tmp_path)]


def test_a_run_is_found_alive_then_finished(stand: Stand) -> None:
    started = stand.start("[sleep 0.3]")
    assert inspect(started.run_folder) is Found.ALIVE

    stand.end_of(RunWatch.of(started))

    assert inspect(started.run_folder) is Found.FINISHED
    assert read_exit(started.run_folder)["why"] == "ended"


def test_a_run_whose_runner_was_killed_has_died_and_its_tree_is_swept_away(stand: Stand) -> None:
    started = stand.start("[ignore-term] [detach 300] [child 300] [block]")
    wait_until(lambda: {"child", "detached"} <= set(stand.noted()))
    os.kill(started.pid, signal.SIGKILL)
    started.process.wait()
    assert inspect(started.run_folder) is Found.DIED
    assert read_exit(started.run_folder) == {}

    ended = sweep(started.run_folder)

    assert len(ended.killed) == 3
    assert not stand.alive()
    assert not sweep(started.run_folder).killed


def test_a_fork_of_a_killed_runner_that_is_not_claude_code_yet_is_waited_for_and_ended(
    tmp_path: Path,
) -> None:
    mark = f"test/{os.getpid()}"
    (tmp_path / "launch.json").write_text(json.dumps({"mark": mark}))
    lock = os.open(tmp_path / "lock", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC)
    fcntl.flock(lock, fcntl.LOCK_EX)
    pid = os.fork()
    if pid == 0:
        time.sleep(0.3)
        os.execve("/bin/sleep", ["sleep", "60"], {MARK: mark})
    os.close(lock)

    ended = sweep(tmp_path)

    assert ended.killed == {pid}
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == -signal.SIGKILL


def test_where_something_does_not_end_its_session_is_not_gone_on_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "launch.json").write_text(json.dumps({"mark": "m"}))
    monkeypatch.setattr(tree, "sweep", lambda *_: tree.Ended({7}, {7}))

    with pytest.raises(StillThere, match="do not die: 7"):
        sweep(tmp_path)


def test_a_start_whose_launch_was_lost_with_the_power_has_nothing_to_sweep(tmp_path: Path) -> None:
    (tmp_path / "launch.json").write_bytes(b"")

    assert not sweep(tmp_path).killed
    assert not sweep(tmp_path / "nowhere").killed


def test_the_pid_of_a_living_runner_is_told(native_stand: Stand) -> None:
    started = native_stand.start("[block]")
    native_stand.wait_for("start")

    assert follow_pid(started.run_folder) == started.pid

    os.kill(started.pid, signal.SIGKILL)
    started.process.wait()
    assert follow_pid(started.run_folder) is None


@pytest.mark.parametrize(
    "changed", [{"start_ticks": "1"}, {"boot_id": "another"}, {"pid": "1"}, {"start_ticks": None}]
)
def test_a_number_that_somebody_else_has_now_is_not_followed(
    tmp_path: Path, changed: dict[str, object]
) -> None:
    ours = {
        "boot_id": platform.boot_id(),
        "pid": os.getpid(),
        "start_ticks": platform.start_ticks(os.getpid()),
    }
    (tmp_path / "started.json").write_text(json.dumps(ours))
    assert follow_pid(tmp_path) == os.getpid()

    (tmp_path / "started.json").write_text(json.dumps(ours | changed))

    assert follow_pid(tmp_path) is None


def test_the_runner_says_who_it_is_before_anything_runs(stand: Stand) -> None:
    ended = stand.run()

    started = read_started(ended.folder)
    assert platform.same_boot(started["boot_id"], platform.boot_id())
    assert started["pid"] > 0
    assert started["start_ticks"]
