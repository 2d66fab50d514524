"""What the machine says of how hard it is pressed: Linux's PSI and memory, of a limited cgroup too; else psutil.

Read once a second, in less than a tenth of a millisecond. What is not there or cannot be read is left out; what the
figures mean is decided in `core/pressure.py`.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from math import isfinite
from pathlib import Path

from handoff.platform import PLATFORM, Platform
from orchestrd.core.pressure import MemoryReading, Reading
from orchestrd.observe.machine import memory_of_proc, memory_of_psutil
from orchestrd.observe.psi import Psi, read_psi

PROCFS = Path("/proc")
CGROUPS = Path("/sys/fs/cgroup")
_RECLAIMABLE = frozenset((b"inactive_file", b"active_file", b"slab_reclaimable"))
"""What a cgroup gives up when it needs room: it is filled with these up to its limit, and is short of nothing."""


class PressureReader:
    """Reads the figures of one machine.

    `procfs` names another place than /proc, whatever the platform; `cgroups` are those whose limits hold for the runs
    (`cgroups_of`).
    """

    def __init__(
        self,
        procfs: Path | None = None,
        cgroups: Sequence[Path] = (),
        platform: Platform = PLATFORM,
    ) -> None:
        has_proc = procfs is not None or platform.proc
        self._procfs = os.fspath(procfs or PROCFS) if has_proc else None
        self._has_psi = procfs is not None or platform.psi
        self._cgroups = tuple(cgroups) if has_proc else ()
        self._cores = os.cpu_count() or 1

    def read(self) -> Reading:
        """What the machine says now."""
        memory, cpu = self._psi("memory"), self._psi("cpu")
        total, available = self._memory()
        machine = MemoryReading("this machine", memory.some, memory.full, available, total)
        limited = (_memory_of_cgroup(folder) for folder in self._cgroups)
        return Reading((machine, *(one for one in limited if one is not None)), cpu.some, self._load())

    def _psi(self, what: str) -> Psi:
        return read_psi(f"{self._procfs}/pressure/{what}") if self._has_psi else Psi()

    def _memory(self) -> tuple[int | None, int | None]:
        if self._procfs is None:
            return memory_of_psutil()
        try:
            return memory_of_proc(self._procfs)
        except (OSError, ValueError, IndexError):
            return None, None

    def _load(self) -> float | None:
        if self._procfs is None:
            return os.getloadavg()[0] / self._cores
        load = _number(_read(f"{self._procfs}/loadavg").partition(b" ")[0])
        return None if load is None else load / self._cores


def cgroups_of(process: Path = PROCFS / "self" / "cgroup", mounted: Path = CGROUPS) -> tuple[Path, ...]:
    """Name the cgroups (v2) that a process is in, the innermost first; none where there are none to be seen."""
    for line in _read(process).splitlines():
        number, _, path = line.decode("utf-8", "surrogateescape").partition("::")
        if number != "0":
            continue
        inside = Path(path.lstrip("/"))
        if ".." in inside.parts:
            return ()  # it lies outside of what this process may see
        return tuple(mounted / part for part in (inside, *inside.parents))
    return ()


def has_limit(cgroup: Path) -> bool:
    """Whether a cgroup's memory is limited."""
    return _limit(cgroup) is not None


def _memory_of_cgroup(folder: Path) -> MemoryReading | None:
    """The memory of a cgroup; None where it has no limit."""
    limit = _limit(folder)
    if limit is None:
        return None
    psi = read_psi(folder / "memory.pressure")
    current = _number(_read(folder / "memory.current"))
    available = None
    if current is not None:
        kept = sum(
            int(value)
            for name, _, value in (
                line.partition(b" ") for line in _read(folder / "memory.stat").splitlines()
            )
            if name in _RECLAIMABLE and value.isdigit()
        )
        available = max(0, min(limit, limit - int(current) + kept))
    where = f"the cgroup {folder}"
    return MemoryReading(where, psi.some, psi.full, available, limit)


def _limit(folder: Path) -> int | None:
    """Where its memory ends, or where the kernel begins to slow it down; None: nowhere."""
    # `max` is no number: no limit. At the root of all cgroups the files are not there.
    told = (_number(_read(folder / name)) for name in ("memory.max", "memory.high"))
    return min((int(one) for one in told if one is not None), default=None)


def _number(text: bytes) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if isfinite(number) else None


def _read(path: str | os.PathLike[str]) -> bytes:
    try:
        with open(path, "rb", buffering=0) as file:
            return file.read()
    except OSError:
        return b""
