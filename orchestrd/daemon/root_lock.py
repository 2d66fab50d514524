"""One daemon a root: a lock that the kernel gives up by itself when its holder dies."""

from __future__ import annotations

import os

from handoff.effects import effects
from handoff.root import Root

_FLAGS = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW


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
            fd = effects.open(self._root.lock, _FLAGS)
            try:
                effects.lock(fd)
            except BlockingIOError:
                holder = effects.read(fd, 32).decode("ascii", "replace").strip()
                effects.close(fd)
                raise RootIsServed(self._root, holder) from None
            if self._is_still_there(fd):
                break
            # The file was removed and made anew in between: two could each hold "the" lock.
            effects.close(fd)
        effects.truncate(fd, 0)
        effects.write(fd, f"{os.getpid()}\n".encode())
        self._fd = fd

    def is_held(self) -> bool:
        """Whether the lock that we hold is still the one at its path."""
        return self._fd >= 0 and self._is_still_there(self._fd)

    def release(self) -> None:
        """Give the lock up."""
        if self._fd >= 0:
            effects.close(self._fd)
            self._fd = -1

    def _is_still_there(self, fd: int) -> bool:
        try:
            there = effects.stat(self._root.lock, follow=False)
        except FileNotFoundError:
            return False
        held = effects.fstat(fd)
        return (there.st_dev, there.st_ino) == (held.st_dev, held.st_ino)
