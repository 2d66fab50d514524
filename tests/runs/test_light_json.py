from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import orchestrd
from orchestrd.runs.light_json import line, parse

DOCUMENTS = st.dictionaries(
    st.text(),
    st.recursive(
        st.none()
        | st.booleans()
        | st.integers()
        | st.floats(allow_nan=False, allow_infinity=False)
        | st.text(),
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=20), inner, max_size=4),
    ),
)


@given(DOCUMENTS)
def test_what_is_written_is_one_line_and_is_read_the_same_by_json(document: dict[str, object]) -> None:
    written = line(document)

    assert written.count(b"\n") == 1
    assert json.loads(written) == parse(written) == document


@pytest.mark.parametrize(
    "text", [b"", b"  ", b"{", b'{"a": 1} x', b"nope", b"{'a': 1}", b'{"a": 1,}', b"\xff"]
)
def test_what_is_no_json_is_a_value_error(text: bytes) -> None:
    with pytest.raises(ValueError):
        parse(text)


def test_a_runner_loads_neither_json_nor_what_json_loads() -> None:
    package = Path(orchestrd.__file__).parent.parent
    code = f"import sys; sys.path.append({str(package)!r}); import orchestrd.runs.supervision; print(*sys.modules)"

    loaded = subprocess.run(
        [sys.executable, "-I", "-S", "-c", code], capture_output=True, text=True, check=True
    ).stdout

    assert "orchestrd.runs.supervision" in loaded.split()
    assert not {"json", "re", "enum", "signal", "subprocess", "ctypes", "psutil"} & set(loaded.split())
