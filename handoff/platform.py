"""What this system can do, and the portable way where it cannot.

The only place that asks which system this is. Every Linux way has a portable one that Linux runs too:
`ORCHESTRD_PORTABLE=1` switches all the Linux ways off. Standard library only (psutil late, where there is no /proc),
and cheap to import: a runner loads this by path under `python -I -S`. Processes: `handoff.processes`.
"""

from __future__ import annotations

import errno
import fcntl
import os
import stat
import sys
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from handoff.processes import (
        boot_id,
        lock_holders,
        pidfd_open,
        process_children,
        processes_with_mark,
        same_boot,
        send_signal,
        start_ticks,
    )

StrPath = str | os.PathLike[str]

OUT = ".out"
"""Ends the name of what two files that change places leave in the midst, where that takes several steps."""

_PROCESS_NAMES = frozenset(
    (
        "boot_id",
        "lock_holders",
        "pidfd_open",
        "process_children",
        "processes_with_mark",
        "same_boot",
        "send_signal",
        "start_ticks",
    )
)

__all__ = [
    "PLATFORM",
    "Platform",
    "become_subreaper",
    "boot_id",
    "boot_seconds",
    "detect",
    "exchange",
    "ignore_lease_signal",
    "lock_holders",
    "nobody_writes",
    "pidfd_open",
    "process_children",
    "processes_with_mark",
    "rename_new",
    "same_boot",
    "send_signal",
    "start_ticks",
    "sync_dir",
    "sync_file",
    "sync_filesystem",
    "system_name",
]


class Platform:
    """What may be used. Frozen; `detect` makes one, a test may make others."""

    __slots__ = ("fullfsync", "inotify", "lease", "pidfd", "proc", "psi", "renameat2", "subreaper", "syncfs")

    lease: bool
    """fcntl leases prove that nobody has a file open for writing."""
    renameat2: bool
    """One call renames without replacing (renameat2, on macOS renamex_np)."""
    pidfd: bool
    subreaper: bool
    proc: bool
    psi: bool
    inotify: bool
    """The kernel tells of changes in a directory (on macOS FSEvents)."""
    fullfsync: bool
    """fsync alone does not reach the disk (macOS)."""
    syncfs: bool
    """One call syncs a whole file system and reports its errors."""

    def __init__(self, **can: bool) -> None:
        for name in self.__slots__:
            object.__setattr__(self, name, can.pop(name, False))
        if can:
            message = f"unknown abilities: {sorted(can)}"
            raise TypeError(message)

    def __setattr__(self, name: str, value: object) -> None:
        """Refuse: a platform does not change while we run."""
        message = f"Platform is frozen: {name}"
        raise AttributeError(message)

    def __repr__(self) -> str:
        """Name what is there."""
        return "Platform(" + ", ".join(name for name in self.__slots__ if getattr(self, name)) + ")"


def system_name() -> str:
    """Name the system, for what lies in other places on each: linux, darwin (macOS), windows."""
    return {"win32": "windows", "darwin": "darwin"}.get(sys.platform, "linux")


def detect(portable: bool | None = None) -> Platform:  # noqa: FBT001 - the one question there is
    """Find out what this system can do; `portable` None asks ORCHESTRD_PORTABLE."""
    if portable is None:
        portable = os.environ.get("ORCHESTRD_PORTABLE", "") not in ("", "0")
    darwin = sys.platform == "darwin"
    if portable:
        return Platform(fullfsync=darwin)
    linux = sys.platform == "linux"
    return Platform(
        lease=linux and hasattr(fcntl, "F_SETLEASE"),
        renameat2=linux or darwin,
        pidfd=linux and hasattr(os, "pidfd_open"),
        subreaper=linux,
        proc=linux and os.path.exists("/proc/self/stat"),
        psi=linux and os.path.exists("/proc/pressure/cpu"),
        inotify=linux or darwin,
        fullfsync=darwin,
        # Before 5.8 syncfs() hid write errors: it would report durability that is not there.
        syncfs=linux and _kernel() >= (5, 8),
    )


def rename_new(
    src: StrPath,
    dst: StrPath,
    *,
    ours: bool = False,
    platform: Platform | None = None,
    within: int | None = None,
) -> None:
    """Rename, never replacing what is there: FileExistsError, and both are as they were.

    `ours` says that nobody but this process makes names in `dst`'s directory: then the portable way may look first
    and rename, which has no moment in which both names exist. Otherwise it links and unlinks. (A plain rename of two
    links to one inode "succeeds" and leaves both: hence never without looking.) `within` is the open folder that `src`
    lies in: the way to it may lead elsewhere by now, if somebody put a link in the folder's place.
    """
    source, target = os.fspath(src), os.fspath(dst)
    if within is not None:
        source = os.path.basename(source)
    if (platform or PLATFORM).renameat2:
        from handoff import syscalls

        try:
            syscalls.rename_noreplace(source, target, within)
        except OSError as error:
            # The file system knows no flags (some FUSE and network ones), or the kernel lacks the call.
            if error.errno not in (errno.EINVAL, errno.ENOSYS):
                raise
        else:
            return
    found = os.stat(source, dir_fd=within, follow_symlinks=False)
    if ours or stat.S_ISDIR(found.st_mode):
        # Looked at before: a source that is gone outweighs a target that is there, as for the kernel
        if os.path.lexists(target):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), source, None, target)
        os.rename(source, target, src_dir_fd=within)
        return
    os.link(source, target, src_dir_fd=within, follow_symlinks=False)
    os.unlink(source, dir_fd=within)


def exchange(one: StrPath, other: StrPath, *, platform: Platform | None = None) -> None:
    """Let two files change places: FileNotFoundError where one of them is not there.

    The portable way takes three renames. In its midst `other` is not there, and what was lies under `one` with the
    ending OUT; a file that somebody makes meanwhile stays (FileExistsError), and that one too.
    """
    first, second = os.fspath(one), os.fspath(other)
    if (platform or PLATFORM).renameat2:
        from handoff import syscalls

        try:
            syscalls.rename_exchange(first, second)
        except OSError as error:
            if error.errno not in (errno.EINVAL, errno.ENOSYS):
                raise
        else:
            return
    if not os.path.lexists(first):
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), first)
    rename_new(second, first + OUT, ours=True, platform=platform)
    rename_new(first, second, platform=platform)
    os.rename(first + OUT, first)


def nobody_writes(fd: int, *, platform: Platform | None = None) -> bool | None:
    """Tell whether nobody has the file open for writing; None where there is no proof either way.

    `fd` is open for reading only. A read lease is refused while there is a writer (or a shared writable mapping).
    The lease is given back at once; a writer that opens in between is delayed by microseconds.
    """
    if not (platform or PLATFORM).lease:
        return None
    try:
        # A writer that opens meanwhile makes the kernel send a signal: SIGIO would kill us, SIGURG is ignored by
        # default, and unlike an ignored SIGIO that leaves nothing for our children to inherit.
        fcntl.fcntl(fd, fcntl.F_SETSIG, _SIGURG)
        fcntl.fcntl(fd, fcntl.F_SETLEASE, fcntl.F_RDLCK)
    except OSError as error:
        return False if error.errno in (errno.EAGAIN, errno.EBUSY) else None
    fcntl.fcntl(fd, fcntl.F_SETLEASE, fcntl.F_UNLCK)
    return True


def ignore_lease_signal() -> None:
    """Let a SIGIO do nothing. Called once by the main thread before the first lease.

    A handler, not SIG_IGN: what is ignored stays so in every child.
    """
    import signal

    signal.signal(signal.SIGIO, lambda _number, _frame: None)


def sync_file(fd: int, *, platform: Platform | None = None) -> None:
    """Bring the file's content and size to the disk; OSError means that they are not there."""
    if (platform or PLATFORM).fullfsync:
        try:
            fcntl.fcntl(fd, fcntl.F_FULLFSYNC)  # type: ignore[attr-defined, unused-ignore]
        except OSError as error:
            if error.errno not in (errno.ENOTSUP, errno.EINVAL, errno.ENOTTY):
                raise
        else:
            return
    os.fsync(fd)


def sync_dir(path: StrPath) -> None:
    """Bring a directory's names to the disk."""
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        sync_file(fd)
    finally:
        os.close(fd)


def sync_filesystem(path: StrPath) -> None:
    """Bring all that is unwritten on `path`'s file system to the disk. Only where `PLATFORM.syncfs`."""
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        if not _synced_quickly(fd):
            from handoff import syscalls

            syscalls.syncfs(fd)
    finally:
        os.close(fd)


def _synced_quickly(fd: int) -> bool:
    """Sync without ctypes, which costs a runner 6 ms, by its C half alone; False: that cannot be had here."""
    try:
        import _ctypes

        address = _ctypes.dlsym(_ctypes.dlopen(None, 0), "syncfs")  # type: ignore[arg-type]  # as ctypes itself does
    except (ImportError, AttributeError, OSError):
        return False
    if _ctypes.call_function(address, (fd,)) != 0:
        # Which error it was is not to be had this way, and a second call would succeed (RELIABILITY, trap 4).
        raise OSError(errno.EIO, os.strerror(errno.EIO), "syncfs")
    return True


def boot_seconds() -> float:
    """Seconds since the machine started, asleep or awake; no step of the wall clock changes them."""
    # On macOS CLOCK_MONOTONIC is the one that goes on during sleep (time.monotonic() does not).
    return time.clock_gettime(_BOOT_CLOCK)


def become_subreaper() -> bool:
    """Make orphans below this process its children; False where the system cannot."""
    if not PLATFORM.subreaper:
        return False
    from handoff import syscalls

    try:
        syscalls.set_child_subreaper()
    except OSError:
        return False
    return True


def __getattr__(name: str) -> object:
    """Find the questions about processes in their own room, loaded when the first is asked."""
    if name in _PROCESS_NAMES:
        from handoff import processes

        return getattr(processes, name)
    message = f"module {__name__!r} has no attribute {name!r}"
    raise AttributeError(message)


def _kernel() -> tuple[int, int]:
    major, minor = os.uname().release.split(".")[:2]
    return int(major), int("".join(letter for letter in minor if letter.isdigit()) or 0)


_SIGURG = (
    16 if sys.platform == "darwin" else 23
)  # `signal` drags enum in; asserted equal to signal.SIGURG in the tests
_BOOT_CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
PLATFORM = detect()
