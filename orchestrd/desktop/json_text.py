"""JSON as it stands in a file: what it says, and where each piece of it lies. Pure.

`json` forgets how numbers, escapes and spaces were written; whoever changes one member of somebody else's file has to
leave all the rest as it is, byte for byte. Strict: what JSON does not know (comments, a comma too many) is an error
with its line and column.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

MOST_DEPTH = 200
"""Far more than any configuration has, and less than what this parser's recursion may cost."""
BYTE_ORDER_MARK = "\ufeff"

_SPACE = re.compile(r"[ \t\n\r]*")
_STRING = re.compile(r'"(?:[^"\\\x00-\x1f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*"')
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")
_WORD = re.compile(r"true|false|null")


class NotJson(ValueError):
    """A text that is no JSON, or says a thing twice: what is wrong, where, and what was expected."""

    def __init__(self, message: str, line: int, column: int) -> None:
        super().__init__(f"line {line}, column {column}: {message}")
        self.message = message
        self.line = line
        self.column = column


class Kind(StrEnum):
    """What a value is."""

    OBJECT = "an object"
    ARRAY = "a list"
    STRING = "a text"
    NUMBER = "a number"
    WORD = "true, false or null"


@dataclass(frozen=True, slots=True)
class Node:
    """A value and the part of the text in which it lies: from `start` up to, not including, `end`."""

    kind: Kind
    start: int
    end: int
    members: tuple[Member, ...] = ()
    """Of an object."""
    items: tuple[Node, ...] = ()
    """Of a list."""

    def member(self, key: str) -> Member | None:
        """Find what an object has under a key."""
        return next((one for one in self.members if one.key == key), None)


@dataclass(frozen=True, slots=True)
class Member:
    """A key of an object, which begins at `start`, with its value."""

    key: str
    start: int
    value: Node


def parse(text: str) -> Node:
    """Find out what a whole text says and where. Raises NotJson; a key that stands twice in an object is one too."""
    parser = _Parser(text)
    at = parser.space(1 if text.startswith(BYTE_ORDER_MARK) else 0)
    if at == len(text):
        raise parser.error(at, "there is nothing in it; an empty configuration is {}")
    node = parser.value(at, 0)
    end = parser.space(node.end)
    if end != len(text):
        raise parser.error(end, "something follows after the end of the value")
    return node


def value_of(text: str, node: Node) -> Any:
    """Return what a part of the text says, as `json` has it."""
    return json.loads(text[node.start : node.end])


def place(text: str, at: int) -> tuple[int, int]:
    """Return the line and the column of a place, both from 1."""
    line_start = text.rfind("\n", 0, at) + 1
    return text.count("\n", 0, at) + 1, at - line_start + 1


def walk(node: Node) -> Iterator[Node]:
    """Go through a value and all that is in it."""
    yield node
    for member in node.members:
        yield from walk(member.value)
    for item in node.items:
        yield from walk(item)


class _Parser:
    def __init__(self, text: str) -> None:
        self._text = text

    def error(self, at: int, message: str) -> NotJson:
        return NotJson(message, *place(self._text, at))

    def space(self, at: int) -> int:
        """Skip what may stand between two pieces; a comment may not."""
        found = _SPACE.match(self._text, at)
        end = found.end() if found else at
        if self._text.startswith(("//", "/*", "#"), end):
            raise self.error(end, "a comment, which JSON does not have")
        return end

    def value(self, at: int, depth: int) -> Node:
        if depth > MOST_DEPTH:
            raise self.error(at, f"more than {MOST_DEPTH} values within one another")
        first = self._text[at : at + 1]
        if first == "{":
            return self._object(at, depth)
        if first == "[":
            return self._array(at, depth)
        if first == '"':
            return Node(Kind.STRING, at, self._string_end(at))
        for kind, form in ((Kind.NUMBER, _NUMBER), (Kind.WORD, _WORD)):
            found = form.match(self._text, at)
            if found:
                return Node(kind, at, found.end())
        raise self._unexpected(at, "a value")

    def _object(self, start: int, depth: int) -> Node:
        members: dict[str, Member] = {}
        at = self.space(start + 1)
        while not (self._text.startswith("}", at) and not members):
            member = self._member(at, depth)
            if member.key in members:
                line, _ = place(self._text, members[member.key].start)
                raise self.error(at, f"the key {json.dumps(member.key)} stands twice (first in line {line})")
            members[member.key] = member
            at = self.space(member.value.end)
            if self._text.startswith("}", at):
                break
            at = self._comma(at, "}")
        return Node(Kind.OBJECT, start, at + 1, members=tuple(members.values()))

    def _member(self, at: int, depth: int) -> Member:
        if not self._text.startswith('"', at):
            raise self._unexpected(at, "a key in double quotes")
        end = self._string_end(at)
        colon = self.space(end)
        if not self._text.startswith(":", colon):
            raise self._unexpected(colon, "a colon")
        return Member(json.loads(self._text[at:end]), at, self.value(self.space(colon + 1), depth + 1))

    def _array(self, start: int, depth: int) -> Node:
        items: list[Node] = []
        at = self.space(start + 1)
        while not (self._text.startswith("]", at) and not items):
            items.append(self.value(at, depth + 1))
            at = self.space(items[-1].end)
            if self._text.startswith("]", at):
                break
            at = self._comma(at, "]")
        return Node(Kind.ARRAY, start, at + 1, items=tuple(items))

    def _comma(self, at: int, closing: str) -> int:
        if not self._text.startswith(",", at):
            raise self._unexpected(at, f"a comma or {closing}")
        after = self.space(at + 1)
        if self._text.startswith(("}", "]"), after):
            raise self.error(at, "a comma after the last one, which JSON does not allow")
        return after

    def _string_end(self, at: int) -> int:
        found = _STRING.match(self._text, at)
        if found is None:
            raise self.error(
                at, "a text that does not end on its line, or with a backslash that means nothing"
            )
        return found.end()

    def _unexpected(self, at: int, expected: str) -> NotJson:
        if at >= len(self._text):
            return self.error(at, f"{expected} was expected, but the file ends here")
        found = "".join(one if one.isprintable() else "?" for one in self._text[at : at + 12].split("\n")[0])
        return self.error(at, f"{expected} was expected, not {found!r}")
