"""Is a folder safe to be a root? Whoever can write to it, or exchange it, runs code as the daemon's user.

As sshd looks at its files: the folder and everything above it belongs to us (or to root) and only its owner writes it.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path

from handoff import filesystems
from handoff.effects import effects

_OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH


class RootError(Exception):
    """A folder that cannot serve as a root: what is wrong, where, what was expected, what to do."""

    def __init__(self, what: str, where: Path, expected: str, remedy: str) -> None:
        super().__init__(f"{where}: {what} (expected: {expected}). To do: {remedy}")
        self.what = what
        self.where = where
        self.expected = expected
        self.remedy = remedy


def check_place(path: Path, *, allow_network: bool) -> None:
    """Refuse a folder that others could write to, or exchange by writing to one above it; and one over a network."""
    found = effects.stat(path)
    if not stat.S_ISDIR(found.st_mode):
        raise RootError("is not a folder", path, "a folder", "name another root")
    check_private(path, found)
    for above in path.parents:
        _check_above(above, effects.stat(above))
    network = filesystems.network_filesystem(path)
    if network and not allow_network:
        raise RootError(
            f"lies on a network file system ({network})",
            path,
            "a local disk, whose locks and syncs can be trusted",
            "put the root on a local disk, or allow the network in the configuration ([lanes] polling = true)",
        )


def check_private(path: Path, found: os.stat_result) -> None:
    """Refuse a folder that is not ours, or that others could write to."""
    if found.st_uid != os.geteuid():
        owner = f"belongs to user {found.st_uid}"
        raise RootError(
            owner, path, f"user {os.geteuid()}", f"run as that user, or: chown {os.geteuid()} {path}"
        )
    if found.st_mode & _OTHERS_WRITE:
        raise _writable(path, found)


def _check_above(path: Path, found: os.stat_result) -> None:
    """Whoever may rename in a folder above may put another root in this one's place; a sticky folder prevents that."""
    if found.st_uid not in (0, os.geteuid()):
        owner = f"a folder above the root belongs to user {found.st_uid}"
        raise RootError(
            owner, path, f"root or user {os.geteuid()}", "put the root elsewhere, or have its owner changed"
        )
    if found.st_mode & _OTHERS_WRITE and not found.st_mode & stat.S_ISVTX:
        raise _writable(path, found)


def _writable(path: Path, found: os.stat_result) -> RootError:
    mode = stat.S_IMODE(found.st_mode)
    return RootError(
        f"others can write to it (mode {mode:04o})", path, "writable by its owner only", f"chmod go-w {path}"
    )
