"""Fixtures that start the real Claude Code against the rehearsal model, and prove that nothing of it is left.

Every start has a home and configuration of its own, a made-up key and an address on loopback: no run can reach a real
account, whatever the machine's own environment holds.
"""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import psutil
import pytest

from orchestrd.rehearsal import Rehearsal, Script, parse_script
from tests.waiting import wait_until

MARK = "ORCHESTRD_TEST_MARK"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Everything in this folder runs the real Claude Code."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.live)


def find_binary() -> Path | None:
    """Claude Code: the one that ORCHESTRD_CLAUDE names, else the carried one (it does not vary), else PATH's."""
    named = os.environ.get("ORCHESTRD_CLAUDE")
    if named:
        return Path(named)
    package = importlib.util.find_spec("claude_agent_sdk")
    carried = Path(package.origin).parent / "_bundled" / "claude" if package and package.origin else None
    if carried is not None and carried.exists():
        return carried
    on_path = shutil.which("claude")
    return Path(on_path) if on_path else None


@pytest.fixture(scope="session")
def claude_binary() -> Path:
    """The real Claude Code; without one the test is skipped."""
    found = find_binary()
    if found is None:
        pytest.skip(
            "no Claude Code: not on PATH, not named by ORCHESTRD_CLAUDE, extra `claude` not installed"
        )
    return found


@pytest.fixture
def process_mark() -> Iterator[str]:
    """A mark for the environment of everything a test starts; at the end no process that carries it may be alive."""
    mark = uuid4().hex
    yield mark
    try:
        wait_until(lambda: not marked_processes(mark), 5, "the end of every process that the test started")
    except AssertionError:
        left = marked_processes(mark)
        told = [f"{process.pid} {process.cmdline()}" for process in left if process.is_running()]
        for process in left:
            process.kill()
        pytest.fail(f"left behind: {told}")


def marked_processes(mark: str) -> list[psutil.Process]:
    """Every living process whose environment carries the mark."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get(MARK) == mark and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
        except psutil.Error:
            continue
    return found


@pytest.fixture
def claude_home(tmp_path: Path) -> Path:
    """A home directory that no other run shares; Claude Code's configuration lies in its `.claude`."""
    home = tmp_path / "home"
    (home / ".claude").mkdir(parents=True)
    return home


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A small git project with one commit on `main`."""
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "README.md").write_text("# A small project\n", encoding="utf-8")
    (folder / "app.py").write_text('print("hello")\n', encoding="utf-8")
    git(folder, "init", "--quiet", "--initial-branch=main")
    git(folder, "config", "user.name", "Test")
    git(folder, "config", "user.email", "test@example.org")
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message=Begin")
    return folder


def git(folder: Path, *arguments: str) -> str:
    """Run git in `folder` and return what it prints."""
    done = subprocess.run(
        ["git", "-c", "commit.gpgsign=false", *arguments],
        cwd=folder,
        check=True,
        capture_output=True,
        text=True,
    )
    return done.stdout.strip()


Rehearse = Callable[..., Rehearsal]


@pytest.fixture
def rehearse() -> Iterator[Rehearse]:
    """Start a rehearsal model: `rehearse()`, `rehearse(toml_text)` or `rehearse(script)`; all are closed at the end."""
    started: list[Rehearsal] = []

    def start(script: Script | str | None = None, **options: Any) -> Rehearsal:
        model = Rehearsal(parse_script(script) if isinstance(script, str) else script, **options)
        started.append(model)
        return model

    yield start
    for model in started:
        model.close()


@pytest.fixture
def live_environment(claude_home: Path, process_mark: str) -> Callable[..., dict[str, str]]:
    """The whole environment of a Claude Code that talks to `model`: `live_environment(model, token=False, **more)`."""

    def build(model: Rehearsal, *, token: bool = False, **more: str) -> dict[str, str]:
        return {
            "PATH": os.environ["PATH"],
            "HOME": str(claude_home),
            "CLAUDE_CONFIG_DIR": str(claude_home / ".claude"),
            "LANG": "C.UTF-8",
            "CLAUDE_CODE_DISABLE_BACKGROUND_TASKS": "1",
            "CLAUDE_CODE_MAX_RETRIES": "0",
            MARK: process_mark,
            **model.environment(token=token),
            **more,
        }

    return build


@dataclass(frozen=True)
class Ended:
    """What a run of Claude Code left: its exit code, its events, what it said on stderr."""

    exit_code: int
    events: list[dict[str, Any]]
    stderr: str

    @property
    def result(self) -> dict[str, Any]:
        """The last result event; empty when there is none."""
        results = [event for event in self.events if event["type"] == "result"]
        return results[-1] if results else {}


@dataclass(frozen=True)
class ClaudeCode:
    """Starts Claude Code in a project, with nothing but what it is given."""

    binary: Path
    project: Path
    environment: Callable[..., dict[str, str]]

    def start(
        self,
        model: Rehearsal,
        prompt: str,
        *arguments: str,
        token: bool = False,
        env: Mapping[str, str] | None = None,
    ) -> subprocess.Popen[str]:
        """Start it with `prompt` on its standard input, which is then closed."""
        process = subprocess.Popen(
            [self.binary, "--print", "--output-format", "stream-json", "--verbose", *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=self.project,
            env=self.environment(model, token=token, **(env or {})),
            text=True,
        )
        assert process.stdin is not None
        process.stdin.write(prompt)
        process.stdin.close()
        process.stdin = None
        return process

    def run(self, model: Rehearsal, prompt: str, *arguments: str, **options: Any) -> Ended:
        """Start it and wait for its end, a minute at most."""
        process = self.start(model, prompt, *arguments, **options)
        try:
            output, stderr = process.communicate(timeout=60)
        finally:
            process.kill()
        return Ended(process.returncode, [json.loads(line) for line in output.splitlines()], stderr)


@pytest.fixture
def claude(claude_binary: Path, project: Path, live_environment: Callable[..., dict[str, str]]) -> ClaudeCode:
    """The real Claude Code in a small project."""
    return ClaudeCode(claude_binary, project, live_environment)
