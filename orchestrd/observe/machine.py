"""The machine as a whole, and this process in it."""

from __future__ import annotations

import os
import time

from handoff.platform import PLATFORM, Platform
from orchestrd.observe.psi import read_psi
from orchestrd.observe.usage import DaemonUsage, MachineUsage, percent

PRESSURES = ("cpu", "memory", "io")


class Machine:
    """Measures the machine. `now` is a clock that only grows, in seconds."""

    def __init__(self, platform: Platform = PLATFORM) -> None:
        self._platform = platform
        self._cores = os.cpu_count() or 1
        self._before: tuple[float, float] | None = None

    def usage(self, now: float) -> MachineUsage:
        """What is used now; CPU since the last call."""
        busy = _busy_of_proc() if self._platform.proc else _busy_of_psutil()
        total, available = memory_of_proc() if self._platform.proc else memory_of_psutil()
        before, self._before = self._before, (busy, now)
        return MachineUsage(
            cores=self._cores,
            cpu_percent=percent(busy - before[0], now - before[1]) if before else None,
            memory_total_bytes=total,
            memory_available_bytes=available,
            load=_load(),
            pressure=_pressure() if self._platform.psi else (),
        )


class Daemon:
    """Measures this process, without its children."""

    def __init__(self, platform: Platform = PLATFORM) -> None:
        self._platform = platform
        self._before: tuple[float, float] | None = None

    def usage(self, now: float) -> DaemonUsage:
        """What is used now; CPU since the last call."""
        cpu = time.process_time()
        before, self._before = self._before, (cpu, now)
        memory, threads, files = _self_of_proc() if self._platform.proc else _self_of_psutil()
        return DaemonUsage(
            cpu_seconds=cpu,
            cpu_percent=percent(cpu - before[0], now - before[1]) if before else None,
            memory_bytes=memory,
            threads=threads,
            open_files=files,
        )


def _busy_of_proc() -> float:
    """Seconds that cores were busy since the start."""
    with open("/proc/stat", "rb") as file:
        words = file.readline().split()
    # user nice system idle iowait irq softirq steal; guests are in user and nice already.
    ticks = [int(word) for word in words[1:9]]
    return (sum(ticks) - ticks[3] - ticks[4]) / os.sysconf("SC_CLK_TCK")


def _busy_of_psutil() -> float:
    import psutil

    times = psutil.cpu_times()
    guests = getattr(times, "guest", 0.0) + getattr(times, "guest_nice", 0.0)
    return sum(times) - guests - times.idle - getattr(times, "iowait", 0.0)


def memory_of_proc(proc: str = "/proc") -> tuple[int, int]:
    """Total and available bytes; 0 what is not told. Raises OSError."""
    found: dict[bytes, int] = {}
    with open(f"{proc}/meminfo", "rb") as file:
        for line in file:
            name, _, rest = line.partition(b":")
            if name in {b"MemTotal", b"MemAvailable"}:
                found[name] = int(rest.split()[0]) * 1024
                if len(found) == 2:
                    break
    return found.get(b"MemTotal", 0), found.get(b"MemAvailable", 0)


def memory_of_psutil() -> tuple[int, int]:
    """Total and available bytes."""
    import psutil

    memory = psutil.virtual_memory()
    return memory.total, memory.available


def _load() -> float | None:
    try:
        return os.getloadavg()[0]
    except OSError:
        return None


def _pressure() -> tuple[tuple[str, float], ...]:
    told = ((name, read_psi(f"/proc/pressure/{name}").some) for name in PRESSURES)
    return tuple((name, some) for name, some in told if some is not None)


def _self_of_proc() -> tuple[int, int, int | None]:
    with open("/proc/self/stat", "rb") as file:
        stat = file.read()
    fields = stat[stat.rfind(b")") + 2 :].split()
    # The descriptor by which the folder is listed is not one of ours.
    return int(fields[21]) * os.sysconf("SC_PAGE_SIZE"), int(fields[17]), len(os.listdir("/proc/self/fd")) - 1


def _self_of_psutil() -> tuple[int, int, int | None]:
    import psutil

    process = psutil.Process()
    with process.oneshot():
        return process.memory_info().rss, process.num_threads(), process.num_fds()
