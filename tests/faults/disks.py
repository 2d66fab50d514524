"""Small disks of our own that can be filled to the last byte and to the last inode. They vanish with the process.

Mounted by system calls in a mount namespace of this process, so that neither root nor a command is needed where user
namespaces are allowed, and nothing is left mounted whatever ends a test.
"""

from __future__ import annotations

import ctypes
import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path

CLONE_NEWNS, CLONE_NEWUSER = 0x00020000, 0x10000000
MS_REC, MS_PRIVATE, MNT_DETACH = 0x4000, 1 << 18, 2


@dataclass(slots=True)
class Disk:
    """A mounted disk; what fills it lies in it, under names of its own."""

    path: Path
    _fillers: int = 0

    @property
    def free_bytes(self) -> int:
        """What a file may still take."""
        there = os.statvfs(self.path)
        return there.f_bavail * there.f_frsize

    def fill(self) -> bool:
        """Take every byte: True when the disk has refused one more. What its users free is free again."""
        self._fillers += 1
        with (self.path / f"filler-{self._fillers}").open("ab", buffering=0) as filler:
            # Not allocated at once: what cannot be had whole would be given back.
            for size in (1 << 20, 4096):
                while not _refused(lambda: filler.write(b"x" * size)):  # noqa: B023
                    pass
        return True

    def use_up_inodes(self) -> bool:
        """Make files: True when the disk has refused one more. What its users free is free again."""
        self._fillers += 1
        folder = self.path / f"filler-{self._fillers}"
        if _refused(folder.mkdir):
            return True
        number = 0
        while not _refused(lambda: os.close(os.open(folder / str(number), os.O_CREAT | os.O_WRONLY, 0o600))):  # noqa: B023
            number += 1
        return True

    def release(self) -> None:
        """Give back what was taken."""
        for filler in self.path.glob("filler-*"):
            if filler.is_dir():
                for name in os.listdir(filler):
                    os.unlink(filler / name)
                filler.rmdir()
            else:
                filler.unlink()


@contextmanager
def small_disk(path: Path, size_bytes: int, inodes: int | None = None) -> Iterator[Disk]:
    """Mount a disk of that size in this process alone (and in what it starts)."""
    path.mkdir()
    be_apart()
    _mount(path, f"size={size_bytes},mode=700" + (f",nr_inodes={inodes}" if inodes else ""))
    try:
        yield Disk(path)
    finally:
        _libc().umount2(os.fsencode(path), MNT_DETACH)


@cache
def why_no_disks() -> str | None:
    """Why no disk can be mounted here; None: one can. Tried in a child."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            be_apart()
            _mount(Path("/tmp"), "size=1m")
            code = 0
        finally:
            os._exit(code)
    _, status = os.waitpid(child, 0)
    return None if status == 0 else "no disk can be mounted here: neither root nor user namespaces"


_apart_as: int | None = None


def be_apart() -> None:
    """Give this process mounts of its own, which is done once; where it is not root, users of its own as well."""
    global _apart_as  # noqa: PLW0603 - of a process there is one
    if _apart_as == os.getpid():
        return
    user, group = os.geteuid(), os.getegid()
    if user != 0:
        be_own_user(user, group, CLONE_NEWNS)
    else:
        _call("unshare", CLONE_NEWNS)
    _call("mount", None, b"/", None, MS_REC | MS_PRIVATE, None)
    _apart_as = os.getpid()


def be_own_user(user: int, group: int, besides: int = 0) -> None:
    """Enter a user namespace in which user and group are called as before."""
    _call("unshare", CLONE_NEWUSER | besides)
    Path("/proc/self/setgroups").write_text("deny")
    Path("/proc/self/uid_map").write_text(f"{user} {user} 1")
    Path("/proc/self/gid_map").write_text(f"{group} {group} 1")


def _mount(path: Path, options: str) -> None:
    _call("mount", b"tmpfs", os.fsencode(path), b"tmpfs", 0, options.encode())


def _call(name: str, *args: object) -> None:
    if getattr(_libc(), name)(*args) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{name}: {os.strerror(number)}")


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def _refused(step: object) -> bool:
    """Do something; tell whether the disk has no room for it."""
    try:
        step()  # type: ignore[operator]
    except OSError as error:
        if error.errno not in {errno.ENOSPC, errno.EDQUOT}:
            raise
        return True
    return False
