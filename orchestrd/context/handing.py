"""A context as a run is told of it: the words alone, what has nothing under it left out, and not too much. Pure."""

from __future__ import annotations

import re

MOST_BYTES = 8 * 1024
"""Of one context in a prompt: what stands first counts most, people's notes and what is open."""
_CUT = "\n\n(There is more; it is left out here.)"

_HEADING = re.compile(r"(#{1,6})[ \t]+\S.*")


def handed_over(words: str, most_bytes: int = MOST_BYTES) -> str:
    """Shorten a context for a prompt; empty where it says nothing."""
    text = _without_empty_sections(words).strip()
    if len(text.encode("utf-8", "replace")) <= most_bytes:
        return text
    lines: list[str] = []
    room = most_bytes - len(_CUT)
    for line in text.split("\n"):
        room -= len(line.encode("utf-8", "replace")) + 1
        if room < 0:
            break
        lines.append(line)
    return "\n".join(lines).rstrip() + _CUT


def _without_empty_sections(words: str) -> str:
    """Leave out each heading that stands over nothing but emptiness, from the innermost to the outermost."""
    kept: list[str] = []
    under = 0  # the level of the heading that comes next, looking from below; 0: text
    for line in reversed(words.split("\n")):
        heading = _HEADING.fullmatch(line.strip())
        if heading is None:
            kept.append(line)
            under = under if not line.strip() else 7
            continue
        level = len(heading[1])
        if under > level:
            kept.append(line)
            under = level
    return "\n".join(reversed(kept))
