"""Is a table a JSON Schema? A light check of its structure, enough to find slips; nothing is validated with it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Annotated, Any

from pydantic import AfterValidator, WithJsonSchema

from handoff.fields import Table, problem

_TYPES = frozenset({"array", "boolean", "integer", "null", "number", "object", "string"})
_ONE = (
    "additionalProperties",
    "contains",
    "else",
    "if",
    "items",
    "not",
    "propertyNames",
    "then",
    "unevaluatedItems",
)
_LIST = ("allOf", "anyOf", "oneOf", "prefixItems")
_TABLE = ("$defs", "definitions", "dependentSchemas", "patternProperties", "properties")
_COUNT = ("maxItems", "maxLength", "maxProperties", "minItems", "minLength", "minProperties")


def _check(schema: dict[str, Any]) -> dict[str, Any]:
    for fault in _faults(schema, ""):
        raise problem(f"is no JSON Schema: {fault}", "a JSON Schema, draft 2020-12")
    return schema


def _faults(schema: Any, where: str) -> Iterator[str]:
    if isinstance(schema, bool):
        return
    if not isinstance(schema, Mapping):
        yield f"{where or 'it'} is neither a table nor true or false"
        return
    yield from _own_faults(schema, where)
    for name in _ONE:
        if name in schema:
            yield from _faults(schema[name], f"{where}/{name}")
    for name in _LIST:
        yield from _list_faults(schema.get(name, [True]), f"{where}/{name}")
    for name in _TABLE:
        yield from _table_faults(schema.get(name, {}), f"{where}/{name}")


def _own_faults(schema: Mapping[str, Any], where: str) -> Iterator[str]:
    kinds = schema.get("type", [])
    for kind in kinds if isinstance(kinds, list) else [kinds]:
        if not isinstance(kind, str) or kind not in _TYPES:
            yield f"{where}/type is not one of {', '.join(sorted(_TYPES))}"
    required = schema.get("required", [])
    if not isinstance(required, list) or not all(isinstance(name, str) for name in required):
        yield f"{where}/required is not a list of names"
    if not isinstance(schema.get("enum", []), list):
        yield f"{where}/enum is not a list"
    for name in _COUNT:
        count = schema.get(name, 0)
        if not isinstance(count, int) or isinstance(count, bool) or count < 0:
            yield f"{where}/{name} is not a count"
    try:
        re.compile(schema.get("pattern", ""))
    except (re.error, TypeError, OverflowError, RecursionError):
        yield f"{where}/pattern is no regular expression"


def _list_faults(schemas: Any, where: str) -> Iterator[str]:
    if not isinstance(schemas, list) or not schemas:
        yield f"{where} is not a list of schemas"
        return
    for index, schema in enumerate(schemas):
        yield from _faults(schema, f"{where}/{index}")


def _table_faults(schemas: Any, where: str) -> Iterator[str]:
    if not isinstance(schemas, Mapping):
        yield f"{where} is not a table of schemas"
        return
    for name, schema in schemas.items():
        yield from _faults(schema, f"{where}/{name[:40]}")


JsonSchema = Annotated[Table, AfterValidator(_check), WithJsonSchema({"type": "object"})]
"""A JSON Schema as a table."""
