"""What was measured, as values. Their fields are those of `status/usage` (PROTOCOL 8)."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class TreeUsage:
    """What a run's Claude Code and all below it use: now, and since it was first seen where it says so.

    The runner above them is not counted.
    """

    cpu_seconds: float
    """So far, that of processes which have ended included; it never falls."""
    cpu_percent: float | None
    """Of one core, since the last sample; None in the first."""
    memory_bytes: int
    """Resident, summed: what processes share counts for each of them."""
    pss_bytes: int | None
    """Proportional: what is shared counts once. Measured rarely, then kept; None before, and where it is not told."""
    read_bytes: int | None
    """From disks so far; None where the system does not tell."""
    written_bytes: int | None
    processes: int
    """Those that are alive; a zombie is not."""
    threads: int

    def fields(self) -> dict[str, Any]:
        """As `status/usage` has them."""
        return _rounded({name: value for name, value in asdict(self).items() if name != "threads"})


@dataclass(frozen=True, slots=True)
class DaemonUsage:
    """What this process uses; the runs are not in it."""

    cpu_seconds: float
    cpu_percent: float | None
    memory_bytes: int
    threads: int
    open_files: int | None
    """Descriptors; None where the system does not tell."""

    def fields(self) -> dict[str, Any]:
        """As `status/usage` has them."""
        shown = ("cpu_seconds", "cpu_percent", "memory_bytes")
        return {**_rounded({name: getattr(self, name) for name in shown}), "processes": 1}


@dataclass(frozen=True, slots=True)
class MachineUsage:
    """How busy the machine is."""

    cores: int
    cpu_percent: float | None
    """Of one core: up to 100 times `cores`. None in the first sample."""
    memory_total_bytes: int
    memory_available_bytes: int
    load: float | None
    """Over a minute."""
    pressure: tuple[tuple[str, float], ...] = ()
    """Linux, PSI: of `cpu`, `memory` and `io`, in which part of the last 10 s something waited for it, in per cent."""

    def fields(self) -> dict[str, Any]:
        """As `status/usage` has them."""
        return _rounded({name: value for name, value in asdict(self).items() if name != "pressure"})


def percent(seconds: float, passed: float) -> float | None:
    """Per cent of one core; None where no time has passed."""
    return max(0.0, 100.0 * seconds / passed) if passed > 0 else None


def _rounded(fields: dict[str, Any]) -> dict[str, Any]:
    return {name: round(value, 3) if isinstance(value, float) else value for name, value in fields.items()}
