"""Small things in words: safe text, spans of time, columns; and the reading of what other programs wrote."""

from __future__ import annotations

import json
import unicodedata
from datetime import datetime
from pathlib import Path
from typing import Any

_SOON_SECONDS = 600.0
_DAY_SECONDS = 20 * 3600.0


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object; empty when there is none (a status file before the first start)."""
    try:
        found = json.loads(path.read_bytes())
    except (FileNotFoundError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def read_time(text: object) -> datetime | None:
    """Read a date-time of the protocol; None for what is none."""
    try:
        return datetime.fromisoformat(str(text))
    except ValueError:
        return None


def plain(text: object) -> str:
    """Make text from elsewhere safe to print: control characters could drive the terminal."""
    told = str(text)
    return told if told.isprintable() else told.translate(_SAFE)


class _Safe(dict[int, str]):
    """What each character is printed as; filled as they come, for a log of 100 MB has few that differ."""

    def __missing__(self, code: int) -> str:
        one = chr(code)
        harmless = one in "\n\t" or not unicodedata.category(one).startswith("C")
        return self.setdefault(code, one if harmless else f"\\x{code:02x}")


_SAFE = _Safe()


def one_line(text: object, width: int) -> str:
    """Shorten text to one printable line of at most `width` characters."""
    line = " ".join(plain(text).split())
    return line if len(line) <= width else f"{line[: width - 1]}…"


def table(rows: list[tuple[str, ...]], head: tuple[str, ...]) -> str:
    """Set rows under a head, in columns."""
    widths = [max(len(row[at]) for row in (head, *rows)) for at in range(len(head))]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in (head, *rows)
    ]
    return "\n".join(lines)


def how_long(seconds: float) -> str:
    """Say a span for people: 0.4 s, 42 s, 3 m 10 s, 2 h 5 m, 9 d 3 h."""
    if 0 <= seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = max(0, round(seconds))
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} m {whole % 60} s"
    if whole < 48 * 3600:
        return f"{whole // 3600} h {whole % 3600 // 60} m"
    return f"{whole // 86400} d {whole % 86400 // 3600} h"


def until(when: datetime, now: datetime) -> str:
    """Say until when something waits: on the reader's own clock, and how long that is from now."""
    seconds = (when - now).total_seconds()
    if seconds <= 0:
        return "until now"
    local = when.astimezone()
    form = "%H:%M:%S" if seconds < _SOON_SECONDS else "%H:%M" if seconds < _DAY_SECONDS else "%Y-%m-%d %H:%M"
    return f"until {local:{form}}, in {how_long(seconds)}"


def read_lines(path: Path) -> list[dict[str, Any]]:
    """Read JSON lines as far as they are whole; empty when there are none."""
    try:
        whole, _, _ = path.read_bytes().rpartition(b"\n")
    except (FileNotFoundError, NotADirectoryError):
        return []
    found = []
    for line in whole.splitlines():
        try:
            record = json.loads(line)
        except (ValueError, RecursionError):
            continue
        found += [record] if isinstance(record, dict) else []
    return found
