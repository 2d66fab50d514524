"""What `orchestrd doctor` tells of one thing."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at. `word`: ok, note (works, but look at it) or missing (does not work)."""

    word: str
    what: str
    found: str
    remedy: str = ""
