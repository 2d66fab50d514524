from __future__ import annotations

import contextlib
import json
import os
import re
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from handoff.platform import PLATFORM
from orchestrd.observe.sampler import Sampler
from orchestrd.runs import runner
from orchestrd.runs.recovery import Found, inspect
from orchestrd.runs.watch import RunWatch
from tests.runs.stand import Stand
from tests.waiting import wait_until

HELD_OPEN_SECONDS = 300


def test_a_run_ends_with_its_stream_and_a_full_account(stand: Stand) -> None:
    ended = stand.run("[say Hello.] [write notes.txt done] [stderr a warning]")

    assert ended.texts() == ["Hello.", "Done."]
    assert (stand.checkout / "notes.txt").read_text() == "done\n"
    assert ended.stderr == b"a warning\n"
    assert ended.exit["exit_code"] == 0
    assert ended.exit["signal"] is None
    assert ended.exit["why"] == "ended"
    assert ended.exit["saw_result"] is True
    assert ended.exit["killed_leftovers"] == 0
    assert 0 < ended.exit["first_output_seconds"] <= ended.exit["wall_seconds"] < 10
    assert ended.exit["cpu_seconds"] > 0
    assert ended.exit["peak_memory_bytes"] >= ended.exit["max_rss_bytes"] > 1 << 20
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", ended.exit["started"])
    assert ended.exit["started"] <= ended.exit["ended"]
    assert "message" not in ended.exit


def test_the_folder_of_a_run_holds_what_the_protocol_says_and_nobody_else_may_read_it(stand: Stand) -> None:
    ended = stand.run()

    files = {path.name: path.stat().st_mode & 0o777 for path in ended.folder.iterdir()}
    assert set(files) == {
        "launch.json",
        "input.jsonl",
        "lock",
        "started.json",
        "events.jsonl",
        "stderr.log",
        "exit.json",
    }
    assert set(files.values()) == {0o600}


def test_the_first_and_the_last_sample_of_a_run_are_the_runners(stand: Stand) -> None:
    stand.run(number=3)

    first, last = (json.loads(line) for line in (stand.plan_folder / "usage.jsonl").read_text().splitlines())
    assert (first["step"], first["n"], first["processes"]) == ("main", 3, 1)
    assert (last["step"], last["n"], last["processes"]) == ("main", 3, 0)
    assert last["cpu_seconds"] > 0
    assert first["time"] <= last["time"]


@pytest.mark.parametrize("code", [1, 7])
def test_an_exit_code_is_told(native_stand: Stand, code: int) -> None:
    ended = native_stand.run(f"[exit {code}] [no-result]")

    assert (ended.exit["exit_code"], ended.exit["signal"], ended.exit["why"]) == (code, None, "ended")
    assert ended.exit["saw_result"] is False


def test_a_signal_that_is_not_ours_is_told(native_stand: Stand) -> None:
    ended = native_stand.run("[signal 9]")

    assert (ended.exit["exit_code"], ended.exit["signal"], ended.exit["why"]) == (None, 9, "ended")


def test_the_agent_gets_its_environment_and_a_mark_and_no_switch_of_ours(stand: Stand) -> None:
    stand.run("[environment env.txt]", secrets={"ANTHROPIC_API_KEY": "sk-canary"})

    names = dict(line.split("=", 1) for line in (stand.checkout / "env.txt").read_text().splitlines())
    names.pop("LC_CTYPE", None)  # Python's own doing
    assert set(names) == {"PATH", "FAKE_LEDGER", "ANTHROPIC_API_KEY", "ORCHESTRD_RUN"}
    assert names["ORCHESTRD_RUN"] == stand.mark


def test_signals_that_the_runner_ignores_end_the_agent_as_ever(native_stand: Stand) -> None:
    # SIGPIPE: a shell tool that writes into `head` would go on for ever.
    code = "import signal,sys; sys.exit(any(signal.getsignal(n) == signal.SIG_IGN for n in (1, 2, 15)))"
    ended = native_stand.run(argv=(sys.executable, "-S", "-c", code))

    assert ended.exit["exit_code"] == 0


# -- what goes in and out -------------------------------------------------------------------------------------


def test_a_prompt_of_many_megabytes_arrives_whole(native_stand: Stand) -> None:
    ended = native_stand.run("x" * (8 << 20) + "[write end.txt read]")

    assert (native_stand.checkout / "end.txt").read_text() == "read\n"
    assert ended.exit["why"] == "ended"


def test_an_agent_that_reads_nothing_of_its_prompt_does_not_hold_anything_up(native_stand: Stand) -> None:
    ended = native_stand.run("x" * (8 << 20), argv=("/bin/sh", "-c", 'echo \'{"type":"result"}\''))

    assert ended.exit["why"] == "ended"
    assert ended.exit["saw_result"] is True


def test_standard_input_is_closed_at_the_first_result(stand: Stand) -> None:
    ended = stand.run("[read-all]")

    assert ended.exit["why"] == "ended"
    assert ended.exit["wall_seconds"] < 8


def test_the_word_result_in_a_text_closes_nothing(native_stand: Stand) -> None:
    ended = native_stand.run(
        '[say "type":"result"] [print {"type": "user", "x": "result"}] [sleep 0.1] [say later]'
    )

    assert ended.texts()[-2:] == ["later", "Done."]


def test_lines_of_megabytes_and_many_lines_come_out_whole(native_stand: Stand) -> None:
    ended = native_stand.run("[flood 2 3000000] [flood 20000 100]")

    events = [json.loads(line) for line in ended.lines]
    assert [event["n"] for event in events if "n" in event] == [0, 1, *range(20000)]


def test_a_last_line_without_an_end_is_kept(native_stand: Stand) -> None:
    ended = native_stand.run("[torn half a line]")

    assert ended.lines[-1] == b"half a line"


# -- secrets --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("secret", ["canary-4711-abcdef", 'ca"na\\ry-\t-4711-é', "4711081547110815"])
def test_no_secret_reaches_a_file(stand: Stand, secret: str) -> None:
    ended = stand.run("[tell MY_TOKEN]", secrets={"MY_TOKEN": secret})

    assert ended.stderr == b"[secret:MY_TOKEN]\n"
    assert ended.texts()[0] == "It is [secret:MY_TOKEN], I think."
    escaped = json.dumps(secret)[1:-1].encode(), json.dumps(secret, ensure_ascii=False)[1:-1].encode()
    for path in stand.plan_folder.rglob("*"):
        content = path.read_bytes() if path.is_file() else b""
        assert not any(form in content for form in (secret.encode(), *escaped)), path


# -- limits ---------------------------------------------------------------------------------------------------


def test_a_run_that_takes_too_long_is_stopped(stand: Stand) -> None:
    ended = stand.run("[block]", timeout=0.5)

    assert ended.exit["why"] == "timeout"
    assert "limits.timeout" in ended.exit["message"]
    assert ended.exit["exit_code"] == 143
    assert not stand.alive()


def test_a_run_that_falls_silent_is_stopped(stand: Stand) -> None:
    ended = stand.run("[say Hello.] [block]", silence=0.5)

    assert ended.exit["why"] == "silence"
    assert ended.exit["first_output_seconds"] is not None


def test_a_run_that_never_says_a_word_is_stopped(stand: Stand) -> None:
    ended = stand.run(argv=("/bin/sleep", "100"), first_event=0.5)

    assert ended.exit["why"] == "first-event"
    assert ended.exit["first_output_seconds"] is None
    assert ended.lines == []


def test_the_daemon_counts_what_the_runner_counts_and_not_the_runner(stand: Stand) -> None:
    watch = RunWatch.of(stand.start("[eat 60] [say I hold it.] [block]"))
    wait_until(
        lambda: any(b"I hold it" in line for line in watch.read_new_lines()), what="the memory to be held"
    )

    usage = Sampler[str]().sample({"run": watch.pid or 0}, 1.0)["run"]

    watch.stop()
    peak = stand.end_of(watch).exit["max_rss_bytes"]
    assert (usage.processes, usage.threads) == (1, 1)
    assert usage.memory_bytes == pytest.approx(peak, rel=0.05)


def test_a_run_that_speaks_now_and_then_is_not_silent(native_stand: Stand) -> None:
    ended = native_stand.run("[sleep 0.4] [say a] [sleep 0.4] [say b] [sleep 0.4] [say c]", silence=1)

    assert ended.exit["why"] == "ended"


def test_a_tree_that_holds_too_much_memory_is_stopped(stand: Stand) -> None:
    ended = stand.run("[eat 200] [block]", memory=100 << 20)

    assert ended.exit["why"] == "memory"
    assert "limits.memory" in ended.exit["message"]
    assert ended.exit["peak_memory_bytes"] > 200 << 20


@pytest.mark.slow
def test_an_agent_that_stays_after_its_result_is_ended_and_that_is_no_failure(stand: Stand) -> None:
    ended = stand.run("[linger 100]")

    assert ended.exit["why"] == "lingered"
    assert ended.exit["saw_result"] is True
    assert 9 < ended.exit["wall_seconds"] < 20


# -- stopping -------------------------------------------------------------------------------------------------


def test_sigterm_without_a_word_of_the_daemon_is_an_interruption(stand: Stand) -> None:
    started = stand.start("[block]")
    stand.wait_for("start")

    started.process.send_signal(signal.SIGTERM)

    assert stand.end_of(RunWatch.of(started)).exit["why"] == "interrupted"


def test_a_hang_up_or_a_control_c_does_not_end_a_run(native_stand: Stand) -> None:
    started = native_stand.start("[sleep 0.3]")
    native_stand.wait_for("start")

    started.process.send_signal(signal.SIGHUP)
    started.process.send_signal(signal.SIGINT)

    assert native_stand.end_of(RunWatch.of(started)).exit["why"] == "ended"


def test_an_agent_that_ignores_sigterm_is_gone_within_five_seconds(stand: Stand) -> None:
    started = stand.start("[ignore-term] [child 300] [detach 300] [block]")
    watch = RunWatch.of(started)
    stand.wait_for("detached")
    asked = time.monotonic()

    watch.stop("stopped")

    ended = stand.end_of(watch)
    assert time.monotonic() - asked < 5
    assert (ended.exit["why"], ended.exit["signal"]) == ("stopped", 9)
    assert ended.exit["killed_leftovers"] == 2
    assert not stand.alive()


def test_a_stop_that_came_before_the_start_starts_nothing(native_stand: Stand) -> None:
    native_stand.run_folder().mkdir(parents=True)
    (native_stand.run_folder() / "stop.json").write_text('{"why": "stopped"}')

    ended = native_stand.run()

    assert ended.exit["why"] == "stopped"
    assert ended.exit["exit_code"] is None
    assert native_stand.noted() == []


# -- nothing is left ------------------------------------------------------------------------------------------


def test_what_detached_itself_is_gone_after_a_normal_end(stand: Stand) -> None:
    ended = stand.run(
        f"[detach {HELD_OPEN_SECONDS}] [detach {HELD_OPEN_SECONDS}] [child {HELD_OPEN_SECONDS}]"
    )

    assert ended.exit["why"] == "ended"
    assert ended.exit["killed_leftovers"] == 3
    assert stand.noted().count("detached") == 2
    assert not stand.alive()


def test_the_end_is_written_only_when_nothing_is_left(stand: Stand) -> None:
    started = stand.start(f"[detach {HELD_OPEN_SECONDS}]")

    wait_until((started.run_folder / "exit.json").exists)

    assert not stand.alive()
    stand.end_of(RunWatch.of(started))


# -- bad launches ---------------------------------------------------------------------------------------------


def test_a_program_that_is_missing_is_a_bad_launch(stand: Stand) -> None:
    ended = stand.run(argv=("/nowhere/claude", "-p"))

    assert ended.exit["why"] == "bad-launch"
    assert ended.exit["message"] == "/nowhere/claude cannot be started: No such file or directory."
    assert ended.exit["exit_code"] is None


def test_a_checkout_that_is_missing_is_a_bad_launch(native_stand: Stand) -> None:
    ended = native_stand.run(cwd=native_stand.folder / "nowhere")

    assert ended.exit["why"] == "bad-launch"
    assert "nowhere cannot be entered" in ended.exit["message"]


def test_a_file_that_is_no_program_is_a_bad_launch(native_stand: Stand) -> None:
    text = native_stand.folder / "claude"
    text.write_text("no program")
    text.chmod(0o755)

    ended = native_stand.run(argv=(str(text),))

    assert ended.exit["why"] == "bad-launch"
    assert "no program the system knows" in ended.exit["message"]


# -- once, and beside the daemon ------------------------------------------------------------------------------


def test_a_runner_on_a_folder_that_was_started_before_does_nothing(native_stand: Stand) -> None:
    ended = native_stand.run()
    before = {path.name: path.read_bytes() for path in ended.folder.iterdir()}
    lock = os.open(ended.folder / "lock", os.O_RDWR)

    again = subprocess.run(
        [sys.executable, "-I", "-S", runner.__file__, str(ended.folder), str(lock)],
        pass_fds=(lock,),
        check=False,
    )

    os.close(lock)
    assert again.returncode == 3
    assert native_stand.noted() == ["start"]
    assert {path.name: path.read_bytes() for path in ended.folder.iterdir()} == before


def test_killing_the_runner_frees_the_lock_though_the_agent_lives(stand: Stand) -> None:
    started = stand.start("[block]")
    stand.wait_for("start")
    assert inspect(started.run_folder) is Found.ALIVE

    os.kill(started.pid, signal.SIGKILL)
    started.process.wait()

    assert stand.alive()
    assert inspect(started.run_folder) is Found.DIED


@pytest.mark.skipif(not PLATFORM.proc, reason="descriptors are looked at in /proc")
def test_the_agent_inherits_three_descriptors_and_no_more(native_stand: Stand) -> None:
    started = native_stand.start("[say Here.] [block]")
    wait_until(lambda: b"Here" in content(started.run_folder / "events.jsonl"))

    (agent,) = native_stand.alive()
    folder = Path(f"/proc/{agent}/fd")

    assert sorted(path.name for path in folder.iterdir()) == ["0", "1", "2"]
    assert all(os.readlink(path).startswith("pipe:") for path in folder.iterdir())
    RunWatch.of(started).stop()


def test_a_run_whose_stream_cannot_be_written_is_ended_and_the_end_says_so(native_stand: Stand) -> None:
    # No file may grow beyond this: the write fails, and not for want of space.
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))
    try:
        started = native_stand.start("[detach 300] [flood 1000 1000] [block]")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))

    ended = native_stand.end_of(RunWatch.of(started))

    assert ended.exit["why"] == "interrupted"
    assert "File too large" in ended.exit["message"]
    assert not native_stand.alive()


# -- a full disk ----------------------------------------------------------------------------------------------


def test_a_full_disk_holds_a_run_up_and_loses_nothing_of_it(small_disk: tuple[Path, Stand]) -> None:
    disk, stand = small_disk
    started = stand.start("[flood 3000 1000]", silence=1)
    watch = RunWatch.of(started)
    wait_until(lambda: os.statvfs(disk).f_bavail == 0, what="a full disk")
    full_since = time.monotonic()
    wait_until(lambda: time.monotonic() > full_since + 1.5, what="more than the limit of silence")
    assert not watch.is_over()

    subprocess.run(["mount", "-o", "remount,size=16m", str(disk)], check=True)

    ended = stand.end_of(watch)
    events = [json.loads(line) for line in ended.lines]
    assert [event["n"] for event in events if "n" in event] == list(range(3000))
    assert ended.exit["why"] == "ended"


def content(path: Path) -> bytes:
    return path.read_bytes() if path.exists() else b""


def fill(ballast: Path) -> None:
    with ballast.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(b"x" * 4096)


def test_an_end_that_finds_the_disk_full_is_written_when_there_is_space(
    small_disk: tuple[Path, Stand],
) -> None:
    disk, stand = small_disk
    started = stand.start("[sleep 0.5]")
    watch = RunWatch.of(started)
    wait_until(lambda: b"init" in content(started.run_folder / "events.jsonl"), what="the first event")
    ballast = disk / "ballast"
    fill(ballast)
    wait_until(lambda: not stand.alive(), what="the end of the agent")
    # Each try changes its folder once or twice: it has not given up where others would have, after three of them.
    changes: set[int] = set()

    def has_tried_on() -> bool:
        changes.add(started.run_folder.stat().st_mtime_ns)
        return len(changes) > 8 or started.process.poll() is not None

    wait_until(has_tried_on, 20, "the runner's tries")
    assert started.process.poll() is None
    assert not (started.run_folder / "exit.json").exists()

    ballast.unlink()

    ended = stand.end_of(watch)
    assert ended.exit["why"] == "ended"
    assert ended.texts() == ["Done."]
