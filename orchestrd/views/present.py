"""What the daemon last told of itself and of its plans, and whether it is still there to tell."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from orchestrd.views.words import read_json, read_time

if TYPE_CHECKING:
    from handoff.root import Root


@dataclass(frozen=True)
class Daemon:
    """What `status/daemon.json` says, judged by its heartbeat and the lock of the root."""

    alive: bool
    status: dict[str, Any]

    @property
    def state(self) -> str:
        """The daemon's own word, or that there is none."""
        return str(self.status.get("state", "unknown")) if self.alive else "not running"


def read_daemon(root: Root) -> Daemon:
    """Look whether a daemon serves this root: a heartbeat older than three beats means that it is gone or stalled.

    Where the system tells who holds the root's lock, one that was killed is known to be gone at once.
    """
    status = read_json(root.status / "daemon.json")
    if not status or status.get("state") == "stopped":
        return Daemon(alive=False, status=status)
    heartbeat = read_time(status.get("heartbeat"))
    if heartbeat is None:
        return Daemon(alive=False, status=status)
    age = (datetime.now(UTC) - heartbeat).total_seconds()
    beats = age <= 3 * float(status.get("beat_seconds", 5))
    return Daemon(alive=beats and not _lock_is_free(root), status=status)


def read_plans(root: Root) -> list[dict[str, Any]]:
    """Read the plans in work as the daemon last told them, the running ones first."""
    return list(read_json(root.status / "plans.json").get("plans", []))


def read_more(root: Root) -> int:
    """How many plans are in work besides those that `read_plans` has."""
    return int(read_json(root.status / "plans.json").get("more") or 0)


def _lock_is_free(root: Root) -> bool:
    from handoff.filesystems import network_filesystem
    from handoff.processes import lock_holders

    # Of a root that lies elsewhere the daemon may be elsewhere too: its lock is not seen here.
    return lock_holders(root.lock) == [] and network_filesystem(root.path) is None
