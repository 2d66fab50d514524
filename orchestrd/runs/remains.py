"""What a start left that could not give its own account: samples of its tree, and what its session had cost.

A process that is stopped tells no cost in its stream; a runner that is killed leaves no books at all. Both are read
from what lies there anyway. Claude Code's own files are looked at, never written.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

from handoff import looking
from orchestrd.runs.bill import dollars
from orchestrd.runs.fields import a_number, a_span

_TAIL_BYTES = 256 * 1024


def session_cost_usd(claude_folder: Path, session: str) -> float | None:
    """US dollars of a whole session by what Claude Code noted when it was last ended in order; None: it did not.

    The newest versions (2.1.331) append `cost-state` to a session's transcript, at SIGTERM too; after SIGKILL nobody
    knows.
    """
    for transcript in sorted((claude_folder / "projects").glob(f"*/{session}.jsonl")):
        for line in reversed(_tail(transcript).splitlines()):
            if b'"cost-state"' not in line:
                continue
            noted = _parsed(line)
            total = dollars(noted.get("totalCostUSD"))
            if noted.get("type") == "cost-state" and total is not None:
                return total
    return None


def sampled_usage(plan_folder: Path, step: str, number: int) -> dict[str, Any]:
    """What a start used, by its samples (`usage.jsonl`), in the words of `exit.json`; {} where there are none."""
    times: list[datetime] = []
    cpu_seconds, memory_bytes = 0.0, 0
    for sample in _samples(plan_folder / "usage.jsonl", step, number):
        times.append(sample["time"])
        cpu_seconds = max(cpu_seconds, a_span(sample.get("cpu_seconds")) or 0)
        memory_bytes = max(memory_bytes, a_number(sample.get("rss_bytes")) or 0)
    if not times:
        return {}
    return {
        "wall_seconds": round((max(times) - min(times)).total_seconds(), 3),
        "cpu_seconds": cpu_seconds,
        "peak_memory_bytes": memory_bytes,
    }


def with_sampled_peak(run_folder: Path, end: dict[str, Any]) -> dict[str, Any]:
    """Raise the peak of an `exit.json` to that of the start's samples: both count the same, at different moments."""
    step, _, number = run_folder.name.rpartition(".")
    if not end or not number.isdigit():
        return end
    sampled = sampled_usage(run_folder.parent.parent, step, int(number))
    peak = max(a_number(end.get("peak_memory_bytes")) or 0, sampled.get("peak_memory_bytes") or 0)
    return {**end, "peak_memory_bytes": peak} if peak else end


def _samples(series: Path, step: str, number: int) -> Iterator[dict[str, Any]]:
    try:
        lines = looking.read_file(series).splitlines()
    except OSError:
        return
    for line in lines:
        sample = _parsed(line)
        time = _time(sample.get("time"))
        if (sample.get("step"), sample.get("n")) == (step, number) and time is not None:
            yield {**sample, "time": time}


def _time(text: object) -> datetime | None:
    try:
        time = datetime.fromisoformat(text) if isinstance(text, str) else None
    except ValueError:
        return None
    return time if time is not None and time.tzinfo is not None else None


def _tail(path: Path) -> bytes:
    try:
        return looking.read_end(path, _TAIL_BYTES)
    except OSError:
        return b""


def _parsed(line: bytes) -> dict[str, Any]:
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}
