"""Changing one member of a JSON text and leaving every other byte as it is. Pure.

What is put in is written as its neighbours are: their indentation, line ends and spaces.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

from orchestrd.desktop.json_text import BYTE_ORDER_MARK, Member, Node, parse

_USUAL_UNIT = "  "
_BLANKS = re.compile(r"[ \t]*")


def put_member(text: str, node: Node, key: str, value: Any) -> str:
    """Return the text with `key` of that object being `value`: in the place of the old one, else after the last."""
    style = _style_of(text, parse(text))
    there = node.member(key)
    if there is not None:
        indent = _indent_at(text, there.start)
        return text[: there.value.start] + style.render(value, indent) + text[there.value.end :]
    if not node.members:
        return _put_into_empty(text, node, key, value, style)
    first, last = node.members[0], node.members[-1]
    gap = text[node.start + 1 : first.start]
    if "\n" in gap:
        indent = gap.rpartition("\n")[2]
        lead = style.newline + indent
        style = style.within(indent, _indent_at(text, node.start))
    else:
        indent = _indent_at(text, node.start)
        lead = " " if not style.is_compact else ""
        style = style.on_one_line()
    piece = f",{lead}{style.member(key, value, indent)}"
    return text[: last.value.end] + piece + text[last.value.end :]


def drop_member(text: str, node: Node, member: Member) -> str:
    """Return the text without that member of that object, and without its comma."""
    at = node.members.index(member)
    if len(node.members) == 1:
        return text[: node.start + 1] + text[node.end - 1 :]
    if at == len(node.members) - 1:
        return text[: node.members[at - 1].value.end] + text[member.value.end :]
    return text[: member.start] + text[node.members[at + 1].start :]


@dataclass(frozen=True, slots=True)
class _Style:
    newline: str
    unit: str | None
    """What each level is indented by; None: all stands on one line."""
    is_compact: bool
    """No space after colon and comma."""

    def member(self, key: str, value: Any, indent: str) -> str:
        colon = ":" if self.is_compact else ": "
        return json.dumps(key, ensure_ascii=False) + colon + self.render(value, indent)

    def render(self, value: Any, indent: str) -> str:
        comma, colon = (
            ("," if self.is_compact or self.unit is not None else ", "),
            ":" if self.is_compact else ": ",
        )
        written = json.dumps(value, ensure_ascii=False, indent=self.unit, separators=(comma, colon))
        # No line break is within a text: JSON writes those as escapes.
        return written.replace("\n", self.newline + indent)

    def within(self, indent: str, outer: str) -> _Style:
        """Take the unit that this object itself shows."""
        own = indent.removeprefix(outer) if indent.startswith(outer) else ""
        return _Style(self.newline, own or self.unit or _USUAL_UNIT, self.is_compact)

    def on_one_line(self) -> _Style:
        return _Style(self.newline, None, self.is_compact)


def _style_of(text: str, root: Node) -> _Style:
    """Find out how a document is written; an empty one is written as most are."""
    newline = "\r\n" if "\r\n" in text else "\n"
    if not root.members:
        return _Style(newline, _USUAL_UNIT, is_compact=False)
    first = root.members[0]
    gap = text[root.start + 1 : first.start]
    between = text[first.start : first.value.start]
    is_compact = between.endswith(":")
    if "\n" not in gap:
        return _Style(newline, None, is_compact)
    return _Style(newline, gap.rpartition("\n")[2], is_compact)


def _put_into_empty(text: str, node: Node, key: str, value: Any, style: _Style) -> str:
    indent = _indent_at(text, node.start)
    if style.unit is None:
        inside = style.member(key, value, indent)
    else:
        deeper = indent + style.unit
        inside = f"{style.newline}{deeper}{style.member(key, value, deeper)}{style.newline}{indent}"
    return text[: node.start + 1] + inside + text[node.end - 1 :]


def _indent_at(text: str, at: int) -> str:
    """Return the blanks at the beginning of the line of a place."""
    start = text.rfind("\n", 0, at) + 1
    if start == 0 and text.startswith(BYTE_ORDER_MARK):
        start = 1
    found = _BLANKS.match(text, start, at)
    return found.group() if found else ""
