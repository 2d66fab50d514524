"""The few system calls that Python's library has no name for, by ctypes.

Loaded by `platform` at the first use, because ctypes costs a runner 4 ms that it may not need. Nothing here decides
anything: each function is one call, and an error is an `OSError`.
"""

from __future__ import annotations

import ctypes
import os
import sys

_AT_FDCWD = -2 if sys.platform == "darwin" else -100
RENAME_NOREPLACE = 1
RENAME_EXCHANGE = 2
RENAME_EXCL = 4
RENAME_SWAP = 2
PR_SET_CHILD_SUBREAPER = 36
IN_CLOSE_WRITE = 0x08
IN_MOVED_TO = 0x80
IN_ONLYDIR = 0x01000000
IN_DONT_FOLLOW = 0x02000000
IN_ARRIVALS = IN_CLOSE_WRITE | IN_MOVED_TO | IN_ONLYDIR | IN_DONT_FOLLOW

_libc = ctypes.CDLL(None, use_errno=True)


def has(name: str) -> bool:
    """Tell whether this system's C library has a function of that name."""
    return hasattr(_libc, name)


def rename_noreplace(src: str, dst: str, within: int | None = None) -> None:
    """Rename atomically, never replacing: FileExistsError where `dst` is there. `within`: the open folder of `src`."""
    here = _AT_FDCWD if within is None else within
    if has("renameat2"):
        code = _libc.renameat2(here, os.fsencode(src), _AT_FDCWD, os.fsencode(dst), RENAME_NOREPLACE)
    else:
        code = _libc.renameatx_np(here, os.fsencode(src), _AT_FDCWD, os.fsencode(dst), RENAME_EXCL)
    _check(code, src, dst)


def rename_exchange(one: str, other: str) -> None:
    """Let two names change places atomically: FileNotFoundError where one of them is not there."""
    if has("renameat2"):
        code = _libc.renameat2(_AT_FDCWD, os.fsencode(one), _AT_FDCWD, os.fsencode(other), RENAME_EXCHANGE)
    else:
        code = _libc.renameatx_np(_AT_FDCWD, os.fsencode(one), _AT_FDCWD, os.fsencode(other), RENAME_SWAP)
    _check(code, one, other)


def syncfs(fd: int) -> None:
    """Write out everything that is unwritten on the file system of `fd`."""
    _check(_libc.syncfs(fd))


def set_child_subreaper() -> None:
    """Orphans below this process become its children."""
    zero = ctypes.c_ulong(0)
    _check(_libc.prctl(PR_SET_CHILD_SUBREAPER, ctypes.c_ulong(1), zero, zero, zero))


def new_watches() -> int:
    """Make a descriptor by which the kernel tells what happens in folders (inotify); a read of it does not block."""
    fd: int = _libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
    _check(min(fd, 0))
    return fd


def watch_arrivals(fd: int, folder: str) -> None:
    """Have it tell what arrives in a folder, too."""
    _check(min(_libc.inotify_add_watch(fd, os.fsencode(folder), IN_ARRIVALS), 0))


def sysctl_string(name: str) -> str:
    """Read one text value of the kernel's (macOS, BSD)."""
    text = ctypes.create_string_buffer(256)
    size = ctypes.c_size_t(len(text))
    _check(_libc.sysctlbyname(name.encode(), text, ctypes.byref(size), None, ctypes.c_size_t(0)))
    return text.value.decode()


def _check(code: int, src: str | None = None, dst: str | None = None) -> None:
    if code == 0:
        return
    number = ctypes.get_errno()
    raise OSError(number, os.strerror(number), src, None, dst)
