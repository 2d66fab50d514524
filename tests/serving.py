"""A real daemon on a root of its own, as a process, for tests: started, killed, started again, proved to be gone."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tomllib
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil

from handoff.platform import processes_with_mark
from handoff.root import Root, create_root
from tests.waiting import wait_until
from tests.warm import COLD, Fork

MARK = "TEST_OF_ORCHESTRD"
FAKE_AGENT = Path(__file__).parent / "fake_agent.py"


class Serving:
    """One root and, most of the time, a daemon that serves it."""

    def __init__(
        self,
        folder: Path,
        environ: Mapping[str, str],
        claude: Path | None = None,
        warm: Callable[[], object] | None = None,
    ) -> None:
        """`warm`: its daemons are forks of this process in which this is called first, not the real command."""
        self.folder = folder
        self.home = folder / "home"
        self.home.mkdir(exist_ok=True)
        self.root: Root = create_root(folder / "handoff")
        self.mark = uuid.uuid4().hex
        own = {
            "HOME": str(self.home),
            "XDG_STATE_HOME": str(self.home / "state"),
            "XDG_CONFIG_HOME": str(self.home / "config"),
            "CLAUDE_CONFIG_DIR": str(self.home / ".claude"),
            # This Python first: where `python3` is a chooser of versions, each fake agent would cost four times that.
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "LANG": "C.UTF-8",
            "ORCHESTRD_CLAUDE": str(claude or FAKE_AGENT),
            "ORCHESTRD_CLAUDE__ENV_PASS": f'["{MARK}", "FAKE_*"]',
            # How busy the machine of the tests is decides nothing; a test of just that switches it on.
            "ORCHESTRD_PRESSURE__ENABLED": "false",
            # Nor does anything appear on the screen of whoever runs them.
            "ORCHESTRD_NOTIFY__DESKTOP": "false",
            MARK: self.mark,
        }
        passed = {name: os.environ[name] for name in ("ORCHESTRD_PORTABLE",) if name in os.environ}
        self.environ = own | passed | dict(environ)
        self.daemon: subprocess.Popen[bytes] | Fork | None = None
        self._warm = None if COLD else warm
        self.log = folder / "daemon.log"

    def start(self, **settings: str) -> None:
        """Start the daemon and wait until it says that it is there. `settings`: LIMITS__MAX_PARALLEL="3"."""
        pid = self._launch({f"ORCHESTRD_{name}": value for name, value in settings.items()}).pid
        wait_until(lambda: self._is_up(pid), 20, f"the daemon to be up; it said: {self.said()}")

    def start_to_die(self, seconds: float = 20) -> None:
        """Start a daemon that is going to meet its end at once, and wait for that."""
        self._launch({}).wait(seconds)

    def _launch(self, settings: Mapping[str, str]) -> subprocess.Popen[bytes] | Fork:
        words = ["--root", str(self.root.path), "serve"]
        environ = {**self.environ, **settings}
        with self.log.open("ab") as log, open(os.devnull, "rb") as nothing:
            if self._warm is not None:
                streams = (nothing.fileno(), log.fileno(), log.fileno())
                self.daemon = Fork(words, environ, self.folder, streams, self._warm)
                return self.daemon
            self.daemon = subprocess.Popen(
                [sys.executable, "-m", "orchestrd", *words],
                env=environ,
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        return self.daemon

    def kill(self) -> None:
        """End the daemon by SIGKILL, as a crash would."""
        assert self.daemon is not None
        self.daemon.kill()
        self.daemon.wait(10)

    def stop(self) -> int:
        """End the daemon by SIGTERM; return its exit code."""
        assert self.daemon is not None
        self.daemon.send_signal(signal.SIGTERM)
        return self.daemon.wait(10)

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """Hold the daemon still: what happens meanwhile happens, for it, in one moment."""
        assert self.daemon is not None
        held = psutil.Process(self.daemon.pid)
        held.suspend()
        wait_until(lambda: held.status() == psutil.STATUS_STOPPED, 10, "the daemon to hold still")
        try:
            yield
        finally:
            held.resume()

    def said(self) -> str:
        """What the daemon wrote on stderr."""
        return self.log.read_text("utf-8", "replace")[-3000:] if self.log.exists() else ""

    def drop(self, name: str, content: str | bytes) -> None:
        """Hand a file in, the right way."""
        raw = content.encode() if isinstance(content, str) else content
        temporary = self.root.inbox / f".{name}.tmp"
        temporary.write_bytes(raw)
        temporary.rename(self.root.inbox / name)

    def order(self, name: str, content: str) -> None:
        """Give an order, the right way."""
        temporary = self.root.control / f".{name}.tmp"
        temporary.write_text(content)
        temporary.rename(self.root.control / name)

    def reply(self, name: str, content: str | bytes) -> None:
        """Answer a request, the right way."""
        temporary = self.root.replies / f".{name}.tmp"
        temporary.write_bytes(content.encode() if isinstance(content, str) else content)
        temporary.rename(self.root.replies / name)

    def result(self, plan: str, seconds: float = 30) -> dict[str, Any]:
        """Wait for a plan's result."""
        files = (self.root.results / f"{plan}.toml", self.root.results / f"{plan}.json")
        there = wait_until(
            lambda: next((file for file in files if file.exists()), None),
            seconds,
            f"the result of {plan}; the daemon said: {self.said()}",
        )
        text = there.read_text("utf-8")
        return tomllib.loads(text) if there.suffix == ".toml" else json.loads(text)

    def status(self, name: str) -> dict[str, Any]:
        """What `status/NAME.json` says."""
        return json.loads((self.root.status / f"{name}.json").read_text("utf-8"))

    def journal(self, plan: str) -> list[dict[str, Any]]:
        """A plan's journal, wherever its folder lies."""
        try:
            text = (self.plan_folder(plan) / "journal.jsonl").read_text()
        except FileNotFoundError:  # it went to the archive just now
            text = (self.plan_folder(plan) / "journal.jsonl").read_text()
        return [json.loads(line) for line in text.splitlines()]

    def plan_folder(self, plan: str) -> Path:
        """Where a plan's folder lies now."""
        active = self.root.active / plan
        return active if active.exists() else next(self.root.archive.glob(f"*/{plan}"))

    def processes(self) -> list[int]:
        """Every process that this root's daemon started, directly or not, and that is alive."""
        return [
            pid
            for pid in processes_with_mark(f"{MARK}={self.mark}")
            if self.daemon is None or pid != self.daemon.pid
        ]

    def _is_up(self, pid: int) -> bool:
        assert self.daemon is not None
        if self.daemon.poll() is not None:
            raise AssertionError(f"the daemon ended with {self.daemon.returncode}; it said: {self.said()}")
        try:
            return bool(self.status("daemon")["pid"] == pid)
        except (OSError, ValueError, KeyError):
            return False


@contextmanager
def serving(
    folder: Path,
    environ: Mapping[str, str],
    claude: Path | None = None,
    warm: Callable[[], object] | None = None,
) -> Iterator[Serving]:
    """Give a root; afterwards end its daemon and whatever it left."""
    here = Serving(folder, environ, claude, warm)
    try:
        yield here
    finally:
        if here.daemon is not None and here.daemon.poll() is None:
            here.daemon.kill()
            here.daemon.wait(10)
        for pid in here.processes():
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue


def a_repository(folder: Path) -> Path:
    """Make a small git repository with one commit."""
    folder.mkdir(parents=True)
    (folder / "README.md").write_text("# A project\n")
    for words in (
        ("init", "-q", "-b", "main"),
        ("add", "."),
        ("-c", "user.name=Ann", "-c", "user.email=ann@localhost", "commit", "-q", "-m", "Begin"),
    ):
        subprocess.run(["git", "-C", str(folder), *words], check=True, capture_output=True)
    return folder
