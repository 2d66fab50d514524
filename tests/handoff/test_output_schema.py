"""Which JSON Schemas an output can be held to: those that Claude Code takes, which are of draft-07.

Each here was tried with the real one. It takes the right ones and refuses the wrong ones, when a step starts; what is
wrong in `$defs` or `patternProperties` it finds only when that is used.
"""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from handoff.output_schema import JsonSchema

READ: TypeAdapter[dict[str, Any]] = TypeAdapter(JsonSchema)


def fault_of(schema: dict[str, Any]) -> str:
    with pytest.raises(ValidationError) as refused:
        READ.validate_python(schema)
    return refused.value.errors()[0]["msg"]


def a(**keywords: Any) -> dict[str, Any]:
    """A schema of a table with one field `a`."""
    return {"type": "object", "properties": {"a": keywords}}


@pytest.mark.parametrize(
    "schema",
    [
        {},
        {"type": "array"},
        {"type": ["object", "null"], "nullable": True},
        a(minimum=1, exclusiveMaximum=2.5, multipleOf=0.5),
        a(minLength=1.0, maxLength=1e3),
        a(enum=[1, True, "1", None, 1.5], const=None, default={}, examples=[1], title="A", format="any"),
        a(items={}, contains=True, uniqueItems=True, maxItems=3),
        a(items=[{"type": "string"}], additionalItems=False),
        a(dependencies={"b": ["c"], "d": {"required": []}}, propertyNames={"pattern": "^[a-z]+$"}),
        {"if": {}, "else": {}, "not": {}, "allOf": [{}], "anyOf": [True], "oneOf": [{}]},
        {"$schema": "http://json-schema.org/draft-07/schema#", "$comment": "x", "readOnly": True},
        a(**{"$ref": "#"}),
        {**a(**{"$ref": "#/$defs/x"}), "$defs": {"x": {"type": "string"}}},
        {**a(**{"$ref": "#/definitions/b~1c%20d"}), "definitions": {"b/c d": {}}},
        {"properties": {"a": {"$ref": "#here"}, "b": {"$id": "#here"}}},
        {"$id": "http://example.com/root", "items": {"$ref": "http://example.com/root"}},
        a(**{"$ref": "http://json-schema.org/draft-07/schema#"}),
        *(
            a(type="string", pattern=pattern)
            for pattern in (
                r"^\d{4}-\d\d$", r"(?<year>\d+)\p{L}\k<year>", r"\u{1F600}\cA\/\.", r"(?<=a+)b", "[^]", "[]",
                r"[\w\-]+@[^\]]", "(?i:a)", "[[a&&b]", r"(a)\1", "a{99999999999}",
                r"\2(a)(b)", r"(a\1)", r"(?:\1(a))", r"(?<x>a)\1*", r"(a)[(]\\2", f"{'(a)' * 10}\\10",
            )
        ),
    ],
)  # fmt: skip
def test_what_claude_code_takes_is_taken(schema: dict[str, Any]) -> None:
    assert READ.validate_python(schema) == schema


@pytest.mark.parametrize(
    ("schema", "told"),
    [
        ({"type": "any"}, "/type is not one of array, boolean,"),
        ({"type": []}, "/type is not one of"),
        ({"type": ["string", "string"]}, "/type is not one of"),
        (a(minimum="five"), "/properties/a/minimum is no number"),
        (a(minimum=True), "/properties/a/minimum is no number"),
        ({"multipleOf": 0}, "/multipleOf is no number above 0"),
        ({"uniqueItems": "yes"}, "/uniqueItems is neither true nor false"),
        (a(minLength=1.5), "/properties/a/minLength is no count"),
        (a(minLength=-1), "/properties/a/minLength is no count"),
        (a(enum=[]), "/properties/a/enum is no list of different values"),
        (a(enum=["x", "x"]), "/properties/a/enum is no list of different values"),
        ({"required": ["a", "a"]}, "/required is no list of different names"),
        ({"required": "a"}, "/required is no list of different names"),
        ({"description": 5}, "/description is no text"),
        ({"examples": 3}, "/examples is no list"),
        ({"properties": 3}, "/properties is no table of schemas"),
        ({"properties": {"a": []}}, "/properties/a is neither a table nor true or false"),
        ({"allOf": []}, "/allOf is no list of schemas"),
        ({"oneOf": [3]}, "/oneOf/0 is neither"),
        ({"not": 3}, "/not is neither"),
        (a(items=[]), "/properties/a/items is no list of schemas"),
        (a(items={}, additionalItems=False), "`additionalItems` without a list of `items`"),
        ({"dependencies": {"a": 3}}, "/dependencies/a is neither"),
        ({"if": {}}, "`if` without `then` or `else`"),
        ({"then": {}}, "`then` without `if`"),
        ({"nullable": True}, "`nullable` without `type`"),
        ({"tyep": "object"}, "`tyep` is no keyword of JSON Schema draft-07; did you mean `type`?"),
        (a(prefixItems=[{}]), "/properties/a: `prefixItems` is no keyword of JSON Schema draft-07"),
        ({"$schema": "https://json-schema.org/draft/2020-12/schema"}, "/$schema is not"),
        ({"$ref": "#/nowhere"}, "/$ref leads to no schema here"),
        ({**a(**{"$ref": "#/required"}), "required": ["a"]}, "/properties/a/$ref leads to no schema here"),
        (a(**{"$ref": "#/properties"}), "/properties/a/$ref leads to no schema here"),
        (a(**{"$ref": "http://example.com/x"}), "/properties/a/$ref leads to no schema here"),
        (a(**{"$ref": 5}), "/properties/a/$ref is no text"),
        ({"$defs": {"x": {"minimum": "x"}}}, "/$defs/x/minimum is no number"),
        *(
            (a(type="string", pattern=pattern), "/properties/a/pattern is no regular expression")
            for pattern in (
                "(",
                "(?P<year>x)",
                "[a",
                "a**",
                "(?i)a",
                "(?#x)",
                r"\A",
                r"\-",
                r"\_",
                "a++",
                r"(a)\2",
                r"\1(?:a)",
                r"(a)[(]\2",
                f"(a)\\{'1' * 5000}",
                5,
            )
        ),
        ({"patternProperties": {"(": {}}}, "/patternProperties: '(' is no regular expression"),
        ({"enum": [date(2026, 11, 24)]}, "holds what JSON has not: a date"),
        ({"description": "x" * (128 << 10)}, "longer than 128 KiB"),
    ],
)
def test_what_claude_code_refuses_at_a_steps_start_is_refused_before_anything_runs(
    schema: dict[str, Any], told: str
) -> None:
    assert told in fault_of(schema)
