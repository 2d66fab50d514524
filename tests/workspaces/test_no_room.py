"""A disk without room is no plan's fault: what git could not write is asked for again, and nothing stays amiss."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from orchestrd.workspaces.git import GitNoSpace
from orchestrd.workspaces.intent import decide, make
from tests.faults.disks import small_disk, why_no_disks
from tests.repositories import a_repository, isolate_git


def test_a_checkout_for_which_there_is_no_room_is_made_when_there_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    missing = why_no_disks()
    if missing:
        pytest.skip(missing)
    isolate_git(monkeypatch, tmp_path)
    repository = a_repository(tmp_path / "project")
    (repository.path / "big").write_bytes(os.urandom(3 << 20))
    repository.git("add", ".")
    repository.git("commit", "-q", "-m", "Something big")
    with small_disk(tmp_path / "disk", 4 << 20) as disk:
        intent = decide(repository.path, "x", checkout=disk.path / "x", lock=None)
        filler = disk.path / "filler-by-hand"
        filler.write_bytes(b"x" * (2 << 20))

        for _ in range(2):
            with pytest.raises(GitNoSpace):
                make(intent, None)
        filler.unlink()
        make(intent, None)

        assert (disk.path / "x" / "big").stat().st_size == 3 << 20
        assert "locked" not in repository.git("worktree", "list", "--porcelain")
