"""A command and its end in words: what was run, how that ended, what to do where it could not begin. Loads little."""

from __future__ import annotations

import shlex
import signal as signals
from collections.abc import Mapping, Sequence
from typing import Any

from orchestrd.runs.fields import a_text

_SHOWN_COMMAND = 200
_BY_RUNNER = {
    "timeout": "stopped: timeout",
    "silence": "stopped: silence",
    "first-event": "stopped: silence",
    "memory": "stopped: memory",
    "stopped": "stopped",
    "interrupted": "interrupted",
    "bad-launch": "could not be started",
}
_STOPPED_FROM_OUTSIDE = "It was stopped from outside."
_DIED = "died", "It died with its runner."


def shown(command: Sequence[str]) -> str:
    """Write a command as one would type it, in one line; a long one is cut, and that is said."""
    text = shlex.join(command).replace("\n", "\\n")
    if len(text) <= _SHOWN_COMMAND:
        return text
    return f"{text[:_SHOWN_COMMAND]}… ({len(text):,} characters)"


def how_it_ended(exit_record: Mapping[str, Any]) -> tuple[str, str]:
    """Say how a command ended, in a few words (`exit code 2`), and what there is to say of that.

    `exit_record` is what the runner wrote last; empty where it died itself.
    """
    if not exit_record:
        return _DIED
    why = a_text(exit_record.get("why")) or ""
    note = a_text(exit_record.get("message")) or ""
    if why in _BY_RUNNER:
        if why == "interrupted":
            note = note or _STOPPED_FROM_OUTSIDE
        return _BY_RUNNER[why], note + (_remedy(note) if why == "bad-launch" else "")
    signal = exit_record.get("signal")
    if isinstance(signal, int):
        return f"signal {signal} ({_name(signal)})", note
    return f"exit code {exit_record.get('exit_code')}", note


def _remedy(said: str) -> str:
    if "cannot be entered" in said:
        return " The place where it was to run is gone or closed to the daemon's user."
    if "No such file" in said:
        return (
            " Is it installed on this machine, and in a folder on the PATH of the daemon (or named by a path from the"
            " workspace)? Of a script, is there the program that its first line names?"
        )
    if "Permission denied" in said:
        return " Is it executable? `chmod +x` makes a script so; or name its interpreter first."
    if "no program the system knows" in said:
        return ' A script needs a first line such as `#!/bin/sh`; or name its interpreter first: ["sh", "SCRIPT"].'
    return ""


def _name(signal: int) -> str:
    try:
        return signals.Signals(signal).name
    except ValueError:
        return "unknown"
