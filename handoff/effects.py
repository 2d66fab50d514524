"""The single effects on the file system that `durable` is built of. A fault test puts others in their place."""

from __future__ import annotations

import os

from handoff import platform

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable


class Effects:
    """Every single thing that is done to the file system: what a fault test replaces."""

    def open(self, path: str, flags: int, mode: int = 0o600) -> int:
        """Open a file."""
        return os.open(path, flags, mode)

    def write(self, fd: int, content: bytes | memoryview) -> int:
        """Write some of it; tell how much."""
        return os.write(fd, content)

    def truncate(self, fd: int, size: int) -> None:
        """Cut a file."""
        os.ftruncate(fd, size)

    def fsync(self, fd: int) -> None:
        """Bring a file to the disk."""
        platform.sync_file(fd)

    def close(self, fd: int) -> None:
        """Close a descriptor."""
        os.close(fd)

    def sync_dir(self, path: str) -> None:
        """Bring a directory's names to the disk."""
        platform.sync_dir(path)

    def sync_filesystem(self, path: str) -> None:
        """Bring all that is unwritten on a file system to the disk."""
        platform.sync_filesystem(path)

    def rename(self, src: str, dst: str) -> None:
        """Rename, replacing what is there."""
        os.rename(src, dst)

    def rename_new(self, src: str, dst: str, *, ours: bool) -> None:
        """Rename, never replacing."""
        platform.rename_new(src, dst, ours=ours)

    def unlink(self, path: str) -> None:
        """Remove a file."""
        os.unlink(path)

    def mkdir(self, path: str, mode: int = 0o700) -> None:
        """Make a folder."""
        os.mkdir(path, mode)

    def rmdir(self, path: str) -> None:
        """Remove an empty folder."""
        os.rmdir(path)


def attempt(step: Callable[[], object]) -> OSError | None:
    """Do something; return what the system said against it."""
    try:
        step()
    except OSError as error:
        return error
    return None


def quietly(step: Callable[[], object]) -> None:
    """Tidy up: what fails here is tried again by whoever comes next."""
    attempt(step)
