"""Reading JSON that others wrote, without ever failing: what is not of the type that was asked for is not there."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

_MOST_COUNT = 10**15
"""Turns or tokens of one message: what is more is no count, and its sums would fit no 64 bits in the end."""


def plain_text(content: object) -> str:
    """The text of a message's content, which may be one text or a list of blocks."""
    if isinstance(content, str):
        return content
    return "\n".join(a_text(block.get("text")) or "" for block in objects(content))


def objects_in(mapping: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Those of the mapping's values that are objects."""
    return (value for value in mapping.values() if isinstance(value, dict))


def an_object(value: object) -> Mapping[str, Any]:
    """The object, or an empty one."""
    return value if isinstance(value, dict) else {}


def objects(value: object) -> Iterator[Mapping[str, Any]]:
    """The objects in a list."""
    return (entry for entry in value if isinstance(entry, dict)) if isinstance(value, list) else iter(())


def a_text(value: object) -> str | None:
    """The text, or None. Halves of surrogate pairs, which JSON can spell and no file can hold, become "?"."""
    if not isinstance(value, str):
        return None
    return value if value.isascii() else value.encode("utf-8", "replace").decode()


def a_number(value: object) -> int | None:
    """The whole number, or None; one that can be no count is not there."""
    if not isinstance(value, int) or isinstance(value, bool):
        return None
    return value if 0 <= value <= _MOST_COUNT else None


def a_float(value: object) -> float | None:
    """The number as a finite float, or None: JSON as others write it has NaN, Infinity and 400 digits, too."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None


def a_span(value: object) -> float | None:
    """The number as seconds that passed, or None."""
    seconds = a_float(value)
    return seconds if seconds is not None and 0 <= seconds <= _MOST_COUNT else None


def a_list(value: object) -> list[Any]:
    """The list, or an empty one."""
    return value if isinstance(value, list) else []
