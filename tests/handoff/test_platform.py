"""What the system can do: every Linux way beside its portable one."""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from handoff import platform, processes
from tests.waiting import wait_until

PORTABLE = platform.detect(portable=True)
FULL = platform.detect(portable=False)
BOTH = pytest.mark.parametrize("can", [FULL, PORTABLE], ids=["full", "portable"])


@pytest.fixture
def sleeper() -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(["sleep", "600"], env={**os.environ, "A_MARK": "mark-of-this-test"})
    yield process
    process.kill()
    process.wait()


@pytest.fixture(params=[FULL, PORTABLE], ids=["full", "portable"])
def _each_way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "PLATFORM", request.param)


def test_portable_switches_every_linux_way_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ORCHESTRD_PORTABLE", "1")

    can = platform.detect()

    ways = [name for name in platform.Platform.__slots__ if name != "fullfsync"]
    assert not any(getattr(can, name) for name in ways)


def test_a_platform_does_not_change() -> None:
    with pytest.raises(AttributeError):
        FULL.lease = False


@BOTH
def test_a_rename_never_replaces(tmp_path: Path, can: platform.Platform) -> None:
    (tmp_path / "a").write_text("new")
    (tmp_path / "b").write_text("old")

    with pytest.raises(FileExistsError):
        platform.rename_new(tmp_path / "a", tmp_path / "b", platform=can)

    assert (tmp_path / "b").read_text() == "old"
    assert (tmp_path / "a").read_text() == "new"


@BOTH
@pytest.mark.parametrize("ours", [True, False])
def test_two_links_to_one_file_are_never_taken_for_a_move(
    tmp_path: Path, can: platform.Platform, *, ours: bool
) -> None:
    (tmp_path / "a").write_text("x")
    os.link(tmp_path / "a", tmp_path / "b")

    with pytest.raises(FileExistsError):
        platform.rename_new(tmp_path / "a", tmp_path / "b", ours=ours, platform=can)


@BOTH
@pytest.mark.parametrize("folder", [True, False])
def test_a_rename_to_a_new_name_moves(tmp_path: Path, can: platform.Platform, *, folder: bool) -> None:
    source, target = tmp_path / "a", tmp_path / "b"
    if folder:
        source.mkdir()
    else:
        source.write_text("x")

    platform.rename_new(source, target, platform=can)

    assert target.exists()
    assert not source.exists()


def test_an_open_writer_is_noticed_until_it_closes(tmp_path: Path) -> None:
    if not FULL.lease:
        pytest.skip("this system has no leases")
    path = tmp_path / "f"
    with path.open("w") as writer, path.open("rb") as reader:
        writer.write("half")
        while_open = platform.nobody_writes(reader.fileno(), platform=FULL)
        writer.close()
        closed = platform.nobody_writes(reader.fileno(), platform=FULL)

    assert (while_open, closed) == (False, True)


def test_a_shared_writable_mapping_counts_as_a_writer(tmp_path: Path) -> None:
    if not FULL.lease:
        pytest.skip("this system has no leases")
    import mmap

    path = tmp_path / "f"
    path.write_bytes(b"x" * 100)
    with path.open("r+b") as file:
        mapped = mmap.mmap(file.fileno(), 0)
    with path.open("rb") as reader:
        mapped_now = platform.nobody_writes(reader.fileno(), platform=FULL)
        mapped.close()
        unmapped = platform.nobody_writes(reader.fileno(), platform=FULL)

    assert (mapped_now, unmapped) == (False, True)


def test_without_leases_nothing_is_proved(tmp_path: Path) -> None:
    path = tmp_path / "f"
    path.write_text("x")

    with path.open("rb") as reader:
        assert platform.nobody_writes(reader.fileno(), platform=PORTABLE) is None


def test_a_writer_that_opens_during_the_proof_does_not_kill_us(tmp_path: Path) -> None:
    path = tmp_path / "f"
    path.write_text("x")
    script = (
        "import os, sys, threading\n"
        "from handoff import platform\n"
        "def write():\n"
        "    for _ in range(3000):\n"
        "        os.close(os.open(sys.argv[1], os.O_WRONLY))\n"
        "writer = threading.Thread(target=write); writer.start()\n"
        "seen = {platform.nobody_writes(os.open(sys.argv[1], os.O_RDONLY)) for _ in range(900)}\n"
        "writer.join(); print(sorted(map(str, seen)))\n"
    )

    done = subprocess.run([sys.executable, "-c", script, path], capture_output=True, timeout=60, check=False)

    assert done.returncode == 0, done.stderr


def test_the_lease_signal_is_the_one_that_nobody_minds() -> None:
    assert platform._SIGURG == signal.SIGURG


@pytest.mark.usefixtures("_each_way")
def test_a_process_is_known_by_pid_and_start(sleeper: subprocess.Popen[bytes]) -> None:
    ticks = platform.start_ticks(sleeper.pid)

    assert ticks == platform.start_ticks(sleeper.pid)
    assert ticks != platform.start_ticks(1)
    assert not platform.send_signal(sleeper.pid, "12345678901", signal.SIGKILL)
    assert sleeper.poll() is None
    assert platform.send_signal(sleeper.pid, ticks, signal.SIGKILL)
    assert sleeper.wait(10) == -signal.SIGKILL
    assert platform.start_ticks(sleeper.pid) is None
    assert not platform.send_signal(sleeper.pid, ticks, signal.SIGKILL)


@pytest.mark.usefixtures("_each_way")
def test_children_are_listed(sleeper: subprocess.Popen[bytes]) -> None:
    assert sleeper.pid in platform.process_children(os.getpid())


@pytest.mark.usefixtures("_each_way")
def test_a_marked_process_is_found_wherever_it_went() -> None:
    shell = ["sh", "-c", "setsid -f sleep 600; echo done"]
    mark = f"detached-{uuid.uuid4()}"
    subprocess.run(shell, env={**os.environ, "A_MARK": mark}, check=True, capture_output=False)
    found: list[int] = []

    try:
        wait_until(lambda: platform.processes_with_mark(f"A_MARK={mark}"), what="the detached process")
        found = platform.processes_with_mark(f"A_MARK={mark}")
        by_value = platform.processes_with_mark(mark)
        other = platform.processes_with_mark(f"A_MARK={mark[:-1]}")
    finally:
        for pid in found:
            os.kill(pid, signal.SIGKILL)

    assert len(found) == 1
    assert by_value == found
    assert other == []


def test_a_held_lock_is_seen_without_trying_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if not FULL.proc:
        pytest.skip("this system has no /proc/locks")
    monkeypatch.setattr(platform, "PLATFORM", FULL)
    path = tmp_path / "lock"
    with path.open("w") as file:
        free = platform.lock_holders(path)
        fcntl.flock(file, fcntl.LOCK_EX)
        held = platform.lock_holders(path)

    assert free == []
    assert held == [os.getpid()]
    assert platform.lock_holders(path) == []
    assert platform.lock_holders(tmp_path / "none") == []


@pytest.mark.usefixtures("_each_way")
def test_a_boot_has_one_name_and_seconds_that_grow() -> None:
    name, seconds = platform.boot_id(), platform.boot_seconds()

    assert processes.same_boot(name, platform.boot_id())
    assert not processes.same_boot(name, "another")
    assert platform.boot_seconds() >= seconds


def test_boots_named_by_their_time_may_differ_a_little() -> None:
    assert processes.same_boot("started-1000", "started-1003")
    assert not processes.same_boot("started-1000", "started-9000")


def test_durable_and_platform_load_alone_and_cheaply() -> None:
    package = Path(platform.__file__).parent.parent
    script = (
        f"import sys; sys.path.append({str(package)!r})\n"
        "import handoff.platform, handoff.durable\n"
        "print(*sorted(set(sys.modules) & {'ctypes', 'typing', 're', 'enum', 'dataclasses', 'pathlib', 'subprocess'}))"
    )

    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", script], capture_output=True, text=True, check=True
    )

    assert done.stdout.split() == []


@pytest.mark.parametrize(
    "room",
    ["settling", "foreign", "root", "safe_place", "taking", "filesystems", "processes", "syscalls", "client"],
)
def test_the_rooms_need_the_standard_library_only(room: str) -> None:
    package = Path(platform.__file__).parent.parent
    script = f"import sys; sys.path.append({str(package)!r})\nimport handoff.{room}"

    subprocess.run([sys.executable, "-I", "-S", "-c", script], check=True)
