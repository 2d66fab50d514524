"""The ways in which files come into the inbox: whole and by rename, in halves, by a second link, held open."""

from __future__ import annotations

import hashlib
import os
from contextlib import suppress
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from time import monotonic


class Way(StrEnum):
    """How a writer does it."""

    RENAME = "rename"
    """The right way: a temporary, then its final name."""
    COPY = "copy"
    """The final name, written in two goes, closed."""
    LINK = "link"
    """A temporary, then a second link to it by the final name; whoever does so unlinks the temporary afterwards."""
    HALF = "half"
    """Half of it under the final name, and the file kept open; the rest may come, or never."""
    CLOSED_HALF = "closed half"
    """The same, but closed: the rest, if it comes, is appended."""
    HIDDEN_HALF = "hidden half"
    """Half of it in a temporary; the rest and the rename may come, or never."""
    HELD = "held"
    """Renamed into place and held open for writing: what is written may change after it was taken."""


UNFINISHED = (Way.LINK, Way.HALF, Way.CLOSED_HALF, Way.HIDDEN_HALF, Way.HELD)
"""Those after which something is left to do."""


@dataclass(slots=True)
class Writer:
    """One file on its way into the inbox."""

    inbox: Path
    name: str
    way: Way
    content: bytes = b""
    other: bytes = b""
    """What a file that is held is changed into."""
    began: float = field(default_factory=monotonic)
    finished: float | None = None
    """When nothing was left to do."""
    lies: bytes | None = None
    """What lies there under the final name; None: nothing was to be seen yet."""
    gone: bool = False
    """It was taken back before the daemon took it."""
    _fd: int | None = None

    @property
    def path(self) -> Path:
        """Its final name."""
        return self.inbox / self.name

    @property
    def temporary(self) -> Path:
        """Where it is written before."""
        return self.inbox / f".{self.name}.tmp"

    @property
    def sha256(self) -> str | None:
        """Of what lies there."""
        return None if self.lies is None else hashlib.sha256(self.lies).hexdigest()

    @property
    def is_whole(self) -> bool:
        """Whether what lies there is all of it."""
        return self.lies in {self.content, self.other} and self.lies is not None

    def begin(self) -> None:
        """Write what comes first."""
        half = len(self.content) // 2
        match self.way:
            case Way.RENAME:
                self.temporary.write_bytes(self.content)
                self._rename()
                self.finished = monotonic()
            case Way.COPY:
                with self.path.open("xb", buffering=0) as file:
                    file.write(self.content[:half])
                    file.write(self.content[half:])
                self.lies = self.content
                self.finished = monotonic()
            case Way.LINK:
                self.temporary.write_bytes(self.content)
                os.link(self.temporary, self.path)
                self.lies = self.content
            case Way.HALF | Way.CLOSED_HALF | Way.HIDDEN_HALF:
                place = self.temporary if self.way is Way.HIDDEN_HALF else self.path
                self._fd = os.open(place, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
                os.write(self._fd, self.content[:half])
                self.lies = None if self.way is Way.HIDDEN_HALF else self.content[:half]
                if self.way is Way.CLOSED_HALF:
                    self._close()
            case Way.HELD:
                self.temporary.write_bytes(self.content)
                self._fd = os.open(self.temporary, os.O_WRONLY)
                self._rename()

    def finish(self) -> None:
        """Write what is left, once. What was taken back or refused meanwhile is left as it is."""
        if self.finished is not None:
            return
        half = len(self.content) // 2
        match self.way:
            case Way.LINK:
                self.temporary.unlink()
            case Way.HALF:
                os.write(self._fd, self.content[half:])
                self.lies = self.content
            case Way.CLOSED_HALF:
                with suppress(FileNotFoundError):  # it was refused by now, as one that is torn
                    self._fd = os.open(self.path, os.O_WRONLY | os.O_APPEND)
                    os.write(self._fd, self.content[half:])
                    self.lies = self.content
            case Way.HIDDEN_HALF:
                os.write(self._fd, self.content[half:])
                self._close()
                self._rename()
            case Way.HELD:
                os.truncate(self._fd, 0)
                os.pwrite(self._fd, self.other, 0)
                self.lies = self.other
        self._close()
        self.finished = monotonic()

    def leave(self) -> None:
        """Never finish it: the writer died."""
        self._close()

    def give_up(self) -> None:
        """Leave nothing behind of what could not be written."""
        self._close()
        self.temporary.unlink(missing_ok=True)
        self.path.unlink(missing_ok=True)
        self.lies = None

    def take_back(self) -> bool:
        """Remove it from the inbox, if it lies there yet."""
        try:
            self.path.unlink()
        except FileNotFoundError:
            return False
        self.gone = True
        return True

    def _rename(self) -> None:
        self.temporary.rename(self.path)
        self.lies = self.content

    def _close(self) -> None:
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None
