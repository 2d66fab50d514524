"""A lane held open by whoever takes what lies in it. Standard library only: a run's runner takes its answers so."""

from __future__ import annotations

import errno
import os
import stat
from contextlib import contextmanager

from handoff.effects import StrPath, effects, let_go

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def open_lane(folder: StrPath) -> Iterator[int]:
    """Open a lane, following no link, and demand that only its owner may write to it. Raises OSError."""
    fd = effects.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        found = effects.fstat(fd)
        if found.st_mode & (stat.S_IWGRP | stat.S_IWOTH) or found.st_uid not in (0, os.geteuid()):
            raise PermissionError(errno.EPERM, "others can write to it", str(folder))
        yield fd
    finally:
        let_go(fd)
