from __future__ import annotations

import errno
import fcntl
import json
import os
import select
import time
from pathlib import Path

import pytest

from handoff.platform import PLATFORM
from orchestrd.runs.recovery import is_locked
from orchestrd.runs.watch import RunWatch
from tests.failing import fail
from tests.runs.stand import Stand
from tests.waiting import wait_until


def test_the_stream_is_read_as_it_grows_whole_lines_only(tmp_path: Path) -> None:
    folder = tmp_path / "main.1"
    folder.mkdir()
    lock = os.open(folder / "lock", os.O_CREAT | os.O_RDWR)
    fcntl.flock(lock, fcntl.LOCK_EX)
    watch = RunWatch(folder, os.getpid())
    assert watch.read_new_lines() == []

    with (folder / "events.jsonl").open("ab", buffering=0) as stream:
        stream.write(b'{"a":1}\n{"b"')
        assert watch.read_new_lines() == [b'{"a":1}']
        assert watch.read_new_lines() == []

        stream.write(b":2}\n\n")
        assert watch.read_new_lines() == [b'{"b":2}', b""]
    watch.close()
    os.close(lock)


def test_of_a_run_that_is_over_all_the_rest_is_read_at_once(native_stand: Stand) -> None:
    watch = RunWatch.of(native_stand.start("[flood 3000 1000] [torn the end]"))
    wait_until(watch.is_over)

    lines = watch.read_new_lines(most_bytes=1000)

    assert [json.loads(line)["n"] for line in lines if b'"n":' in line] == list(range(3000))
    assert lines[-1] == b"the end"
    assert watch.read_new_lines() == []


@pytest.mark.skipif(not PLATFORM.pidfd, reason="no descriptor is a process here")
def test_its_descriptor_becomes_readable_when_the_runner_is_gone(native_stand: Stand) -> None:
    watch = RunWatch.of(native_stand.start("[sleep 0.2]"))
    descriptor = watch.fileno()
    assert descriptor is not None
    assert not select.select([descriptor], [], [], 0)[0]
    assert not watch.is_over()

    assert select.select([descriptor], [], [], 20)[0]

    assert watch.is_over()
    assert not is_locked(watch.run_folder)


def test_a_run_that_is_over_leaves_no_zombie_and_no_descriptor(native_stand: Stand) -> None:
    before = len(os.listdir("/dev/fd"))
    started = native_stand.start()
    watch = RunWatch.of(started)

    native_stand.end_of(watch)

    assert watch.fileno() is None
    assert len(os.listdir("/dev/fd")) == before
    with pytest.raises(ChildProcessError):
        os.waitpid(started.pid, os.WNOHANG)


def test_a_run_is_adopted_read_from_the_beginning_and_stopped(stand: Stand) -> None:
    started = stand.start("[say Hello.] [block]")
    wait_until(lambda: b"Hello" in _content(started.run_folder / "events.jsonl"))

    watch = RunWatch.adopt(started.run_folder)

    assert watch.pid == started.pid
    assert any(b"Hello" in line for line in watch.read_new_lines())
    assert not watch.is_over()
    assert watch.stop("stopped")
    started.process.wait()
    assert stand.end_of(watch).exit["why"] == "stopped"


def test_a_run_whose_runner_has_not_said_its_number_is_followed_by_its_lock(native_stand: Stand) -> None:
    started = native_stand.start("[sleep 0.2]")
    watch = RunWatch(started.run_folder)

    started.process.wait()

    assert watch.is_over()
    assert native_stand.end_of(watch).exit["why"] == "ended"


def test_to_stop_is_no_failure_and_may_be_said_twice(stand: Stand) -> None:
    watch = RunWatch.of(stand.start("[block]"))
    stand.wait_for("start")
    asked = time.monotonic()

    assert watch.stop("stopped")
    watch.stop("interrupted")

    ended = stand.end_of(watch)
    assert ended.exit["why"] == "stopped"
    assert time.monotonic() - asked < 5


def test_words_of_ones_own_become_the_message(native_stand: Stand) -> None:
    watch = RunWatch.of(native_stand.start("[block]"))
    native_stand.wait_for("start")

    watch.stop("The plan was cancelled: no longer needed.")

    ended = native_stand.end_of(watch)
    assert (ended.exit["why"], ended.exit["message"]) == (
        "stopped",
        "The plan was cancelled: no longer needed.",
    )


def test_a_run_that_is_gone_cannot_be_stopped(native_stand: Stand) -> None:
    watch = RunWatch.of(native_stand.start())
    native_stand.end_of(watch)

    assert not watch.stop()


def _content(path: Path) -> bytes:
    return path.read_bytes() if path.exists() else b""


def test_a_descriptor_that_does_not_close_well_is_given_back_all_the_same(
    native_stand: Stand, monkeypatch: pytest.MonkeyPatch
) -> None:
    watch = RunWatch.of(native_stand.start("[say hello]"))
    wait_until(watch.is_over)
    fail(monkeypatch, "close", errno.EIO, "events.jsonl")

    assert watch.read_new_lines()
    assert watch.read_new_lines() == []


def test_of_a_command_that_says_more_than_one_look_is_worth_the_last_is_read(tmp_path: Path) -> None:
    lock = os.open(tmp_path / "lock", os.O_CREAT | os.O_RDWR)
    fcntl.flock(lock, fcntl.LOCK_EX)
    watch = RunWatch(tmp_path, os.getpid(), kind="command")
    with (tmp_path / "stdout.log").open("ab", buffering=0) as log:
        log.write(b"one\ntwo")
        assert watch.read_new_lines(most_bytes=100) == [b"one"]

        log.write(b"." * 1000 + b"\nlast\nun")
        lines = watch.read_new_lines(most_bytes=100)
        assert [lines[0].strip(b"."), lines[-1]] == [b"", b"last"]
        assert sum(map(len, lines)) <= 100

        log.write(b"done\n")
        assert watch.read_new_lines(most_bytes=100) == [b"undone"]
        log.write(b"." * 200_000)
        assert [len(line) for line in watch.read_new_lines()] == [200_000]
    watch.close()
    os.close(lock)
