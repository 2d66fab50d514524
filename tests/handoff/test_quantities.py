from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from handoff.quantities import format_duration, format_size, parse_duration, parse_size


@pytest.mark.parametrize(
    "text, seconds",
    [
        ("90s", 90),
        ("45m", 2700),
        ("1h30m", 5400),
        ("2d", 172800),
        ("0.5s", 0.5),
        ("250ms", 0.25),
        ("1.5h", 5400),
    ],
)
def test_a_duration_is_read_as_people_write_it(text, seconds):
    assert parse_duration(text) == seconds


@pytest.mark.parametrize(
    "text", ["", "90", "s", "1 h", "-1s", "30m1h", "1h1h", "1e3s", "٣s", "9" * 5000 + "s", "1h\n"]
)
def test_what_is_no_duration_is_refused_with_what_was_expected(text):
    with pytest.raises(ValueError) as refused:
        parse_duration(text)

    assert "90s" in str(refused.value)


@pytest.mark.parametrize(
    "text, size",
    [("512MiB", 512 << 20), ("4GiB", 4 << 30), ("1.5KiB", 1536), ("10MB", 10**7), ("7B", 7), ("1 GB", 10**9)],
)
def test_a_size_is_read_as_people_write_it(text, size):
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "512", "4gib", "4 GiBs", "-1MiB", "GiB", "1e3MiB"])
def test_what_is_no_size_is_refused_with_what_was_expected(text):
    with pytest.raises(ValueError) as refused:
        parse_size(text)

    assert "512MiB" in str(refused.value)


@given(st.integers(0, 10**12))
def test_a_duration_that_was_written_is_read_again_to_the_millisecond(milliseconds):
    assert parse_duration(format_duration(milliseconds / 1000)) == milliseconds / 1000


@given(st.integers(0, 2**50))
def test_a_size_that_was_written_is_read_again_to_the_byte(size):
    assert parse_size(format_size(size)) == size
