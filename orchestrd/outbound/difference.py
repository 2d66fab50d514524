"""A patch, cut to what a reader can take in: whole where it is short, otherwise the head of each file's part."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from handoff import looking

WHOLE_BYTES = 60_000
"""A patch up to this size is given whole."""

LEAST_BYTES = 400
"""At least so much of each file's part is given, as long as there is room at all."""

READ_BYTES = 8_000_000
"""Never read more than this: a patch may be as large as what a run has made."""

_PART = b"diff --git "
_BINARY = (b"GIT binary patch", b"Binary files ")


@dataclass(frozen=True, slots=True)
class Excerpt:
    """What is shown of a patch."""

    text: str
    is_whole: bool
    parts: int
    """Files in it."""
    parts_shown: int


def excerpt_of(patch: Path, limit: int = WHOLE_BYTES) -> Excerpt:
    """Cut the patch in that file to about `limit` bytes. No file is an empty patch."""
    raw = _read(patch)
    parts = [_without_binary(part) for part in _parts_of(raw)]
    if len(raw) < READ_BYTES and sum(map(len, parts)) <= limit:
        return Excerpt(_text(b"".join(parts)), is_whole=True, parts=len(parts), parts_shown=len(parts))
    share = max(LEAST_BYTES, limit // max(1, len(parts)))
    shown: list[bytes] = []
    left = limit
    for part in parts:
        if left < LEAST_BYTES:
            break
        head = _head(part, min(share, left))
        shown.append(head)
        left -= len(head)
    return Excerpt(_text(b"".join(shown)), is_whole=False, parts=len(parts), parts_shown=len(shown))


def _read(path: Path) -> bytes:
    try:
        return looking.read_file(path, READ_BYTES)
    except FileNotFoundError:
        return b""


def _parts_of(raw: bytes) -> list[bytes]:
    """One part a file. A line of content never begins so: it is preceded by a space, a plus or a minus."""
    first, *others = (b"\n" + raw).split(b"\n" + _PART)
    parts = [_PART + part + b"\n" for part in others]
    if parts:
        parts[-1] = parts[-1].rstrip(b"\n") + b"\n"
    return [first[1:] + b"\n", *parts] if first.strip() else parts


def _without_binary(part: bytes) -> bytes:
    """Leave out the encoded bytes of a binary file: nobody reads them."""
    for mark in _BINARY:
        before, found, _ = part.partition(b"\n" + mark)
        if found:
            return before + b"\n(a binary file)\n"
    return part


def _head(part: bytes, most: int) -> bytes:
    if len(part) <= most:
        return part
    kept = part[: part.rfind(b"\n", 0, most) + 1] or part[:most] + b"\n"
    left = part[len(kept) :].count(b"\n")
    return kept + b"[... %d more lines of this file's difference]\n" % left


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "replace")
