"""The index is kept current, and is in nobody's way: what goes wrong with it is told, and put in later.

It is derived: plans run, and results come, without it. Rows that a daemon before this one did not come to put in are
looked for by a thread of its own, once, when the index is open.
"""

from __future__ import annotations

import sqlite3
import threading
from collections import deque
from contextlib import suppress
from pathlib import Path

from handoff.root import Root
from orchestrd.core.events import Moment
from orchestrd.daemon.errands import AGAIN_SECONDS
from orchestrd.daemon.troubles import Trouble, Troubles
from orchestrd.record.index import Index, Row
from orchestrd.record.missing import missing_rows

WORD = "index"
MOST_PENDING = 10_000
"""Rows that are kept for later. What is beyond that is found again at the next start."""
MOST_AT_ONCE = 500
"""Rows of plans before this daemon that are read ahead: an index that was removed comes back bit by bit."""

LOOK_SECONDS = 1.0


class Indexing:
    """Rows on their way into the index. Lives in the loop's thread."""

    def __init__(self, path: Path, troubles: Troubles) -> None:
        self._path = path
        self._troubles = troubles
        self._index: Index | None = None
        self._pending: deque[Row] = deque(maxlen=MOST_PENDING)
        self._missing = _Missing(Root(path.parent.parent))  # as `Root.index` has it
        self._not_before = float("-inf")

    def add(self, row: Row) -> None:
        """Have a row put in with the next turn."""
        self._pending.append(row)

    def turn(self, at: Moment) -> None:
        """Put in what is pending; after a trouble not before some seconds have passed."""
        if at.boot < self._not_before:
            return
        if not self._pending:
            self._pending.extend(self._missing.take())
        if self._index is not None and not self._pending:
            return
        try:
            if self._index is None:
                self._index = Index(self._path)
                self._missing.look()
            self._index.put_many(self._pending)
        except (sqlite3.Error, OSError) as error:
            self._not_before = at.boot + AGAIN_SECONDS
            remedy = "plans run without it; if this stays, stop the daemon and run `orchestrd reindex`"
            self._troubles.raise_(Trouble(WORD, f"{self._path}: {error}", remedy))
        else:
            self._pending.clear()
            self._troubles.clear(WORD)

    def next_look(self, at: Moment) -> float | None:
        """Seconds until there is something to do here; None: nothing until a row comes."""
        if self._pending or self._index is None:
            return max(0.0, self._not_before - at.boot)
        return LOOK_SECONDS if self._missing.is_looking else None

    def close(self) -> None:
        """The daemon stops."""
        self._missing.leave()
        if self._index is not None:
            self._index.close()


class _Missing:
    """The rows that the index lacks, looked for beside the loop; what is found waits for one of its turns."""

    def __init__(self, root: Root) -> None:
        self._root = root
        self._found: deque[Row] = deque()
        self._room = threading.Semaphore(MOST_AT_ONCE)
        self._left = False
        self._thread = threading.Thread(target=self._look, name="missing-rows", daemon=True)

    @property
    def is_looking(self) -> bool:
        """Whether something was found, or may be."""
        return bool(self._found) or self._thread.is_alive()

    def look(self) -> None:
        """Begin to look."""
        self._thread.start()

    def take(self) -> list[Row]:
        """Return what was found so far."""
        rows = [self._found.popleft() for _ in range(len(self._found))]
        if rows:
            self._room.release(len(rows))
        return rows

    def leave(self) -> None:
        """Look no further."""
        self._left = True
        self._room.release()

    def _look(self) -> None:
        # What is wrong with the index is told where it is written to.
        with suppress(sqlite3.Error, OSError):
            for row in missing_rows(self._root):
                self._room.acquire()
                if self._left:
                    return
                self._found.append(row)
