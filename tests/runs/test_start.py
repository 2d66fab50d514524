from __future__ import annotations

import fcntl
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from handoff import durable
from handoff.effects import Effects
from orchestrd.runs import scopes, start
from orchestrd.runs.recovery import is_locked
from orchestrd.runs.start import StartRefused, start_runner, take_lock
from orchestrd.runs.watch import RunWatch
from tests.runs.stand import Stand
from tests.waiting import wait_until

DAEMON = """
import sys, time
from pathlib import Path
from tests.runs.stand import Stand
stand = Stand(Path(sys.argv[1]))
stand.mark = sys.argv[2]
stand.start("[sleep 0.7] [say I am still here.] [detach 300]")
stand.wait_for("start")
print("started", flush=True)
time.sleep(600)
"""


def test_the_launch_is_written_down_with_names_of_variables_and_never_their_values(
    native_stand: Stand,
) -> None:
    launch = native_stand.launch(secrets={"ANTHROPIC_API_KEY": "sk-canary-4711"}, memory=1 << 30)

    started = start_runner(native_stand.run_folder(), launch, mark=native_stand.mark, attempt=2)

    native_stand.end_of(RunWatch.of(started))
    written = (started.run_folder / "launch.json").read_text()
    document = json.loads(written)
    assert document["argv"] == list(launch.argv)
    assert document["cwd"] == str(native_stand.checkout)
    assert document["environment"] == ["ANTHROPIC_API_KEY", "FAKE_LEDGER", "PATH"]
    assert document["secret_names"] == ["ANTHROPIC_API_KEY"]
    assert document["session_id"] == launch.session_id
    assert (document["attempt"], document["round"]) == (2, 0)
    assert document["limits"]["memory_bytes"] == 1 << 30
    assert "canary" not in written


def test_the_files_of_a_launch_lie_in_its_folder(native_stand: Stand) -> None:
    launch = native_stand.launch()
    launch.files["mcp.json"] = b"{}"

    started = start_runner(native_stand.run_folder(), launch, mark=native_stand.mark)

    native_stand.end_of(RunWatch.of(started))
    assert (started.run_folder / "mcp.json").read_bytes() == b"{}"
    assert (started.run_folder / "input.jsonl").read_bytes() == launch.stdin


def test_a_file_of_a_launch_may_lie_in_a_folder_and_the_same_start_is_made_over_it(
    native_stand: Stand,
) -> None:
    left = native_stand.run_folder() / "inputs"
    left.mkdir(parents=True)
    (left / ".a.txt.tmp").write_bytes(b"cut")
    launch = native_stand.launch()
    launch.files["inputs/a.txt"] = b"long"

    started = start_runner(native_stand.run_folder(), launch, mark=native_stand.mark)

    native_stand.end_of(RunWatch.of(started))
    assert {path.name: path.read_bytes() for path in left.iterdir()} == {"a.txt": b"long"}


def test_the_round_is_written_down(native_stand: Stand) -> None:
    launch = native_stand.launch()

    started = start_runner(
        native_stand.run_folder(), launch, mark=native_stand.mark, attempt=1, round_number=2
    )

    native_stand.end_of(RunWatch.of(started))
    document = json.loads((started.run_folder / "launch.json").read_bytes())
    assert (document["attempt"], document["round"]) == (1, 2)


def test_the_lock_is_held_from_the_start_to_the_end(stand: Stand) -> None:
    started = stand.start("[sleep 0.3]")
    watch = RunWatch.of(started)
    # Not a moment in which it is free: neither before the runner runs nor while it does.
    while not (started.run_folder / "exit.json").exists():
        assert is_locked(started.run_folder) or (started.run_folder / "exit.json").exists()

    stand.end_of(watch)
    assert not is_locked(started.run_folder)


def test_a_start_that_was_made_is_not_made_again(stand: Stand) -> None:
    stand.run()

    with pytest.raises(StartRefused, match="made before"):
        stand.start()

    assert stand.noted() == ["start"]


def test_a_start_that_is_being_made_is_refused_to_everybody_else(native_stand: Stand) -> None:
    started = native_stand.start("[sleep 0.3]")

    with pytest.raises(StartRefused, match="holds its lock"):
        native_stand.start()

    native_stand.end_of(RunWatch.of(started))
    assert native_stand.noted() == ["start"]


def test_of_many_that_start_at_once_one_does(native_stand: Stand) -> None:
    refused: list[StartRefused] = []
    barrier = threading.Barrier(6)

    def try_it() -> None:
        barrier.wait()
        try:
            native_stand.start("[sleep 0.2]")
        except StartRefused as error:
            refused.append(error)

    threads = [threading.Thread(target=try_it) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    wait_until((native_stand.run_folder() / "exit.json").exists)
    assert len(refused) == 5
    assert native_stand.noted() == ["start"]


def test_a_start_that_was_cut_before_its_runner_is_made_again_over_what_is_there(native_stand: Stand) -> None:
    folder = native_stand.run_folder()
    folder.mkdir(parents=True)
    (folder / "launch.json").write_bytes(b'{"torn')
    (folder / "lock").touch()

    ended = native_stand.run()

    assert ended.exit["why"] == "ended"


def test_a_lock_file_that_was_made_anew_is_not_taken_for_the_lock(tmp_path: Path) -> None:
    held = take_lock(tmp_path)
    assert held is not None
    stranger = os.open(tmp_path / "lock", os.O_RDWR)

    (tmp_path / "lock").unlink()
    anew = take_lock(tmp_path)

    assert anew is not None
    assert os.fstat(anew).st_ino == (tmp_path / "lock").stat().st_ino
    with pytest.raises(BlockingIOError):
        fcntl.flock(stranger, fcntl.LOCK_EX | fcntl.LOCK_NB)
    for descriptor in (held, stranger, anew):
        os.close(descriptor)


def test_the_folder_is_on_the_disk_before_anything_runs_in_it(
    native_stand: Stand, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Noted(Effects):
        def __init__(self) -> None:
            self.synced: list[str] = []

        def sync_dir(self, path: str) -> None:
            assert native_stand.noted() == []
            self.synced.append(path)
            super().sync_dir(path)

    noted = Noted()
    monkeypatch.setattr(durable, "effects", noted)

    started = native_stand.start()

    native_stand.end_of(RunWatch.of(started))
    # The plan's folder for `runs`, `runs` for `main.1`; the files in it are worth no sync.
    assert noted.synced == [str(native_stand.plan_folder), str(native_stand.plan_folder / "runs")]


def test_a_disk_that_says_no_leaves_nothing_running_and_no_lock(
    native_stand: Stand, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Full(Effects):
        def write(self, fd: int, content: bytes | memoryview) -> int:
            raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(durable, "effects", Full())
        with pytest.raises(OSError, match="No space"):
            native_stand.start()

    assert not is_locked(native_stand.run_folder())
    assert native_stand.noted() == []
    assert native_stand.run().exit["why"] == "ended"


def test_no_descriptor_is_left_over(native_stand: Stand) -> None:
    def count() -> int:
        return len(os.listdir("/dev/fd"))

    native_stand.run(number=1)
    before = count()

    for number in range(2, 5):
        native_stand.run(number=number)

    assert count() == before


def test_killing_the_daemon_leaves_the_run_going_to_its_end(stand: Stand, tmp_path: Path) -> None:
    place = tmp_path / "daemon"
    daemon = subprocess.Popen(
        [sys.executable, "-c", DAEMON, str(place), stand.mark],
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
        cwd=Path(__file__).parent.parent.parent,
    )
    assert daemon.stdout is not None
    assert daemon.stdout.readline() == "started\n"

    os.killpg(daemon.pid, signal.SIGKILL)
    daemon.wait()
    daemon.stdout.close()

    folder = place / "active" / "plan" / "runs" / "main.1"
    watch = RunWatch.adopt(folder)
    ended = stand.end_of(watch)
    assert ended.texts() == ["I am still here.", "Done."]
    assert (ended.exit["why"], ended.exit["exit_code"]) == ("ended", 0)
    assert ended.exit["killed_leftovers"] == 1
    assert not stand.alive()


@pytest.fixture
def systemd_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], Path]]:
    """A user manager whose socket lies there, and a `systemd-run` that does what a test says; its calls are noted."""
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "bus").touch()
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "run"))
    scopes.offers_scopes.cache_clear()

    def made(does: str) -> Path:
        program = tmp_path / "bin" / "systemd-run"
        program.parent.mkdir()
        program.write_text(f'#!/bin/sh\necho "$@" >> {tmp_path}/calls\nfor last; do :; done\n{does}\n')
        program.chmod(0o755)
        monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
        return tmp_path / "calls"

    yield made
    scopes.offers_scopes.cache_clear()


def scoped(stand: Stand, number: int = 1) -> str:
    """Make a start that wants a scope; how it ended."""
    folder = stand.run_folder(number)
    started = start_runner(folder, stand.launch(), mark=stand.mark, scope=True)
    return str(stand.end_of(RunWatch.of(started)).exit["why"])


@pytest.mark.skipif(shutil.which("systemd-run") is None, reason="there is no systemd-run here")
def test_a_dead_bus_costs_the_scope_and_not_the_run(
    native_stand: Stand, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "bus").touch()
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    monkeypatch.delenv("DBUS_SESSION_BUS_ADDRESS", raising=False)
    scopes.offers_scopes.cache_clear()

    assert scoped(native_stand) == "ended"

    scopes.offers_scopes.cache_clear()


@pytest.mark.parametrize("does", ["echo no >&2; exit 1", "exec sleep 60"])
def test_whether_scopes_are_made_is_tried_once_before_any_run_depends_on_it(
    native_stand: Stand,
    systemd_run: Callable[[str], Path],
    monkeypatch: pytest.MonkeyPatch,
    does: str,
) -> None:
    monkeypatch.setattr(scopes, "PROBE_SECONDS", 0.3)
    calls = systemd_run(does)

    assert [scoped(native_stand, number) for number in (1, 2)] == ["ended", "ended"]

    assert calls.read_text().splitlines() == ["--user --scope --collect --quiet -- true"]


@pytest.mark.parametrize("does", ["exit 1", "exec sleep 60"])
def test_a_start_whose_scope_is_not_made_after_all_is_made_once_without(
    native_stand: Stand,
    systemd_run: Callable[[str], Path],
    monkeypatch: pytest.MonkeyPatch,
    does: str,
) -> None:
    monkeypatch.setattr(start, "SCOPE_SECONDS", 0.3)
    calls = systemd_run(f'[ "$last" = true ] && exit 0\n{does}')

    assert scoped(native_stand) == "ended"

    assert native_stand.noted() == ["start"]
    assert len(calls.read_text().splitlines()) == 2


def test_a_start_in_a_scope_is_not_made_twice(
    native_stand: Stand, systemd_run: Callable[[str], Path]
) -> None:
    systemd_run('while [ "$1" != -- ]; do shift; done; shift; exec "$@"')

    assert scoped(native_stand) == "ended"

    assert native_stand.noted() == ["start"]


def test_a_scope_is_asked_for_only_where_a_user_manager_answers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    scopes.offers_scopes.cache_clear()

    assert scopes.scope_prefix("orchestrd run: x") == []

    scopes.offers_scopes.cache_clear()


def test_a_start_in_a_scope_goes_without_one_where_there_is_none(
    native_stand: Stand, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("XDG_RUNTIME_DIR", raising=False)
    scopes.offers_scopes.cache_clear()

    started = start_runner(
        native_stand.run_folder(), native_stand.launch(), mark=native_stand.mark, scope=True
    )

    assert native_stand.end_of(RunWatch.of(started)).exit["why"] == "ended"
    scopes.offers_scopes.cache_clear()
