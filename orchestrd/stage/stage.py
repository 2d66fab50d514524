"""A stage: a root, a daemon and a scripted model of their own, on which plans run with the real Claude Code at no cost.

Nothing of the user's is touched: home, Claude Code's configuration and state lie in the stage's folder, the key is
made up, and the model listens on loopback.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from handoff.client import order, read_result
from handoff.root import PlanId, Root, create_root
from orchestrd.rehearsal import Rehearsal, Script
from orchestrd.runs.claude import ClaudeCommand, find_claude
from orchestrd.views.present import read_daemon

START_SECONDS = 20.0
STOP_SECONDS = 10.0

_PASSED = (
    "PATH",
    "LANG",
    "LC_ALL",
    "LC_CTYPE",
    "TERM",
    "TMPDIR",
    "USER",
    "LOGNAME",
    "SHELL",
    "TZ",
    "ORCHESTRD_PORTABLE",
)


class StageBroken(Exception):
    """The stage could not be set up; says why."""


@dataclass(frozen=True)
class Stage:
    """A daemon that serves a root of its own."""

    folder: Path
    root: Root
    claude: ClaudeCommand
    model: Rehearsal
    daemon: subprocess.Popen[bytes]
    started_seconds: float
    """How long the daemon took until it was ready."""

    @property
    def daemon_log(self) -> Path:
        """What the daemon said."""
        return self.folder / "daemon.log"


@contextmanager
def set_stage(
    folder: Path,
    script: Script | None,
    configured_claude: str | None,
    settings: Mapping[str, str] | None = None,
) -> Iterator[Stage]:
    """Start model and daemon in `folder`, and end both and every run afterwards.

    `settings` are further variables of the daemon. Raises ClaudeMissing, RootError, StageBroken.
    """
    claude = find_claude(configured_claude, os.environ)
    root = create_root(folder / "handoff")
    with Rehearsal(script) as model:
        environ = _environment(folder, claude, model) | dict(settings or {})
        began = time.monotonic()
        daemon = _start(folder, root, environ)
        # Ended by a signal we would leave everything running.
        before = signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
        try:
            _await_daemon(folder, root, daemon)
            yield Stage(folder, root, claude, model, daemon, time.monotonic() - began)
        finally:
            _stop(root, daemon)
            signal.signal(signal.SIGTERM, before)


def _environment(folder: Path, claude: ClaudeCommand, model: Rehearsal) -> dict[str, str]:
    home = folder / "home"
    home.mkdir(mode=0o700, exist_ok=True)
    passed = {name: os.environ[name] for name in _PASSED if name in os.environ}
    own = {
        "HOME": str(home),
        "CLAUDE_CONFIG_DIR": str(home / ".claude"),
        "XDG_CONFIG_HOME": str(home / ".config"),
        "XDG_STATE_HOME": str(home / ".local/state"),
        "ORCHESTRD_CLAUDE": str(claude.path),
        # The user's own git settings may name hooks, filters and signing keys.
        "GIT_CONFIG_NOSYSTEM": "1",
        # What a rehearsal asks for waits for nobody.
        "ORCHESTRD_NOTIFY__DESKTOP": "false",
    }
    return passed | own | model.environment()


def _start(folder: Path, root: Root, environ: dict[str, str]) -> subprocess.Popen[bytes]:
    with open(folder / "daemon.log", "ab") as log:
        return subprocess.Popen(
            [sys.executable, "-m", "orchestrd", "--root", str(root.path), "serve"],
            cwd=folder,
            env=environ,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,  # Ctrl-C is for us, who then end it in order
        )


def _await_daemon(folder: Path, root: Root, daemon: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + START_SECONDS
    while not read_daemon(root).alive:
        if daemon.poll() is not None or time.monotonic() > deadline:
            last = (folder / "daemon.log").read_text("utf-8", "replace").strip().splitlines()[-3:]
            raise StageBroken(f"the daemon did not start: {' / '.join(last) or 'it said nothing'}")
        time.sleep(0.02)


def _stop(root: Root, daemon: subprocess.Popen[bytes]) -> None:
    """End every run before the daemon: a run would outlive it, as it should everywhere but here."""
    if daemon.poll() is None:
        for plan in os.listdir(root.active):
            if read_result(root, PlanId(plan)) is None:
                order(root, "cancel", plan=PlanId(plan))
        deadline = time.monotonic() + STOP_SECONDS
        while os.listdir(root.active) and time.monotonic() < deadline:
            time.sleep(0.05)
        daemon.terminate()
    try:
        daemon.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        daemon.kill()
        daemon.wait()
