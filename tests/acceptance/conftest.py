"""A root, a daemon for it and a project: real ones, and proved to be gone afterwards."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.acceptance.stage import AGENT, LEDGER
from tests.serving import Serving, a_repository, serving
from tests.warm import as_it_is


@pytest.fixture
def here(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Serving]:
    """A root whose daemon is not started yet."""
    warm = None if getattr(request.module, "REAL", False) else as_it_is
    with serving(tmp_path, {"FAKE_LEDGER": str(tmp_path / LEDGER)}, AGENT, warm) as here:
        yield here


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A git repository with one commit."""
    return a_repository(tmp_path / "project")
