"""The processes of runs that are alive in a world: whom a fault may strike."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from handoff.platform import processes_with_mark


class Alive(NamedTuple):
    """A process of a run."""

    plan: str
    pid: int
    is_runner: bool


def runs_alive(mark: str) -> list[Alive]:
    """Find every process of a run whose environment holds `mark` (`NAME=value`); by plan, runners and agents alike."""
    found = []
    for pid in processes_with_mark(mark):
        with suppress(OSError, IndexError):
            environ = Path(f"/proc/{pid}/environ").read_bytes()
            run = environ.split(b"ORCHESTRD_RUN=")[1].split(b"\0")[0].decode()
            is_runner = b"runner.py" in Path(f"/proc/{pid}/cmdline").read_bytes()
            found.append(Alive(run.split("/")[-2], pid, is_runner))
    return sorted(found)
