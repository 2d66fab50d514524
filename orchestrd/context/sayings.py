"""What a run said it decided and left open, where it ended with lists of that; and the rest, in short. Pure.

Nothing is made up: without such a list there is none. What a model wrote may hold anything; what comes out of here is
lines that can neither be headings nor marks of ours.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from orchestrd.outbound.markdown import line

MOST_ITEMS = 6
MOST_ITEM = 240
MOST_SUMMARY = 400
"""Characters."""

_HEADING = re.compile(
    r"(?P<marked>#{1,6}[ \t]+)?(?P<bold>\*\*|__)?(?P<word>decisions?|open(?:[ -]ends?)?)(?P<colon>:)?"
    r"(?:\*\*|__)?(?P<late>:)?[ \t]*(?P<rest>.*)",
    re.IGNORECASE,
)
_ITEM = re.compile(r"[ \t]*(?:[-*+•]|\d{1,3}[.)])[ \t]+(?P<text>.*\S)[ \t]*")
_NOTHING = frozenset({"", "none", "n/a", "nothing", "-", "–", "no", "none so far"})


@dataclass(frozen=True, slots=True)
class Sayings:
    """What a run said at its end."""

    summary: str = ""
    decisions: tuple[str, ...] = ()
    open_ends: tuple[str, ...] = ()


def sayings_of(text: str) -> Sayings:
    """Take a final text apart."""
    lists: dict[str, list[str]] = {"d": [], "o": []}
    rest: list[str] = []
    items: list[str] | None = None
    for raw in text.splitlines():
        heading = _heading(raw.strip())
        if heading is not None:
            items = lists[heading["word"][0].lower()]
            if heading["rest"]:
                items.append(heading["rest"])
        elif items is None or not _belongs(raw, items):
            items = None
            rest.append(raw)
    return Sayings(shortened(" ".join(rest), MOST_SUMMARY), _told(lists["d"]), _told(lists["o"]))


def plain(text: str) -> str:
    """Put a text on one line, in which no comment of HTML begins: that is how blocks are marked."""
    return line(text).replace("<!--", "<! --").replace("-->", "-- >")


def shortened(text: str, most: int) -> str:
    """Put a text on one line of at most so many characters."""
    whole = plain(text)
    if len(whole) <= most:
        return whole
    cut = whole[: most - 1]
    return f"{cut[: cut.rfind(' ')] if ' ' in cut[most // 2 :] else cut}…"


def _heading(text: str) -> re.Match[str] | None:
    found = _HEADING.fullmatch(text)
    if found is None:
        return None
    has_colon = bool(found["colon"] or found["late"])
    # "Open the file" is none; a lone word, or one with a colon, is.
    return found if has_colon or not found["rest"] else None


def _belongs(raw: str, items: list[str]) -> bool:
    """Take a line into the list that is being read; False: the list ended before it."""
    item = _ITEM.fullmatch(raw)
    if item is not None:
        items.append(item["text"])
        return True
    if not raw.strip():
        return True
    if items and raw[:1] in " \t":
        items[-1] += f" {raw.strip()}"
        return True
    return False


def _told(items: list[str]) -> tuple[str, ...]:
    found = [shortened(item, MOST_ITEM) for item in items if item.strip(" .*_`").casefold() not in _NOTHING]
    more = len(found) - MOST_ITEMS
    return (*found[:MOST_ITEMS], f"and {more} more") if more > 0 else tuple(found)
