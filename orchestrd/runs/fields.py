"""Reading JSON that others wrote, without ever failing: what is not of the type that was asked for is not there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any


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
    """The text, or None."""
    return value if isinstance(value, str) else None


def a_number(value: object) -> int | None:
    """The whole number, or None."""
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def a_list(value: object) -> list[Any]:
    """The list, or an empty one."""
    return value if isinstance(value, list) else []
