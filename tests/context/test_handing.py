"""A context as a run is told of it."""

from __future__ import annotations

import pytest

from orchestrd.context.handing import handed_over

EMPTY = "# api\n\n## Notes\n\n## State\n\n## Done"


def test_a_context_that_says_nothing_is_handed_to_nobody() -> None:
    assert handed_over(EMPTY) == handed_over("") == ""


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (EMPTY.replace("## State", "## State\n\n- one"), "# api\n\n## State\n\n- one"),
        (
            EMPTY.replace("## Notes", "## Notes\n\n### Mine\n\nUse tabs."),
            "# api\n\n## Notes\n\n### Mine\n\nUse tabs.",
        ),
        ("Use tabs.\n\n## Done", "Use tabs."),
    ],
)
def test_headings_over_nothing_are_left_out(words: str, told: str) -> None:
    text = handed_over(words)

    assert [line for line in text.split("\n") if line] == [line for line in told.split("\n") if line]


def test_what_stands_first_is_handed_over_where_it_is_too_long() -> None:
    text = handed_over("# api\n\nÜse tabs.\n\n" + "more of it\n" * 2000, 500)

    assert text.startswith("# api\n\nÜse tabs.")
    assert text.endswith("more of it\n\n(There is more; it is left out here.)")
    assert len(text.encode()) <= 500
