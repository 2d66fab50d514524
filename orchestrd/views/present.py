"""What the daemon last told of itself and of its plans, and whether it is still there to tell."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from orchestrd.views.words import how_long, read_json, read_time

if TYPE_CHECKING:
    from handoff.root import Root


@dataclass(frozen=True)
class Daemon:
    """What `status/daemon.json` says, judged by its heartbeat and the lock of the root."""

    alive: bool
    status: dict[str, Any]
    stalled_pid: int | None = None
    """It is not alive and holds the root's lock: its process, which stands still or says nothing."""
    is_stopped: bool = False
    """A signal made that process stand still."""

    @property
    def state(self) -> str:
        """The daemon's own word; or that there is none, or that it stands still."""
        if self.alive:
            return str(self.status.get("state", "unknown"))
        if self.stalled_pid is None:
            return "not running"
        if self.is_stopped:
            return f"stopped by a signal (pid {self.stalled_pid})"
        heartbeat = read_time(self.status.get("heartbeat"))
        span = f" for {how_long(_age(heartbeat))}" if heartbeat else ""
        return f"stalled{span} (pid {self.stalled_pid})"

    @property
    def remedy(self) -> str:
        """What to do where it is not alive."""
        if self.stalled_pid is None:
            return "start one: orchestrd serve (or: orchestrd service install)"
        if self.is_stopped:
            return f"`kill -CONT {self.stalled_pid}` lets it go on"
        return f"`orchestrd logs` may say why; runs go on when `kill -9 {self.stalled_pid}` ends it and another starts"


def read_daemon(root: Root) -> Daemon:
    """Look whether a daemon serves this root: a heartbeat older than three beats means that it is gone or stalled.

    Where the system tells who holds the root's lock, one that was killed is known to be gone at once, and one that a
    signal stopped to stand still.
    """
    status = read_json(root.status / "daemon.json")
    if not status or status.get("state") == "stopped":
        return Daemon(alive=False, status=status)
    heartbeat = read_time(status.get("heartbeat"))
    if heartbeat is None:
        return Daemon(alive=False, status=status)
    beats = _age(heartbeat) <= 3 * float(status.get("beat_seconds", 5))
    holders = _holders(root)
    if holders == []:
        return Daemon(alive=False, status=status)
    holder = _holder(holders, status)
    is_stopped = holder is not None and _stands_still(holder)
    if beats and not is_stopped:
        return Daemon(alive=True, status=status)
    return Daemon(alive=False, status=status, stalled_pid=holder, is_stopped=is_stopped)


def _age(heartbeat: datetime) -> float:
    return (datetime.now(UTC) - heartbeat).total_seconds()


def read_plans(root: Root) -> list[dict[str, Any]]:
    """Read the plans in work as the daemon last told them, the running ones first.

    A runner takes an answer by itself, daemon or not: what it asked then is asked no longer, whoever told it last.
    """
    plans = read_json(root.status / "plans.json").get("plans", [])
    return [_without_answered(root, plan) for plan in plans]


def _without_answered(root: Root, plan: dict[str, Any]) -> dict[str, Any]:
    if plan.get("state") != "asking":
        return plan
    runs = [dict(run) for run in plan.get("runs") or ()]
    for run in runs:
        run["asks"] = [
            one for one in run.get("asks") or () if (root.requests / str(one.get("request"))).exists()
        ]
    if any(run["asks"] for run in runs):
        return plan | {"runs": runs}
    return {name: value for name, value in plan.items() if name != "until"} | {
        "runs": runs,
        "state": "running",
    }


def read_more(root: Root) -> int:
    """How many plans are in work besides those that `read_plans` has."""
    return int(read_json(root.status / "plans.json").get("more") or 0)


def _holders(root: Root) -> list[int] | None:
    """List who has taken the root's lock, [] where it is free; None where that cannot be seen."""
    from handoff.filesystems import network_filesystem
    from handoff.processes import lock_holders

    found = lock_holders(root.lock)
    # Of a root that lies elsewhere the daemon may be elsewhere too: its lock is not seen here.
    return None if found == [] and network_filesystem(root.path) is not None else found


def _holder(holders: list[int] | None, status: dict[str, Any]) -> int | None:
    """Pick the daemon among those that have taken the lock; None where none of them can be seen from here."""
    told = status.get("pid")
    seen = [pid for pid in holders or () if pid > 0]  # 0: of another container
    return told if told in seen else next(iter(seen), None)


def _stands_still(pid: int) -> bool:
    from handoff.processes import is_stopped

    return is_stopped(pid)
