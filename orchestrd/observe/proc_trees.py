"""Process trees as Linux tells of them in /proc: from each root down by the lists of children, never all of /proc.

The kernel books what an ended child used to the parent that waits for it, CPU and I/O alike, and orphans come to the
runner, which is a subreaper. So the sum over the living, each with what it inherited, is that of the whole tree.
"""

from __future__ import annotations

import os

from orchestrd.observe.readings import Reading

_TICK = 1.0 / os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")
_MOST = 4096
"""All of a `stat` and an `io`, and of nearly every list of children."""


class ProcTrees:
    """Reads trees from /proc."""

    inherits = True
    """A reading holds what ended children of the process used."""

    def __init__(self, proc: str = "/proc") -> None:
        self._proc = proc

    def begin(self) -> None:
        """A round of readings begins; nothing is kept between trees here."""

    def read(self, root: int) -> dict[int, Reading]:
        """Read every process of the tree, zombies among them; empty where the root is gone."""
        found: dict[int, Reading] = {}
        waiting = [root]
        while waiting:
            pid = waiting.pop()
            if pid in found:  # re-parented while we looked
                continue
            reading = self._reading(pid)
            if reading is None:
                continue
            found[pid] = reading
            waiting += self._children(pid, reading.threads)
        return found

    def pss_bytes(self, pid: int) -> int | None:
        """The proportional memory of one process. Costs a walk through its page tables."""
        content = _read(f"{self._proc}/{pid}/smaps_rollup")
        if content is None:
            return None
        for line in content.splitlines():
            if line.startswith(b"Pss:"):
                return int(line.split()[1]) * 1024
        return None

    def _reading(self, pid: int) -> Reading | None:
        stat = _read(f"{self._proc}/{pid}/stat")
        if not stat:
            return None
        # The second field is the program's name in brackets and may hold anything, brackets and blanks too.
        fields = stat[stat.rfind(b")") + 2 :].split(b" ", 22)
        alive = fields[0] not in {b"Z", b"X"}
        io = (_read(f"{self._proc}/{pid}/io") or b"").split()
        inherited = int(fields[13]) + int(fields[14])
        ticks = int(fields[11]) + int(fields[12]) + inherited
        return Reading(
            started=fields[19],
            alive=alive,
            cpu_seconds=ticks * _TICK,
            inherited_seconds=inherited * _TICK,
            memory_bytes=int(fields[21]) * _PAGE,
            read_bytes=int(io[9]) if len(io) > 11 else None,
            written_bytes=int(io[11]) if len(io) > 11 else None,
            threads=int(fields[17]) if alive else 0,
        )

    def _children(self, pid: int, threads: int) -> list[int]:
        if threads == 0:
            return []
        tasks = f"{self._proc}/{pid}/task"
        # Each thread has the children that it made.
        names = [str(pid)] if threads == 1 else _names(tasks)
        children: list[int] = []
        for name in names:
            content = _read(f"{tasks}/{name}/children")
            if content:
                children += map(int, content.split())
        return children


def _names(folder: str) -> list[str]:
    try:
        return os.listdir(folder)
    except OSError:
        return []


def _read(path: str) -> bytes | None:
    """Read a file of /proc whole; None where the process is gone or not ours."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        content = os.read(fd, _MOST)
        # A list of children comes in pieces of about a page; the others end here.
        while len(content) > _MOST - 32 and (more := os.read(fd, _MOST)):
            content += more
    except OSError:
        return None
    finally:
        os.close(fd)
    return content
