"""JSON as it stands in a file: where each piece lies, and what is none."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrd.desktop.json_text import NotJson, parse, value_of, walk
from tests.desktop.json_documents import documents


def test_each_piece_is_found_where_it_lies():
    text = '{ "a" : [1, "\\u00e9", {"b": null}], "c": -0.5e+3 }'

    root = parse(text)

    assert [text[node.start : node.end] for node in walk(root)] == [
        text,
        '[1, "\\u00e9", {"b": null}]',
        "1",
        '"\\u00e9"',
        '{"b": null}',
        "null",
        "-0.5e+3",
    ]
    assert value_of(text, root) == json.loads(text)


def test_a_byte_order_mark_and_blanks_around_are_no_matter():
    text = '\ufeff \r\n\t{"a": 1}\n\n'

    assert value_of(text, parse(text)) == {"a": 1}


@pytest.mark.parametrize(
    "text, line, column, says",
    [
        ("", 1, 1, "nothing in it"),
        ("\ufeff\n", 2, 1, "nothing in it"),
        ('{\n  // servers\n  "a": 1\n}', 2, 3, "a comment"),
        ('{"a": 1 /* one */}', 1, 9, "a comment"),
        ('{"a": 1} # one', 1, 10, "a comment"),
        ('{\n  "a": 1,\n}', 2, 9, "a comma after the last one"),
        ("[1, 2, ]", 1, 6, "a comma after the last one"),
        ('{"a": 1 "b": 2}', 1, 9, "a comma or } was expected"),
        ('{"a" 1}', 1, 6, "a colon was expected"),
        ("{'a': 1}", 1, 2, "a key in double quotes was expected"),
        ("{a: 1}", 1, 2, "a key in double quotes was expected"),
        ('{"a": NaN}', 1, 7, "a value was expected, not 'NaN}'"),
        ('{"a": 01}', 1, 8, "a comma or } was expected"),
        ('{"a": +1}', 1, 7, "a value was expected"),
        ('{"a": "x\ny"}', 1, 7, "a text that does not end"),
        ('{"a": "\\x41"}', 1, 7, "a backslash that means nothing"),
        ('{"a": 1', 1, 8, "the file ends here"),
        ('{"a": {', 1, 8, "the file ends here"),
        ('{"a": 1}}', 1, 9, "something follows"),
        ('{"a": 1,\n "\\u0061": 2}', 2, 2, 'the key "a" stands twice (first in line 1)'),
        ('{"a": [{"b": 1, "b": 1}]}', 1, 17, 'the key "b" stands twice'),
        ("[" * 500 + "]" * 500, 1, 202, "within one another"),
    ],
)
def test_what_is_no_json_is_told_with_its_place(text, line, column, says):
    with pytest.raises(NotJson) as raised:
        parse(text)

    assert (raised.value.line, raised.value.column) == (line, column)
    assert says in raised.value.message


def _no_constant(name: str) -> None:
    raise ValueError(name)


def _once_each(pairs: list[tuple[str, object]]) -> dict[str, object]:
    if len({key for key, _ in pairs}) < len(pairs):
        raise ValueError("twice")
    return dict(pairs)


@given(
    documents(),
    st.integers(0, 200),
    st.sampled_from(["", "{", "}", "[", ",", ":", '"', "\\", "1", "-", "\n", "/"]),
)
def test_it_takes_what_json_takes_and_nothing_else(text, at, put):
    broken = text[:at] + put + text[at + 1 :]

    try:
        json.loads(broken.removeprefix("\ufeff"), parse_constant=_no_constant, object_pairs_hook=_once_each)
    except ValueError:
        with pytest.raises(NotJson):
            parse(broken)
    else:
        parse(broken)
