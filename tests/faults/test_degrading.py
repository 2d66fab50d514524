"""What is wrong is said once, with what to do; what can go on goes on; when the cause is gone all recovers."""

from __future__ import annotations

import errno
import os
import resource
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from handoff.platform import PLATFORM
from handoff.reserve import SPARE_FILES
from handoff.root import Root, create_root
from orchestrd.daemon import entrance, errands, loop
from tests.acceptance.stage import AGENT
from tests.faults.bursts import without_user_namespaces
from tests.faults.disks import Disk, be_own_user, small_disk, why_no_disks
from tests.faults.world import World, a_world
from tests.waiting import wait_until

SCAN_SECONDS = 0.1
AGAIN_SECONDS = 0.5
SETTINGS = {"LANES__SCAN_SECONDS": str(SCAN_SECONDS), "LIMITS__MAX_PARALLEL": "2"}
MANY_SCANS = 12
"""A trouble that is told at each of them would be seen to be."""

pytestmark = pytest.mark.skipif(not PLATFORM.proc, reason="the causes are Linux's own")


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with a_world(tmp_path / "world") as world:
        yield world


def serve(world: World) -> None:
    """Start the daemon; what it tries again it tries soon."""
    world.fork(_try_again_soon, **SETTINGS)
    world.await_up()


def _try_again_soon() -> None:
    entrance.AGAIN_SECONDS = errands.AGAIN_SECONDS = loop.AGAIN_SECONDS = AGAIN_SECONDS


def problem(world: World, word: str) -> dict[str, Any] | None:
    """What status tells of a trouble, as long as it lasts."""
    try:
        problems = world.here.status("daemon").get("problems", [])
    except OSError:
        return None
    return next((one for one in problems if one["word"] == word), None)


def log_lines(world: World) -> list[str]:
    return world.here.log.read_text("utf-8", "replace").splitlines()


def shown(world: World, word: str) -> dict[str, Any]:
    """Wait until a trouble is shown, with a remedy, and many scans more."""
    found = wait_until(lambda: problem(world, word), 15, f"{word} in status; {world.here.said()}")
    assert found["remedy"]
    threading.Event().wait(MANY_SCANS * SCAN_SECONDS)
    return found


def over(world: World, word: str, text: str) -> None:
    """Wait until a trouble is shown no longer; the log told once of it and once of its end, in lines with this."""
    wait_until(lambda: problem(world, word) is None, 15, f"{word} to be over; {world.here.said()}")
    wait_until(lambda: said(world, "over: ", text) == 1, 10, f"the end of {word}; {world.here.said()}")
    assert said(world, text) == 2, world.here.said()


def said(world: World, *texts: str) -> int:
    """How many lines of the log hold all these texts."""
    return sum(all(text in line for text in texts) for line in log_lines(world))


def works(world: World, name: str) -> None:
    """A plan runs from beginning to end."""
    world.submit(name, "[say hello]")
    assert world.here.result(name)["status"] == "succeeded"


# -- disks ---------------------------------------------------------------------------------------------------------


@contextmanager
def on_a_small_disk(folder: Path, inodes: int | None = None) -> Iterator[tuple[World, Disk]]:
    """A world whose root lies on a disk of 80 MiB."""
    missing = why_no_disks()
    if missing:
        pytest.skip(missing)
    with small_disk(folder / "disk", 80 << 20, inodes) as disk, a_world(folder / "world") as world:
        world.here.root = create_root(disk.path / "handoff")
        serve(world)
        yield world, disk


@pytest.mark.parametrize("what", ["bytes", "inodes"])
def test_a_full_disk_lets_the_result_of_a_run_and_the_status_be_written_also_when_it_fills_again(
    tmp_path: Path, what: str
) -> None:
    with on_a_small_disk(tmp_path, inodes=None if what == "bytes" else 2500) as (world, disk):
        fill = disk.fill if what == "bytes" else disk.use_up_inodes
        gate = tmp_path / "gate"
        world.submit("running", f"[say one] [await {gate}] [say two]")
        world.submit("cut", "[block]")
        wait_until(lambda: len(starts(world)) == 2, 15, "both to run")
        late = world.root.inbox / ".late.toml.tmp"
        late.write_text(world.text_of("late", "[say hello]"))
        stop = world.root.control / ".stop.toml.tmp"
        stop.write_text('action = "cancel"\nplan = "cut"\n')

        assert fill()
        late.rename(world.root.inbox / "late.toml")
        shown(world, "space")
        gate.touch()
        assert world.here.result("running", 15)["status"] == "succeeded"
        assert fill()  # once more: what was given away meanwhile is taken, too
        stop.rename(world.root.control / "stop.toml")
        assert world.here.result("cut", 15)["status"] == "cancelled"
        # What is given away is taken, portion by portion, until only what is kept for the status is left.
        wait_until(
            lambda: fill() and set_aside(world.root) <= (1 << 19, SPARE_FILES), 15, "one half to be given"
        )
        beat = world.here.status("daemon")["heartbeat"]
        assert fill()
        wait_until(lambda: world.here.status("daemon")["heartbeat"] != beat, 15, "the next beat")
        assert problem(world, "space")
        assert (world.root.inbox / "late.toml").exists()

        disk.release()
        over(world, "space", "free on its disk")
        assert world.here.result("late")["status"] == "succeeded"
        assert world.await_quiet() == []
        assert world.judge() == []
        assert set_aside(world.root) == (1 << 20, SPARE_FILES)


def test_a_full_disk_of_the_checkouts_lets_plans_wait_and_fails_none(tmp_path: Path) -> None:
    missing = why_no_disks()
    if missing:
        pytest.skip(missing)
    with small_disk(tmp_path / "disk", 80 << 20) as disk, a_world(tmp_path / "world") as world:
        world.here.environ["XDG_STATE_HOME"] = str(disk.path)
        serve(world)
        assert disk.fill()
        world.submit("x", "[write a.txt b]")

        shown(world, "space")
        assert (world.root.inbox / "x.toml").exists()

        disk.release()
        over(world, "space", "free on its disk")
        assert world.here.result("x")["status"] == "succeeded"


def set_aside(root: Root) -> tuple[int, int]:
    """How much is kept for a full disk: bytes, files."""
    return root.reserve.stat().st_blocks * 512, len(os.listdir(root.spare))


def starts(world: World) -> list[str]:
    """The runs that have begun."""
    ledger = world.folder / "ledger.txt"
    lines = ledger.read_text().splitlines() if ledger.exists() else []
    return [line.split()[1] for line in lines if line.startswith("start ")]


# -- files -----------------------------------------------------------------------------------------------------------


def test_a_lane_that_others_may_write_to_is_left_alone_until_they_may_not(world: World) -> None:
    serve(world)
    world.root.inbox.chmod(0o777)
    world.submit("x")

    # Once, and not as a trouble of the root and of the lane.
    found = shown(world, "root")
    assert str(world.root.inbox) in found["message"]
    world.order("p", action="pause")
    wait_until(lambda: world.here.status("daemon")["state"] == "paused", 10, "an order to be heard")
    world.order("r", action="resume")

    world.root.inbox.chmod(0o700)
    wait_until(lambda: not world.here.status("daemon").get("problems"), 15, "it to be over")
    assert said(world, "over: ", "inbox: others can write to it") == 1
    assert said(world, "inbox: others can write to it") == 2, world.here.said()
    assert world.here.result("x")["status"] == "succeeded"


def test_a_lane_that_is_gone_is_asked_for_and_taken_up_again(world: World) -> None:
    serve(world)
    world.root.inbox.rename(world.folder / "away")

    shown(world, "lane-unreadable")

    (world.folder / "away").rename(world.root.inbox)
    over(world, "lane-unreadable", f"{world.root.inbox}: No such file")
    works(world, "x")


@contextmanager
def immutable(path: Path) -> Iterator[None]:
    """Let nobody write to a file, root neither."""
    try:
        set_ = subprocess.run(["chattr", "+i", str(path)], check=False, capture_output=True)
    except FileNotFoundError:
        pytest.skip("there is no chattr here")
    if set_.returncode:
        pytest.skip(f"nothing can be made immutable here: {set_.stderr.decode().strip()}")
    try:
        yield
    finally:
        subprocess.run(["chattr", "-i", str(path)], check=True)


def test_a_journal_that_cannot_be_written_puts_its_plan_off_and_no_other(
    world: World, tmp_path: Path
) -> None:
    serve(world)
    gate = tmp_path / "gate"
    world.submit("x", f"[await {gate}]")
    wait_until(lambda: starts(world), 15, "x to run")
    journal = world.root.active / "x" / "journal.jsonl"
    wait_until(lambda: "run-started" in journal.read_text(), 15, "its start to be written down")
    with immutable(journal):
        gate.touch()
        found = shown(world, "plan-x")
        assert "Operation not permitted" in found["message"]
        works(world, "y")

    assert world.here.result("x")["status"] == "succeeded"
    over(world, "plan-x", "x: [Errno 1] Operation not permitted")
    assert len(starts(world)) == 2


def test_a_register_that_cannot_be_written_lets_no_plan_run_unregistered(world: World) -> None:
    serve(world)
    works(world, "first")
    with immutable(world.root.ids_log):
        world.submit("x")

        found = shown(world, "disk")
        assert str(world.root.ids_log) in found["message"]
        assert len(starts(world)) == 1

    assert world.here.result("x")["status"] == "succeeded"
    over(world, "disk", f"{world.root.ids_log}: Operation not permitted")


def test_a_status_that_cannot_be_written_is_told_in_the_log(world: World) -> None:
    serve(world)
    with immutable(world.root.status):
        works(world, "x")
        wait_until(lambda: said(world, "what status/ shows is old"), 10, "the log to tell of it")
        works(world, "y")

    over(world, "status", "what status/ shows is old")


# -- the machine -----------------------------------------------------------------------------------------------------


def test_a_claude_that_is_gone_lets_plans_wait_and_runs_go_on(tmp_path: Path) -> None:
    claude = tmp_path / "claude"
    claude.write_text(f'#!/bin/sh\nexec {AGENT} "$@"\n')
    claude.chmod(0o700)
    gate = tmp_path / "gate"
    with a_world(tmp_path / "world", claude=claude) as world:
        serve(world)
        world.submit("running", f"[await {gate}]")
        wait_until(lambda: starts(world), 15, "it to run")
        claude.rename(tmp_path / "away")
        world.submit("x")

        shown(world, "claude")
        gate.touch()
        assert world.here.result("running")["status"] == "succeeded"
        assert len(starts(world)) == 1

        (tmp_path / "away").rename(claude)
        over(world, "claude", "no such program")
        assert world.here.result("x")["status"] == "succeeded"


def test_a_clock_that_is_set_is_told_and_ends_nothing(world: World) -> None:
    step = world.folder / "step"
    step.write_text("0")

    def let_it_jump() -> None:
        real = time.time
        time.time = lambda: real() + float(step.read_text())

    world.fork(let_it_jump, **SETTINGS)
    world.await_up()
    gate = world.folder / "gate"
    world.submit("x", f"[await {gate}]")
    wait_until(lambda: starts(world), 15, "x to run")
    as_file(step, "3600")

    found = shown(world, "clock")
    assert "forward by 3600 s" in found["message"]
    gate.touch()
    assert world.here.result("x")["status"] == "succeeded"
    assert said(world, "the clock was set forward") == 1


def descriptors_of(pid: int | None) -> set[int]:
    return {int(name) for name in os.listdir(f"/proc/{pid}/fd")}


def test_descriptors_that_are_used_up_stop_no_run_and_no_status(world: World) -> None:
    serve(world)
    gate = world.folder / "gate"
    world.submit("running", f"[await {gate}]")
    wait_until(lambda: starts(world), 15, "it to run")
    assert world.pid is not None
    soft, hard = resource.prlimit(world.pid, resource.RLIMIT_NOFILE)
    # Of those that a worker has open for a moment none counts: they would be free again soon.
    looks: list[set[int]] = []
    wait_until(lambda: looks.append(descriptors_of(world.pid)) or looks[-3:] == [looks[-1]] * 3, 15)
    used = looks[-1]
    four_more = next(top for top in range(3, hard) if len(set(range(top)) - used) == 4)
    resource.prlimit(world.pid, resource.RLIMIT_NOFILE, (four_more, hard))

    shown(world, "descriptors")
    world.submit("x")
    wait_until((world.root.active / "x").exists, 15, "x to be taken")
    gate.touch()
    assert world.here.result("running")["status"] == "succeeded"
    resource.prlimit(world.pid, resource.RLIMIT_NOFILE, (3, hard))
    threading.Event().wait(MANY_SCANS * SCAN_SECONDS)
    assert world.await_end(0) is None, world.here.said()

    resource.prlimit(world.pid, resource.RLIMIT_NOFILE, (soft, hard))
    over(world, "descriptors", "too many open files")
    assert world.here.result("x")["status"] == "succeeded"
    wait_until(lambda: not world.here.status("daemon").get("problems"), 15, "all to be well")


def test_watches_that_are_used_up_are_told_and_the_lanes_are_looked_at_all_the_same(world: World) -> None:
    valve = world.folder / "more-watches"

    def allow_none() -> None:
        be_own_user(os.geteuid(), os.getegid())
        limit = Path("/proc/sys/user/max_inotify_instances")
        limit.write_text("0")
        if os.fork() == 0:
            # In the same namespace, and so the only one that can raise the limit again.
            while not valve.exists():
                threading.Event().wait(0.02)
            limit.write_text("64")
            os._exit(0)

    why = without_user_namespaces()
    if why:
        pytest.skip(why)
    world.fork(allow_none, **SETTINGS)
    world.await_up()

    found = shown(world, "lane-unwatched")
    assert "max_user_instances" in found["remedy"]
    works(world, "x")

    valve.touch()
    over(world, "lane-unwatched", "looking every 0.5 s")
    works(world, "y")


def as_file(path: Path, text: str) -> None:
    """Put a text in a file's place, whole."""
    beside = path.with_name(path.name + ".new")
    beside.write_text(text)
    beside.rename(path)


def test_a_disk_that_does_not_say_how_full_it_is_takes_no_plan_until_it_does(world: World) -> None:
    silent = world.folder / "silent"

    def fail_while_told() -> None:
        from handoff.effects import Effects

        ask = Effects.statvfs

        def statvfs(self: Effects, path: os.PathLike[str]) -> os.statvfs_result:
            if silent.exists():
                raise OSError(errno.EIO, os.strerror(errno.EIO))
            return ask(self, path)

        Effects.statvfs = statvfs  # type: ignore[method-assign, assignment]

    silent.touch()
    world.fork(fail_while_told, **SETTINGS)
    world.await_up()
    told = wait_until(lambda: problem(world, "space"), 10, "the trouble")
    world.submit("waits")
    assert "Input/output error" in told["message"]

    silent.unlink()

    assert world.await_quiet() == []
    assert world.here.result("waits")["status"] == "succeeded"
