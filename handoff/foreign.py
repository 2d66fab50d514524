"""Opening what others wrote: neither a link, nor a FIFO, nor a device, nor a change while it is read can hurt.

What a file is, is decided by looking, before anything is opened, and looked at again once it is. Names may hold any
byte; `shown` makes them fit for a terminal.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Container
from enum import Enum
from typing import NamedTuple

from handoff import looking, platform
from handoff.effects import StrPath, effects, let_go

MAX_DOCUMENT_BYTES = 1 << 20


class FileKind(Enum):
    """What lies there; the value completes the sentence `is …`."""

    REGULAR = "a regular file"
    SYMLINK = "a symbolic link"
    DIRECTORY = "a directory"
    FIFO = "a FIFO"
    SOCKET = "a socket"
    DEVICE = "a device"


class Seen(NamedTuple):
    """What a look at a directory entry told, without opening it."""

    kind: FileKind
    size: int
    mtime_ns: int
    ctime_ns: int
    ino: int
    dev: int
    nlink: int
    uid: int
    mode: int


class BadFile(Exception):
    """A file that may not be read as a document: `why` completes the sentence "the file …"."""

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why


class StillWritten(Exception):
    """Somebody has the file open for writing, or it changed while it was read."""


def look(dir_fd: int, name: str) -> Seen:
    """Look at one name in a directory, following no link. FileNotFoundError where it is gone."""
    return seen_of(effects.stat(name, dir_fd=dir_fd, follow=False))


def seen_of(found: os.stat_result) -> Seen:
    """Keep of a stat what matters."""
    return Seen(
        _KINDS.get(stat.S_IFMT(found.st_mode), FileKind.DEVICE),
        found.st_size,
        found.st_mtime_ns,
        found.st_ctime_ns,
        found.st_ino,
        found.st_dev,
        found.st_nlink,
        found.st_uid,
        stat.S_IMODE(found.st_mode),
    )


def shown(name: str) -> str:
    """Make a file's name fit to be shown: what is not printable, or no text at all, is escaped."""
    if name.isprintable() and "\\" not in name:
        return name
    return "".join(letter if letter.isprintable() and letter != "\\" else _escaped(letter) for letter in name)


def why_bad(seen: Seen, owners: Container[int], max_bytes: int) -> str | None:
    """Say why a regular file may not be read as a document, however long one waits; None: it may.

    Decided by owner and mode, not by trying: to root every file is readable.
    """
    if seen.uid not in owners:
        return f"belongs to user {seen.uid}, who may not hand in anything here"
    if seen.mode & stat.S_IWOTH:
        return f"is writable by everybody (mode {seen.mode:04o}): chmod o-w"
    if not seen.mode & (stat.S_IRUSR | stat.S_IRGRP | stat.S_IROTH):
        return f"has a mode that lets nobody read it ({seen.mode:04o}): chmod u+r"
    if seen.uid == os.geteuid() and not seen.mode & stat.S_IRUSR:
        return f"has a mode that does not let its owner read it ({seen.mode:04o}): chmod u+r"
    if seen.size > max_bytes:
        return f"is too large ({seen.size} bytes; at most {max_bytes})"
    return None


def read_settled(
    dir_fd: int,
    name: str,
    max_bytes: int = MAX_DOCUMENT_BYTES,
    *,
    prove: bool = True,
    owners: Container[int] | None = None,
) -> bytes:
    """Read a whole file that others wrote, by one descriptor, once. Work on what is returned, not on the file.

    Raises BadFile, StillWritten, FileNotFoundError. `prove=False` leaves out the question whether anybody has it
    open for writing. A second link is StillWritten here: how long to bear with it is `Settling`'s business.
    """
    who = (0, os.geteuid()) if owners is None else owners
    _demand_document(look(dir_fd, name), who, max_bytes)  # before opening: opening a device may do something
    try:
        fd = effects.open(name, _OPEN_FOREIGN, dir_fd=dir_fd)
    except PermissionError:
        raise BadFile("may not be opened by this user: chmod u+r") from None
    except OSError as error:
        if error.errno in (
            errno.ELOOP,
            errno.ENXIO,
            errno.EMLINK,
            errno.EFTYPE if hasattr(errno, "EFTYPE") else -1,
        ):
            raise BadFile("was exchanged for something that is no regular file") from None
        raise
    try:
        before = seen_of(effects.fstat(fd))
        _demand_document(before, who, max_bytes)
        if before.nlink > 1:
            raise StillWritten(shown(name))
        if prove and effects.nobody_writes(fd, platform.PLATFORM) is False:
            raise StillWritten(shown(name))
        content = looking.read_open(fd, max_bytes + 1)
        after = seen_of(effects.fstat(fd))
    finally:
        let_go(fd)
    if len(content) > max_bytes:
        raise BadFile(f"is too large (more than {max_bytes} bytes)")
    if (before.size, before.mtime_ns) != (after.size, after.mtime_ns) or len(content) != after.size:
        raise StillWritten(shown(name))
    return content


def read_taken(folder: StrPath, name: str, max_bytes: int = MAX_DOCUMENT_BYTES) -> bytes:
    """Read again a document that was taken. Raises BadFile, StillWritten, OSError.

    Whoever wrote it may have put a link, a FIFO or a terabyte in its place a moment before it was taken.
    """
    fd = effects.open(folder, _OPEN_FOREIGN | os.O_DIRECTORY)
    try:
        return read_settled(fd, name, max_bytes, prove=False)
    finally:
        let_go(fd)


def nobody_writes_in(dir_fd: int, name: str, can: platform.Platform) -> bool | None:
    """Prove that nobody has the file of that name open for writing; None where there is no proof."""
    if not can.lease:
        return None
    try:
        fd = effects.open(name, _OPEN_FOREIGN, dir_fd=dir_fd)
    except OSError:
        return None
    try:
        return effects.nobody_writes(fd, can)
    finally:
        let_go(fd)


def _demand_document(seen: Seen, owners: Container[int], max_bytes: int) -> None:
    if seen.kind is not FileKind.REGULAR:
        raise BadFile(f"is {seen.kind.value}: only regular files are read")
    bad = why_bad(seen, owners, max_bytes)
    if bad:
        raise BadFile(bad)


def _escaped(letter: str) -> str:
    number = ord(letter)
    if 0xDC80 <= number <= 0xDCFF:  # a byte that was no UTF-8, as os.fsdecode hides it
        return f"\\x{number - 0xDC00:02x}"
    return letter.encode("unicode_escape").decode("ascii")


_OPEN_FOREIGN = os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NOCTTY
_KINDS = {
    stat.S_IFREG: FileKind.REGULAR,
    stat.S_IFLNK: FileKind.SYMLINK,
    stat.S_IFDIR: FileKind.DIRECTORY,
    stat.S_IFIFO: FileKind.FIFO,
    stat.S_IFSOCK: FileKind.SOCKET,
}
