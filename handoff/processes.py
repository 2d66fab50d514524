"""Questions about processes, each with its portable way: psutil, which is imported only then.

Reached through `handoff.platform`. A pid alone is never believed: it is checked together with its start time, and a
signal goes through a pidfd where there is one.
"""

from __future__ import annotations

import os

from handoff import platform

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

StrPath = str | os.PathLike[str]

_CLOCK_SLACK_SECONDS = 120.0


def boot_id() -> str:
    """Name this boot of the machine; another text after the next one. Compare with `same_boot`."""
    if platform.PLATFORM.proc:
        with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
            return file.read().strip()
    from handoff import syscalls

    if syscalls.has("sysctlbyname"):
        return syscalls.sysctl_string("kern.bootsessionuuid")
    import psutil

    return f"started-{psutil.boot_time():.0f}"


def same_boot(one: str, other: str) -> bool:
    """Tell whether two boot ids name the same boot: a start *time* moves a little with the wall clock."""
    if one == other:
        return True
    prefix = "started-"
    if not (one.startswith(prefix) and other.startswith(prefix)):
        return False
    return abs(float(one[len(prefix) :]) - float(other[len(prefix) :])) < _CLOCK_SLACK_SECONDS


def start_ticks(pid: int) -> str | None:
    """When the process started, as a text that no other process of this boot with that pid has; None: no such one."""
    if platform.PLATFORM.proc:
        fields = _stat_fields(pid)
        return fields[19].decode() if fields else None
    import psutil

    try:
        return f"{psutil.Process(pid).create_time():.2f}"
    except psutil.Error:
        return None


def is_zombie(pid: int) -> bool:
    """Tell whether a process has ended and nobody has collected it yet: it holds nothing any more."""
    if platform.PLATFORM.proc:
        return _stat_fields(pid)[:1] == [b"Z"]
    import psutil

    try:
        return bool(psutil.Process(pid).status() == psutil.STATUS_ZOMBIE)
    except psutil.Error:
        return False


def is_stopped(pid: int) -> bool:
    """Tell whether a signal (SIGSTOP, Ctrl-Z) made a process stand still: it does nothing until SIGCONT."""
    if platform.PLATFORM.proc:
        return _stat_fields(pid)[:1] == [b"T"]
    import psutil

    try:
        return bool(psutil.Process(pid).status() == psutil.STATUS_STOPPED)
    except psutil.Error:
        return False


def pidfd_open(pid: int) -> int | None:
    """Open a descriptor that is the process itself, whatever becomes of its pid; None: gone, or not on this system."""
    if not platform.PLATFORM.pidfd:
        return None
    try:
        return os.pidfd_open(pid)
    except OSError:
        return None


def send_signal(pid: int, ticks: str | None, number: int) -> bool:
    """Signal the process that started at `ticks` (None: whoever has the pid now); False: it is gone.

    Raises PermissionError where we may not.
    """
    from handoff.effects import let_go, programs

    fd = pidfd_open(pid)
    try:
        # Opened first, then compared: the descriptor stays with the process that the comparison was about.
        if ticks is not None and start_ticks(pid) != ticks:
            return False
        if fd is not None:
            programs.kill_by_descriptor(fd, number)
        elif platform.PLATFORM.pidfd:
            return False
        else:
            programs.kill(pid, number)
    except ProcessLookupError:
        return False
    finally:
        if fd is not None:
            let_go(fd)
    return True


def process_children(pid: int) -> list[int]:
    """List the direct children, zombies among them."""
    if not platform.PLATFORM.proc:
        import psutil

        try:
            return [child.pid for child in psutil.Process(pid).children()]
        except psutil.Error:
            return []
    try:
        threads = os.listdir(f"/proc/{pid}/task")
    except OSError:
        return []
    children: list[int] = []
    for thread in threads:
        try:
            with open(f"/proc/{pid}/task/{thread}/children", "rb") as file:
                children += [int(word) for word in file.read().split()]
        except FileNotFoundError:
            if os.path.exists(f"/proc/{pid}/task/{thread}"):  # a kernel without these lists
                return [other for other in _all_pids() if _parent(other) == pid]
        except OSError:
            continue
    return children


def processes_with_mark(mark: str) -> list[int]:
    """List the processes that carry `mark` in their environment: `NAME=value`, or a value of any name.

    What was detached, re-parented or given a session of its own is found too. Others' processes are not readable,
    and not ours.
    """
    if not platform.PLATFORM.proc:
        return _marked_by_psutil(mark)
    wanted = os.fsencode(mark)
    found = []
    for pid in _all_pids():
        try:
            with open(f"/proc/{pid}/environ", "rb") as file:
                content = file.read()
        except OSError:
            continue
        if wanted in content and _carries(content.split(b"\0"), wanted):
            found.append(pid)
    return found


def lock_holders(path: StrPath) -> list[int] | None:
    """Tell whether a flock is held on the file, without trying it: the pids that *took* it, [] where it is free.

    A lock that was inherited names the process that took it, even when that one is dead: only "held or not" is
    meant to be believed. None: this system cannot say.
    """
    if not platform.PLATFORM.proc:
        return None
    try:
        file = os.stat(path)
        with open("/proc/locks", encoding="ascii") as locks:
            lines = [line.split() for line in locks]
    except FileNotFoundError:
        return []
    except OSError:
        return None
    device = f"{os.major(file.st_dev):02x}:{os.minor(file.st_dev):02x}"
    is_exact = _names_a_mount(file.st_dev)
    holders = []
    for words in lines:
        if len(words) < 8 or words[1] != "FLOCK":  # "-> FLOCK" is one that waits
            continue
        where, _, inode = words[5].rpartition(":")
        # btrfs and overlayfs show another device to stat() than to /proc/locks, both without a major number. Where
        # stat() tells the mount's own, that alone counts: two small disks in memory number their files alike.
        if inode == str(file.st_ino) and (where == device or (not is_exact and where.startswith("00:"))):
            holders.append(int(words[4]))
    return holders


def locked_inodes() -> frozenset[int] | None:
    """List the inodes on which a flock is held, for whoever asks about many files. None: this system cannot say."""
    if not platform.PLATFORM.proc:
        return None
    try:
        with open("/proc/locks", encoding="ascii") as locks:
            lines = [line.split() for line in locks]
    except OSError:
        return None
    return frozenset(
        int(words[5].rpartition(":")[2]) for words in lines if len(words) >= 8 and words[1] == "FLOCK"
    )


def values_of(name: str) -> dict[int, str]:
    """Tell what a variable is in each process that has it in its environment, by pid; zombies have none."""
    prefix = os.fsencode(name) + b"="
    found = {}
    for pid, entries in _environments():
        value = next((entry[len(prefix) :] for entry in entries if entry.startswith(prefix)), None)
        if value is not None:
            found[pid] = os.fsdecode(value)
    return found


def _environments() -> Iterator[tuple[int, list[bytes]]]:
    """Read the environment of every process that lets us."""
    if not platform.PLATFORM.proc:
        import psutil

        for process in psutil.process_iter():
            try:
                yield process.pid, [os.fsencode(f"{key}={value}") for key, value in process.environ().items()]
            except psutil.Error:
                continue
        return
    for pid in _all_pids():
        try:
            with open(f"/proc/{pid}/environ", "rb") as file:
                yield pid, file.read().split(b"\0")
        except OSError:
            continue


def _names_a_mount(device: int) -> bool:
    """Whether a device, as stat() tells it, is that of a mounted file system, as the kernel's own lists name it."""
    if os.major(device):
        return True
    name = f"{os.major(device)}:{os.minor(device)}".encode()
    with open("/proc/self/mountinfo", "rb") as mounts:
        return any(line.split(b" ", 3)[2] == name for line in mounts)


def _stat_fields(pid: int) -> list[bytes]:
    """The fields of /proc/PID/stat from the third (state) on; [] for no such process."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            content = file.read()
    except OSError:
        return []
    # The second field is the program's name in brackets and may hold anything, brackets and blanks too.
    return content[content.rfind(b")") + 2 :].split()


def _parent(pid: int) -> int | None:
    fields = _stat_fields(pid)
    return int(fields[1]) if fields else None


def _all_pids() -> list[int]:
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]


def _carries(entries: list[bytes], wanted: bytes) -> bool:
    if b"=" in wanted:
        return wanted in entries
    return any(entry.partition(b"=")[2] == wanted for entry in entries)


def _marked_by_psutil(mark: str) -> list[int]:
    import contextlib

    import psutil

    wanted = os.fsencode(mark)
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            entries = [os.fsencode(f"{name}={value}") for name, value in process.environ().items()]
            if _carries(entries, wanted):
                found.append(process.pid)
    return found
