"""The stand for real runs: as this system can, and the portable way."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from handoff import platform
from tests.runs.stand import Stand

WAYS = [False, True] if platform.PLATFORM.proc else [True]


@pytest.fixture(params=WAYS, ids=["portable" if way else "linux" for way in WAYS])
def stand(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stand]:
    if request.param:
        monkeypatch.setenv("ORCHESTRD_PORTABLE", "1")
        monkeypatch.setattr(platform, "PLATFORM", platform.detect(portable=True))
    made = Stand(tmp_path)
    yield made
    made.close()


@pytest.fixture
def native_stand(tmp_path: Path) -> Iterator[Stand]:
    """For what does not depend on the platform."""
    made = Stand(tmp_path)
    yield made
    made.close()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[tuple[Path, Stand]]:
    """A file system of one MiB, and a stand on it."""
    place = tmp_path / "disk"
    place.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(place)],
        check=False,
        capture_output=True,
        text=True,
    )
    if mounted.returncode:
        pytest.skip(f"no tmpfs can be mounted here: {mounted.stderr.strip()}")
    stand = Stand(place / "stand")
    yield place, stand
    stand.close()
    subprocess.run(["umount", "--lazy", str(place)], check=True)
