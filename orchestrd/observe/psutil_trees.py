"""Process trees by way of psutil, where there is no /proc: all processes are gone through once for all runs."""

from __future__ import annotations

import contextlib

import psutil

from orchestrd.observe.readings import Reading


class PsutilTrees:
    """Reads trees with psutil."""

    inherits = False

    def __init__(self) -> None:
        self._children: dict[int, list[int]] = {}
        self._known: dict[int, psutil.Process] = {}

    def begin(self) -> None:
        """See who is whose child."""
        self._children = {}
        alive: dict[int, psutil.Process] = {}
        # psutil's own cache between rounds: only new pids are looked up anew, and a pid that is used again is noticed.
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error):
                self._children.setdefault(process.ppid(), []).append(process.pid)
                alive[process.pid] = process
        self._known = alive

    def read(self, root: int) -> dict[int, Reading]:
        """Read every process of the tree; empty where its root is gone."""
        found: dict[int, Reading] = {}
        waiting = [root]
        while waiting:
            pid = waiting.pop()
            process = self._known.get(pid)
            if process is None or pid in found:
                continue
            with contextlib.suppress(psutil.Error):
                found[pid] = _reading(process)
                waiting += self._children.get(pid, ())
        return found

    def pss_bytes(self, pid: int) -> int | None:
        """Not told: psutil has it on Linux only, where /proc is the way."""
        del pid
        return None


def _reading(process: psutil.Process) -> Reading:
    with process.oneshot():
        started = repr(process.create_time()).encode()
        if process.status() == psutil.STATUS_ZOMBIE:
            return Reading(started, False, 0.0, 0.0, 0, None, None, 0)  # noqa: FBT003 - what a zombie has
        cpu = process.cpu_times()
        read_bytes, written_bytes = _disk(process)
        return Reading(
            started=started,
            alive=True,
            cpu_seconds=cpu.user + cpu.system,
            inherited_seconds=0.0,
            memory_bytes=process.memory_info().rss,
            read_bytes=read_bytes,
            written_bytes=written_bytes,
            threads=process.num_threads(),
        )


def _disk(process: psutil.Process) -> tuple[int | None, int | None]:
    # macOS has no such counters.
    counters = getattr(process, "io_counters", None)
    if counters is None:
        return None, None
    try:
        found = counters()
    except psutil.AccessDenied:
        return None, None
    return found.read_bytes, found.write_bytes
