"""One daemon a root: a lock that the kernel gives up by itself when its holder dies."""

from __future__ import annotations

import fcntl
import os

from handoff.root import Root


class RootIsServed(Exception):
    """Another daemon serves this root."""

    def __init__(self, root: Root, holder: str) -> None:
        super().__init__(
            f"{root.path}: another daemon serves this root already{f' (pid {holder})' if holder else ''}; "
            "stop that one first, or name another root"
        )


class RootLock:
    """The lock of a root, held from `take` until the process ends or `release` is called."""

    def __init__(self, root: Root) -> None:
        self._root = root
        self._fd = -1

    def take(self) -> None:
        """Take the lock or raise `RootIsServed` at once."""
        while True:
            fd = os.open(self._root.lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                holder = os.pread(fd, 32, 0).decode("ascii", "replace").strip()
                os.close(fd)
                raise RootIsServed(self._root, holder) from None
            if self._is_still_there(fd):
                break
            # The file was removed and made anew in between: two could each hold "the" lock.
            os.close(fd)
        os.ftruncate(fd, 0)
        os.pwrite(fd, f"{os.getpid()}\n".encode(), 0)
        self._fd = fd

    def is_held(self) -> bool:
        """Whether the lock that we hold is still the one at its path."""
        return self._fd >= 0 and self._is_still_there(self._fd)

    def release(self) -> None:
        """Give the lock up."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def _is_still_there(self, fd: int) -> bool:
        try:
            there = os.stat(self._root.lock, follow_symlinks=False)
        except FileNotFoundError:
            return False
        held = os.fstat(fd)
        return (there.st_dev, there.st_ino) == (held.st_dev, held.st_ino)
