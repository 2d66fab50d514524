"""The simplest value that satisfies a JSON Schema, so that a rehearsal of a plan with structured output gets one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_DEPTH = 12
_FORMATS = {
    "date": "2026-01-01",
    "date-time": "2026-01-01T00:00:00Z",
    "email": "rehearsal@example.org",
    "uri": "https://example.org/",
    "uuid": "00000000-0000-4000-8000-000000000000",
}


def sample_of(schema: object, root: Mapping[str, Any] | None = None, depth: int = 0) -> Any:
    """A value for `schema`: constants, enums, bounds, required members and local references are respected."""
    if not isinstance(schema, Mapping) or depth > _DEPTH:
        return "rehearsal"
    root = schema if root is None else root
    if isinstance(schema.get("$ref"), str):
        return sample_of(_referred(root, schema["$ref"]), root, depth + 1)
    for word in ("const", "default"):
        if word in schema:
            return schema[word]
    if schema.get("enum"):
        return schema["enum"][0]
    for word in ("anyOf", "oneOf", "allOf"):
        if schema.get(word):
            parts = schema[word] if word == "allOf" else schema[word][:1]
            return sample_of(
                {**{k: v for k, v in schema.items() if k != word}, **_merged(parts, root)}, root, depth + 1
            )
    kind = schema.get("type", "object" if "properties" in schema else "string")
    return _of_type(kind[0] if isinstance(kind, list) else kind, schema, root, depth)


def _of_type(kind: str, schema: Mapping[str, Any], root: Mapping[str, Any], depth: int) -> Any:
    match kind:
        case "object":
            properties = schema.get("properties", {})
            wanted = schema.get("required", list(properties))
            return {name: sample_of(properties.get(name, {}), root, depth + 1) for name in wanted}
        case "array":
            return [
                sample_of(schema.get("items", {}), root, depth + 1)
                for _ in range(max(1, schema.get("minItems", 0)))
            ]
        case "integer" | "number":
            return _number(schema)
        case "boolean":
            return True
        case "null":
            return None
        case _:
            text = _FORMATS.get(schema.get("format", ""), "rehearsal").ljust(schema.get("minLength", 0), ".")
            return text[: schema.get("maxLength", len(text))]


def _number(schema: Mapping[str, Any]) -> float:
    if "minimum" in schema:
        least: float = schema["minimum"]
        return least
    if "exclusiveMinimum" in schema:
        above: float = schema["exclusiveMinimum"] + 1
        return above
    most: float = schema.get("maximum", 1)
    return min(1, most)


def _referred(root: Mapping[str, Any], reference: str) -> object:
    place: Any = root
    for part in reference.removeprefix("#/").split("/"):
        place = place.get(part, {}) if isinstance(place, Mapping) else {}
    return place


def _merged(parts: list[Any], root: Mapping[str, Any]) -> dict[str, Any]:
    merged: dict[str, Any] = {}
    for part in parts:
        found = _referred(root, part["$ref"]) if isinstance(part, Mapping) and "$ref" in part else part
        if isinstance(found, Mapping):
            properties = {**merged.get("properties", {}), **found.get("properties", {})}
            required = [*merged.get("required", []), *found.get("required", [])]
            merged = {**merged, **found}
            if properties:
                merged |= {"properties": properties, "required": required or list(properties)}
    return merged
