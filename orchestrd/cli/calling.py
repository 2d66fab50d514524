"""What every command needs: which root is meant, whether its daemon is alive, and how to say that something failed."""

from __future__ import annotations

import json
import os
import sys
import unicodedata
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from handoff.root import Root
    from orchestrd.config import Config


class Complaint(Exception):
    """A command that cannot do what was asked: one line for stderr and an exit code."""

    def __init__(self, message: str, code: int = 2) -> None:
        super().__init__(message)
        self.code = code


@dataclass
class Call:
    """One call of the command line."""

    named_root: Path | None = None

    @cached_property
    def config(self) -> Config:
        """The settings in force. Raises ConfigError."""
        from orchestrd.config import load_config

        return load_config(self.named_root)

    @cached_property
    def root_path(self) -> Path:
        """Which root is meant, whether it is there or not."""
        named = self.named_root or os.environ.get("ORCHESTRD_ROOT")
        # The configuration costs a quarter of a second to read; a root that was named does not need it.
        return Path(os.path.abspath(os.path.expanduser(named))) if named else self.config.root

    @cached_property
    def root(self) -> Root:
        """The root, opened and checked. Raises RootError with the remedy."""
        from handoff.root import open_root

        return open_root(self.root_path)


@dataclass(frozen=True)
class Daemon:
    """What `status/daemon.json` says, judged by its heartbeat."""

    alive: bool
    status: dict[str, Any]

    @property
    def state(self) -> str:
        """The daemon's own word, or that there is none."""
        return str(self.status.get("state", "unknown")) if self.alive else "not running"


def read_daemon(root: Root) -> Daemon:
    """Look whether a daemon serves this root: a heartbeat older than three beats means that it is gone or stalled."""
    status = read_json(root.status / "daemon.json")
    if not status or status.get("state") == "stopped":
        return Daemon(alive=False, status=status)
    heartbeat = read_time(status.get("heartbeat"))
    if heartbeat is None:
        return Daemon(alive=False, status=status)
    age = (datetime.now(UTC) - heartbeat).total_seconds()
    return Daemon(alive=age <= 3 * float(status.get("beat_seconds", 5)), status=status)


def read_plans(root: Root) -> list[dict[str, Any]]:
    """Read the plans in work as the daemon last told them, the running ones first."""
    return list(read_json(root.status / "plans.json").get("plans", []))


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object; empty when there is none (a status file before the first start)."""
    try:
        found = json.loads(path.read_bytes())
    except (FileNotFoundError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def read_time(text: object) -> datetime | None:
    """Read a date-time of the protocol; None for what is none."""
    try:
        return datetime.fromisoformat(str(text))
    except ValueError:
        return None


def warn_when_nobody_serves(root: Root) -> None:
    """Tell on stderr that what was handed in will lie there."""
    if not read_daemon(root).alive:
        note("no daemon serves this root now; start one: orchestrd serve (or: orchestrd service install)")


def note(message: str) -> None:
    """Say something beside the output."""
    print(f"orchestrd: {message}", file=sys.stderr)


def show_json(value: object) -> None:
    """Print one JSON document for programs."""
    print(json.dumps(value, indent=2, ensure_ascii=False, default=_as_text))


def plain(text: object) -> str:
    """Make text from elsewhere safe to print: control characters could drive the terminal."""
    return "".join(
        one if one in "\n\t" or not unicodedata.category(one).startswith("C") else f"\\x{ord(one):02x}"
        for one in str(text)
    )


def one_line(text: object, width: int) -> str:
    """Shorten text to one printable line of at most `width` characters."""
    line = " ".join(plain(text).split())
    return line if len(line) <= width else f"{line[: width - 1]}…"


def table(rows: list[tuple[str, ...]], head: tuple[str, ...]) -> str:
    """Set rows under a head, in columns."""
    widths = [max(len(row[at]) for row in (head, *rows)) for at in range(len(head))]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in (head, *rows)
    ]
    return "\n".join(lines)


def how_long(seconds: float) -> str:
    """Say a span for people: 42 s, 3 m 10 s, 2 h 5 m."""
    whole = max(0, round(seconds))
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} m {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} m"


def _as_text(value: object) -> str:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    return str(value)
