"""Locks against processes, as `orchestrd verify` looks at them: what runs holds its lock, and nothing else is left.

No lock is tried: to the daemon a try would look like a run. What cannot be told on this system is not looked at.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from handoff.processes import is_zombie, lock_holders, values_of
from handoff.request_names import parse_request_name
from handoff.root import PlanId, Root
from orchestrd.config import root_name
from orchestrd.runs.recovery import follow_pid, read_exit, read_started
from orchestrd.runs.start import LOCK
from orchestrd.runs.tree import MARK
from orchestrd.views.findings import LOCKS, REQUESTS, Finding, Looked
from orchestrd.views.present import read_daemon

STARTED_AGAIN = "start the daemon (`orchestrd serve`): it takes such requests back"
SERVE = "start the daemon (`orchestrd serve`): it ends what is left of that run and goes on with the plan"


@dataclass(frozen=True, slots=True)
class RunProcess:
    """A process that carries the mark of a run of this root."""

    pid: int
    plan: PlanId
    start: str


def look_at_starts(
    plan: PlanId,
    starts: Callable[[], Iterable[Path]],
    locked: frozenset[int],
    *,
    is_archived: bool,
    root: Root,
) -> Iterator[Finding]:
    """Compare the locks of a plan's starts with the processes that should hold them; `locked`: `locked_inodes`."""
    for start in starts():
        where = str(start.relative_to(root.path))
        if is_archived:
            # Of many plans: one list of locks answers for all of them, and only a hit is asked about.
            if _inode(start / LOCK) in locked and lock_holders(start / LOCK):
                what = "the plan is settled, and the lock of this start is still held"
                yield Finding(LOCKS, where, what, _end_by_hand(where), plan)
            continue
        holders, pid = lock_holders(start / LOCK), follow_pid(start)
        if pid is not None and is_zombie(pid):
            pid = None
        if holders == [] and pid is not None and not read_exit(start):
            what = f"its runner (pid {pid}) is alive and does not hold its lock"
            yield Finding(LOCKS, where, what, f"end that process (kill {pid}), then restart the daemon", plan)
        if holders and pid is None and read_started(start):
            yield Finding(
                LOCKS,
                where,
                "its runner is gone, and something else holds its lock",
                _end_by_hand(where),
                plan,
            )


def processes(root: Root, looked: Looked) -> list[RunProcess]:
    """List the processes of this root's runs."""
    found = []
    for pid, value in values_of(MARK).items():
        name, _, rest = value.partition("/")
        plan, _, start = rest.partition("/")
        if name == root_name(root.path) and plan and start:
            found.append(RunProcess(pid, PlanId(plan), start))
    looked.processes = len(found)
    return found


def look_at_processes(root: Root, found: Iterable[RunProcess]) -> Iterator[Finding]:
    """Find the processes whose run is over."""
    for one in found:
        start = root.plan_folder(one.plan) / "runs" / one.start
        where = f"process {one.pid}"
        if not start.is_dir():
            if _is_alive(one.pid):
                what = f"it belongs to the run {one.start} of {one.plan}, which is not in work any more"
                yield Finding(LOCKS, where, what, f"end it: kill {one.pid}", one.plan)
        elif lock_holders(start / LOCK) == [] and _is_alive(one.pid):
            what = f"it belongs to the run {one.start} of {one.plan}, whose lock nobody holds"
            yield Finding(LOCKS, where, what, SERVE, one.plan)


def look_at_requests(root: Root) -> Iterator[Finding]:
    """Find what is asked of a person though the run that asked it is over."""
    for name in sorted(os.listdir(root.requests)):
        asked = parse_request_name(name)
        if asked is None:
            continue
        plan = PlanId(asked.plan)
        start = root.plan_folder(plan) / "runs" / f"{asked.step}.{asked.number}"
        # None: who holds a lock cannot be told on this system.
        if not start.is_dir() or lock_holders(start / LOCK) == []:
            what = f"nobody waits for an answer: the run {asked.step}.{asked.number} of {asked.plan} is over"
            yield Finding(REQUESTS, f"requests/{name}", what, STARTED_AGAIN, plan)


def look_at_daemon(root: Root) -> Iterator[Finding]:
    """See whether a daemon that is at work holds the lock of its root."""
    daemon = read_daemon(root)
    pid = daemon.status.get("pid")
    if daemon.alive or daemon.status.get("state") in {None, "stopped"} or not isinstance(pid, int):
        return
    # Not alive by the lock, although its process is there and beats: its lock's file was removed.
    if lock_holders(root.lock) == [] and _serves(pid):
        remedy = f"stop it (kill {pid}; runs go on), then start one daemon"
        yield Finding(LOCKS, ".orchestrd/lock", f"the daemon (pid {pid}) serves and does not hold it", remedy)


def _serves(pid: int) -> bool:
    try:
        return b"serve" in Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return False


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True


def _inode(path: Path) -> int | None:
    try:
        return path.stat().st_ino
    except OSError:
        return None


def _end_by_hand(where: str) -> str:
    return f"see who has it open (`fuser -v {where}/lock` in the root), and end that process"
