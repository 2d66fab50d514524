"""What all tools work with: the root, the settings in force, the workflows, and whether the daemon is there."""

from __future__ import annotations

import re
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from handoff.client import is_known
from handoff.root import PlanId, Root, open_root, plan_id_of
from orchestrd.bridge.answers import CannotDo
from orchestrd.views.looking import read_result
from orchestrd.views.present import Daemon, read_daemon
from orchestrd.views.words import one_line, plain

if TYPE_CHECKING:
    from orchestrd.config import Config
    from orchestrd.library.finding import Library

_ID = re.compile(r"[a-z0-9-]{1,100}")


class Desk:
    """Where the tools of one server work. Everything is looked at anew for each call: a server lives for days."""

    def __init__(self, root: Path, environ: Mapping[str, str]) -> None:
        self.path = root
        self.environ = environ
        self.one_at_a_time = threading.Lock()
        """Held while something is handed in: a client that asks again does so while the first call is at work."""

    @property
    def root(self) -> Root:
        """The root, opened and checked. Raises RootError, with the remedy."""
        return open_root(self.path, allow_network=True)

    @property
    def config(self) -> Config:
        """The settings in force. Raises ConfigError."""
        from orchestrd.config import load_config

        return load_config(self.path, self.environ)

    @property
    def library(self) -> Library:
        """The workflows that a plan of this user may name."""
        from orchestrd.runs.library import library_of

        return library_of(self.environ)


def daemon_in_words(daemon: Daemon) -> str:
    """Say whether the daemon is there: `running`, `paused (why)`, `away since …`."""
    status = daemon.status
    if daemon.alive:
        why = one_line(status.get("why") or "", 200)
        return f"{daemon.state} ({why})" if why else daemon.state
    if daemon.stalled_pid is not None:
        return daemon.state
    heartbeat = status.get("heartbeat")
    return f"away since {plain(heartbeat)}" if heartbeat else "away: none has served this root yet"


def is_there(root: Root) -> bool:
    """Whether a daemon serves the root now."""
    return read_daemon(root).alive


def result_of(root: Root, plan: PlanId) -> dict[str, Any] | None:
    """Read a plan's result; None: it has none yet. Raises CannotDo where it is damaged."""
    try:
        return read_result(root, plan)
    except (ValueError, RecursionError) as error:
        raise CannotDo(
            f"the result of {plan} cannot be read ({one_line(error, 100)}): `orchestrd verify` says what is wrong there"
        ) from None


def plan_named(root: Root, text: str) -> PlanId:
    """Take an id as a model gives it, a file's name too. Raises CannotDo where this root has never seen it."""
    for plan in (PlanId(text.strip()), plan_id_of(text.strip())):
        if _ID.fullmatch(plan) and is_known(root, plan):
            return plan
    raise CannotDo(
        f"{one_line(text, 100)!r} is no plan of this root: list_plans names those that there are; "
        "an id is what submit_plan returned"
    )
