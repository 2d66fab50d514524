"""One daemon a root: a lock that the kernel gives up by itself when its holder dies."""

from __future__ import annotations

import os

from handoff import looking
from handoff.effects import effects, let_go
from handoff.root import Root

_FLAGS = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
_FOLDER_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC | os.O_NOFOLLOW


class RootIsServed(Exception):
    """Another daemon serves this root."""

    def __init__(self, root: Root, holder: str) -> None:
        super().__init__(
            f"{root.path}: another daemon serves this root already{f' (pid {holder})' if holder else ''}; "
            "stop that one first, or name another root"
        )


class RootLock:
    """The lock of a root, held from `take` until the process ends or `release` is called.

    It is taken twice: on the private folder, which cannot be removed while anything is in it, and on the file in it,
    which says whose it is. With the file alone another daemon could serve as soon as somebody removed that, until
    this one found out.
    """

    def __init__(self, root: Root) -> None:
        self._root = root
        self._fd = -1
        self._folder_fd = -1

    def take(self) -> None:
        """Take the lock or raise `RootIsServed` at once."""
        self._folder_fd = self._take_folder()
        try:
            self._fd = self._take_file()
        except BaseException:
            self.release()
            raise

    def _take_folder(self) -> int:
        fd = effects.open(self._root.private, _FOLDER_FLAGS)
        try:
            effects.lock(fd)
        except BlockingIOError:
            let_go(fd)
            raise RootIsServed(self._root, self._holder()) from None
        except OSError:
            # A network file system locks no folders; the file has to do.
            let_go(fd)
            return -1
        return fd

    def _take_file(self) -> int:
        while True:
            fd = effects.open(self._root.lock, _FLAGS)
            try:
                effects.lock(fd)
            except BlockingIOError:
                let_go(fd)
                raise RootIsServed(self._root, self._holder()) from None
            if self._is_still_there(fd):
                break
            # The file was removed and made anew in between: two could each hold "the" lock.
            let_go(fd)
        effects.truncate(fd, 0)
        effects.write(fd, f"{os.getpid()}\n".encode())
        return fd

    def _holder(self) -> str:
        """The pid of whoever has it, as far as that was written down."""
        try:
            return looking.read_file(self._root.lock, 32).decode("ascii", "replace").strip()
        except OSError:
            return ""

    def is_held(self) -> bool:
        """Whether the lock that we hold is still the one at its path."""
        return self._fd >= 0 and self._is_still_there(self._fd)

    def release(self) -> None:
        """Give the lock up."""
        for fd in (self._fd, self._folder_fd):
            if fd >= 0:
                let_go(fd)
        self._fd = self._folder_fd = -1

    def _is_still_there(self, fd: int) -> bool:
        try:
            there = effects.stat(self._root.lock, follow=False)
        except FileNotFoundError:
            return False
        held = effects.fstat(fd)
        return (there.st_dev, there.st_ino) == (held.st_dev, held.st_ino)
