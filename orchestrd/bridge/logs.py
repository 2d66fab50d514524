"""The end of what a plan's runs said: as much as fits, however long they are."""

from __future__ import annotations

import os
from pathlib import Path

from handoff import looking
from handoff.root import PlanId, Root
from orchestrd.runs.kinds import EVENTS, STDOUT
from orchestrd.views.looking import plan_folder, starts
from orchestrd.views.telling import Teller
from orchestrd.views.words import plain

_TAIL_BYTES = 400_000
"""So much of a stream's end is looked at: most of it are results of tools, which are told in a line."""


def end_of_log(root: Root, plan: PlanId, most_chars: int) -> str:
    """Tell what was said last, start by start; what is before it is left out, and said to be."""
    folder = plan_folder(root, plan)
    told: list[str] = []
    length = 0
    for start in reversed(starts(folder) if folder else []):
        lines, is_whole = _told(start)
        head = [f"── start {start.name}", *([] if is_whole else ["[… its beginning is left out]"])]
        for line in reversed([*head, *lines]):
            length += len(line) + 1
            if length > most_chars - 200:
                return "\n".join([_left_out(plan), *reversed(told)])
            told.append(line)
    return "\n".join(reversed(told)) if told else "Nothing has run yet."


def _left_out(plan: str) -> str:
    return f"[… what was said before this is left out; all of it: `orchestrd logs {plan} --all`]"


def _told(start: Path) -> tuple[list[str], bool]:
    raw, is_whole = _tail(start / EVENTS)
    if raw:
        teller = Teller()
        return [line for event in raw.splitlines() for line in teller.tell(event)], is_whole
    raw, is_whole = _tail(start / STDOUT)
    return [plain(line) for line in raw.decode("utf-8", "replace").splitlines()], is_whole


def _tail(file: Path) -> tuple[bytes, bool]:
    try:
        fd = looking.open_regular(file)
    except OSError:
        return b"", True
    with open(fd, "rb") as stream:
        size = stream.seek(0, os.SEEK_END)
        stream.seek(max(0, size - _TAIL_BYTES))
        raw = stream.read(_TAIL_BYTES)
    # The first line is torn where the file is longer.
    return (raw, True) if size <= _TAIL_BYTES else (raw.partition(b"\n")[2], False)
