"""Answers that lie in a plan's `replies/`, taken or refused, and what its journal says of them (PROTOCOL 6 and 9)."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from handoff import looking
from handoff.effects import effects

TAKEN = "reply-taken"
REFUSED = "reply-refused"
EXPIRED = "request-expired"
AFTERWARDS = frozenset((TAKEN, REFUSED, EXPIRED, "docs-commit"))
"""What a journal may tell of a plan that is settled."""

FOLDER = "replies"
DOCS = ".docs.md"
"""How the name of a docs request, and of its answer, ends."""
MOST_NAME_BYTES = 255

_ENDING = re.compile(r"(\.docs)?\.[^.]{1,16}\Z")


def answers_docs(record: Mapping[str, Any]) -> bool:
    """Whether an event tells of the answer to a plan's docs request that was taken; a run's own are told alike."""
    return record["event"] == TAKEN and str(record.get("request", "")).endswith(DOCS)


def free_name(folder: Path, name: str, records: Iterable[Mapping[str, Any]] = ()) -> str:
    """Find a name for an answer in a plan's folder: its own, else with 2, 3, … before its ending.

    No answer takes the place of another one, nor of one that the journal promises a place to.
    """
    there = folder / FOLDER
    had = set(effects.list(there)) if looking.is_folder(there) else set()
    had |= {
        record["reply"] for record in records if record["event"] in {TAKEN, REFUSED} and "reply" in record
    }
    number, found = 1, name
    while found in had:
        number += 1
        found = _numbered(name, number)
    return found


def _numbered(name: str, number: int) -> str:
    ending = _ENDING.search(name)
    tail = f".{number}{ending[0] if ending else ''}"
    head = name[: ending.start()] if ending else name
    while len(os.fsencode(head + tail)) > MOST_NAME_BYTES:
        head = head[:-1]
    return head + tail
