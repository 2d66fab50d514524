"""What a runner writes down of its run: that it started, what it used, how it ended. Standard library only."""

from __future__ import annotations

import os
import time

from handoff import durable, platform
from handoff.effects import clock
from orchestrd.runs.light_json import line

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

_BLOCK_BYTES = 512
"""What `ru_inblock` counts, whatever the disk's own blocks are."""


def started(argv: Sequence[str]) -> bytes:
    """Put together `started.json`: by boot, pid and start time a process is known for certain."""
    from zlib import crc32

    pid = os.getpid()
    return line(
        {
            "boot_id": platform.boot_id(),
            "pid": pid,
            "start_ticks": platform.start_ticks(pid),
            "argv_crc32": f"{crc32(os.fsencode(chr(0).join(argv))):08x}",
        }
    )


class Account:
    """Of one run. Durations in seconds by a clock that no step of the wall clock changes."""

    def __init__(self, folder: str) -> None:
        self.why = "ended"
        self.message: str | None = None
        self.status: int | None = None
        """As waitpid() has it; None where nothing was started."""
        self.saw_result = False
        self.killed_leftovers = 0
        self.peak_memory_bytes = 0
        """Of the whole tree, as far as it was looked at."""
        self._runs_folder, self._start = os.path.split(folder)
        self.began = clock.boot()
        self._wall = clock.wall()
        self._seconds = 0.0
        self._first_output_seconds: float | None = None

    def begin(self) -> None:
        """It is being started now."""
        self.began, self._wall = clock.boot(), clock.wall()

    def heard(self) -> None:
        """Something came from it."""
        if self._first_output_seconds is None:
            self._first_output_seconds = clock.boot() - self.began

    def end(self) -> None:
        """Nothing of it is alive any more."""
        self._seconds = clock.boot() - self.began

    def add(self, message: str) -> None:
        """Say something besides."""
        self.message = f"{self.message} {message}" if self.message else message

    def sample(self, *, processes: int) -> None:
        """Append the run's first or last sample to the plan's series: before and after it nothing is alive."""
        step, _, number = self._start.rpartition(".")
        used = _used_by_children()
        sample = {
            "time": rfc3339(clock.wall()),
            "step": step,
            "n": int(number) if number.isdigit() else 0,
            "cpu_seconds": round(used.ru_utime + used.ru_stime, 3),
            "rss_bytes": 0,
            "processes": processes,
            "read_bytes": used.ru_inblock * _BLOCK_BYTES,
            "write_bytes": used.ru_oublock * _BLOCK_BYTES,
        }
        series = os.path.join(os.path.dirname(self._runs_folder), "usage.jsonl")
        try:
            durable.append_line(series, line(sample), sync=False)
        except OSError:
            return  # a sample is not worth a run

    def document(self) -> bytes:
        """Put together `exit.json`."""
        used = _used_by_children()
        greatest = used.ru_maxrss * _maxrss_unit()
        code = None if self.status is None else os.waitstatus_to_exitcode(self.status)
        return line(
            {
                "exit_code": code if code is not None and code >= 0 else None,
                "signal": -code if code is not None and code < 0 else None,
                "why": self.why,
                **({"message": self.message} if self.message else {}),
                "started": rfc3339(self._wall),
                "ended": rfc3339(self._wall + self._seconds),
                "wall_seconds": round(self._seconds, 3),
                "cpu_seconds": round(used.ru_utime + used.ru_stime, 3),
                "peak_memory_bytes": max(self.peak_memory_bytes, greatest),
                "max_rss_bytes": greatest,
                "first_output_seconds": _rounded(self._first_output_seconds),
                "saw_result": self.saw_result,
                "killed_leftovers": self.killed_leftovers,
            }
        )


def rfc3339(wall_seconds: float) -> str:
    """Write a time as the protocol does, UTC, with milliseconds."""
    milliseconds = int(wall_seconds * 1000)
    text = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(milliseconds // 1000))
    return f"{text}.{milliseconds % 1000:03d}Z"


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 3)


def _used_by_children() -> struct_rusage:
    import resource

    return resource.getrusage(resource.RUSAGE_CHILDREN)


def _maxrss_unit() -> int:
    """Bytes of what `ru_maxrss` counts: KiB on Linux, bytes on macOS. A Python needs neither 1 GiB nor only 1 MiB."""
    import resource

    return 1 if resource.getrusage(resource.RUSAGE_SELF).ru_maxrss > 1 << 20 else 1024


if TYPE_CHECKING:
    from resource import struct_rusage
