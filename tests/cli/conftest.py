from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.cli.commands import CommandLine


@pytest.fixture
def orchestrd(tmp_path: Path, request: pytest.FixtureRequest) -> CommandLine:
    home = tmp_path / "home"
    home.mkdir()
    return CommandLine(home, real=getattr(request.module, "REAL", False))


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    folder.mkdir()
    identity = ["-c", "user.name=Ada", "-c", "user.email=ada@localhost"]
    subprocess.run(["git", "init", "--quiet", "--initial-branch=main"], cwd=folder, check=True)
    (folder / "README.md").write_text("# A project\n")
    subprocess.run(["git", "add", "--all"], cwd=folder, check=True)
    subprocess.run(["git", *identity, "commit", "--quiet", "--message", "Begin"], cwd=folder, check=True)
    return folder
