"""What no document may hold, wherever it stands: numbers that are none or too large, broken text, endless nesting."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, NamedTuple

from handoff.document_error import Path

DEEPEST = 64
MOST_VALUES = 20_000
"""Values in one document: hundreds of thousands of empty steps would be answered for seconds."""
_GREATEST = 2**63


class Fault(NamedTuple):
    """Something that no document may hold, and its place."""

    path: Path
    message: str
    hint: str


def holds_too_much(tree: Any) -> bool:
    """Whether a tree has more than MOST_VALUES values."""
    todo, count = [tree], 0
    while todo and count <= MOST_VALUES:
        value = todo.pop()
        if type(value) is dict:
            count += len(value)
            todo.extend(value.values())
        elif type(value) is list:
            count += len(value)
            todo.extend(value)
    return count > MOST_VALUES


def is_wholesome(value: Any, depth: int = 0) -> bool:
    """Whether all of a tree can be kept and written again in any of the formats."""
    kind = type(value)
    if kind is str:
        return value.isascii() or _is_text(value)
    if kind is dict:
        return depth < DEEPEST and all(
            is_wholesome(key) and is_wholesome(one, depth + 1) for key, one in value.items()
        )
    if kind is list:
        return depth < DEEPEST and all(is_wholesome(one, depth + 1) for one in value)
    if kind is int:
        return bool(-_GREATEST <= value < _GREATEST)
    return not isinstance(value, float) or math.isfinite(value)


def faults_in(value: Any, path: Path = ()) -> Iterator[Fault]:
    """Find everything in a tree that `is_wholesome` objects to."""
    if isinstance(value, dict | list) and len(path) >= DEEPEST:
        yield Fault(
            path[:8], "lists and tables stand inside one another too deeply", f"{DEEPEST} levels at most"
        )
    elif isinstance(value, dict):
        for key, one in value.items():
            if not _is_text(key):
                yield Fault(path, "a name in it is no text: it holds half a surrogate pair", "valid Unicode")
            else:
                yield from faults_in(one, (*path, key))
    elif isinstance(value, list):
        for index, one in enumerate(value):
            yield from faults_in(one, (*path, index))
    elif not is_wholesome(value):
        yield _scalar_fault(value, path)


def _scalar_fault(value: Any, path: Path) -> Fault:
    if isinstance(value, str):
        return Fault(path, "this is no text: it holds half a surrogate pair", "valid Unicode")
    return Fault(
        path, "this is no number, or one that is too large", "a finite number; whole ones of 64 bits at most"
    )


def _is_text(value: str) -> bool:
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True
