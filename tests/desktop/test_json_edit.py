"""One member is put in or taken out, and every other byte stays."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrd.desktop.json_edit import drop_member, put_member
from orchestrd.desktop.json_text import parse
from tests.desktop.json_documents import documents, exact, objects

VALUE = {"command": "/bin/x", "args": ["a", 'b"\\ü\u2028'], "env": {"K": "v"}}


def put(text: str, key: str = "new") -> str:
    return put_member(text, parse(text), key, VALUE)


def drop(text: str, key: str = "new") -> str:
    root = parse(text)
    member = root.member(key)
    assert member is not None
    return drop_member(text, root, member)


@given(documents())
def test_all_else_means_what_it_meant_whatever_the_style(text):
    changed = put(text)

    kind, members = exact(changed)
    assert kind == "object"
    assert members[:-1] == exact(text)[1]
    assert json.loads(changed.removeprefix("\ufeff"))["new"] == VALUE
    assert exact(drop(changed)) == exact(text)


@given(documents())
def test_what_is_put_in_is_one_piece_and_all_other_bytes_stay(text):
    changed = put(text)

    root = parse(text)
    if not root.members:  # only the blanks between its braces go
        assert changed.startswith(text[: root.start + 1])
        assert changed.endswith(text[root.end - 1 :])
        return
    at = root.members[-1].value.end
    assert changed[:at] == text[:at]
    assert changed.endswith(text[at:])
    assert drop(changed) == text


@given(documents(new=st.just('{"old": 1}')))
def test_a_member_that_is_there_is_replaced_in_its_place(text):
    changed = put(text)

    before, after = exact(text)[1], exact(changed)[1]
    assert [name for name, _ in before] == [name for name, _ in after]
    assert [pair for pair in before if pair[0] != "new"] == [pair for pair in after if pair[0] != "new"]
    assert json.loads(changed.removeprefix("\ufeff"))["new"] == VALUE


@given(objects(new=st.just('{"old": 1}')))
def test_a_member_from_the_middle_takes_its_comma_with_it(text):
    assert exact(drop(text))[1] == [pair for pair in exact(text)[1] if pair[0] != "new"]


@pytest.mark.parametrize(
    "text, wanted",
    [
        ("{}\n", '{\n  "new": {\n    "a": 1\n  }\n}\n'),
        ('{"x":1}', '{"x":1,"new":{"a":1}}'),
        ('{"x": 1, "y": 2}', '{"x": 1, "y": 2, "new": {"a": 1}}'),
        ('{\n\t"x": 1\n}', '{\n\t"x": 1,\n\t"new": {\n\t\t"a": 1\n\t}\n}'),
        ('{\r\n    "x": 1\r\n}\r\n', '{\r\n    "x": 1,\r\n    "new": {\r\n        "a": 1\r\n    }\r\n}\r\n'),
        ('\ufeff{\n "x":1\n}', '\ufeff{\n "x":1,\n "new":{\n  "a":1\n }\n}'),
    ],
)
def test_what_is_put_in_is_written_as_its_neighbours_are(text, wanted):
    assert put_member(text, parse(text), "new", {"a": 1}) == wanted


def test_a_first_server_is_indented_as_the_file_is():
    text = '{\n    "mcpServers": {\n    }\n}'
    section = parse(text).member("mcpServers")
    assert section is not None

    changed = put_member(text, section.value, "new", {"a": 1})

    assert changed == '{\n    "mcpServers": {\n        "new": {\n            "a": 1\n        }\n    }\n}'
