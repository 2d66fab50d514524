"""Foreign text in a page of Markdown: whatever it holds, it cannot leave its place or change what stands around it."""

from __future__ import annotations

import re

_TICKS = re.compile(r"`+")
_BREAKS = re.compile(r"[\s\x00-\x1f\x7f\x85\u2028\u2029]+")
_CONTROLS = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]|[\ud800-\udfff]")
_SPECIAL = re.compile(r"([\\`*_\[\]<>|~#&])")


def block(text: str, language: str = "") -> str:
    """A fenced block. The fence is longer than any run of backticks in the text, so nothing in it can close it."""
    clean = _CONTROLS.sub("\ufffd", text.replace("\r\n", "\n").replace("\r", "\n")).rstrip("\n")
    fence = "`" * max(3, 1 + _longest_ticks(clean))
    return f"{fence}{language}\n{clean}\n{fence}\n"


def code(text: str) -> str:
    """A span of code, for names and paths: on one line, whatever the name holds."""
    clean = line(text)
    ticks = "`" * (1 + _longest_ticks(clean))
    # A space inside where the text begins or ends in a backtick; Markdown takes it off again.
    space = " " if clean.startswith("`") or clean.endswith("`") else ""
    return f"{ticks}{space}{clean}{space}{ticks}" if clean else "``"


def words(text: str) -> str:
    """Text inside a sentence or a heading: on one line, every character meaning itself."""
    return _SPECIAL.sub(r"\\\1", line(text))


def line(text: str) -> str:
    """Put a text on one line, control characters replaced."""
    return _CONTROLS.sub("\ufffd", _BREAKS.sub(" ", text)).strip()


def shortened(text: str, most: int) -> str:
    """Cut a text that is longer than `most` characters, and say so."""
    return text if len(text) <= most else f"{text[:most].rstrip()}\n[… {len(text) - most} more characters]"


def _longest_ticks(text: str) -> int:
    return max((len(found) for found in _TICKS.findall(text)), default=0)
