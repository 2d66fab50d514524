"""`status/`: what is happening now (PROTOCOL 8), as TOML for people and as JSON for programs.

Given plain values; what they mean is not known here. A file is written when something in it has changed, at most
once a second, and what did not change is not serialised again: an idle daemon pays for one small file a beat.
Nothing is synced: all of it is made anew at every start.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from typing import Any

import tomli_w

from handoff import durable
from handoff.effects import effects
from handoff.fields import VERSION
from handoff.root import Root
from handoff.status import BEAT_SECONDS
from handoff.written_values import format_instant

__all__ = ["BEAT_SECONDS", "MOST_PLANS", "StatusBoard"]

PAUSE_SECONDS = 1.0
"""At least so long between two writes."""

MOST_PLANS = 1000
SLACK_BYTES = 1 << 14
"""What a file may need of a disk beyond its content."""

Spend = Callable[[Callable[[], None], int], None]
"""Has something written that needs no more than so many bytes, on a full disk with what was set aside for that."""

Fields = Mapping[str, Any]

_BARE = re.compile(r"[A-Za-z0-9_-]+")


class StatusBoard:
    """The three files of `status/` that say what is. `write` is called in every turn of the loop, and decides.

    Values are plain: texts, numbers, lists, tables, date-times; None is left out. `trouble` says why the last write
    failed (a full disk), None otherwise; it is tried again a second later.
    """

    def __init__(
        self,
        root: Root,
        version: str,
        started: float,
        pid: int | None = None,
        spend: Spend = lambda write, _: write(),
    ) -> None:
        self._folder = root.status
        self._spend = spend
        self._tidy()
        self._head = {
            "handoff": VERSION,
            "version": version,
            "pid": pid or os.getpid(),
            "started": _time(started),
        }
        self._daemon: dict[str, Any] = {}
        self._plans = _Plans()
        self._usage: dict[str, Any] = {}
        # Usage is first written when there is something to say.
        self._changed = {"daemon", "plans"}
        self._urgent = True
        self._not_before = float("-inf")
        self._next_beat = float("-inf")
        self.trouble: str | None = None

    def set_daemon(
        self,
        state: str,
        *,
        why: str | None = None,
        counts: Fields | None = None,
        limits: Fields | None = None,
        budget: Fields | None = None,
        ignored: Sequence[Fields] = (),
        problems: Sequence[Fields] = (),
    ) -> None:
        """Say how the daemon is. A `state` that changes (started, paused, stopped) is written at once."""
        fields = {
            "state": state,
            "why": why,
            "counts": dict(counts or {}),
            "limits": dict(limits or {}),
            "budget": budget,
            "ignored": list(ignored),
            "problems": list(problems),
        }
        if fields == self._daemon:
            return
        self._urgent = self._urgent or state != self._daemon.get("state")
        self._daemon = fields
        self._changed.add("daemon")

    def set_plans(self, plans: Sequence[Fields], more: int = 0) -> None:
        """Say what is in `active/`: the running ones first, `MOST_PLANS` at most, and how many there are besides."""
        if self._plans.set(plans[:MOST_PLANS], more + max(0, len(plans) - MOST_PLANS)):
            self._changed.add("plans")

    def set_usage(self, fields: Fields) -> None:
        """Say what is used now: `daemon`, `machine`, `runs`."""
        if {"handoff": VERSION, **fields} != self._usage:
            self._usage = {"handoff": VERSION, **fields}
            self._changed.add("usage")

    def hurry(self) -> None:
        """Write the next time whatever is new, however soon after the last time that is."""
        self._urgent = True

    def write(self, wall: float, boot: float, *, at_once: bool = False) -> float:
        """Write what is due. `wall` is seconds since 1970, `boot` a clock that only grows. Return when to come again.

        The answer is in seconds from now: until the next beat, or until what has changed may be written.
        """
        due = self._urgent or at_once or (bool(self._changed) and boot >= self._not_before)
        if due or boot >= self._next_beat:
            self._write(wall, boot)
        wanted = self._not_before if self._changed else self._next_beat
        return max(0.0, wanted - boot)

    def _tidy(self) -> None:
        """Remove what a daemon that was killed in the middle of writing left: not every file is soon written anew."""
        with suppress(OSError):
            for name in effects.list(self._folder):
                if name.startswith(".") and name.endswith(".tmp"):
                    durable.remove(self._folder / name, sync=False)

    def _write(self, wall: float, boot: float) -> None:
        self._not_before = boot + PAUSE_SECONDS
        try:
            for name in ("plans", "usage"):
                if name in self._changed:
                    self._put(name, *(self._plans.texts() if name == "plans" else texts(self._usage)))
            # Last: whoever sees a beat finds the others as new.
            self._put("daemon", *texts(self._beat(wall)))
        except OSError as error:
            self.trouble = f"{self._folder}: {error.strerror}"
            return
        self._next_beat = boot + BEAT_SECONDS
        self._changed.clear()
        self._urgent = False
        self.trouble = None

    def _beat(self, wall: float) -> dict[str, Any]:
        return {**self._head, "heartbeat": _time(wall), "beat_seconds": BEAT_SECONDS, **self._daemon}

    def _put(self, name: str, toml: str, json_text: str) -> None:
        for path, text in ((f"{name}.toml", toml), (f"{name}.json", json_text)):
            content = text.encode("utf-8", "replace")
            write = partial(durable.replace, self._folder / path, content, sync=False)
            self._spend(write, len(content) + SLACK_BYTES)


class _Plans:
    """The plans as text, each serialised once as long as it stays the same."""

    def __init__(self) -> None:
        self._plans: list[Fields] = []
        self._more = 0
        self._texts: dict[str, tuple[Fields, str, str]] = {}

    def set(self, plans: Sequence[Fields], more: int) -> bool:
        """Take new values; tell whether they differ."""
        if more == self._more and list(plans) == self._plans:
            return False
        self._plans, self._more = list(plans), more
        return True

    def texts(self) -> tuple[str, str]:
        """TOML and JSON of the whole."""
        known, self._texts = self._texts, {}
        for plan in self._plans:
            before = known.get(plan["id"])
            if before is None or before[0] != plan:
                before = (plan, _table("plans", plan), json.dumps(json_values(plan)))
            self._texts[plan["id"]] = before
        tables = "".join(f"\n{text}" for _, text, _ in self._texts.values()) or "plans = []\n"
        toml = f"handoff = {VERSION}\nmore = {self._more}\n{tables}"
        rows = ",\n".join(text for _, _, text in self._texts.values())
        return toml, f'{{"handoff": {VERSION}, "more": {self._more}, "plans": [\n{rows}\n]}}\n'


def texts(fields: Fields) -> tuple[str, str]:
    """TOML and JSON of the same fields; lists of tables one table after the other, for people."""
    return _body("", toml_values(fields)), json.dumps(json_values(fields), indent=1) + "\n"


def _table(name: str, row: Fields) -> str:
    """One element of a list of tables."""
    return f"[[{name}]]\n{_body(f'{name}.', toml_values(row))}"


def _body(prefix: str, values: Fields) -> str:
    """The fields of a table: the plain ones, then the tables in it, named in full."""
    inner = {name: value for name, value in values.items() if isinstance(value, dict) or _is_tables(value)}
    text = tomli_w.dumps({name: value for name, value in values.items() if name not in inner})
    for name, value in inner.items():
        whole = prefix + (name if _BARE.fullmatch(name) else json.dumps(name))
        rows = value if isinstance(value, list) else [value]
        head = f"[[{whole}]]" if isinstance(value, list) else f"[{whole}]"
        text += "".join(f"\n{head}\n{_body(f'{whole}.', row)}" for row in rows)
    return text


def _is_tables(value: object) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(row, dict) for row in value)


def toml_values(value: Any) -> Any:
    """Leave None out at every depth, which TOML does not know, and put in what is no Unicode as a mark."""
    if isinstance(value, Mapping):
        return {name: toml_values(inner) for name, inner in value.items() if inner is not None}
    if isinstance(value, list | tuple):
        return [toml_values(inner) for inner in value if inner is not None]
    if isinstance(value, datetime):
        return _Instant.fromtimestamp(value.timestamp(), UTC)
    if isinstance(value, str):
        return value if value.isascii() else value.encode("utf-8", "backslashreplace").decode()
    return value


def json_values(value: Any) -> Any:
    """The same for JSON, which has no date-times."""
    if isinstance(value, Mapping):
        return {name: json_values(inner) for name, inner in value.items() if inner is not None}
    if isinstance(value, list | tuple):
        return [json_values(inner) for inner in value if inner is not None]
    if isinstance(value, datetime):
        return format_instant(value)
    return toml_values(value)


class _Instant(datetime):
    """A date-time that writes itself as the protocol wants it: the TOML writer asks for `str`."""

    def __str__(self) -> str:
        return format_instant(self)


def _time(seconds: float) -> datetime:
    """A date-time to the second: more of it would only make two files differ."""
    return datetime.fromtimestamp(int(seconds), UTC)
