from __future__ import annotations

import json
import tomllib

import pytest

from handoff.formats import Format, dump, read_document
from handoff.result import Result
from tests.builders import a_result

FULL = {
    "summary": 'It says "hello"\r\nin two lines\n\x1b[31mand in red\x00\u2028',
    "usage": {"cost_usd": 0.5, "turns": 3},
    "changes": {"branch": "handoff/hello", "commits": 1, "patch": "archive/2026-11/hello/changes.patch"},
    "steps": [
        {
            "id": "main",
            "status": "succeeded",
            "output": {"n": 3},
            "denied": [{"tool": "Bash", "input_json": '{"command":"rm -rf /"}', "why": "rule"}],
            "usage": {},
        }
    ],
    "checks": [{"command": ["make", "test"], "round": 1, "exit": 0, "seconds": 1.5, "output_tail": "ok\n"}],
    "errors": [{"path": "steps[1].needs", "line": 3, "message": "m", "hint": "h"}],
    "docs": {"request": "requests/hello.docs.md"},
    "metadata": {"ticket": "API-142", "empty": [], "nested": {"a": {}}},
}


@pytest.mark.parametrize("file_format", [Format.TOML, Format.JSON])
def test_a_result_is_read_again_as_it_was_written(file_format):
    result = a_result(**FULL)

    assert read_document(Result, dump(result, file_format), file_format) == result


def test_what_has_no_value_is_left_out():
    written = tomllib.loads(dump(a_result(), Format.TOML).decode())

    assert set(written) == {"handoff", "plan", "source", "status", "settled"}


def test_both_languages_hold_the_same_fields():
    result = a_result(**FULL)

    toml = tomllib.loads(dump(result, Format.TOML).decode())
    written = json.loads(dump(result, Format.JSON))

    assert toml["settled"].isoformat() == "2026-11-24T02:00:00+00:00"
    assert written.pop("settled") == "2026-11-24T02:00:00Z"
    assert written == {name: value for name, value in toml.items() if name != "settled"}


def test_date_times_are_written_as_rfc_3339_in_utc():
    assert b"\nsettled = 2026-11-24T02:00:00Z\n" in dump(a_result(), Format.TOML)


def test_a_person_can_read_a_long_summary():
    text = dump(a_result(summary="First line\nSecond line"), Format.TOML).decode()

    assert "First line\nSecond line" in text


def test_no_control_character_reaches_a_terminal_raw():
    text = dump(a_result(summary="\x1b[31mred\x07"), Format.TOML)

    assert b"\x1b" not in text
    assert b"\x07" not in text


def test_half_a_surrogate_pair_does_not_keep_a_result_from_being_written():
    result = a_result().model_copy(update={"summary": "a\ud800b"})

    assert read_document(Result, dump(result, Format.TOML), Format.TOML).summary == "a?b"


def test_metadata_of_a_json_plan_keeps_its_nulls():
    result = a_result(metadata={"nothing": None, "list": [None, 1]})

    assert json.loads(dump(result, Format.JSON))["metadata"] == {"nothing": None, "list": [None, 1]}
    assert tomllib.loads(dump(result, Format.TOML).decode())["metadata"] == {"list": [1]}


def test_the_empty_usage_is_written_with_its_zeros():
    assert json.loads(dump(a_result(usage={}), Format.JSON))["usage"]["cost_usd"] == 0
