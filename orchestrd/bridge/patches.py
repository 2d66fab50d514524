"""A patch taken apart: which files it changes and by how much, and each file's part. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass

_PART = b"diff --git "
_HUNK = b"\n@@ "
_BINARY = (b"\nGIT binary patch", b"\nBinary files ")
_QUOTED = re.compile(rb"\\([0-7]{3}|.)")
_ESCAPES = {
    b"n": b"\n",
    b"t": b"\t",
    b'"': b'"',
    b"\\": b"\\",
    b"r": b"\r",
    b"a": b"\a",
    b"b": b"\b",
    b"f": b"\f",
    b"v": b"\v",
}


@dataclass(frozen=True, slots=True)
class Part:
    """What a patch says of one file."""

    path: str
    old_path: str | None
    """Before a rename or a copy."""
    status: str
    """git's letter: A, M, D, R, C."""
    insertions: int
    deletions: int
    is_binary: bool
    begin: int
    end: int
    """Where its text lies in the patch, in bytes."""


def parts_of(raw: bytes) -> list[Part]:
    """Take a patch apart. A line of content never begins as a part does: a space, a plus or a minus precedes it."""
    starts = [0] if raw.startswith(_PART) else []
    at = raw.find(b"\n" + _PART)
    while at >= 0:
        starts.append(at + 1)
        at = raw.find(b"\n" + _PART, at + 1)
    return [_part(raw, begin, end) for begin, end in zip(starts, [*starts[1:], len(raw)], strict=True)]


def text_of(raw: bytes, part: Part) -> str:
    """Read a file's part; of a binary file's without the encoded bytes, which nobody reads."""
    whole = raw[part.begin : part.end]
    if part.is_binary:
        at = min(found for mark in _BINARY if (found := whole.find(mark)) >= 0)
        whole = whole[:at] + b"\n(a binary file)\n"
    return whole.decode("utf-8", "replace")


def _part(raw: bytes, begin: int, end: int) -> Part:
    hunk = raw.find(_HUNK, begin, end)
    head = raw[begin : hunk if hunk >= 0 else end]
    is_binary = any(mark in head for mark in _BINARY)
    body = raw[hunk:end] if hunk >= 0 else b""
    lines = head[:100_000].split(b"\n")
    old, new = _named(lines, b"--- "), _named(lines, b"+++ ")
    moved_from, moved_to = _named(lines, b"rename from "), _named(lines, b"rename to ")
    copied_from, copied_to = _named(lines, b"copy from "), _named(lines, b"copy to ")
    if moved_to:
        status = "R"
    elif copied_to:
        status = "C"
    elif any(line.startswith(b"new file mode") for line in lines):
        status = "A"
    elif any(line.startswith(b"deleted file mode") for line in lines):
        status = "D"
    else:
        status = "M"
    path = moved_to or copied_to or _inside(new) or _inside(old) or _of_first_line(lines[0])
    return Part(
        path=path,
        old_path=moved_from or copied_from,
        status=status,
        insertions=body.count(b"\n+"),
        deletions=body.count(b"\n-"),
        is_binary=is_binary,
        begin=begin,
        end=end,
    )


def _named(lines: list[bytes], words: bytes) -> str | None:
    found = next((line[len(words) :] for line in lines if line.startswith(words)), None)
    return _unquoted(found) if found is not None else None


def _inside(path: str | None) -> str | None:
    """Take the `a/` or `b/` off."""
    return None if path is None or path == "/dev/null" else path.partition("/")[2]


def _of_first_line(line: bytes) -> str:
    """Where nothing else names it (an empty file, a change of mode): `diff --git a/x b/x`."""
    rest = line[len(_PART) :]
    if rest.endswith(b'"'):
        return _inside(_unquoted(rest[rest.rfind(b' "') + 1 :])) or ""
    half = (len(rest) - 1) // 2
    return _unquoted(rest[half + 1 :]).partition("/")[2]


def _unquoted(name: bytes) -> str:
    """Read a path as git writes it; what is not printable it quotes."""
    name = name.rstrip(b"\t\r")
    if name.startswith(b'"') and name.endswith(b'"') and len(name) > 1:
        name = _QUOTED.sub(_unescaped, name[1:-1])
    return name.decode("utf-8", "replace")


def _unescaped(found: re.Match[bytes]) -> bytes:
    code = found[1]
    return bytes([int(code, 8) & 0xFF]) if len(code) == 3 else _ESCAPES.get(code, code)
