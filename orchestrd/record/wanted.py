"""Which settled plans the index is asked for. Pure."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which settled plans are asked for; None: whatever it is."""

    status: str | None = None
    project: str | None = None
    since: str | None = None
    """Settled then or later; RFC 3339, as rows have it."""
    until: str | None = None
    """Settled before."""

    def clause(self) -> tuple[str, list[object]]:
        """Say it in SQL."""
        given = (
            ("status =", self.status),
            ("project =", self.project),
            ("settled >=", self.since),
            ("settled <", self.until),
        )
        parts = [f"{words} ?" for words, value in given if value is not None]
        return " AND ".join(["status NOT NULL", *parts]), [value for _, value in given if value is not None]
