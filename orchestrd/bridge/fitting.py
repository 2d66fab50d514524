"""Keeping an answer short: the longest texts in it are shortened first, then the longest lists. Pure."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

LEAST_TEXT = 200
"""A text is shortened to no less, as long as lists can be."""
MOST_NOTES = 20
_ROOM_FOR_NOTES = 2000
_MARK = "… [{} more characters]"

Tree = dict[str, Any]


def as_json(tree: Tree) -> str:
    """Write an answer as it is sent."""
    return json.dumps(tree, ensure_ascii=False, separators=(",", ":"))


def fit(tree: Tree, most_chars: int) -> Tree:
    """Return an answer that is at most so long as JSON; what was done to it stands in its `cut`."""
    if len(as_json(tree)) <= most_chars:
        return tree
    notes: list[str] = list(tree.get("cut") or ())
    body = {name: value for name, value in tree.items() if name != "cut"}
    room = max(most_chars - _ROOM_FOR_NOTES, most_chars // 2)
    body = _shortened(body, most_chars, notes) if _longest(body) > most_chars else body
    widths = (LEAST_TEXT * 2**step for step in range(12, -1, -1))
    for width in widths:
        found: list[str] = []
        shorter = _shortened(body, width, found)
        if len(as_json(shorter)) <= room:
            return {**shorter, "cut": _told([*notes, *found])}
    return _with_shorter_lists(_shortened(body, LEAST_TEXT, notes), room, notes)


def _with_shorter_lists(body: Tree, room: int, notes: list[str]) -> Tree:
    """Leave out the ends of the longest lists; in the end, where lists are not what is long, whole fields."""
    left_out: dict[str, int] = {}
    while len(as_json(body)) > room:
        lists = sorted(_lists(body, ""), key=lambda one: len(as_json({"": one[1]})), reverse=True)
        path, longest = next(((path, one) for path, one in lists if len(one) > 1), ("", []))
        if not path:
            break
        half = len(longest) // 2
        left_out[path] = left_out.get(path, 0) + len(longest) - half
        del longest[half:]
    told = [f"{path}: {count} more entries" for path, count in left_out.items()]
    if len(as_json(body)) > room:
        body = _shortened(body, LEAST_TEXT // 10, told)
    for name in sorted(body, key=lambda name: len(as_json({"": body[name]})), reverse=True):
        if len(as_json(body)) <= room:
            break
        if isinstance(body[name], dict):
            told.append(f"{name}: left out")
            body[name] = {}
    return {**body, "cut": _told([*notes, *told])}


def _told(notes: list[str]) -> list[str]:
    short = [note if len(note) <= 80 else f"{note[:79]}…" for note in notes]
    more = len(short) - MOST_NOTES
    return [*short[:MOST_NOTES], f"and {more} more"] if more > 0 else short


def _shortened(tree: Tree, width: int, notes: list[str]) -> Tree:
    def shorten(path: str, text: str) -> str:
        if len(text) <= width:
            return text
        kept = max(1, width - len(_MARK) - 4)
        notes.append(f"{path}: {kept} of {len(text)} characters")
        return text[:kept] + _MARK.format(len(text) - kept)

    found = _mapped(tree, "", shorten)
    assert isinstance(found, dict)  # noqa: S101 - a mapping maps to a mapping
    return found


def _mapped(value: Any, path: str, change: Callable[[str, str], str]) -> Any:
    if isinstance(value, str):
        return change(path, value)
    if isinstance(value, dict):
        return {name: _mapped(one, f"{path}.{name}" if path else name, change) for name, one in value.items()}
    if isinstance(value, list):
        return [_mapped(one, f"{path}[{at}]", change) for at, one in enumerate(value)]
    return value


def _longest(value: Any) -> int:
    if isinstance(value, str):
        return len(value)
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return max(map(_longest, inner), default=0)


def _lists(value: Any, path: str) -> Iterator[tuple[str, list[Any]]]:
    if isinstance(value, dict):
        for name, one in value.items():
            yield from _lists(one, f"{path}.{name}" if path else name)
    elif isinstance(value, list):
        yield path, value
        for at, one in enumerate(value):
            yield from _lists(one, f"{path}[{at}]")
