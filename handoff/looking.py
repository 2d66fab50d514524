"""Questions to the file system, asked so that a disk which cannot answer is an error and never a "no".

`os.path.exists` says no to a failing disk as well; whoever starts what was not started before must not believe that.
All of it through the seam. Standard library only: the runner loads this.
"""

from __future__ import annotations

import errno
import os
import stat

from handoff.effects import StrPath, effects, let_go

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

_NO = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENAMETOOLONG)
_CHUNK_BYTES = 1 << 20
# A FIFO is opened without waiting for somebody who writes into it.
_OURS = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
_ANY = os.O_RDONLY | os.O_CLOEXEC


class NotRegular(OSError):
    """Something else lies where a regular file should: `kind` says what."""

    def __init__(self, kind: str, path: str) -> None:
        super().__init__(errno.EINVAL, f"is {kind}, where a regular file is expected", path)
        self.kind = kind

    def __str__(self) -> str:
        return f"{self.filename}: {self.strerror}"


def open_regular(path: StrPath) -> int:
    """Open a file of ours to read it. Raises OSError; NotRegular for a link, a folder, a FIFO, a socket, a device."""
    try:
        fd = effects.open(path, _OURS)
    except OSError as error:
        if error.errno in _BY_OPENING:
            raise NotRegular(_BY_OPENING[error.errno], os.fspath(path)) from None
        raise
    try:
        mode = effects.fstat(fd).st_mode
        if not stat.S_ISREG(mode):
            raise NotRegular(_KINDS.get(stat.S_IFMT(mode), "a device"), os.fspath(path))
    except OSError as error:
        let_go(fd)
        error.filename = os.fspath(path)
        raise
    return fd


def read_file(path: StrPath, most_bytes: int | None = None, *, follow: bool = False) -> bytes:
    """Read a whole file, or its beginning. Raises OSError with the path; FileNotFoundError and NotRegular are some.

    `follow` is for files that are the user's own, where a link is nothing strange.
    """
    fd = effects.open(path, _ANY) if follow else open_regular(path)
    try:
        return read_open(fd, most_bytes)
    except OSError as error:
        error.filename = os.fspath(path)  # read() does not know it
        raise
    finally:
        let_go(fd)


def read_open(fd: int, most_bytes: int | None = None) -> bytes:
    """Read what is left of an open file, or the next `most_bytes` of it."""
    pieces: list[bytes] = []
    left = most_bytes
    while left is None or left > 0:
        piece = effects.read(fd, _CHUNK_BYTES if left is None else min(left, _CHUNK_BYTES))
        if not piece:
            break
        pieces.append(piece)
        if left is not None:
            left -= len(piece)
    return b"".join(pieces)


def read_end(path: StrPath, most_bytes: int) -> bytes:
    """Read the end of a file."""
    fd = effects.open(path, _ANY)
    try:
        os.lseek(fd, max(0, effects.fstat(fd).st_size - most_bytes), os.SEEK_SET)
        return read_open(fd)
    finally:
        let_go(fd)


def is_there(path: StrPath) -> bool:
    """Tell whether a name is taken, be it by a link that leads nowhere. Raises OSError where the disk does not say."""
    return _mode(path, follow=False) is not None


def is_file(path: StrPath) -> bool:
    """Tell whether a regular file is there, perhaps by a link. Raises OSError where the disk does not say."""
    mode = _mode(path, follow=True)
    return mode is not None and stat.S_ISREG(mode)


def is_folder(path: StrPath) -> bool:
    """Tell whether a folder is there, perhaps by a link. Raises OSError where the disk does not say."""
    mode = _mode(path, follow=True)
    return mode is not None and stat.S_ISDIR(mode)


def folders_in(path: StrPath, names: Sequence[str] | None = None) -> list[str]:
    """Name the folders in a folder (or those of `names` in it), links to some not among them."""
    where = os.fspath(path)
    found = []
    for name in effects.list(where) if names is None else names:
        mode = _mode(os.path.join(where, name), follow=False)
        if mode is not None and stat.S_ISDIR(mode):
            found.append(name)
    return found


_BY_OPENING = {errno.ELOOP: "a symbolic link", errno.ENXIO: "a socket"}
_KINDS = {stat.S_IFDIR: "a directory", stat.S_IFIFO: "a FIFO", stat.S_IFSOCK: "a socket"}


def _mode(path: StrPath, *, follow: bool) -> int | None:
    try:
        return effects.stat(path, follow=follow).st_mode
    except OSError as error:
        if error.errno in _NO:
            return None
        raise
