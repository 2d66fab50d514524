"""What is wrong with a document, told to whoever wrote it: every error with its place, and what was expected."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

Path = tuple[str | int, ...]
"""The way to a value: names of fields, and places in lists from 0."""

Lines = Mapping[Path, int]
"""The line, from 1, in which each value of a document begins."""

MOST_ERRORS = 100
"""Errors told of one document: a file of 100,000 unknown fields is not answered with as many lines."""

_BARE = re.compile(r"[A-Za-z0-9_-]+")
_PART = re.compile(r"""\.?(?:([^\s."'\[\]]+)|"((?:[^"\\]|\\.)*)"|\[(\d{1,9})\])""")
_SHOWN = 80
_LONGEST_PATH = 500


@dataclass(frozen=True, slots=True)
class FieldError:
    """One error: the field's path (`steps[1].needs`; empty: the whole), what was wrong, what was expected, the line."""

    path: str
    message: str
    hint: str | None = None
    line: int | None = None

    def __str__(self) -> str:
        """`line 3: limits.timeout: "90" is no duration (a duration is written like "90s")`."""
        place = f"line {self.line}: " if self.line else ""
        field = f"{self.path}: " if self.path else ""
        return place + field + self.message + (f" ({self.hint})" if self.hint else "")


class DocumentError(Exception):
    """A document that cannot be used; `errors` holds everything that is wrong with it, by line.

    `unnamed` is how many errors there are besides, of a document with so many that the rest is only counted.
    """

    def __init__(self, errors: Iterable[FieldError], unnamed: int = 0) -> None:
        self.errors = _in_order(errors, unnamed)
        super().__init__("\n".join(str(error) for error in self.errors))


def _in_order(errors: Iterable[FieldError], unnamed: int) -> tuple[FieldError, ...]:
    found = sorted(dict.fromkeys(errors), key=lambda error: error.line or 0)
    more = len(found) - MOST_ERRORS + unnamed
    if more <= 0:
        return tuple(found)
    told = FieldError("", f"and {more} more errors", "repair these first")
    return (*found[:MOST_ERRORS], told)


def path_text(path: Path) -> str:
    """Write a path for a person: `steps[1].needs`; a name with other characters stands in quotes. Cut where endless."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            text += ("." if text else "") + (part if _BARE.fullmatch(part) else _quoted(part))
    return text if len(text) <= _LONGEST_PATH else text[:_LONGEST_PATH] + "…"


def path_parts(text: str) -> Path:
    """Read what `path_text` wrote."""
    parts: list[str | int] = []
    for name, quoted, index in _PART.findall(text):
        if index:
            parts.append(int(index))
        else:
            parts.append(name or re.sub(r"\\(.)", r"\1", quoted))
    return tuple(parts)


def line_at(lines: Lines, path: Path) -> int:
    """Where a value begins, or what encloses it; the first line of a document that says nothing about it."""
    for length in range(len(path), -1, -1):
        line = lines.get(path[:length])
        if line:
            return line
    return 1


def _quoted(name: str) -> str:
    short = name if len(name) <= _SHOWN else name[:_SHOWN] + "…"
    plain = "".join(one if one.isprintable() else "�" for one in short)
    return '"' + plain.replace("\\", "\\\\").replace('"', '\\"') + '"'
