from __future__ import annotations

import os
import signal
import subprocess
import sys
import uuid
from collections.abc import Iterator

import pytest

from orchestrd.runs import tree
from tests.runs.stand import Stand
from tests.waiting import wait_until

FORKING = """
import os, time
for _ in range(3):
    if os.fork() == 0:
        os.fork()
        time.sleep(300)
print("ready", flush=True)
time.sleep(300)
"""


@pytest.fixture
def family() -> Iterator[subprocess.Popen[str]]:
    """A process with three children and three grandchildren, in a session of its own."""
    process = subprocess.Popen(
        [sys.executable, "-S", "-c", FORKING], stdout=subprocess.PIPE, text=True, start_new_session=True
    )
    assert process.stdout is not None
    process.stdout.readline()
    yield process
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    process.stdout.close()


def test_the_descendants_are_all_below_and_not_the_one_itself(family: subprocess.Popen[str]) -> None:
    found = wait_until(lambda: len(tree.descendants(family.pid)) == 6 and tree.descendants(family.pid))

    assert family.pid not in found
    assert len(set(found)) == 6
    assert tree.descendants(found[-1]) == []


def test_the_memory_of_a_tree_is_the_sum_of_its_members(family: subprocess.Popen[str]) -> None:
    wait_until(lambda: len(tree.descendants(family.pid)) == 6)

    one = tree.resident_bytes([family.pid])
    all_of_them = tree.resident_bytes([family.pid, *tree.descendants(family.pid)])

    assert one > 1 << 20
    assert all_of_them > 3 * one


def test_whoever_is_gone_holds_no_memory(family: subprocess.Popen[str]) -> None:
    gone = subprocess.Popen([sys.executable, "-S", "-c", ""])
    gone.wait()

    assert tree.resident_bytes([gone.pid]) == 0
    assert tree.descendants(gone.pid) == []


def test_a_tree_that_is_killed_is_proved_to_be_gone(family: subprocess.Popen[str]) -> None:
    wait_until(lambda: len(tree.descendants(family.pid)) == 6)
    everybody = {family.pid, *tree.descendants(family.pid)}
    os.kill(family.pid, signal.SIGSTOP)

    ended = tree.kill_tree(
        lambda: [pid for pid in everybody if pid != family.pid and tree.resident_bytes([pid])],
        reap=lambda: None,
    )

    assert ended.killed == everybody - {family.pid}
    assert ended.left == frozenset()


def test_a_sweep_ends_what_a_killed_runner_left(stand: Stand) -> None:
    started = stand.start("[ignore-term] [child 300] [detach 300] [detach 300] [block]")
    wait_until(lambda: stand.noted().count("detached") == 2)
    os.kill(started.pid, signal.SIGKILL)
    started.process.wait()
    assert len(stand.alive()) == 4

    ended = tree.sweep(stand.mark)

    assert len(ended.killed) == 4
    assert not ended.left
    assert not stand.alive()


def test_a_sweep_touches_no_other_run(native_stand: Stand) -> None:
    native_stand.start("[block]")
    native_stand.wait_for("start")

    ended = tree.sweep(native_stand.mark[:-1])

    assert not ended.killed
    assert native_stand.alive()


def test_a_sweep_knows_the_tools_of_a_session_by_claude_codes_own_mark() -> None:
    session = str(uuid.uuid4())
    tool = subprocess.Popen(
        [sys.executable, "-S", "-c", "import time; time.sleep(300)"], env={"CLAUDE_CODE_SESSION_ID": session}
    )

    ended = tree.sweep("no-such-mark", session)

    assert ended.killed == {tool.pid}
    assert tool.wait() == -signal.SIGKILL


def test_what_cannot_be_ended_is_told_and_not_waited_for_without_end() -> None:
    ended = tree.kill_tree(lambda: [2**22 + 5], seconds=0.1)

    assert ended.left == {2**22 + 5}
