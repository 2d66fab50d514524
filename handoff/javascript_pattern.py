"""Whether a text is a regular expression of JavaScript (with the flag `u`), as far as one can say without JavaScript.

What is alike in Python is left to Python; the rest is brought into a form that means nothing but stands where it stood.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

_PARTS = re.compile(
    r"""
    (?P<set> \[ (?: \\. | [^\]\\] )* \] )                       # it ends at the first bracket, `[]` and `[^]` too
    | \\ (?P<reference> [1-9][0-9]* )                           # to a group before, around or after it
    | \\ (?: [pP]\{[^{}]+\} | u\{[0-9A-Fa-f]+\} | k<[^<>]+> | c[A-Za-z] )
    | (?P<escape> \\ . )
    | (?P<look> \(\? < [=!] )                                  # of any width, behind; Python's has a fixed one
    | (?P<name> \(\? < [^<>=!]+ > )
    | (?P<ours> \(\? (?: [P\#>(] | [A-Za-z]+ \) ) | [*+?}]\+ )  # what only Python has
    """,
    re.VERBOSE | re.DOTALL,
)
_WRONG = "**"
"""Wrong wherever it stands."""
_MOST_DIGITS = 9
"""No number of a group is longer, and not every length can be reckoned with."""
_ESCAPES = frozenset("dDwWsSbBfnrtvxu0^$\\.*+?()[]{}|/")


def is_pattern(text: Any) -> bool:
    """Whether it is one; False is sure, True is not."""
    if not isinstance(text, str):
        return False
    try:
        groups = re.compile(_PARTS.sub(_in_python, text)).groups
    except re.error:
        return False
    except (OverflowError, RecursionError):
        return True  # too much for Python alone
    return all(len(one) <= _MOST_DIGITS and int(one) <= groups for one in _references(text))


def _references(text: str) -> Iterator[str]:
    return (part["reference"] for part in _PARTS.finditer(text) if part.lastgroup == "reference")


def _in_python(part: re.Match[str]) -> str:
    whole = part.group()
    match part.lastgroup:
        case "escape" if whole[1] not in _ESCAPES:
            return _WRONG
        case "escape":
            return whole
        case "look":
            return "(?="
        case "name":
            return "("
        case "ours":
            return _WRONG
        case _:
            return "."
