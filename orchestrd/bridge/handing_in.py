"""Handing a plan in so that a call which is repeated does not run it twice.

A client that had no answer calls again, with the same bytes. So the file's name is made of the plan's title and its
bytes: while the first one lies in the inbox the second finds it there; once it was taken the register of ids names it.
A `key` in the plan is asked first: by it the daemon itself refuses a second run.
"""

from __future__ import annotations

import json
import os
import re
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from handoff import looking
from handoff.client import foresee, submit
from handoff.root import PlanId, Root, plan_id_of
from orchestrd.bridge.desk import result_of
from orchestrd.bridge.documents import Written
from orchestrd.views.words import read_time

AGAIN_SECONDS = 600.0
"""So long after a plan was taken the same bytes are a call that was repeated, and not a wish to run it again."""


@dataclass(frozen=True, slots=True)
class Earlier:
    """A plan that was handed in before."""

    plan: PlanId
    how: str
    """How one knows that it is the same; for a person or a model."""


def earlier_of(root: Root, written: Written, key: str | None, now: datetime) -> Earlier | None:
    """Find the plan that this one repeats; None: it is new. Raises OSError."""
    # In the order in which a plan moves: one that is taken meanwhile is met in the next place.
    if _lies_in_inbox(root, written):
        return Earlier(foresee(root, written.name), "the same document still lies in the inbox")
    at_work = _in_work(root, written)
    if at_work is not None:
        return Earlier(at_work, "the same document is in work")
    lines = lines_with(root, "source", written.name)
    for line in reversed(lines):
        taken = read_time(line.get("taken"))
        plan = PlanId(str(line.get("id")))
        if taken is None or (now - taken).total_seconds() > AGAIN_SECONDS or "retry_of" in line:
            continue
        if line.get("sha256") not in {None, written.sha256}:
            continue
        if (result_of(root, plan) or {}).get("status") == "rejected":
            continue  # what was wrong then is mended
        return Earlier(plan, f"the same document was handed in at {line['taken']}")
    if key is not None:
        for line in lines_with(root, "key", key):
            return Earlier(
                PlanId(str(line.get("id"))), f"this root has accepted a plan with the key {key!r} before"
            )
    return None


def hand_in(root: Root, written: Written, *, fresh: bool) -> PlanId:
    """Put the plan into the inbox, durably; return the id that it will have. `fresh`: under a name that is new."""
    return submit(root, written.raw, written.name, unique=fresh)


def lines_with(root: Root, field: str, value: str) -> list[dict[str, Any]]:
    """Find the lines of the register of ids whose field has this value, the first one first. Raises OSError."""
    return lines_in(_read(root), field, value)


def lines_in(raw: bytes, field: str, value: str) -> list[dict[str, Any]]:
    """Find lines of JSON by one of their fields, without reading all the others: a root has had 100,000."""
    needle = f"{json.dumps(field)}:{json.dumps(value)}".encode()
    found = []
    at = raw.find(needle)
    while at >= 0:
        begin, end = raw.rfind(b"\n", 0, at) + 1, raw.find(b"\n", at)
        if end < 0:
            break  # torn, or just being written
        try:
            line = json.loads(raw[begin:end])
        except (ValueError, RecursionError):
            line = None
        if isinstance(line, dict) and line.get(field) == value:
            found.append(line)
        at = raw.find(needle, end)
    return found


def now() -> datetime:
    """The time by the clock on the wall."""
    return datetime.now(UTC)


def _lies_in_inbox(root: Root, written: Written) -> bool:
    try:
        return looking.read_file(root.inbox / written.name, len(written.raw) + 1) == written.raw
    except OSError:
        return False


def _in_work(root: Root, written: Written) -> PlanId | None:
    """Find a plan of these bytes that was taken and is not settled; the register may not have its line yet."""
    bare = plan_id_of(written.name)
    wanted = re.compile(re.escape(bare) + r"(-\d+)?\Z")
    with suppress(FileNotFoundError):
        return next((PlanId(name) for name in sorted(os.listdir(root.active)) if wanted.match(name)), None)
    return None


def _read(root: Root) -> bytes:
    try:
        return looking.read_file(root.ids_log)
    except FileNotFoundError:
        return b""
