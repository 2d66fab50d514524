"""What a command has said, as far as it is shown: the end of both its outputs, and the beginning where that is cut off.

Read from its logs, so secrets are out already. The bytes may be anything; what comes out is text that can be written,
printed and handed on. Wherever something is left out, that is said.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from handoff import looking
from handoff.effects import effects
from orchestrd.runs.kinds import COMMAND, logs

TAIL_LINES, TAIL_BYTES = 64, 8192
"""The most that a tail is, in UTF-8, with all that is said in it of what is left out."""
HEAD_LINES, HEAD_BYTES = 16, 2048
_ROOM_LINES, _ROOM_BYTES = 6, 512
"""Kept for what we say ourselves: which output it is, what is left out."""
_READ_BYTES = 4 * TAIL_BYTES
"""More than is shown: colours and the like are taken out of it."""

_MOST_LAST_WORDS = 500

# What drives a terminal (colours, titles, the cursor): nobody who reads this has one.
_ESCAPES = re.compile(rb"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b\n]*(?:\x07|\x1b\\)|[@-Z\\^_])")
_CONTROLS = re.compile(r"[\x80-\x9f\ufffe\uffff]")
_DEL = 0x7F
# Those of one byte are marked all alike before the bytes are made text: of a long log that is none it is much faster.
_MARKED = bytes(byte if byte >= 0x20 or byte in b"\t\n" else _DEL for byte in range(256))


@dataclass(frozen=True, slots=True)
class Output:
    """What is shown of a command's output."""

    tail: str = ""
    """Standard output, then standard error; where both said something each has a line with its name before it."""
    head: str = ""
    """How what the tail leaves out began; empty where the tail is all."""
    logs: tuple[Path, ...] = ()
    """The files that hold all of what was said, less secrets; empty where nothing was."""
    is_cut: bool = False
    """The tail is not all that was said."""


def read_output(run_folder: Path) -> Output:
    """Read what is shown of a command that is over. An output that cannot be read has said nothing."""
    said = [one for name in logs(COMMAND) if (one := _Said.read(run_folder / name)) is not None]
    if not said:
        return Output()
    names = len(said) > 1
    tails = _share(said, TAIL_LINES - _ROOM_LINES, TAIL_BYTES - _ROOM_BYTES)
    parts = [one.tail(tail, named=names) for one, tail in zip(said, tails, strict=True)]
    cut = [one for one, tail in zip(said, tails, strict=True) if one.is_cut(tail)]
    room = HEAD_LINES // max(1, len(cut)), HEAD_BYTES // max(1, len(cut))
    return Output(
        tail="\n".join(parts),
        head="\n".join(one.head(*room, named=names) for one in cut),
        logs=tuple(one.path for one in said),
        is_cut=bool(cut),
    )


class CommandFacts:
    """What is known of a command while it runs: in the place of `StreamFacts` wherever a run is followed."""

    turns = 0
    cost_usd = 0.0

    def __init__(self) -> None:
        self.last_words = ""
        """The last line that was not blank, shortened."""

    def feed(self, line: bytes) -> None:
        """Take in one line of standard output, with or without its end."""
        words = " ".join(lines_of(line[:_MOST_LAST_WORDS])).strip()
        self.last_words = words or self.last_words


@dataclass(frozen=True, slots=True)
class _Said:
    """One of the two outputs, as far as it was read."""

    path: Path
    size: int
    first: list[str]
    last: list[str]

    @classmethod
    def read(cls, path: Path) -> _Said | None:
        try:
            size = effects.stat(path).st_size
            first = looking.read_file(path, HEAD_BYTES)
            last = looking.read_end(path, _READ_BYTES)
        except OSError:
            return None
        if not last:
            return None
        if size > len(last):
            # What is before the first line end is torn, unless it is all that there is.
            last = last.partition(b"\n")[2] or last
        return cls(path, size, lines_of(first), lines_of(last))

    def is_cut(self, tail: Sequence[str]) -> bool:
        return self.size > _READ_BYTES or list(tail) != self.last

    def tail(self, lines: Sequence[str], *, named: bool) -> str:
        name = [f"{self.path.stem}:"] if named else []
        left_out = [f"[… what was before this is left out; all {self.size:,} bytes are in {self.path.name}]"]
        return "\n".join([*name, *(left_out if self.is_cut(lines) else []), *lines])

    def head(self, most_lines: int, most_bytes: int, *, named: bool) -> str:
        name = [f"{self.path.stem}:"] if named else []
        return "\n".join([*name, *_first(self.first, most_lines - len(name), most_bytes - 16)])


def lines_of(raw: bytes) -> list[str]:
    """Make text of what a command said: without what drives a terminal, and nothing in it that could."""
    told = _ESCAPES.sub(b"", raw.replace(b"\r\n", b"\n").replace(b"\r", b"\n")).translate(_MARKED)
    text = _CONTROLS.sub("\ufffd", told.decode("utf-8", "replace").replace(chr(_DEL), "\ufffd"))
    return text.removesuffix("\n").split("\n")


def _share(said: Sequence[_Said], most_lines: int, most_bytes: int) -> list[list[str]]:
    """Give each its half of the room, and what one does not need to the other."""
    if len(said) == 1:
        return [_last(said[0].last, most_lines, most_bytes)]
    one, other = said
    half = _last(other.last, most_lines // 2, most_bytes // 2)
    first = _last(one.last, most_lines - len(half), most_bytes - _size(half))
    return [first, _last(other.last, most_lines - len(first), most_bytes - _size(first))]


def _last(lines: Sequence[str], most_lines: int, most_bytes: int) -> list[str]:
    """Take as many whole lines from the end as there is room for; of a last line that has none, its end."""
    kept: list[str] = []
    for line in reversed(lines[-most_lines:]):
        most_bytes -= len(line.encode()) + 1
        if most_bytes < 0:
            break
        kept.append(line)
    if kept or not lines:
        return kept[::-1]
    room = most_bytes + len(lines[-1].encode()) + 1
    return [lines[-1].encode()[-room:].decode("utf-8", "ignore")]


def _first(lines: Sequence[str], most_lines: int, most_bytes: int) -> list[str]:
    mirrored = _last([line[::-1] for line in reversed(lines)], most_lines, most_bytes)
    return [line[::-1] for line in reversed(mirrored)]


def _size(lines: Sequence[str]) -> int:
    return sum(len(line.encode()) + 1 for line in lines)
