"""Whole process trees: who belongs to a run, what they use, and ending them all, with proof.

A run's processes are found by descent (what is orphaned falls to the runner, where it is a subreaper) and by a mark in
their environment, which outlives `setsid`, double forks and the death of every parent. Standard library only.
"""

from __future__ import annotations

import os

from handoff import platform
from handoff.effects import clock, programs

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable

MARK = "ORCHESTRD_RUN"
"""The variable that every process of a run inherits; its value names the run."""
SESSION_MARK = "CLAUDE_CODE_SESSION_ID"
"""Claude Code's own, in the environment of its tools."""
SIGTERM, SIGKILL = 15, 9
"""The same on every system; the module `signal` would cost a runner a third of its start."""
PROOF_SECONDS = 30.0
"""How long a process may take to die of SIGKILL (one that waits for a dead disk does not) before it is given up."""
_PAUSE_SECONDS = 0.003
_DYING_SECONDS = 0.25


class Ended:
    """What became of a tree that was to end."""

    __slots__ = ("killed", "left")

    def __init__(self, killed: Collection[int], left: Collection[int]) -> None:
        self.killed = frozenset(killed)
        """Whoever was still there and got SIGKILL."""
        self.left = frozenset(left)
        """Whoever did not die of it; empty is the proof that nothing is left."""


def descendants(pid: int) -> list[int]:
    """List every process below `pid`, zombies among them; `pid` itself is none of them."""
    found: list[int] = []
    unvisited = [pid]
    while unvisited:
        children = platform.process_children(unvisited.pop())
        found += children
        unvisited += children
    return found


def marked(mark: str, session_id: str | None = None) -> set[int]:
    """List the processes that carry the mark of a run, or Claude Code's mark of its session."""
    found = set(platform.processes_with_mark(f"{MARK}={mark}"))
    if session_id:
        found.update(platform.processes_with_mark(f"{SESSION_MARK}={session_id}"))
    return found - {os.getpid()}


def kill_tree(
    members: Callable[[], Collection[int]],
    *,
    reap: Callable[[], object] = lambda: None,
    seconds: float = PROOF_SECONDS,
) -> Ended:
    """End by SIGKILL whatever `members` finds, again and again, until it finds nothing.

    What is found may fork faster than it is killed, so only a search that comes back empty is the end. `reap` collects
    our own children among them.
    """
    deadline = clock.awake() + seconds
    killed: set[int] = set()
    while True:
        reap()
        found = set(members())
        if not found or clock.awake() > deadline:
            return Ended(killed, found)
        killed |= found
        for pid in found:
            _kill(pid)
        _wait_for_deaths(found, reap)


def sweep(mark: str, session_id: str | None = None, *, seconds: float = PROOF_SECONDS) -> Ended:
    """End what the run of that mark left behind. Not for a run whose runner lives."""
    return kill_tree(lambda: marked(mark, session_id), seconds=seconds)


def resident_bytes(pids: Iterable[int]) -> int:
    """Sum up what these processes hold in memory; whoever is gone holds nothing. Shared pages count for each."""
    if not platform.PLATFORM.proc:
        return _resident_by_psutil(pids)
    pages = 0
    for pid in pids:
        try:
            with open(f"/proc/{pid}/statm", "rb", buffering=0) as file:
                pages += int(file.read().split()[1])
        except (OSError, IndexError):
            continue
    return pages * os.sysconf("SC_PAGE_SIZE")


def _resident_by_psutil(pids: Iterable[int]) -> int:
    import psutil

    total = 0
    for pid in pids:
        try:
            total += psutil.Process(pid).memory_info().rss
        except psutil.Error:
            continue
    return total


def _kill(pid: int) -> None:
    # Straight after it was found: its number cannot have gone round in that time.
    try:
        programs.kill(pid, SIGKILL)
    except OSError:
        return  # gone, or not ours to kill: then the next search finds it again


def _wait_for_deaths(pids: Iterable[int], reap: Callable[[], object]) -> None:
    deadline = clock.awake() + _DYING_SECONDS
    left = list(pids)
    while left and clock.awake() < deadline:
        clock.sleep(_PAUSE_SECONDS)
        reap()
        left = [pid for pid in left if _is_there(pid)]


def _is_there(pid: int) -> bool:
    try:
        programs.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True
