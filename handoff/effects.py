"""Everything that is done to the world outside: files, other processes, the clock. A fault test replaces it.

`durable` and what reads lanes are built of these single effects, and so are the daemon and the runner. Each method
is one call of the system, or one of `platform`'s, and decides nothing: a test can count the calls, and make each of
them crash, fail or fall short. Nothing else in the rooms that keep a promise calls the system by itself; a test
holds that (`tests/handoff/test_effects.py`, with the exceptions and their reasons). Standard library only, and cheap
to import: a runner loads this.
"""

from __future__ import annotations

import os
import time

from handoff import platform

TYPE_CHECKING = False
if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any, Never

StrPath = str | os.PathLike[str]


class Effects:
    """Every single thing that is done to the file system, or asked of it."""

    def open(self, path: StrPath, flags: int, mode: int = 0o600, *, dir_fd: int | None = None) -> int:
        """Open a file, or make one."""
        return os.open(path, flags, mode, dir_fd=dir_fd)

    def read(self, fd: int, most_bytes: int) -> bytes:
        """Read some of it; nothing at its end."""
        return os.read(fd, most_bytes)

    def write(self, fd: int, content: bytes | memoryview) -> int:
        """Write some of it; tell how much."""
        return os.write(fd, content)

    def truncate(self, fd: int, size: int) -> None:
        """Cut a file."""
        os.ftruncate(fd, size)

    def allocate(self, fd: int, size: int) -> None:
        """Have a file take up so much of the disk: one with a hole would reserve nothing."""
        if hasattr(os, "posix_fallocate"):
            os.posix_fallocate(fd, 0, size)
        else:
            os.pwrite(fd, b"\0" * size, 0)

    def fsync(self, fd: int) -> None:
        """Bring a file to the disk."""
        platform.sync_file(fd)

    def close(self, fd: int) -> None:
        """Close a descriptor."""
        os.close(fd)

    def lock(self, fd: int) -> None:
        """Take the lock (flock) on an open file. BlockingIOError: somebody has it."""
        import fcntl

        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def sync_dir(self, path: str) -> None:
        """Bring a directory's names to the disk."""
        platform.sync_dir(path)

    def sync_filesystem(self, path: str) -> None:
        """Bring all that is unwritten on a file system to the disk."""
        platform.sync_filesystem(path)

    def rename(self, src: str, dst: str) -> None:
        """Rename, replacing what is there."""
        os.rename(src, dst)

    def rename_new(self, src: str, dst: str, *, ours: bool, within: int | None = None) -> None:
        """Rename, never replacing; with `within`, what of that name lies in that open folder, wherever it is now."""
        platform.rename_new(src, dst, ours=ours, within=within)

    def exchange(self, one: str, other: str) -> None:
        """Let two files change places."""
        platform.exchange(one, other)

    def unlink(self, path: str) -> None:
        """Remove a file."""
        os.unlink(path)

    def mkdir(self, path: str, mode: int = 0o700) -> None:
        """Make a folder."""
        os.mkdir(path, mode)

    def mkdir_in(self, folder: int, name: str, mode: int = 0o700) -> None:
        """Make a folder in an open one, wherever that is now."""
        os.mkdir(name, mode, dir_fd=folder)

    def rename_in(self, folder: int, src: str, dst: str) -> None:
        """Rename within an open folder, replacing what is there."""
        os.rename(src, dst, src_dir_fd=folder, dst_dir_fd=folder)

    def unlink_in(self, folder: int, name: str) -> None:
        """Remove a file in an open folder."""
        os.unlink(name, dir_fd=folder)

    def rmdir(self, path: str) -> None:
        """Remove an empty folder."""
        os.rmdir(path)

    def chmod(self, path: StrPath, mode: int) -> None:
        """Change who may do what."""
        os.chmod(path, mode)

    def list(self, folder: StrPath | int) -> list[str]:
        """Name what lies in a folder, in no order."""
        return os.listdir(folder)

    def stat(self, path: StrPath, *, dir_fd: int | None = None, follow: bool = True) -> os.stat_result:
        """Look at a name without opening what it names."""
        return os.stat(path, dir_fd=dir_fd, follow_symlinks=follow)

    def fstat(self, fd: int) -> os.stat_result:
        """Look at an open file."""
        return os.fstat(fd)

    def may(self, path: StrPath, mode: int) -> bool:
        """Ask whether we may read, write or enter (`os.R_OK` and its like) what a name leads to."""
        return os.access(path, mode)

    def statvfs(self, path: StrPath) -> os.statvfs_result:
        """Ask how full a file system is."""
        return os.statvfs(path)

    def nobody_writes(self, fd: int, can: platform.Platform) -> bool | None:
        """Ask whether nobody has an open file open for writing; None where there is no telling."""
        return platform.nobody_writes(fd, platform=can)


class Programs:
    """Every start of another process, every signal to one, and waiting for it."""

    def start(self, command: Sequence[str], **how: Any) -> subprocess.Popen[bytes]:
        """Start a program; `how` as `subprocess.Popen` takes it."""
        import subprocess  # late: it costs a runner, which starts nothing in this way, 25 ms

        return subprocess.Popen(list(command), **how)

    def run(self, command: Sequence[str], **how: Any) -> subprocess.CompletedProcess[Any]:
        """Start a program and wait for its end; `how` as `subprocess.run` takes it."""
        import subprocess

        return subprocess.run(list(command), check=False, **how)

    def fork(self) -> int:
        """Split in two: 0 in the child, its pid in the parent."""
        return os.fork()

    def become(self, argv: Sequence[str], env: Mapping[str, str]) -> Never:
        """Turn into another program."""
        os.execvpe(argv[0], list(argv), env)  # noqa: S606 - without a shell is what is wanted

    def wait(self, pid: int, flags: int = 0) -> tuple[int, int]:
        """Collect a child that has ended (-1: any)."""
        return os.waitpid(pid, flags)

    def kill(self, pid: int, number: int) -> None:
        """Signal whoever has a pid now."""
        os.kill(pid, number)

    def kill_group(self, leader: int, number: int) -> None:
        """Signal a whole group of processes."""
        os.killpg(leader, number)

    def kill_by_descriptor(self, pidfd: int, number: int) -> None:
        """Signal the one process that a descriptor is, whatever became of its pid."""
        import signal  # late: it costs a runner a third of its start

        signal.pidfd_send_signal(pidfd, number)


class Clock:
    """What time it is, by three clocks, in seconds; and waiting."""

    def wall(self) -> float:
        """Since 1970, as the machine believes; it may be set."""
        return time.time()

    def awake(self) -> float:
        """Only grows, and stands still while the machine sleeps."""
        return time.monotonic()

    def boot(self) -> float:
        """Since the machine started, asleep or awake."""
        return platform.boot_seconds()

    def sleep(self, seconds: float) -> None:
        """Wait."""
        time.sleep(seconds)


effects = Effects()
programs = Programs()
clock = Clock()


def attempt(step: Callable[[], object]) -> OSError | None:
    """Do something; return what the system said against it."""
    try:
        step()
    except OSError as error:
        return error
    return None


def let_go(fd: int) -> None:
    """Close what was only read, or locked. It is closed whatever that says, and no content hangs on it."""
    quietly(lambda: effects.close(fd))


def quietly(step: Callable[[], object]) -> None:
    """Tidy up: what fails here is tried again by whoever comes next."""
    attempt(step)
