"""T2: the daemon is killed by strace in the middle of its N-th call of the system, for each call that it relies on.

First the calls of one story are counted; each is a point. The daemon is the one of `World.fork`, to which strace is
attached before it begins to serve, so that no point is spent on importing Python; some are the real command. Counting
is strace's: by thread, so the first thread that comes to its N-th call is where it happens. strace follows forks until
they exec: a kill may meet git or a runner before it is itself, which the daemon outlives. That is counted apart.
"""

from __future__ import annotations

import ctypes
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.faults.campaign import Campaign, Ground, Outcome, Violation, run_rounds, too_few
from tests.faults.watching import await_none_left, ledger, result_of
from tests.faults.world import World, a_world
from tests.waiting import wait_until

CALLS = (
    *("openat", "write", "fsync", "close", "rename", "renameat", "renameat2", "unlink", "unlinkat"),
    *("mkdir", "mkdirat", "clone", "clone3", "vfork", "fork", "execve"),
)
OF_THE_REAL_COMMAND = frozenset({"fsync", "rename", "renameat2", "unlink", "write"})
"""Calls of which Python's start makes few."""
# What is known of projects is kept by a thread of its own, whenever it comes to it: cut off in tests/context.
SETTINGS = {"LIMITS__MAX_PARALLEL": "2", "CONTEXT__KEEP": "false"}
OF_A_CHILD = "kills of a child before it was itself"
OF_THE_DAEMON = 0.75
"""So many of the kills have to meet the daemon itself: `execve` is called by children alone."""
TRIES = 4
STORY_SECONDS = 30.0
_PR_SET_PTRACER, _ANYBODY = 0x59616D61, ctypes.c_ulong(2**64 - 1)
_KILLED = "+++ killed by SIGKILL +++"


@dataclass(frozen=True, slots=True)
class Point:
    """A call of the system, and the how-manieth of it is the daemon's last."""

    seed: int
    call: str
    number: int
    is_real: bool = False

    def inject(self) -> list[str]:
        """What strace has to be told."""
        return ["-e", f"inject={self.call}:signal=KILL:when={self.number}"]


def run(ground: Ground) -> Outcome:
    """Count the calls, then kill at each of them, or at some of each."""
    counted = count_calls(ground.folder / "count")
    points = [
        Point(ground.seed, call, number, is_real=call in OF_THE_REAL_COMMAND and place % 12 == 5)
        for place, (call, number) in enumerate(_chosen(ground, counted))
    ]
    outcome = run_rounds(ground, points, one_point)
    outcome.figures["points"] = len(points)
    outcome.violations += missed(outcome, len(points))
    for call, count in counted.items():
        outcome.figures[f"calls of {call}"] = count
    return outcome


def missed(outcome: Outcome, points: int) -> Iterator[Violation]:
    """Each point has had its kill, and the most of them the daemon itself."""
    delivered = outcome.fired + outcome.figures[OF_A_CHILD]
    if delivered != points:
        what = f"{delivered} kills were delivered of {points} that were asked for"
        yield Violation("-", "strace", what)
    else:
        yield from too_few("kills of the daemon itself", outcome.fired, points, OF_THE_DAEMON)


def count_calls(folder: Path) -> Counter[str]:
    """The most of each call that one thread makes in the story, as it is when nothing happens to it."""
    log = folder / "strace.log"
    with a_world(folder) as world:
        _hand_in(world)
        strace = _fork_traced(world, log, CALLS, ())
        assert world.await_quiet(STORY_SECONDS) == []
        world.stop()
        strace.wait(10)
    made: dict[str, Counter[str]] = defaultdict(Counter)
    for line in log.read_text("utf-8", "replace").splitlines():
        found = re.match(r"(\d+) +(\w+)\(", line)
        if found:
            made[found[2]][found[1]] += 1
    return Counter({call: max(made[call].values()) for call in CALLS if made[call]})


def one_point(folder: Path, point: Point) -> Outcome:
    """Kill there; where the story was over before that call, at an earlier one."""
    outcome = Outcome()
    for number in range(TRIES):
        outcome.add(_kill_at(folder / str(number), point))
        if outcome.fired or outcome.figures[OF_A_CHILD] or outcome.violations:
            break
        outcome.figures["points beyond the story, tried earlier"] += 1
        earlier = random.Random(f"{point}").randint(1, max(1, point.number * 3 // 4))
        point = Point(point.seed, point.call, earlier, point.is_real)
    return outcome


def _kill_at(folder: Path, point: Point) -> Outcome:
    outcome = Outcome()
    log = folder / "strace.log"
    with a_world(folder) as world:
        _hand_in(world)
        if point.is_real:
            strace = _launch_traced(world, log, point)
        else:
            strace = _fork_traced(world, log, (point.call,), point.inject())
        daemon_died = _await_kill(world, log, strace)
        if daemon_died is None:
            _stop(world, strace)
        elif daemon_died:
            outcome.fired = 1
            world.fork(**SETTINGS)
        else:
            outcome.figures[OF_A_CHILD] += 1
        outcome.figures[f"kills at {point.call}"] += outcome.fired
        if daemon_died is not None:
            outcome.violations += world.await_quiet()
            outcome.violations += await_none_left(world)
            outcome.violations += world.judge()
            outcome.violations += _as_promised(world, child_died=not daemon_died)
            outcome.violations += world.recover_once_more()
    outcome.violations = [Violation(v.invariant, v.where, v.what, str(point)) for v in outcome.violations]
    return outcome


def _hand_in(world: World) -> None:
    """The story: a plan in a checkout, one in place, and one that is cancelled."""
    world.submit("checkout", "[detach 60] [write a.txt x]", key="a")
    world.submit("in-place", "[child 60] [write b.txt x]", world.plain)
    world.submit("cancelled", "[block]")
    world.order("cancel", action="cancel", plan="cancelled")


def _as_promised(world: World, *, child_died: bool) -> Iterator[Violation]:
    started = Counter(line.plan for line in ledger(world, "start"))
    for plan, wanted in {
        "checkout": "succeeded",
        "in-place": "succeeded",
        "cancelled": "cancelled",
    }.items():
        result = result_of(world, plan)
        if result is None:
            yield Violation("I3", plan, "there is no result")
        elif result["status"] != wanted and not child_died:
            yield Violation(
                "I3", plan, f"{result['status']}, {result.get('reason')}: {result.get('summary')}"
            )
        if wanted == "succeeded" and started[plan] != 1 and not child_died:
            yield Violation("I2", plan, f"it was started {started[plan]} times")


def _fork_traced(
    world: World, log: Path, calls: Sequence[str], inject: Sequence[str]
) -> subprocess.Popen[bytes]:
    """Fork a daemon that serves as soon as strace has it."""

    def wait_for_strace() -> None:
        ctypes.CDLL(None).prctl(_PR_SET_PTRACER, _ANYBODY, 0, 0, 0)
        signal.sigwait({signal.SIGUSR1})
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGUSR1})

    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1})  # the daemon's from its first moment on
    try:
        pid = world.fork(wait_for_strace, **SETTINGS)
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGUSR1})
    command = ["strace", "-f", "-b", "execve", "-o", str(log), "-e", f"trace={','.join(calls)}", *inject]
    strace = subprocess.Popen([*command, "-p", str(pid)], stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wait_until(lambda: _is_traced(pid), 60, f"strace to have {pid} (it ended with {strace.poll()})")
    os.kill(pid, signal.SIGUSR1)
    return strace


def _launch_traced(world: World, log: Path, point: Point) -> subprocess.Popen[bytes]:
    """Start the real command below strace; `World.pid` is strace's then."""
    command = ["strace", "-f", "-b", "execve", "-o", str(log), "-e", f"trace={point.call}", *point.inject()]
    here = world.here
    with here.log.open("ab") as said:
        here.daemon = subprocess.Popen(
            [*command, sys.executable, "-m", "orchestrd", "--root", str(here.root.path), "serve"],
            env={**here.environ, **{f"ORCHESTRD_{name}": value for name, value in SETTINGS.items()}},
            cwd=here.folder,
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=said,
        )
    return here.daemon


def _await_kill(world: World, log: Path, strace: subprocess.Popen[bytes]) -> bool | None:
    """Wait for the kill: True, of the daemon; False, of a child that it outlives; None, there was none."""
    deadline = time.monotonic() + STORY_SECONDS
    threads: set[int] = set()
    while time.monotonic() < deadline:
        threads |= _threads(world.forked)
        code = _ended(world, strace)
        killed = _killed(log)
        if code is not None:
            strace.wait(10)
            # Strace's word, not the code: killed in the middle of clone3 a process may seem to have ended with 0.
            assert _killed(log) & threads or code == -signal.SIGKILL, f"{code}; it said: {world.here.said()}"
            return True
        if world.forked and killed and not killed & threads and world.await_end(0.5) is None:
            # Once is the fault; a strace that goes on would kill each child in turn.
            strace.terminate()
            strace.wait(10)
            return False
        if not killed and world.is_quiet():
            return None
        time.sleep(0.005)
    raise AssertionError(f"neither killed nor quiet; it said: {world.here.said()}")


def _ended(world: World, strace: subprocess.Popen[bytes]) -> int | None:
    """How the daemon ended; strace, which started the real command, ends as that did."""
    return strace.poll() if world.forked is None else world.await_end(0)


def _threads(pid: int | None) -> set[int]:
    try:
        return {int(name) for name in os.listdir(f"/proc/{pid}/task")}
    except FileNotFoundError:
        return set()


def _killed(log: Path) -> set[int]:
    """Who was killed, as strace tells."""
    try:
        lines = log.read_text("utf-8", "replace").splitlines()
    except FileNotFoundError:
        return set()
    return {int(line.split()[0]) for line in lines if line.endswith(_KILLED)}


def _stop(world: World, strace: subprocess.Popen[bytes]) -> None:
    """End the daemon in order; below strace it is the one that holds the root's lock."""
    if world.forked is None:
        os.kill(int(world.root.lock.read_text()), signal.SIGTERM)
    else:
        world.stop()
    strace.wait(20)


def _is_traced(pid: int) -> bool:
    with open(f"/proc/{pid}/status") as file:
        return not any(line.split() == ["TracerPid:", "0"] for line in file)


def _chosen(ground: Ground, counted: Counter[str]) -> list[tuple[str, int]]:
    """All points; or, of each call in turn, one that chance names."""
    left = {call: list(range(1, count + 1)) for call, count in counted.items()}
    for call, numbers in left.items():
        ground.random("order", call).shuffle(numbers)
    most = ground.pick(20, 90, 400)
    chosen: list[tuple[str, int]] = []
    while len(chosen) < most and any(left.values()):
        chosen += [(call, numbers.pop()) for call, numbers in left.items() if numbers]
    return chosen[:most]


def needs() -> str | None:
    """Why there is no strace that may trace."""
    if shutil.which("strace") is None:
        return "there is no strace"
    tried = subprocess.run(["strace", "-o", os.devnull, "true"], capture_output=True, text=True, check=False)
    return None if tried.returncode == 0 else f"strace may not trace here: {tried.stderr.strip()}"


CAMPAIGNS = (Campaign("T2", "kill -9 in the middle of a call of the system, by strace", run, needs),)
