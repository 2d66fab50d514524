"""The index is kept current, and is in nobody's way: what goes wrong with it is told, and put in later.

It is derived: plans run, and results come, without it.
"""

from __future__ import annotations

import sqlite3
from collections import deque
from pathlib import Path

from orchestrd.core.events import Moment
from orchestrd.errands import AGAIN_SECONDS
from orchestrd.record.index import Index, Row
from orchestrd.troubles import Trouble, Troubles

WORD = "index"
MOST_PENDING = 10_000
"""Rows that are kept for later. What is beyond that only `orchestrd reindex` finds again."""


class Indexing:
    """Rows on their way into the index. Lives in the loop's thread."""

    def __init__(self, path: Path, troubles: Troubles) -> None:
        self._path = path
        self._troubles = troubles
        self._index: Index | None = None
        self._pending: deque[Row] = deque(maxlen=MOST_PENDING)
        self._not_before = float("-inf")

    def add(self, row: Row) -> None:
        """Have a row put in with the next turn."""
        self._pending.append(row)

    def turn(self, at: Moment) -> None:
        """Put in what is pending; after a trouble not before some seconds have passed."""
        if at.boot < self._not_before or (self._index is not None and not self._pending):
            return
        try:
            if self._index is None:
                self._index = Index(self._path)
            self._index.put_many(self._pending)
        except sqlite3.Error as error:
            self._not_before = at.boot + AGAIN_SECONDS
            remedy = "plans run without it; if this stays, stop the daemon and run `orchestrd reindex`"
            self._troubles.raise_(Trouble(WORD, f"{self._path}: {error}", remedy))
        else:
            self._pending.clear()
            self._troubles.clear(WORD)

    def next_look(self, at: Moment) -> float | None:
        """Seconds until there is something to do here; None: nothing until a row comes."""
        return max(0.0, self._not_before - at.boot) if self._pending or self._index is None else None

    def close(self) -> None:
        """The daemon stops."""
        if self._index is not None:
            self._index.close()
