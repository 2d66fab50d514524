"""Following a plan as it runs: the logs of all its starts, read on from where they were left."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from orchestrd.runs.command_output import lines_of
from orchestrd.runs.command_words import how_it_ended, shown
from orchestrd.runs.fields import a_span
from orchestrd.runs.kinds import COMMAND, EVENTS, STDERR, STDOUT, kind_in
from orchestrd.views.looking import plan_folder, starts
from orchestrd.views.steps import is_check, step_name
from orchestrd.views.telling import Teller
from orchestrd.views.words import how_long, plain, read_json

if TYPE_CHECKING:
    from handoff.root import PlanId, Root

_MOST_LINE_BYTES = 65536
"""A longer line is told in pieces: it may be one that never ends."""
_MOST_AT_ONCE = 1 << 20
"""Bytes of a command's output that are made text of at a time: line by line 100 MB would take minutes."""
_MARGIN = " " * 8
_LINE_BYTES = 200
"""Of a line that somebody is to read: for the end of an output so many are looked at."""


@dataclass(frozen=True, slots=True)
class _End:
    """That of each output of a command only the end is wanted."""

    plan: PlanId
    most_lines: int

    @property
    def most_bytes(self) -> int:
        return self.most_lines * _LINE_BYTES


class Streams:
    """All that a plan's starts say, each read on from where it was left.

    `most_lines`: of what a command has printed not more than so many of the last lines; what is left out is said.
    """

    def __init__(self, root: Root, plan: PlanId, *, most_lines: int | None = None) -> None:
        self._root = root
        self._plan = plan
        self._end = _End(plan, most_lines) if most_lines is not None else None
        self._read: dict[str, _Stream | _Command | None] = {}
        self._speaks: str | None = None
        """Whose lines were the last ones."""

    def fresh(self) -> Iterator[str]:
        """Yield the lines that came since the last call. Where another start speaks than before, that is said."""
        folder = plan_folder(self._root, self._plan)
        for start in starts(folder) if folder else ():
            if start.name not in self._read:
                self._read[start.name] = None
                self._speaks = start.name
                yield f"── start {_name(start)}"
            followed = self._read[start.name] or _follow(start, self._end)
            self._read[start.name] = followed
            for line in followed.fresh(start) if followed else ():
                if self._speaks != start.name:
                    self._speaks = start.name
                    yield f"── {_name(start)}"
                yield line


def _name(start: Path) -> str:
    """Write `STEP.N`, or which check it is."""
    step, _, number = start.name.rpartition(".")
    if not is_check(step):
        return start.name
    return step_name(step) if number == "1" else f"{step_name(step)}, run {number}"


def _follow(start: Path, end: _End | None) -> _Stream | _Command | None:
    """Follow what a start is of; None: it has not come so far that one could tell."""
    if (start / STDOUT).exists():
        return _Command(end)
    if (start / EVENTS).exists():
        return _Stream()
    if (start / "exit.json").exists():  # it ended before it began
        return _Command(end) if kind_in(read_json(start / "launch.json")) == COMMAND else _Stream()
    return None


class _Stream:
    """Claude Code's events."""

    def __init__(self) -> None:
        self._teller = Teller()
        self._offset = 0
        self._ended = False

    def fresh(self, start: Path) -> Iterator[str]:
        try:
            with open(start / EVENTS, "rb") as stream:
                stream.seek(self._offset)
                for line in stream:
                    if not line.endswith(b"\n"):
                        break  # its rest is still being written
                    self._offset += len(line)
                    yield from self._teller.tell(line)
        except FileNotFoundError:
            pass  # not started yet, or moved to the archive just now: looked for again
        yield from self._ending(start)

    def _ending(self, start: Path) -> Iterator[str]:
        if self._ended:
            return
        ending = _read_exit(start)
        if ending is None:
            return
        self._ended = True
        if ending.get("why") not in (None, "ended"):
            words = (ending["why"] if ending["why"] != "stopped" else None, ending.get("message"))
            yield ": ".join(["── stopped", *(plain(word) for word in words if word)])


class _Command:
    """A command: what was run, what it said on both its outputs, how it ended."""

    def __init__(self, end: _End | None) -> None:
        self._outputs = (_Text(STDOUT, _MARGIN, end), _Text(STDERR, f"{_MARGIN[2:]}! ", end))
        self._is_named = False
        self._ended = False

    def fresh(self, start: Path) -> Iterator[str]:
        if self._ended:
            return
        if not self._is_named:
            self._is_named = True
            argv = read_json(start / "launch.json").get("argv")
            yield f"── $ {plain(shown(argv))}" if isinstance(argv, list) else "── a command"
        # Looked at first: when it is there, all that was said is.
        ending = _read_exit(start)
        for output in self._outputs:
            yield from output.fresh(start, is_whole=ending is not None)
        if ending is None:
            return
        self._ended = True
        how, note = how_it_ended(ending)
        after = how_long(a_span(ending.get("wall_seconds")) or 0)
        yield f"── {how} · {after}"
        if note:
            yield f"{_MARGIN}{plain(note)}"


class _Text:
    """One output of a command."""

    def __init__(self, name: str, margin: str, end: _End | None) -> None:
        self._name = name
        self._margin = margin
        self._end = end
        self._offset = 0

    def fresh(self, start: Path, *, is_whole: bool) -> Iterator[str]:
        try:
            with open(start / self._name, "rb") as stream:
                yield from self._left_out(start / self._name, stream)
                stream.seek(self._offset)
                while chunk := self._whole_lines(stream.read(_MOST_AT_ONCE), is_whole=is_whole):
                    self._offset += len(chunk)
                    stream.seek(self._offset)
                    yield from (f"{self._margin}{plain(text)}".rstrip() for text in lines_of(chunk))
        except FileNotFoundError:
            return  # not started, or moved to the archive just now: looked for again

    def _left_out(self, path: Path, stream: BinaryIO) -> Iterator[str]:
        """Skip what is before the last lines, where only those are wanted, and say so."""
        if self._end is None:
            return
        size = stream.seek(0, os.SEEK_END)
        stream.seek(max(self._offset, size - self._end.most_bytes))
        tail = stream.read()
        lines = tail.splitlines(keepends=True)
        if stream.tell() - len(tail) == self._offset and len(lines) <= self._end.most_lines:
            return
        if len(lines) > 1 and len(lines) <= self._end.most_lines:
            lines = lines[1:]  # the first one is torn
        kept = sum(map(len, lines[-self._end.most_lines :]))
        skipped = stream.tell() - kept - self._offset
        self._offset += skipped
        yield (
            f"{self._margin}[… {skipped:,} bytes before this are left out; all of it:"
            f" `orchestrd logs {self._end.plan} --all`, or {path}]"
        )

    def _whole_lines(self, chunk: bytes, *, is_whole: bool) -> bytes:
        """As much of what comes next as can be told: up to the last end of a line, or a piece of one without."""
        at_end = len(chunk) < _MOST_AT_ONCE
        if is_whole and at_end:
            return chunk
        ended = chunk[: chunk.rfind(b"\n") + 1]
        return ended or (chunk[:_MOST_LINE_BYTES] if len(chunk) >= _MOST_LINE_BYTES else b"")


def _read_exit(start: Path) -> dict[str, Any] | None:
    return read_json(start / "exit.json") or None
