"""The ground that is measured on: a root of its own, projects, a daemon as a process; nothing of the user's."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from handoff.root import Root, create_root

AGENT = Path(__file__).parent.parent / "tests" / "fake_agent.py"
TICKS = os.sysconf("SC_CLK_TCK")
LOOK_SECONDS = 0.002


class Ground:
    """One root and its daemon, in a folder of its own."""

    def __init__(self, folder: Path, claude: Path, environ: Mapping[str, str] | None = None) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        home = folder / "home"
        home.mkdir(exist_ok=True)
        # As its user would have it; without a name every commit is tried twice.
        (home / ".gitconfig").write_text("[user]\n\tname = Ann\n\temail = ann@localhost\n")
        self.root: Root = create_root(folder / "handoff")
        self.environ = {
            # This Python first: where `python3` is a chooser of versions, that would be what is measured.
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "LANG": "C.UTF-8",
            "HOME": str(home),
            "XDG_STATE_HOME": str(home / "state"),
            "XDG_CONFIG_HOME": str(home / "config"),
            "CLAUDE_CONFIG_DIR": str(home / ".claude"),
            "GIT_CONFIG_NOSYSTEM": "1",
            "ORCHESTRD_CLAUDE": str(claude),
            **(environ or {}),
        }
        self.daemon: subprocess.Popen[bytes] | None = None

    def start(self, **settings: str) -> float:
        """Start the daemon; the seconds until it said in `status/` that it is there. `LIMITS__MAX_PARALLEL="4"`."""
        more = {f"ORCHESTRD_{name}": value for name, value in settings.items()}
        began = time.monotonic()
        with (self.folder / "daemon.log").open("ab") as log:
            self.daemon = subprocess.Popen(
                [sys.executable, "-m", "orchestrd", "--root", str(self.root.path), "serve"],
                env=self.environ | more,
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        await_so(self._is_up, 120, "the daemon to be up")
        return time.monotonic() - began

    @property
    def pid(self) -> int:
        assert self.daemon is not None
        return self.daemon.pid

    def stop(self) -> None:
        """End the daemon, in order if it will."""
        if self.daemon is not None and self.daemon.poll() is None:
            self.daemon.send_signal(signal.SIGTERM)
            try:
                self.daemon.wait(15)
            except subprocess.TimeoutExpired:
                self.daemon.kill()
                self.daemon.wait()

    def pause(self) -> None:
        """Have nothing start; holds from the next scan on, and over a restart."""
        self._drop(self.root.control, "pause.toml", 'handoff = 1\naction = "pause"\n')
        if self.daemon is not None and self.daemon.poll() is None:
            await_so(lambda: self.status()["state"] == "paused", 20, "the pause")

    def drop(self, name: str, text: str) -> None:
        """Hand a plan in by rename, unsynced: that is its writer's business and not measured."""
        self._drop(self.root.inbox, name, text)

    def _drop(self, lane: Path, name: str, text: str) -> None:
        temporary = lane / f".{name}.tmp"
        temporary.write_text(text)
        temporary.rename(lane / name)

    def await_result(self, plan: str, seconds: float = 60) -> dict[str, Any]:
        """Wait for `results/PLAN.json`."""
        path = self.root.results / f"{plan}.json"
        await_so(path.exists, seconds, f"the result of {plan}")
        result: dict[str, Any] = json.loads(path.read_bytes())
        return result

    def await_archived(self, count: int, seconds: float) -> None:
        """Wait until so many plans in all are settled and archived."""
        month = self.root.archive
        await_so(lambda: _count(month) >= count, seconds, f"{count} plans in {month}", look=0.02)

    def status(self) -> dict[str, Any]:
        status: dict[str, Any] = json.loads((self.root.status / "daemon.json").read_bytes())
        return status

    def journal(self, plan: str) -> dict[str, dict[str, Any]]:
        """The last record of each event in a settled plan's journal."""
        path = next(self.root.archive.glob(f"*/{plan}/journal.jsonl"))
        records = [json.loads(line) for line in path.read_bytes().splitlines()]
        return {record["event"]: record for record in records}

    def _is_up(self) -> bool:
        assert self.daemon is not None
        if self.daemon.poll() is not None:
            said = (self.folder / "daemon.log").read_text("utf-8", "replace")[-2000:]
            raise RuntimeError(f"the daemon ended with {self.daemon.returncode}: {said}")
        try:
            return bool(self.status()["pid"] == self.daemon.pid)
        except (OSError, ValueError, KeyError):
            return False


@contextmanager
def ground(folder: Path, claude: Path, environ: Mapping[str, str] | None = None) -> Iterator[Ground]:
    """Give a root; end its daemon afterwards."""
    here = Ground(folder, claude, environ)
    try:
        yield here
    finally:
        here.stop()


@contextmanager
def scratch() -> Iterator[Path]:
    """A folder on the disk that is measured, gone afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="orchestrd-bench-", dir=os.environ.get("BENCH_FOLDER"))).resolve()
    try:
        yield folder
    finally:
        # 400,000 files: by a program that does nothing else it takes a third of the time.
        subprocess.run(["rm", "-rf", "--", str(folder)], check=False)


def fake_agent(folder: Path) -> Path:
    """The tests' agent, started by an interpreter named in full: no `env`, no search."""
    path = folder / "agent.py"
    source = AGENT.read_text("utf-8").split("\n", 1)[1]
    interpreter = os.path.realpath(sys.executable)
    path.write_text(f"#!{interpreter} -IS\n{source}", "utf-8")
    path.chmod(0o755)
    return path


def a_project(folder: Path) -> Path:
    """A repository of 40 small files."""
    folder.mkdir(parents=True)
    for number in range(40):
        part = folder / f"part{number % 8}"
        part.mkdir(exist_ok=True)
        (part / f"module{number}.py").write_text(f"VALUE = {number}\n" * 40)
    identity = ("-c", "user.name=Ann", "-c", "user.email=ann@localhost")
    for words in (("init", "-q", "-b", "main"), ("add", "."), (*identity, "commit", "-q", "-m", "Begin")):
        subprocess.run(["git", "-C", str(folder), *words], check=True, capture_output=True)
    return folder


def a_plan(project: Path, prompt: str = "Say hello.", *, mode: str = "worktree", **more: Any) -> str:
    """A plan as JSON."""
    return json.dumps(
        {"handoff": 1, "project": str(project), "prompt": prompt, "workspace": {"mode": mode}, **more}
    )


def cpu_seconds(pid: int) -> float:
    """CPU of a process and of the children that it has waited for."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(int(field) for field in fields[11:15]) / TICKS


def await_so(so: Callable[[], object], seconds: float, what: str, look: float = LOOK_SECONDS) -> None:
    """Wait until something is so."""
    deadline = time.monotonic() + seconds
    while not so():
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited {seconds:.0f} s for {what}")
        time.sleep(look)


def _count(archive: Path) -> int:
    months = [entry.path for entry in os.scandir(archive) if entry.is_dir()]
    return sum(len(os.listdir(month)) for month in months)
