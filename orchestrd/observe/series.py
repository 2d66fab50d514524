"""A plan's series of samples, `usage.jsonl` (PROTOCOL 9). A run's first and last sample are its runner's own."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

from handoff import durable
from orchestrd.observe.usage import TreeUsage

SERIES = "usage.jsonl"


def append_sample(plan_folder: Path, usage: TreeUsage, *, step: str, number: int, wall: float) -> None:
    """Append a sample of a run, taken `wall` seconds after 1970; not synced: a sample lost in a power cut is no loss.

    Raises OSError; FileNotFoundError where the plan has moved to the archive meanwhile.
    """
    durable.append_line(
        plan_folder / SERIES, series_line(usage, step=step, number=number, wall=wall), sync=False
    )


def series_line(usage: TreeUsage, *, step: str, number: int, wall: float) -> bytes:
    """Make the line of a sample; what is not known is left out."""
    time = datetime.fromtimestamp(wall, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    fields = {
        "time": time,
        "step": step,
        "n": number,
        "cpu_seconds": round(usage.cpu_seconds, 3),
        "cpu_percent": None if usage.cpu_percent is None else round(usage.cpu_percent, 1),
        "rss_bytes": usage.memory_bytes,
        "pss_bytes": usage.pss_bytes,
        "processes": usage.processes,
        "threads": usage.threads,
        "read_bytes": usage.read_bytes,
        "write_bytes": usage.written_bytes,
    }
    known = {name: value for name, value in fields.items() if value is not None}
    return json.dumps(known, separators=(",", ":")).encode() + b"\n"
