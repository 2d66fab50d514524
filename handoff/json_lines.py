"""In which line of a JSON document each value begins, and which names it says twice.

It is meant for documents that `json` has read. It walks over the text once, without recursion.
"""

from __future__ import annotations

import json
import re
from typing import NamedTuple

from handoff.document_error import Path

_TOKEN = re.compile(r'[ \t\r\n]*+("(?:[^"\\]|\\.)*+"|[\[\]{},:]|[^\s\[\]{},:"]++)')


class JsonPlaces(NamedTuple):
    """The line of every value, and the names that stand twice in their table."""

    lines: dict[Path, int]
    doubles: list[tuple[Path, int]]


class _Open:
    """A list or table that the walk is inside of."""

    def __init__(self, path: Path, *, is_list: bool) -> None:
        self.path = path
        self.is_list = is_list
        self.place: str | int = 0
        self.wants_name = not is_list


def json_places(text: str) -> JsonPlaces:
    """Return the places of all values in `text`."""
    places = JsonPlaces({}, [])
    inside: list[_Open] = []
    line, counted = 1, 0
    for found in _TOKEN.finditer(text):
        mark = found[1]
        line += text.count("\n", counted, found.start(1))
        counted = found.start(1)
        _step(mark, line, inside, places)
    return places


def _step(mark: str, line: int, inside: list[_Open], places: JsonPlaces) -> None:
    here = inside[-1] if inside else None
    if mark in {"]", "}"}:
        if inside:
            inside.pop()
    elif mark == ",":
        _next(here)
    elif mark == ":":
        return
    elif here is not None and here.wants_name:
        _name(mark, line, here, places)
    else:
        path = () if here is None else (*here.path, here.place)
        places.lines.setdefault(path, line)
        if mark in {"[", "{"}:
            inside.append(_Open(path, is_list=mark == "["))


def _next(here: _Open | None) -> None:
    if here is None:
        return
    if here.is_list and isinstance(here.place, int):
        here.place += 1
    else:
        here.wants_name = True


def _name(mark: str, line: int, here: _Open, places: JsonPlaces) -> None:
    here.place = json.loads(mark, strict=False) if "\\" in mark else mark[1:-1]
    here.wants_name = False
    path = (*here.path, here.place)
    if path in places.lines:
        places.doubles.append((path, line))
    places.lines.setdefault(path, line)
