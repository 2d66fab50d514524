"""The part of a configuration that names servers: our entries put in, or taken out, all else as it was. Pure."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from orchestrd.desktop.entries import SECTION, SERVER_NAME, Entry, is_proxy_with_token, is_server
from orchestrd.desktop.error import DesktopError
from orchestrd.desktop.json_edit import drop_member, put_member
from orchestrd.desktop.json_text import Kind, Node, NotJson, parse, place, value_of

NEW_TEXT = "{}\n"
"""What a configuration that is not there yet is taken for."""


class SectionWas(StrEnum):
    """How the part for servers was before the first of ours came."""

    MISSING = "missing"
    NULL = "null"
    THERE = "there"


@dataclass(frozen=True, slots=True)
class Placed:
    """A text with our entries in it."""

    text: str
    section_was: SectionWas
    marks: dict[str, str]
    """By what each entry, as it stands there now, is known again."""


def read_text(content: bytes, file: str) -> str:
    """Return the configuration's text, checked. DesktopError: Desktop could not read it, so it is left alone."""
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        column = error.start - content.rfind(b"\n", 0, error.start)
        hint = "save it as UTF-8" if content[:2] in (b"\xff\xfe", b"\xfe\xff") else "it must be UTF-8"
        raise DesktopError(f"{file}:{line}:{column}: no UTF-8 text; it was left as it is: {hint}") from None
    try:
        root = parse(text)
    except NotJson as error:
        raise DesktopError(
            f"{file}:{error.line}:{error.column}: {error.message}; it was left as it is: mend that place, "
            "or put the entry in by hand (orchestrd desktop install --print shows it)"
        ) from None
    section = root.member(SECTION)
    if root.kind is not Kind.OBJECT:
        raise _wrong(file, text, root, "the whole file")
    if section and section.value.kind is not Kind.OBJECT and not _is_null(text, section.value):
        raise _wrong(file, text, section.value, SECTION)
    return text


def servers_of(text: str) -> dict[str, Any]:
    """Return every server that a checked text names, with what is said of it."""
    section = parse(text).member(SECTION)
    return {} if section is None else dict(value_of(text, section.value) or {})


def put_in(text: str, entries: Sequence[Entry], known: Mapping[str, str], *, replace: bool) -> Placed:
    """Put entries into a checked text. `known`: the marks of what we put there earlier, by name.

    DesktopError: an entry of that name is somebody else's, and is not to be replaced.
    """
    section = parse(text).member(SECTION)
    was = SectionWas.MISSING if section is None else SectionWas.THERE
    if section is None or _is_null(text, section.value):
        was = SectionWas.MISSING if section is None else SectionWas.NULL
        text = put_member(text, parse(text), SECTION, {})
    placed = {}
    for entry in entries:
        node = _at(text, (SECTION,))
        there = node.member(entry.name)
        old = value_of(text, there.value) if there else None
        if there and old != entry.value and not replace and not is_ours(entry.name, old, known):
            line, _ = place(text, there.start)
            raise DesktopError(
                f"line {line}: there is a server {entry.name} already, which is not ours; "
                "--replace puts ours in its place"
                + ("" if entry.name == SERVER_NAME else ", --name gives ours another")
            )
        if there and is_ours(entry.name, old, known):
            text = _update(text, (SECTION, entry.name), entry.value)
        elif old != entry.value:
            text = put_member(text, node, entry.name, entry.value)
        placed[entry.name] = mark_of(servers_of(text)[entry.name])
    return Placed(text, was, placed)


def take_out(text: str, known: Mapping[str, str], section_was: str) -> tuple[str, list[str]]:
    """Take our entries out of a checked text; the part for servers too where it came with them and is empty.

    Returns the text and the names of what went.
    """
    gone = []
    for name, value in servers_of(text).items():
        if is_ours(name, value, known):
            node = _at(text, (SECTION,))
            member = node.member(name)
            assert member is not None  # noqa: S101 - for the type checker: it was found by the same name
            text = drop_member(text, node, member)
            gone.append(name)
    root = parse(text)
    section = root.member(SECTION)
    if gone and section and not section.value.members:
        if section_was == SectionWas.MISSING:
            text = drop_member(text, root, section)
        elif section_was == SectionWas.NULL:
            text = put_member(text, root, SECTION, None)
    return text, gone


def is_ours(name: str, value: object, known: Mapping[str, str]) -> bool:
    """Tell whether what stands under a name was put there by us."""
    if known.get(name) == mark_of(value):
        return True
    return (name == SERVER_NAME and is_server(value)) or is_proxy_with_token(value)


def mark_of(value: object) -> str:
    """Return what an entry is known by again: itself, it may hold what a person has added, and is nobody's to keep."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


def _update(text: str, path: tuple[str, ...], new: Mapping[str, Any]) -> str:
    """Update an entry of ours, member by member: what a person has added to it stays as it is written."""
    for key, value in new.items():
        node = _at(text, path)
        there = node.member(key)
        if there and isinstance(value, dict) and there.value.kind is Kind.OBJECT:
            text = _update(text, (*path, key), value)
        elif there is None or value_of(text, there.value) != value:
            text = put_member(text, node, key, value)
    return text


def _at(text: str, path: tuple[str, ...]) -> Node:
    node = parse(text)
    for key in path:
        member = node.member(key)
        assert member is not None  # noqa: S101 - for the type checker: it was found by the same name
        node = member.value
    return node


def _is_null(text: str, node: Node) -> bool:
    return text[node.start : node.end] == "null"


def _wrong(file: str, text: str, node: Node, what: str) -> DesktopError:
    line, column = place(text, node.start)
    return DesktopError(
        f"{file}:{line}:{column}: {what} has to be an object, but is {node.kind}; it was left as it is: mend it first"
    )
