"""Real git repositories for tests, of a user whose configuration is the test's own."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest


@dataclass(frozen=True)
class Repository:
    """A user's repository and checkout."""

    path: Path

    def git(self, *args: str, cwd: Path | None = None) -> str:
        """Call git as its user does; what it wrote, without the last newline."""
        ended = subprocess.run(["git", *args], cwd=cwd or self.path, capture_output=True, check=False)
        assert ended.returncode == 0, ended.stderr.decode("utf-8", "replace")
        return ended.stdout.decode("utf-8", "surrogateescape").removesuffix("\n")

    def write(self, name: str, text: str) -> Path:
        """Write a file."""
        path = self.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return path

    def commit(self, message: str = "more") -> str:
        """Commit everything; the commit in full."""
        self.git("add", "-A")
        self.git("commit", "-q", "--allow-empty", "-m", message)
        return self.git("rev-parse", "HEAD")

    def branches(self) -> list[str]:
        """All of its branches."""
        return self.git("for-each-ref", "--format=%(refname:short)", "refs/heads/").splitlines()

    def standing(self) -> tuple[str, bytes, str]:
        """What must not change: HEAD, the index's bytes, the status."""
        head = self.git("rev-parse", "HEAD") + self.git("symbolic-ref", "HEAD")
        index = (self.path / ".git" / "index").read_bytes()
        return head, index, self.git("--no-optional-locks", "status", "--porcelain", "--ignored")


def isolate_git(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """Have git know nothing of this machine's own configuration."""
    for name in [name for name in os.environ if name.startswith("GIT_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(folder))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(folder / ".config"))
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(folder / "gitconfig"))
    monkeypatch.delenv("EMAIL", raising=False)


def a_repository(path: Path, *, named: bool = True) -> Repository:
    """A repository with one commit on `main`, of three files."""
    path.mkdir(parents=True)
    made = Repository(path)
    made.git("init", "-q", "-b", "main")
    if named:
        made.git("config", "user.name", "Ada")
        made.git("config", "user.email", "ada@example.org")
    made.write("README.md", "one\ntwo\nthree\n")
    made.write("src/main.py", "print('hello')\n")
    made.write("src/deep/other.py", "pass\n")
    made.git("add", "-A")
    made.git("-c", "user.name=Ada", "-c", "user.email=ada@example.org", "commit", "-q", "-m", "first")
    return made
