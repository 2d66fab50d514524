"""Files inside a folder of somebody else's, reached from the open folder name by name: no link leads out of it.

For what a reply writes into a project. Not for state: that is written by `durable`.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from handoff import durable, looking
from handoff.effects import effects, let_go

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


class InTheWay(Exception):
    """What lies on the way is no folder, or what lies at its end no file: `what` names it and says what it is."""

    def __init__(self, what: str) -> None:
        super().__init__(what)
        self.what = what


def read_beneath(top: Path, path: str, most_bytes: int | None = None) -> tuple[bytes, float] | None:
    """Read a file, or its beginning, and when it was changed (wall seconds); None: there is none.

    Raises InTheWay, OSError.
    """
    *folders, name = path.split("/")
    try:
        with _opened(top, folders) as folder:
            _demand_file(folder, name, path)
            fd = effects.open(name, _FILE, dir_fd=folder)
            try:
                return looking.read_open(fd, most_bytes), effects.fstat(fd).st_mtime
            finally:
                let_go(fd)
    except FileNotFoundError:
        if not looking.is_folder(top):
            raise
        return None


def replace_beneath(top: Path, path: str, content: bytes) -> None:
    """Put a whole file in the place of another, or of none, making the folders above it. Raises InTheWay, OSError."""
    *folders, name = path.split("/")
    with _opened(top, folders, make=True) as folder:
        mode = 0o666
        with suppress(FileNotFoundError):
            mode = stat.S_IMODE(_demand_file(folder, name, path).st_mode)
        temporary = durable.temporary_of(name)
        with suppress(FileNotFoundError):
            effects.unlink_in(folder, temporary)
        fd = effects.open(temporary, _NEW, mode, dir_fd=folder)
        try:
            durable.write_all(fd, content)
            effects.fsync(fd)
        except OSError:
            let_go(fd)
            with suppress(OSError):
                effects.unlink_in(folder, temporary)
            raise
        effects.close(fd)
        effects.rename_in(folder, temporary, name)
        effects.fsync(folder)


@contextmanager
def _opened(top: Path, folders: list[str], *, make: bool = False) -> Iterator[int]:
    """Walk down, one name after the other."""
    fd = effects.open(top, _FOLDER)
    try:
        for number, name in enumerate(folders):
            if make:
                with suppress(FileExistsError):
                    effects.mkdir_in(fd, name, 0o777)
            try:
                below = effects.open(name, _FOLDER, dir_fd=fd)
            except OSError as error:
                if error.errno not in {errno.ENOTDIR, errno.ELOOP}:
                    raise
                where = "/".join(folders[: number + 1])
                raise InTheWay(f"{where} is no folder (a link to one is not followed)") from None
            let_go(fd)
            fd = below
        yield fd
    finally:
        let_go(fd)


def _demand_file(folder: int, name: str, path: str) -> os.stat_result:
    found = effects.stat(name, dir_fd=folder, follow=False)
    if not stat.S_ISREG(found.st_mode):
        raise InTheWay(f"{path} is no regular file")
    return found
