"""Is a table a JSON Schema that an output can be held to? Nothing is validated with it here.

Claude Code takes draft-07, in the strict sense: an unknown keyword, or one without effect, is a fault. It says so only
when a step starts, and then what came before is paid for. So here is refused what it refuses, as far as one can say,
and nothing that it takes.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from difflib import get_close_matches
from itertools import islice
from typing import Annotated, Any
from urllib.parse import unquote

from pydantic import AfterValidator, WithJsonSchema

from handoff.fields import Table, problem
from handoff.javascript_pattern import is_pattern

DRAFT = "http://json-schema.org/draft-07/schema"
MOST_BYTES = 128 * 1024 - 1
"""It is handed over as an argument of a command, which holds no more."""
_MOST_TOLD = 5
_LONGEST_SHOWN = 80

_TYPES = ("array", "boolean", "integer", "null", "number", "object", "string")


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_flag(value: Any) -> bool:
    return isinstance(value, bool)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_count(value: Any) -> bool:
    return _is_number(value) and value >= 0 and value == int(value)


def _are_different(values: Any) -> bool:
    return isinstance(values, list) and len({json.dumps(one, sort_keys=True) for one in values}) == len(
        values
    )


def _are_names(values: Any) -> bool:
    return _are_different(values) and all(isinstance(one, str) for one in values)


def _are_types(value: Any) -> bool:
    kinds = [value] if isinstance(value, str) else value
    return _are_names(kinds) and bool(kinds) and all(one in _TYPES for one in kinds)


_PLAIN: dict[str, tuple[Callable[[Any], bool], str]] = {
    **dict.fromkeys(("const", "contentSchema", "default", "deprecated"), (lambda _: True, "")),
    **dict.fromkeys(
        (
            "$comment",
            "$id",
            "$ref",
            "$schema",
            "contentEncoding",
            "contentMediaType",
            "description",
            "format",
            "title",
        ),
        (_is_text, "is no text"),
    ),
    **dict.fromkeys(
        ("nullable", "readOnly", "uniqueItems", "writeOnly"), (_is_flag, "is neither true nor false")
    ),
    **dict.fromkeys(
        ("exclusiveMaximum", "exclusiveMinimum", "maximum", "minimum"), (_is_number, "is no number")
    ),
    **dict.fromkeys(
        ("maxItems", "maxLength", "maxProperties", "minItems", "minLength", "minProperties"),
        (_is_count, "is no count"),
    ),
    "multipleOf": (lambda value: _is_number(value) and value > 0, "is no number above 0"),
    "enum": (lambda value: _are_different(value) and bool(value), "is no list of different values"),
    "examples": (lambda value: isinstance(value, list), "is no list"),
    "pattern": (is_pattern, "is no regular expression as JavaScript has them"),
    "required": (_are_names, "is no list of different names"),
    "type": (_are_types, f"is not one of {', '.join(_TYPES)}, nor a list of some of them"),
}
"""Keyword → what its value has to be, and what is said where it is not."""
_ONE = (
    "additionalItems",
    "additionalProperties",
    "contains",
    "else",
    "if",
    "items",
    "not",
    "propertyNames",
    "then",
)
_LIST = ("allOf", "anyOf", "items", "oneOf")
_TABLE = ("$defs", "definitions", "dependencies", "patternProperties", "properties")
_KNOWN = sorted({*_PLAIN, *_ONE, *_LIST, *_TABLE})


def _check(schema: dict[str, Any]) -> dict[str, Any]:
    faults = list(islice(_Walk().faults_of(schema), _MOST_TOLD))
    if faults:
        raise problem(
            f"is no JSON Schema: {'; '.join(faults)}", "a JSON Schema of draft-07, which Claude Code takes"
        )
    return schema


class _Walk:
    """One way through a schema and all that lie in it; they are known by their JSON pointers."""

    def __init__(self) -> None:
        self._schemas: set[str] = set()
        self._references: dict[str, str] = {}
        self._has_names = False

    def faults_of(self, schema: dict[str, Any]) -> Iterator[str]:
        try:
            size = len(
                json.dumps(schema, ensure_ascii=False, allow_nan=False).encode("utf-8", "surrogatepass")
            )
        except (TypeError, ValueError):
            yield "it holds what JSON has not: a date, a time, a number without end"
            return
        if size > MOST_BYTES:
            yield "it is longer than 128 KiB"
            return
        if isinstance(draft := schema.get("$schema"), str) and draft.removesuffix("#") != DRAFT:
            yield f'/$schema is not "{DRAFT}#"'
        yield from self._schema(schema, "")
        for where, reference in self._references.items():
            if not self._leads_to_one(reference):
                yield f"{where}/$ref leads to no schema here"

    def _leads_to_one(self, reference: str) -> bool:
        # Where schemas have names of their own, pointers and addresses are relative to them: that is left to others.
        return (
            self._has_names
            or reference.removesuffix("#") == DRAFT
            or (reference.startswith("#") and unquote(reference[1:]) in self._schemas)
        )

    def _schema(self, schema: Any, where: str) -> Iterator[str]:
        if not isinstance(schema, bool | Mapping):
            yield f"{_shown(where) or 'it'} is neither a table nor true or false"
            return
        self._schemas.add(where)
        if isinstance(schema, bool):
            return
        if isinstance(reference := schema.get("$ref"), str):
            self._references[where] = reference
        self._has_names = self._has_names or "$id" in schema
        yield from _without_effect(schema, where)
        for name, value in schema.items():
            yield from self._keyword(name, value, f"{where}/{_escaped(name)}", where)

    def _keyword(self, name: str, value: Any, at: str, where: str) -> Iterator[str]:
        if name in _PLAIN:
            is_right, fault = _PLAIN[name]
            if not is_right(value):
                yield f"{_shown(at)} {fault}"
        elif name in _TABLE:
            yield from self._table(name, value, at)
        elif name in _LIST and (name not in _ONE or isinstance(value, list)):
            if not isinstance(value, list) or not value:
                yield f"{_shown(at)} is no list of schemas"
                return
            for index, one in enumerate(value):
                yield from self._schema(one, f"{at}/{index}")
        elif name in _ONE:
            yield from self._schema(value, at)
        else:
            near = get_close_matches(name[:_LONGEST_SHOWN], _KNOWN, n=1)
            meant = f"; did you mean `{near[0]}`?" if near else ""
            yield f"{_place(where)}`{_shown(name)}` is no keyword of JSON Schema draft-07{meant}"

    def _table(self, keyword: str, value: Any, at: str) -> Iterator[str]:
        if not isinstance(value, Mapping):
            yield f"{_shown(at)} is no table of schemas"
            return
        for name, one in value.items():
            if keyword == "patternProperties" and not is_pattern(name):
                yield f"{_shown(at)}: {_shown(name)!r} is no regular expression as JavaScript has them"
            if keyword != "dependencies" or not _are_names(one):
                yield from self._schema(one, f"{at}/{_escaped(name)}")


def _without_effect(schema: Mapping[str, Any], where: str) -> Iterator[str]:
    """Keywords that mean nothing without another one."""
    for name, lacks, is_there in (
        ("if", "`then` or `else`", "then" in schema or "else" in schema),
        ("then", "`if`", "if" in schema),
        ("else", "`if`", "if" in schema),
        ("nullable", "`type`", "type" in schema),
        ("additionalItems", "a list of `items`", isinstance(schema.get("items"), list)),
    ):
        if name in schema and not is_there:
            yield f"{_place(where)}`{name}` without {lacks} means nothing"


def _escaped(name: str) -> str:
    return name.replace("~", "~0").replace("/", "~1")


def _shown(text: str) -> str:
    return text if len(text) <= _LONGEST_SHOWN else f"{text[:_LONGEST_SHOWN]}…"


def _place(where: str) -> str:
    return f"{_shown(where)}: " if where else ""


JsonSchema = Annotated[Table, AfterValidator(_check), WithJsonSchema({"type": "object"})]
"""A JSON Schema (draft-07) as a table."""
