from __future__ import annotations

from typing import Any

import jsonschema
import pytest

from orchestrd.rehearsal.sample import sample_of


@pytest.mark.parametrize(
    "schema",
    [
        {
            "type": "object",
            "properties": {"a": {"type": "string"}},
            "required": ["a"],
            "additionalProperties": False,
        },
        {"type": "array", "items": {"type": "integer", "minimum": 4}, "minItems": 3},
        {"enum": ["x", "y"]},
        {"const": {"k": 1}},
        {"type": ["null", "string"]},
        {"type": "string", "minLength": 12, "maxLength": 14},
        {"type": "number", "exclusiveMinimum": 2, "maximum": 9},
        {"type": "integer", "maximum": -3},
        {"$defs": {"p": {"type": "boolean"}}, "type": "object", "properties": {"q": {"$ref": "#/$defs/p"}}},
        {"anyOf": [{"type": "integer"}, {"type": "string"}]},
        {
            "allOf": [
                {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]},
                {"type": "object", "properties": {"b": {"type": "boolean"}}, "required": ["b"]},
            ]
        },
        {"type": "string", "format": "date-time"},
    ],
)
def test_a_sample_satisfies_its_schema(schema: dict[str, Any]):
    jsonschema.validate(sample_of(schema), schema)


def test_a_schema_that_refers_to_itself_comes_to_an_end():
    schema = {"type": "object", "properties": {"child": {"$ref": "#"}}}

    assert isinstance(sample_of(schema), dict)
