"""The picture in the documentation is that of the table."""

from __future__ import annotations

from pathlib import Path

from orchestrd.core.drawing import draw

DOCUMENT = Path(__file__).parents[2] / "docs" / "how-it-works.md"


def test_the_documentation_shows_the_table_as_it_is() -> None:
    assert draw() in DOCUMENT.read_text("utf-8")
