"""What is set aside for a full disk is there when it is needed, and again afterwards."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from handoff import durable
from handoff.platform import PLATFORM
from handoff.processes import lock_holders
from handoff.reserve import RESERVE_BYTES, SPARE_FILES, Reserve
from tests.faults.disks import Disk, small_disk, why_no_disks


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    missing = why_no_disks()
    if missing:
        pytest.skip(missing)
    with small_disk(tmp_path / "disk", 4 << 20, inodes=400) as disk:
        yield disk


def a_reserve(disk: Disk) -> Reserve:
    reserve = Reserve(disk.path / "reserve", disk.path / "spare")
    reserve.keep()
    return reserve


def set_aside(disk: Disk) -> tuple[int, int]:
    return (disk.path / "reserve").stat().st_blocks * 512, len(os.listdir(disk.path / "spare"))


def test_what_replaces_a_file_is_written_on_a_full_disk_again_and_again(disk: Disk) -> None:
    reserve, file = a_reserve(disk), disk.path / "status"
    durable.replace(file, b"0" * 9000, sync=False)
    assert disk.fill()

    for number in range(200):
        content = f"{number:9}".encode() * 1000
        reserve.spend(lambda: durable.replace(file, content, sync=False), 20_000, to_the_last=True)  # noqa: B023
        assert file.read_bytes() == content

    assert set_aside(disk) == (RESERVE_BYTES, SPARE_FILES)


def test_what_replaces_a_file_is_written_without_an_inode_again_and_again(disk: Disk) -> None:
    reserve, file = a_reserve(disk), disk.path / "status"
    durable.replace(file, b"0", sync=False)
    assert disk.use_up_inodes()

    for number in range(200):
        reserve.spend(lambda: durable.replace(file, b"%d" % number, sync=False), to_the_last=True)  # noqa: B023

    assert file.read_bytes() == b"199"
    assert set_aside(disk) == (RESERVE_BYTES, SPARE_FILES)


def test_new_files_leave_the_last_of_it_to_the_status(disk: Disk) -> None:
    reserve, status = a_reserve(disk), disk.path / "status"
    durable.replace(status, b"old", sync=False)
    assert disk.fill()

    def publish_many() -> None:
        for number in range(1000):
            name = disk.path / f"result-{number}"
            reserve.spend(lambda: durable.publish_new(name, b"x" * 50_000))  # noqa: B023

    with pytest.raises(OSError, match="No space"):
        publish_many()
    reserve.spend(lambda: durable.replace(status, b"new", sync=False), to_the_last=True)

    assert status.read_bytes() == b"new"
    assert len(list(disk.path.glob("result-*"))) >= 10


def test_it_is_made_again_when_there_is_room(disk: Disk) -> None:
    reserve = a_reserve(disk)
    assert disk.fill()
    reserve.give_some()
    assert 0 < disk.free_bytes < RESERVE_BYTES
    assert disk.fill()
    reserve.give_some()
    assert disk.fill()
    held, _ = set_aside(disk)
    assert held < RESERVE_BYTES

    disk.release()
    reserve.keep()

    assert set_aside(disk) == (RESERVE_BYTES, SPARE_FILES)


def test_what_fails_for_another_reason_is_not_done_twice(disk: Disk) -> None:
    reserve = a_reserve(disk)
    tried = []

    def fail() -> None:
        tried.append(1)
        raise PermissionError(13, "Permission denied")

    with pytest.raises(PermissionError):
        reserve.spend(fail)

    assert tried == [1]


@pytest.mark.skipif(not PLATFORM.proc, reason="who holds a lock is told by /proc, which is switched off")
def test_a_lock_on_one_small_disk_is_not_taken_for_one_on_another(tmp_path: Path, disk: Disk) -> None:
    import fcntl

    with small_disk(tmp_path / "other", 1 << 20) as other:
        files = {(where / "lock") for where in (disk.path, other.path)}
        for file in files:
            file.touch()
        assert len({file.stat().st_ino for file in files}) == 1, "the point of this test"
        mine, free = sorted(files)
        with mine.open("rb") as held:
            fcntl.flock(held, fcntl.LOCK_EX)

            assert lock_holders(mine) == [os.getpid()]
            assert lock_holders(free) == []
