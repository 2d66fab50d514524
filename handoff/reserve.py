"""What is set aside on a root's disk, so that results and status can be written on a full one, and orders carried out.

1 MiB, really allocated, and some empty files, for a disk may have bytes and no inode left. One half is given away by
and by to runs that want to write their last words. The other is lent to the daemon's own writes, one at a time, and
taken back at once: a status file that replaces another needs nothing in the end, so what is kept for it outlasts a disk
that stays full, and one that fills again.
"""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

from handoff import durable
from handoff.effects import effects, let_go

T = TypeVar("T")

NO_SPACE = frozenset({errno.ENOSPC, errno.EDQUOT})
RESERVE_BYTES = 1 << 20
SPARE_FILES = 64

_PORTION_BYTES, _PORTION_FILES = 1 << 16, 4
"""What is given away at one time."""
_LAST_BYTES, _LAST_FILES = 1 << 18, 8
"""What nothing but the status is written with."""
_LEAST_BYTES = 1 << 14
"""Less is not worth taking back."""


_KEPT = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW


class Reserve:
    """The reserve of one root. Any thread may call."""

    def __init__(self, reserve: Path, spare: Path) -> None:
        self._reserve = reserve
        self._spare = spare
        # Carrying out an order, with the reserve, may tell a run to stop, with the reserve.
        self._lock = threading.RLock()

    def keep(self) -> None:
        """Set aside what is not: 1 MiB and the spare files. On a disk without room that is what there is room for.

        Whoever serves the root tells of a disk without room. Raises OSError for anything else.
        """
        with self._lock:
            self._grow(RESERVE_BYTES)
            self._make_spare_files(SPARE_FILES)

    def give_some(self) -> None:
        """Give a portion to whoever needs it, unless nothing is free to be given any more."""
        with self._lock:
            if self._size() > RESERVE_BYTES // 2:
                self._shrink(self._size() - _PORTION_BYTES)
            if len(self._spare_files()) > SPARE_FILES // 2:
                self._remove_spare_files(_PORTION_FILES)

    def spend(
        self, write: Callable[[], T], most_bytes: int = RESERVE_BYTES, *, to_the_last: bool = False
    ) -> T:
        """Do something that writes no more than that, and may be repeated; where there is no room, with the reserve."""
        try:
            return write()
        except OSError as error:
            if error.errno not in NO_SPACE:
                raise
        with self._lock:
            held, spare = self._size(), len(self._spare_files())
            self._shrink(max(0 if to_the_last else min(held, _LAST_BYTES), held - most_bytes))
            self._remove_spare_files(max(0, spare - (0 if to_the_last else _LAST_FILES)))
            try:
                return write()
            finally:
                # What was needed, or somebody else took meanwhile, is lost until there is room again.
                with suppress(OSError):
                    self._grow(held)
                    self._make_spare_files(spare)

    def _size(self) -> int:
        try:
            return effects.stat(self._reserve).st_size
        except FileNotFoundError:
            return 0

    def _shrink(self, size: int) -> None:
        if self._size() > size:
            fd = effects.open(str(self._reserve), _KEPT)
            try:
                effects.truncate(fd, size)
            finally:
                let_go(fd)

    def _grow(self, size: int) -> None:
        """Allocate up to that size, or as much of it as there is room for: a file with a hole would reserve nothing."""
        try:
            fd = effects.open(str(self._reserve), _KEPT)
        except OSError as error:
            if error.errno not in NO_SPACE:
                raise
            return
        try:
            while size >= _LEAST_BYTES and effects.fstat(fd).st_size < size:
                if _is_allocated(fd, size):
                    # Its blocks are taken for good only now. A power cut costs nothing: it is kept anew at a start.
                    effects.fsync(fd)
                    return
                size //= 2
        finally:
            let_go(fd)

    def _make_spare_files(self, count: int) -> None:
        there = set(self._spare_files())
        try:
            if not there:
                durable.make_folder(self._spare, sync=False)
            for name in (f"{number:02}" for number in range(count)):
                if name not in there:
                    let_go(effects.open(str(self._spare / name), _KEPT))
        except OSError as error:
            if error.errno not in NO_SPACE:
                raise

    def _spare_files(self) -> list[str]:
        try:
            return sorted(effects.list(self._spare), reverse=True)
        except FileNotFoundError:
            return []

    def _remove_spare_files(self, count: int) -> None:
        for name in self._spare_files()[:count]:
            durable.remove(self._spare / name, sync=False)


def _is_allocated(fd: int, size: int) -> bool:
    """Allocate a file up to that size; False: there is no room."""
    try:
        effects.allocate(fd, size)
    except OSError as error:
        if error.errno not in NO_SPACE:
            raise
        return False
    return True
