"""What every command needs: which root is meant, whether its daemon is alive, and how to say that something failed."""

from __future__ import annotations

import json
import os
import re
import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from orchestrd.views.present import read_daemon
from orchestrd.views.words import plain

if TYPE_CHECKING:
    from handoff.root import PlanId, Root
    from orchestrd.config import Config
    from orchestrd.library.finding import Library


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
    def library(self) -> Library:
        """The workflows that a plan of this user may name."""
        from orchestrd.runs.library import library_of

        return library_of(os.environ)

    @cached_property
    def root(self) -> Root:
        """The root, opened and checked. Raises RootError with the remedy."""
        from handoff.root import open_root

        return open_root(self.root_path)


def plan_named(root: Root, text: str) -> PlanId:
    """Take an id as it was typed, a file's name too; complain when this root has never seen it."""
    from handoff.client import is_known
    from handoff.root import PlanId, plan_id_of

    for plan in (PlanId(text), plan_id_of(text)):
        if re.fullmatch(r"[a-z0-9-]+", plan) and is_known(root, plan):
            return plan
    raise Complaint(f"{plain(text)}: no such plan in {root.path}; `orchestrd ls` lists them", 2)


def warn_when_nobody_serves(root: Root) -> None:
    """Tell on stderr that what was handed in will lie there."""
    daemon = read_daemon(root)
    if daemon.stalled_pid is not None:
        note(f"the daemon is {daemon.state}: {daemon.remedy}")
    elif not daemon.alive:
        note(f"no daemon serves this root now; {daemon.remedy}")


def note(message: str) -> None:
    """Say something beside the output."""
    print(f"orchestrd: {message}", file=sys.stderr)


def show_json(value: object) -> None:
    """Print one JSON document for programs."""
    print(json.dumps(value, indent=2, ensure_ascii=False, default=_as_text))


def _as_text(value: object) -> str:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    return str(value)
