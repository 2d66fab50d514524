"""Being told what was renamed into one folder, for a process that can do without threads and libraries: the runner.

A hint and no more, as for the daemon: what is not told is found by looking. Standard library only.
"""

from __future__ import annotations

import os
import sys

from handoff import platform
from handoff.effects import effects, let_go

_HEAD_BYTES = 16
"""What precedes the name in `struct inotify_event`: watch, mask, cookie, length of the name; 4 bytes each."""
_MOVED_TO = 0x80
_IGNORED = 0x8000
"""The folder is gone, and the watch with it."""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator


class Arrivals:
    """What arrives in a folder, from now on. Where the system does not tell, nothing ever does."""

    def __init__(self, folder: str, *, polling: bool = False) -> None:
        self._folder = folder
        self._polling = polling or not platform.PLATFORM.inotify
        self._place: tuple[int, int] | None = None
        self._fd: int | None = None

    @property
    def ear(self) -> int | None:
        """Becomes readable when something has arrived; None: one has to look."""
        return self._fd

    def repair(self) -> None:
        """Watch the folder that has the name now, if that is not being done. Raises nothing: then one has to look."""
        if self._polling:
            return
        try:
            found = effects.stat(self._folder, follow=False)
        except OSError:
            # One that is made anew may have the number of the one that is gone, whose watch went with it.
            self.close()
            return
        if self._fd is None or self._place != (found.st_dev, found.st_ino):
            self.close()
            self._place = (found.st_dev, found.st_ino)
            self._fd = self._watch()

    def take_renamed(self) -> set[str]:
        """Name what was renamed into the folder since this was asked last."""
        renamed: set[str] = set()
        while self._fd is not None:
            try:
                told = effects.read(self._fd, 1 << 16)
            except OSError:  # nothing more (EAGAIN), or not to be had
                break
            if not told:
                break
            for mask, name in _events(told):
                if mask & _MOVED_TO and name:
                    renamed.add(os.fsdecode(name))
                elif mask & _IGNORED:
                    self.close()
        return renamed

    def close(self) -> None:
        """Give the watch back."""
        if self._fd is not None:
            let_go(self._fd)
        self._fd = self._place = None

    def _watch(self) -> int | None:
        try:
            from handoff import syscalls  # ctypes: 4 ms that only those pay who ask

            if not syscalls.has("inotify_init1"):
                return None
            fd = syscalls.new_watches()
        except (ImportError, OSError):
            return None
        try:
            syscalls.watch_arrivals(fd, self._folder)
        except OSError:
            let_go(fd)
            return None
        return fd


def _events(told: bytes) -> Iterator[tuple[int, bytes]]:
    at = 0
    while at + _HEAD_BYTES <= len(told):
        mask = int.from_bytes(told[at + 4 : at + 8], sys.byteorder)
        length = int.from_bytes(told[at + 12 : at + 16], sys.byteorder)
        yield mask, told[at + _HEAD_BYTES : at + _HEAD_BYTES + length].rstrip(b"\0")
        at += _HEAD_BYTES + length
