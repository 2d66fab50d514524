"""Bringing to the disk what others wrote: git a checkout, an agent its work. Reached through `handoff.durable`."""

from __future__ import annotations

import os
import stat

from handoff import durable
from handoff.durable import sync_names, syncs_filesystems
from handoff.effects import StrPath


def sync_tree(path: StrPath) -> None:
    """Bring a folder with all that is in it to the disk; where one call can, all that is unwritten on its file system.

    That call also writes what others left unwritten there, perhaps gigabytes: it is for where a run begins or ends,
    which waits for nothing else. Raises OSError: then some of it may not be there.
    """
    name = os.fspath(path)
    if syncs_filesystems():
        durable.effects.sync_filesystem(name)
        return
    _sync_below(name)
    sync_names(os.path.dirname(os.path.abspath(name)))


def _sync_below(path: str) -> None:
    """Sync what lies at a path, as far as it can be: what others made need not be there any more, nor be readable."""
    try:
        mode = durable.effects.stat(path, follow=False).st_mode
        if stat.S_ISDIR(mode):
            for inner in durable.effects.list(path):
                _sync_below(os.path.join(path, inner))
            durable.effects.sync_dir(path)
        elif stat.S_ISREG(mode):
            _sync_file(path)
    except (FileNotFoundError, PermissionError):
        return


def _sync_file(path: str) -> None:
    fd = durable.effects.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        durable.effects.fsync(fd)
    finally:
        durable.effects.close(fd)
