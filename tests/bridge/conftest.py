from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from handoff.root import Root, create_root
from orchestrd.bridge import replying
from tests.bridge.talking import Talk, talking
from tests.serving import a_repository


@pytest.fixture
def root(tmp_path: Path) -> Root:
    return create_root(tmp_path / "handoff")


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return a_repository(tmp_path / "project")


@pytest.fixture
def talk(root: Root, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Talk]:
    """A client, and no daemon. Of this machine's own configuration nothing is seen."""
    for name in ("HOME", "XDG_CONFIG_HOME", "XDG_STATE_HOME", "CLAUDE_CONFIG_DIR"):
        monkeypatch.setenv(name, str(tmp_path / "home"))
    monkeypatch.setattr(replying, "TAKEN_SECONDS", 0.1)  # nobody takes an answer here
    environ = {"HOME": str(tmp_path / "home"), "XDG_CONFIG_HOME": str(tmp_path / "home")}
    with talking(root.path, environ) as talk:
        yield talk
