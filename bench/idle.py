"""(d) What the daemon costs while nothing happens, beside a process that does nothing but watch the same folders."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

from bench.ground import fake_agent, ground
from bench.table import Row

_BARE = r"""
import sys, threading
from watchdog.events import FileSystemEventHandler
from watchdog.observers import Observer
observer = Observer()
for folder in sys.argv[1:]:
    observer.schedule(FileSystemEventHandler(), folder)
observer.start()
print("up", flush=True)
sys.stdin.read()
"""


def measure(folder: Path, seconds: float = 60.0) -> list[Row]:
    with ground(folder / "ground", fake_agent(folder)) as here:
        here.start()
        lanes = [str(lane) for lane in (here.root.inbox, here.root.replies, here.root.control)]
        bare = subprocess.Popen(
            [sys.executable, "-c", _BARE, *lanes], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        try:
            assert bare.stdout is not None
            bare.stdout.readline()
            time.sleep(2)
            ours, theirs = _run_seconds(here.pid), _run_seconds(bare.pid)
            time.sleep(seconds)
            ours, theirs = _run_seconds(here.pid) - ours, _run_seconds(bare.pid) - theirs
            memory, bare_memory = _resident_mb(here.pid), _resident_mb(bare.pid)
        finally:
            assert bare.stdin is not None
            bare.stdin.close()
            bare.wait()
    per_cent, bare_per_cent = 100 * ours / seconds, 100 * theirs / seconds
    return [
        Row(
            f"the idle daemon's CPU over {seconds:.0f} s",
            f"{per_cent:.3f} % of a core",
            f"bare watchdog observer {bare_per_cent:.3f} %",
            "≤ 0.1 %",
            per_cent <= 0.1,
        ),
        Row(
            "the idle daemon's memory (RSS)",
            f"{memory:.0f} MB",
            f"bare watchdog observer {bare_memory:.0f} MB",
            "≤ 60 MB",
            memory <= 60,
        ),
    ]


def _run_seconds(pid: int) -> float:
    """CPU of all threads, to the nanosecond: ticks of 10 ms are too coarse for this."""
    tasks = Path(f"/proc/{pid}/task").iterdir()
    return sum(int((task / "schedstat").read_text().split()[0]) for task in tasks) / 1e9


def _resident_mb(pid: int) -> float:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS")) * 1024 / 1e6
