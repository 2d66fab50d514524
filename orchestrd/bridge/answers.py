"""What every tool answers, and how it says that it cannot."""

from __future__ import annotations

from pydantic import BaseModel, Field

MOST_CHARS = 25_000
"""Characters of an answer, unless more were asked for."""

MOST_ASKED = 1_000_000
"""So many may be asked for."""


class Answer(BaseModel):
    """What every tool answers."""

    daemon: str = Field(
        default="",
        description='Whether the daemon, which carries plans out, is there: "running", "paused …", "draining …", '
        '"stalled …" or "away since …". While it is away everything can be read, and what is handed in waits for it.',
    )
    cut: list[str] = Field(
        default_factory=list,
        description="What was shortened or left out to keep this answer short; empty: nothing.",
    )


class CannotDo(Exception):
    """What was asked for cannot be done: what is wrong, where, and what to do. It is told to the model as it stands."""
