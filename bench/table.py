"""The rows of the table and how they are written."""

from __future__ import annotations

import os
import platform
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

_HEAD = "| what | here | beside | aim | verdict |\n|---|---|---|---|---|"


@dataclass(frozen=True, slots=True)
class Row:
    """One measurement. `met` None: it has no aim, and says where something goes."""

    what: str
    here: str
    beside: str = "–"
    aim: str = "–"
    met: bool | None = None

    def markdown(self) -> str:
        verdict = {True: "met", False: "**missed**", None: ""}[self.met]
        return f"| {self.what} | {self.here} | {self.beside} | {self.aim} | {verdict} |"


def table(rows: Sequence[Row]) -> str:
    """All of it, with the machine that it was measured on."""
    load = os.getloadavg()[0]
    where = f"{platform.system()} {platform.release()}, {os.cpu_count()} cores, Python {platform.python_version()}"
    when = f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC, load {load:.1f} at the end"
    return "\n".join([f"{where}; {when}.", "", _HEAD, *(row.markdown() for row in rows), ""])


def median(values: Sequence[float]) -> float:
    return statistics.median(values)


def p95(values: Sequence[float]) -> float:
    """The value that 19 of 20 do not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(0.95 * len(ordered)))]


def milliseconds(values: Sequence[float]) -> str:
    """Median and p95 of seconds."""
    return f"{median(values) * 1000:.0f} ms (p95 {p95(values) * 1000:.0f})"
