from __future__ import annotations

import json
import tomllib
from collections.abc import Iterator
from typing import Any

import tomli_w
from hypothesis import given, settings
from hypothesis import strategies as st

from handoff.document_error import Path, path_parts, path_text
from handoff.json_lines import json_places
from handoff.toml_lines import toml_lines

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=12) | st.sampled_from(
    ["a.b", "[x]", "a = 1", '"""', "'''", "\n", "\\", '"', "# no", "a\nb"]
)
TREES = st.recursive(
    TEXT | st.integers(-9, 9) | st.booleans() | st.dates() | st.datetimes(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=10,
)
DOCUMENTS = st.dictionaries(TEXT, TREES, max_size=4)


def paths_of(tree: Any, path: Path = ()) -> Iterator[Path]:
    children = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    for part, value in children:
        yield (*path, part)
        yield from paths_of(value, (*path, part))


@settings(max_examples=200)
@given(document=DOCUMENTS, multiline=st.booleans())
def test_every_value_of_a_toml_document_has_a_line(document, multiline):
    text = tomli_w.dumps(document, multiline_strings=multiline)
    tree = tomllib.loads(text)

    lines = toml_lines(text)

    assert set(lines) - {()} == set(paths_of(tree))
    assert all(1 <= line <= text.count("\n") + 1 for line in lines.values())


@settings(max_examples=200)
@given(document=DOCUMENTS, indent=st.sampled_from([None, 1]))
def test_every_value_of_a_json_document_has_a_line(document, indent):
    text = json.dumps(document, indent=indent, default=str)

    places = json_places(text)

    assert set(places.lines) - {()} == set(paths_of(json.loads(text)))
    assert not places.doubles


@given(
    path=st.lists(TEXT.filter(lambda text: text.isprintable()) | st.integers(0, 99), max_size=4).map(tuple)
)
def test_a_path_that_was_written_is_read_again(path):
    assert path_parts(path_text(path)) == path
