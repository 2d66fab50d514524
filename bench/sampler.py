"""The sampler beside plain psutil, on the same real process trees: 20 runs of 5 processes.

Each tree: a root as the runner is, a child with 8 threads as Claude Code has them, and three below that; one of
them forks a short process 5 times a second, so that there is always something new to find.
"""

from __future__ import annotations

import argparse
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import psutil

from orchestrd.observe.sampler import Sampler

RUNS = 20
PROCESSES = 5
"""Below each root, which stands for a runner: what a run itself consists of."""
INTERVAL_SECONDS = 1.0

# On stdin the root is told to end; when it ends, its pipe to each below it does.
_TREE = r"""
import os, subprocess, sys, threading, time
depth = int(sys.argv[1])
END = threading.Event()
def child(depth):
    return subprocess.Popen([sys.executable, "-I", "-S", "-c", sys.argv[2], str(depth), sys.argv[2]],
                            stdin=subprocess.PIPE, stdout=subprocess.PIPE)
below = {0: [1, 2], 1: [2, 2, 3]}.get(depth, [])
children = [child(one) for one in below]
for one in children:
    one.stdout.readline()
if depth == 1:
    for _ in range(7):
        threading.Thread(target=END.wait, daemon=True).start()
def fork():
    while not END.wait(0.2):
        pid = os.fork()
        if pid == 0:
            os._exit(0)
        os.waitpid(pid, 0)
if depth == 3:
    threading.Thread(target=fork, daemon=True).start()
print("up", flush=True)
sys.stdin.read()
END.set()
for one in children:
    one.stdin.close()
    one.wait()
"""


@dataclass(frozen=True, slots=True)
class Row:
    """CPU of both, in per cent of one core at one sample a second."""

    samples: int
    sampler_percent: float
    psutil_percent: float

    @property
    def ratio(self) -> float:
        """The sampler's part of what psutil costs."""
        return self.sampler_percent / self.psutil_percent

    def markdown(self) -> str:
        """A row of the table: what, ours, theirs, ratio, aim."""
        return (
            f"| sampling {RUNS} runs of {PROCESSES} processes at 1 s | {self.sampler_percent:.2f} % of a core "
            f"| {self.psutil_percent:.2f} % (psutil) | {self.ratio:.2f}× | < 1 %, ≤ 0.15× |"
        )


@contextmanager
def trees(count: int = RUNS) -> Iterator[list[int]]:
    """Start real process trees; end them and wait for their ends."""
    started: list[subprocess.Popen[bytes]] = []
    try:
        for _ in range(count):
            command = [sys.executable, "-I", "-S", "-c", _TREE, "0", _TREE]
            started.append(subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE))
        for process in started:
            assert process.stdout is not None
            assert process.stdout.readline() == b"up\n"
        yield [process.pid for process in started]
    finally:
        for process in started:
            assert process.stdin is not None
            process.stdin.close()
        for process in started:
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.send_signal(signal.SIGKILL)
                process.wait()


def with_psutil(pids: list[int]) -> None:
    """What one would write: each run's tree, and of each process what it uses."""
    for pid in pids:
        root = psutil.Process(pid)
        for process in [root, *root.children(recursive=True)]:
            try:
                process.cpu_times()
                process.memory_info()
                process.io_counters()
            except psutil.Error:
                continue


def measure(seconds: float = 20.0) -> Row:
    """Sample by turns for so long, half of the time each; CPU of this process alone is counted."""
    with trees() as pids:
        roots = dict(enumerate(pids))
        sampler: Sampler[int] = Sampler()
        usages = sampler.sample(roots, time.monotonic())  # the first one fills caches
        assert all(usage.processes >= PROCESSES for usage in usages.values()), usages
        with_psutil(pids)
        ours = theirs = 0.0
        rounds = max(1, int(seconds / 2 / INTERVAL_SECONDS))
        for _ in range(rounds):
            ours += _cpu(lambda: _all_of(sampler, roots))
            time.sleep(INTERVAL_SECONDS)
            theirs += _cpu(lambda: with_psutil(pids))
            time.sleep(INTERVAL_SECONDS)
    per_cent = 100.0 / (rounds * INTERVAL_SECONDS)
    return Row(rounds, ours * per_cent, theirs * per_cent)


def _all_of(sampler: Sampler[int], roots: dict[int, int]) -> None:
    """Everything that the daemon measures in a sample."""
    now = time.monotonic()
    sampler.sample(roots, now)
    sampler.daemon(now)
    sampler.machine(now)


def _cpu(work: Callable[[], None]) -> float:
    before = time.process_time()
    work()
    return time.process_time() - before


def main() -> None:
    """Measure and print the row."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--seconds", type=float, default=20.0)
    print(measure(arguments.parse_args().seconds).markdown())


if __name__ == "__main__":
    main()
