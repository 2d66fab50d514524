"""What was told, by which channel: remembered over restarts, and forgotten with what it was about.

A file of the daemon's own, `.orchestrd/notified.json`. Written after something was told: who is killed between the
two tells it once more; the other way round it would not be told at all.
"""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from handoff import durable, looking
from handoff.root import Root

NAME = "notified.json"
TICK_SECONDS = 1.0
BACK_SECONDS = 120.0
"""A result is told within so long after it was published; what is older than that was told."""


@dataclass(slots=True)
class Notified:
    """What was told, by its id: by which channels, and when (seconds since 1970)."""

    root: Root
    results_since: float | None = None
    """Results that were published before are not told any more; None: this root never told one."""
    is_new: bool = False
    """Something is in it that is not on the disk."""
    _told: dict[str, tuple[frozenset[str], float]] = field(default_factory=dict)

    @property
    def path(self) -> Path:
        """Where it is kept."""
        return self.root.private / NAME

    @classmethod
    def load(cls, root: Root) -> Notified:
        """Read what earlier daemons told; one that is damaged counts as none: it is told again. Raises OSError."""
        found = cls(root)
        try:
            raw = looking.read_file(found.path)
            given = json.loads(raw)
            since = given.get("results_since")
            found.results_since = float(since) if since is not None else None
            found._told = {str(name): _entry(entry) for name, entry in given["told"].items()}
        except FileNotFoundError:
            pass
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
            return cls(root)
        return found

    def was_told(self, news: str, channel: str) -> bool:
        """Tell whether something was told by a channel."""
        return channel in self._told.get(news, (frozenset(), 0.0))[0]

    def note(self, news: Collection[str], channel: str, wall: float) -> None:
        """These were told by a channel just now."""
        for one in news:
            channels, _ = self._told.get(one, (frozenset(), 0.0))
            self._told[one] = (channels | {channel}, wall)
            self.is_new = True

    def forget_gone(self, prefix: str, present: Collection[str]) -> None:
        """Of those whose ids begin so only the present ones are still to be remembered."""
        gone = [one for one in self._told if one.startswith(prefix) and one not in present]
        for one in gone:
            del self._told[one]
        self.is_new = self.is_new or bool(gone)

    def results_until(self, wall: float, prefix: str) -> None:
        """All results that were published until then were told, or are not to be: they are forgotten."""
        wall = max(wall, self.results_since or wall)
        self.results_since = wall
        # What was told by then was published by then; a disk's clock and ours differ by a tick.
        until = wall - TICK_SECONDS
        old = [one for one, (_, told) in self._told.items() if one.startswith(prefix) and told < until]
        for one in old:
            del self._told[one]
        self.is_new = True

    def content(self) -> bytes:
        """What is to be on the disk."""
        self.is_new = False
        told = {one: {"by": sorted(by), "time": round(time, 3)} for one, (by, time) in self._told.items()}
        return json.dumps({"results_since": self.results_since, "told": told}, indent=0).encode() + b"\n"

    def save(self, content: bytes) -> None:
        """Bring it there. Raises OSError. From any thread."""
        durable.replace(self.path, content)


def _entry(given: Any) -> tuple[frozenset[str], float]:
    return frozenset(str(one) for one in given["by"]), float(given["time"])
