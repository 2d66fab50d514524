"""What became of a command: from the runner's account of its end, and its logs, to one of the protocol's words.

Of a command the exit code is all the evidence there is: 0 is a success, and nothing else is. Only what came from
outside (a signal that is not ours, the machine) is worth a further attempt: the same command does the same again.
"""

from __future__ import annotations

import signal as signals
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from handoff.result import Reason, Status
from orchestrd.runs.command_output import Output, read_output
from orchestrd.runs.command_words import how_it_ended, shown
from orchestrd.runs.fields import a_number, a_span, a_text
from orchestrd.runs.kinds import STDOUT
from orchestrd.runs.verdict import Outcome

NOT_STARTED = 127
"""The exit code of what could not be started, as shells have it."""
_SIGNALLED = 128
"""Shells say 128 + n of what was ended by signal n."""
_FROM_OUTSIDE = frozenset((signals.SIGHUP, signals.SIGINT, signals.SIGKILL, signals.SIGTERM))
"""What a program is not ended by for its own mistakes."""
_BY_RUNNER = {
    "timeout": Reason.TIMEOUT,
    "silence": Reason.SILENCE,
    "first-event": Reason.SILENCE,
    "memory": Reason.MEMORY,
    "interrupted": Reason.INTERRUPTED,
    "bad-launch": Reason.COMMAND_FAILED,
    "stopped": Reason.CANCELLED,
}


@dataclass(frozen=True, slots=True)
class CommandEnd:
    """What became of one start of a command."""

    command: tuple[str, ...]
    outcome: Outcome
    ending: str
    """How it ended, in a few words: `exit code 2`."""
    note: str
    """What there is to say of that: which limit it met, why it could not be started."""
    exit_code: int | None
    """As shells say it: 128 + n after signal n, 127 where it could not be started; None: it never came to an end."""
    seconds: float | None
    """How long it ran; None: it did not, or nobody knows."""
    output: Output
    """`output.tail` is what the result holds of it as `output_tail`."""


def judge_command(run_folder: Path, exit_record: Mapping[str, Any], command: Sequence[str]) -> CommandEnd:
    """Judge a command by what the runner wrote last (`exit.json`; empty where it died itself) and by its logs.

    The outcome's `retry` holds after an interruption alone; there is never a session.
    """
    output = read_output(run_folder)
    reason = _reason(exit_record)
    ending, note = how_it_ended(exit_record)
    seconds = a_span(exit_record.get("wall_seconds")) if _has_begun(exit_record) else None
    summary = _summary(command, ending, note, seconds, output)
    return CommandEnd(
        command=tuple(command),
        outcome=Outcome(_status(reason), reason, retry=reason is Reason.INTERRUPTED, summary=summary),
        ending=ending,
        note=note,
        exit_code=_exit_code(exit_record),
        seconds=seconds,
        output=output,
    )


def command_fields(
    end: CommandEnd, exit_record: Mapping[str, Any], *, has_log: bool = True
) -> dict[str, Any]:
    """Put together the record of a command's end, in the words of `ended_fields`; what is not known is left out.

    `exit_record` may also be what its samples tell (`remains.sampled_usage`), where the runner died. Nobody is billed
    for a command, so no payer is named: the step before may have had one. `has_log`: it got as far as to have one.
    """
    fields = {
        "status": end.outcome.status.value,
        "reason": end.outcome.reason.value if end.outcome.reason else None,
        "retry": end.outcome.retry,
        "summary": end.outcome.summary,
        "exit_code": end.exit_code,
        "output_tail": end.output.tail or None,
        "note": end.note or None,
        "cost_usd": 0.0,
        "wall_seconds": a_span(exit_record.get("wall_seconds")),
        "cpu_seconds": a_span(exit_record.get("cpu_seconds")),
        "peak_memory_bytes": a_number(exit_record.get("peak_memory_bytes")),
        "first_output_seconds": a_span(exit_record.get("first_output_seconds")),
        "log": STDOUT if has_log else None,
    }
    return {name: value for name, value in fields.items() if value is not None}


def _reason(exit_record: Mapping[str, Any]) -> Reason | None:
    """None: it succeeded."""
    if not exit_record:
        return Reason.INTERRUPTED
    why = a_text(exit_record.get("why"))
    if why in _BY_RUNNER:
        return _BY_RUNNER[why]
    if exit_record.get("signal") in _FROM_OUTSIDE:
        return Reason.INTERRUPTED
    return None if exit_record.get("exit_code") == 0 else Reason.COMMAND_FAILED


def _status(reason: Reason | None) -> Status:
    if reason is None:
        return Status.SUCCEEDED
    return Status.CANCELLED if reason is Reason.CANCELLED else Status.FAILED


def _has_begun(exit_record: Mapping[str, Any]) -> bool:
    return exit_record.get("why") != "bad-launch"


def _exit_code(exit_record: Mapping[str, Any]) -> int | None:
    if not _has_begun(exit_record):
        return NOT_STARTED
    signal, code = exit_record.get("signal"), exit_record.get("exit_code")
    if isinstance(signal, int):
        return _SIGNALLED + signal
    return code if isinstance(code, int) else None


def _summary(command: Sequence[str], ending: str, note: str, seconds: float | None, output: Output) -> str:
    after = "" if seconds is None else f" after {seconds:.1f} s"
    lines = [f"`{shown(command)}`: {ending}{after}."]
    lines += [note] if note else []
    lines += ["Its last words:", output.tail] if output.tail.strip() else ["It said nothing."]
    return "\n".join(lines)
