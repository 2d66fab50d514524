"""Whether a text holds more values than any document may: told before it is read, which would take seconds.

It counts the marks that values stand between, strings and comments left out. A document that is allowed is never
refused here; what is counted of a text that is no document does not matter, for reading it ends at its first fault.
"""

from __future__ import annotations

import re

from handoff.wholesome import MOST_VALUES

_MOST_TOKENS = 5 * MOST_VALUES
"""Texts and comments that a document may hold beside; and dots in its names."""

_TOML_TOKEN = re.compile(
    r'"""(?:[^"\\]|\\[\s\S]|"{1,2}+(?!"))*+"{3,5}'
    r"|'''(?:[^']|'{1,2}+(?!'))*+'{3,5}"
    r"|\"{3}|'{3}"
    r"""|"(?:[^"\\\n]|\\.)*+"|'[^'\n]*+'|["']"""
    r"|#[^\n]*+|[=,.]|\[\[?"
)
_JSON_TOKEN = re.compile(r'"(?:[^"\\]|\\[\s\S])*+"|[,\[{"]')


def toml_holds_too_much(text: str) -> bool:
    """Whether a TOML text holds more than MOST_VALUES values."""
    return _holds_too_much(_TOML_TOKEN, text, dict.fromkeys(("=", ",", "[", "[["), MOST_VALUES))


def toml_names_too_much(text: str) -> bool:
    """Whether the dotted names of a TOML text, none of which is too long, have too many parts all together."""
    return text.count(".") > _MOST_TOKENS and _holds_too_much(_TOML_TOKEN, text, {".": _MOST_TOKENS})


def json_holds_too_much(text: str) -> bool:
    """Whether a JSON text holds more than MOST_VALUES values."""
    return _holds_too_much(_JSON_TOKEN, text, dict.fromkeys((",", "[", "{"), MOST_VALUES))


def _holds_too_much(token: re.Pattern[str], text: str, left: dict[str, int]) -> bool:
    """`left` names the marks that are counted, each with its most: as many values stand beside them, at least."""
    if len(text) <= MOST_VALUES:
        return False
    others = _MOST_TOKENS
    for found in token.finditer(text):
        mark = found[0]
        if mark in left:
            left[mark] -= 1
            if left[mark] < 0:
                return True
        elif mark in _UNCLOSED:
            return False
        elif mark != ".":
            others -= 1
            if others < 0:
                return True
    return False


_UNCLOSED = frozenset({'"', "'", '"""', "'''"})
"""The text ends here for every reader. Were it gone on with, each further quote would be looked for to the end."""
