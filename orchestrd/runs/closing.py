"""A start that is over: from its stream and its runner's last words to the record `run-ended` of the plan's journal."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from handoff import durable, looking
from handoff.result import Payer
from handoff.wholesome import is_wholesome
from orchestrd.runs.command_output import CommandFacts
from orchestrd.runs.environment import name_payer
from orchestrd.runs.fields import a_number, a_span
from orchestrd.runs.stream import StreamFacts
from orchestrd.runs.verdict import Outcome

STDERR_TAIL_BYTES = 4096
OUTPUT = "output.json"


def stderr_tail(run_folder: Path) -> str:
    """Read the end of what a run said on standard error."""
    try:
        return looking.read_end(run_folder / "stderr.log", STDERR_TAIL_BYTES).decode("utf-8", "replace")
    except OSError:
        return ""


def keep_output(run_folder: Path, facts: StreamFacts | CommandFacts) -> None:
    """Write the structured output that a run has given, as it gave it, into its folder (PROTOCOL 9). Repeatable."""
    if not isinstance(facts, StreamFacts) or facts.result is None or not facts.result.has_structured_output:
        return
    try:
        text = json.dumps(facts.structured_output, allow_nan=False)
    except (ValueError, RecursionError):
        return  # no JSON that others could read: it stays in the stream
    durable.replace(run_folder / OUTPUT, text.encode() + b"\n")


def ended_fields(
    facts: StreamFacts,
    end: Mapping[str, Any],
    outcome: Outcome,
    *,
    payer: str | None,
    booked_usd: float,
    session_usd: float | None = None,
    has_log: bool = True,
) -> dict[str, Any]:
    """Put together the record of a start's end; what is not known is left out.

    `booked_usd` is what was booked for the same session before: a resumed one tells its whole cost. `session_usd` is
    that whole cost where the stream does not tell. `has_log`: it got as far as to have a stream on the disk.
    """
    cost = facts.cost_to_book(booked_usd) if session_usd is None else max(0.0, session_usd - booked_usd)
    tokens = facts.tokens
    named = name_payer(Payer(payer), facts.api_key_source) if payer else None
    fields = {
        "status": outcome.status.value,
        "reason": outcome.reason.value if outcome.reason else None,
        "retry": outcome.retry,
        "resume_refused": outcome.resume_refused or None,
        "session_id": facts.session_id if outcome.resumable else None,
        "model": facts.model,
        "payer": named.value if named else None,
        "summary": outcome.summary,
        "turns": facts.turns,
        "cost_usd": round(cost, 6),
        "input_tokens": tokens.input,
        "output_tokens": tokens.output,
        "cache_read_tokens": tokens.cache_read,
        "cache_write_tokens": tokens.cache_write,
        "wall_seconds": a_span(end.get("wall_seconds")),
        "cpu_seconds": a_span(end.get("cpu_seconds")),
        "peak_memory_bytes": a_number(end.get("peak_memory_bytes")),
        "first_output_seconds": a_span(end.get("first_output_seconds")),
        "denied": [call.as_fields() for call in facts.denied] or None,
        # What no document can hold stays in the stream.
        "output": facts.structured_output if is_wholesome(facts.structured_output) else None,
        "limit_resets_at": outcome.limit_resets_at,
        "log": "events.jsonl" if has_log else None,
    }
    return {name: value for name, value in fields.items() if value is not None}
