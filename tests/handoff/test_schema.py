from __future__ import annotations

import json
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from handoff.formats import Format, read_document
from handoff.order import Order
from handoff.plan import Plan
from handoff.schema import NAMES, schema_path, schema_text
from tests.builders import a_plan, a_result

EXAMPLES = sorted((Path(__file__).parents[2] / "examples").glob("*.plan.*"))


def schema(name: str) -> dict[str, Any]:
    return dict(json.loads(schema_path(name).read_text()))


def as_json(value: Any) -> Any:
    return json.loads(json.dumps(value, default=lambda date: date.isoformat().replace("+00:00", "Z")))


@pytest.mark.parametrize("name", NAMES)
def test_the_schemas_are_current_and_valid(name):
    assert schema_path(name).read_text() == schema_text(name), "run: python -m handoff.schema"

    jsonschema.Draft202012Validator.check_schema(schema(name))


def test_the_check_says_by_its_exit_code_whether_schemas_are_stale():
    good = subprocess.run([sys.executable, "-m", "handoff.schema", "--check"], check=False)
    bad = subprocess.run(
        [sys.executable, "-m", "handoff.schema", "--wrong"], check=False, capture_output=True
    )

    assert (good.returncode, bad.returncode) == (0, 2)


@pytest.mark.parametrize("name", NAMES)
def test_every_table_is_closed_and_every_field_described(name):
    for table in tables(schema(name)):
        assert table.get("additionalProperties") is False
        for field in table["properties"].values():
            assert "description" in field or "$ref" in field


def tables(of: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield from (one for one in (of, *of.get("$defs", {}).values()) if "properties" in one)


def test_there_are_examples_in_every_language():
    assert {path.suffix for path in EXAMPLES} == {".toml", ".json", ".md"}


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_the_examples_are_plans(path):
    read_document(Plan, path.read_bytes(), Format.of(path.name))


@pytest.mark.parametrize("path", [one for one in EXAMPLES if one.suffix != ".md"], ids=lambda path: path.name)
def test_an_editor_accepts_the_examples(path):
    read = tomllib.loads if path.suffix == ".toml" else json.loads

    jsonschema.validate(as_json(read(path.read_text())), schema("plan"))


@pytest.mark.parametrize(
    "wrong",
    [
        {"titel": "x"},
        {"limits": {"timeout": 90}},
        {"limits": {"timeout": "90"}},
        {"priority": 101},
        {"workflow": "feature"},
        {"permissions": {"mode": "yolo"}},
        {"handoff": 2},
    ],
)
def test_an_editor_marks_what_the_daemon_would_refuse(wrong):
    plan = {"handoff": 1, "project": "~/x", "prompt": "hello", **wrong}

    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(plan, schema("plan"))


def test_what_we_write_validates():
    plan = a_plan(limits={"timeout": "1h30m", "memory": "4GiB"})

    jsonschema.validate(json.loads(plan_json(plan)), schema("plan"))
    jsonschema.validate(json.loads(plan_json(a_result(summary="x"))), schema("result"))
    jsonschema.validate(json.loads(plan_json(Order(action="pause"))), schema("order"))


def plan_json(document: Any) -> bytes:
    from handoff.formats import dump

    return dump(document, Format.JSON)
