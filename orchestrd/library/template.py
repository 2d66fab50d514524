"""Placeholders in a text: `{{name}}`, and sections that stand only where a parameter is given. Pure.

`{{#name}}…{{/name}}` stands where it is given and not empty or false, `{{^name}}…{{/name}}` where it is not; a mark
that has a line to itself takes the line along. `{{{{` is `{{` itself. What is put in is never read again.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

BRACES = "{{"
DEEPEST = 16
"""Sections within sections."""
BRACES_HINT = "a placeholder is {{name}}; two braces that are meant as they are stand twice: {{{{"

_TOKEN = re.compile(
    r"(?P<literal>\{\{\{\{)"
    r"|^[ \t]*\{\{(?P<lone_mark>[#^/])(?P<lone_name>[^{}\n]*)\}\}[ \t]*(?:\n|\Z)"
    r"|\{\{(?P<mark>[#^/]?)(?P<name>[^{}\n]*)\}\}"
    r"|(?P<stray>\{\{)",
    re.MULTILINE,
)
_BEGUN = re.compile(r"[#^/]?[ \t]*([a-z][a-z0-9_-]*)")


class TemplateError(ValueError):
    """Placeholders that do not make sense: what is wrong, and what was expected."""

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(f"{message} ({hint})")
        self.message = message
        self.hint = hint


@dataclass(frozen=True, slots=True)
class Value:
    """A place where a parameter's value is put."""

    name: str


@dataclass(frozen=True, slots=True)
class Section:
    """Text that stands only where a parameter is given, or only where it is not."""

    name: str
    where_given: bool
    parts: Parts


Part = str | Value | Section
Parts = tuple[Part, ...]


def parse(text: str) -> Parts:
    """Read the placeholders of a text. Raises TemplateError."""
    begun: list[tuple[str, bool, list[Part]]] = []
    parts: list[Part] = []
    at = 0
    for token in _TOKEN.finditer(text):
        if token.start() > at:
            parts.append(text[at : token.start()])
        at = token.end()
        mark = token["lone_mark"] or token["mark"]
        name = (token["lone_name"] or token["name"] or "").strip()
        if token["stray"]:
            raise TemplateError("{{ begins a placeholder that does not end", BRACES_HINT)
        if token["literal"]:
            parts.append(BRACES)
        elif mark == "/":
            parts = _ended(name, begun, parts)
        elif mark:
            if len(begun) == DEEPEST:
                raise TemplateError("sections stand in one another too deeply", f"{DEEPEST} levels at most")
            begun.append((name, mark == "#", parts))
            parts = []
        else:
            parts.append(Value(name))
    if begun:
        raise TemplateError(
            f"the section `{begun[-1][0]}` does not end", f"{{{{/{begun[-1][0]}}}}} where it ends"
        )
    return (*parts, text[at:]) if at < len(text) else tuple(parts)


def whole(parts: Parts) -> str | None:
    """Name the parameter whose value is all of a text; None: there is something else in it."""
    return parts[0].name if len(parts) == 1 and isinstance(parts[0], Value) else None


def names_in(parts: Parts) -> Iterator[str]:
    """Every parameter that a text asks for, by a placeholder or a section."""
    for part in parts:
        if not isinstance(part, str):
            yield part.name
        if isinstance(part, Section):
            yield from names_in(part.parts)


def names_written(text: str, *, begun: bool) -> Iterator[str]:
    """Every parameter that a text names which cannot be read; `begun`: where a placeholder does not end, too."""
    for token in _TOKEN.finditer(text):
        if token["stray"]:
            name = _BEGUN.match(text, token.end())
            if begun and name:
                yield name[1]
        elif not token["literal"]:
            yield (token["lone_name"] or token["name"] or "").strip()


def values_in(parts: Parts) -> Iterator[str]:
    """Every parameter whose value is put into a text; those that only decide about a section are none of them."""
    for part in parts:
        if isinstance(part, Value):
            yield part.name
        elif isinstance(part, Section):
            yield from values_in(part.parts)


def fill(parts: Parts, texts: Mapping[str, str], given: frozenset[str]) -> str | None:
    """Put the values of `texts` in; None where one is missing. `given` are those whose sections stand."""
    filled: list[str] = []
    for part in parts:
        match part:
            case str():
                filled.append(part)
            case Value(name):
                if name not in texts:
                    return None
                filled.append(texts[name])
            case Section(name, where_given, inner) if (name in given) is where_given:
                text = fill(inner, texts, given)
                if text is None:
                    return None
                filled.append(text)
    return "".join(filled)


def _ended(name: str, begun: list[tuple[str, bool, list[Part]]], parts: list[Part]) -> list[Part]:
    if not begun:
        raise TemplateError(
            f"{{{{/{name}}}}} ends a section that never began", f"{{{{#{name}}}}} where it begins"
        )
    expected, where_given, above = begun.pop()
    if expected != name:
        raise TemplateError(
            f"{{{{/{name}}}}} stands within the section `{expected}`", f"{{{{/{expected}}}}} first"
        )
    return [*above, Section(name, where_given, tuple(parts))]
