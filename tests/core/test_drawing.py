"""The pictures in the documentation are those of the tables."""

from __future__ import annotations

from pathlib import Path

from orchestrd.core.drawing import draw, draw_steps

DOCUMENT = Path(__file__).parents[2] / "docs" / "how-it-works.md"


def test_the_documentation_shows_the_tables_as_they_are() -> None:
    document = DOCUMENT.read_text("utf-8")

    assert draw() in document
    assert draw_steps() in document
