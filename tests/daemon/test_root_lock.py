from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

import pytest

from handoff.effects import effects
from handoff.root import Root, create_root
from orchestrd.daemon.root_lock import RootIsServed, RootLock


@pytest.fixture
def root(tmp_path: Path) -> Root:
    return create_root(tmp_path / "root")


def test_whoever_comes_second_is_told_who_serves(root: Root) -> None:
    first = RootLock(root)
    first.take()

    with pytest.raises(RootIsServed, match=f"pid {os.getpid()}"):
        RootLock(root).take()

    first.release()
    RootLock(root).take()


def test_removing_its_file_lets_nobody_else_in_before_its_holder_has_left(root: Root) -> None:
    first, second = RootLock(root), RootLock(root)
    first.take()
    root.lock.unlink()

    with pytest.raises(RootIsServed):
        second.take()
    assert not first.is_held()

    first.release()
    second.take()
    assert second.is_held()


def test_where_no_folder_can_be_locked_the_file_has_to_do(
    root: Root, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock = effects.lock

    def lock_no_folder(fd: int) -> None:
        if stat.S_ISDIR(os.fstat(fd).st_mode):
            raise OSError(errno.EBADF, "as NFS says")
        lock(fd)

    monkeypatch.setattr(effects, "lock", lock_no_folder)
    first = RootLock(root)
    first.take()

    with pytest.raises(RootIsServed):
        RootLock(root).take()
    assert first.is_held()
