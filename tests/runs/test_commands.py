"""Commands beside a real runner: what they are given, what is kept of what they say, how they end."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from handoff.result import Reason, Status
from orchestrd.runs import start
from orchestrd.runs.launch import RunSettings
from orchestrd.runs.recovery import Found, inspect, kind_of, sweep
from orchestrd.runs.watch import RunWatch
from tests.runs.stand import Stand
from tests.waiting import wait_until

MARKED = "import os, time; print(os.environ['ORCHESTRD_RUN'], flush=True); time.sleep(300)"


def sh(script: str) -> tuple[str, str, str]:
    return ("/bin/sh", "-c", script)


def content(path: Path) -> bytes:
    return path.read_bytes() if path.exists() else b""


def test_a_command_runs_in_the_workspace_and_what_it_says_is_kept(stand: Stand) -> None:
    ended = stand.run_command(*sh("pwd; echo made > made.txt; echo a warning >&2"))

    assert ended.stdout == f"{stand.checkout}\n".encode()
    assert ended.stderr == b"a warning\n"
    assert (stand.checkout / "made.txt").read_text() == "made\n"
    assert (ended.exit["exit_code"], ended.exit["why"], ended.exit["saw_result"]) == (0, "ended", False)
    end = ended.judged()
    assert (end.outcome.status, end.outcome.reason, end.exit_code) == (Status.SUCCEEDED, None, 0)
    assert (end.outcome.retry, end.outcome.resumable) == (False, False)


def test_its_folder_holds_what_the_protocol_says_and_nobody_else_may_read_it(stand: Stand) -> None:
    ended = stand.run_command("true")

    files = {path.name: path.stat().st_mode & 0o777 for path in ended.folder.iterdir()}
    assert set(files) == {"launch.json", "lock", "started.json", "stdout.log", "stderr.log", "exit.json"}
    assert set(files.values()) == {0o600}
    launch = json.loads((ended.folder / "launch.json").read_bytes())
    assert (launch["kind"], launch["argv"]) == ("command", ["true"])
    assert "session_id" not in launch


def test_arguments_are_handed_over_as_they_are_and_no_shell_sees_them(native_stand: Stand) -> None:
    arguments = ["$HOME *", "a; touch no", "", "-n", "é\n'\""]

    ended = native_stand.run_command(sys.executable, "-c", "import sys; print(sys.argv[1:])", *arguments)

    assert ended.stdout == f"{arguments}\n".encode()


def test_a_program_in_the_workspace_is_found_by_its_path_from_there(native_stand: Stand) -> None:
    script = native_stand.checkout / "run-tests"
    script.write_text("#!/bin/sh\necho tested\n")
    script.chmod(0o755)

    assert native_stand.run_command("./run-tests").stdout == b"tested\n"


def test_its_standard_input_is_empty(native_stand: Stand) -> None:
    ended = native_stand.run_command("cat")

    assert (ended.stdout, ended.exit["why"], ended.exit["exit_code"]) == (b"", "ended", 0)


def test_it_is_not_given_what_is_claude_codes(stand: Stand) -> None:
    environ = {"ANTHROPIC_API_KEY": "sk-canary-4711", "CLAUDE_CONFIG_DIR": "/c", "LANG": "C.UTF-8"}

    ended = stand.run_command("/usr/bin/env", environ=environ)

    names = {line.partition(b"=")[0] for line in ended.stdout.splitlines()}
    assert names == {b"PATH", b"LANG", b"ORCHESTRD_RUN"}


# -- how it ends ----------------------------------------------------------------------------------------------


def test_an_exit_code_fails_it_and_its_last_words_tell_why(stand: Stand) -> None:
    ended = stand.run_command(*sh("echo one; echo two is wrong >&2; exit 3"))

    end = ended.judged()
    assert (end.outcome.reason, end.exit_code, end.ending) == (Reason.COMMAND_FAILED, 3, "exit code 3")
    assert end.outcome.retry is False
    assert "`/bin/sh -c 'echo one; echo two is wrong >&2; exit 3'`: exit code 3" in end.outcome.summary
    assert "one" in end.output.tail
    assert end.outcome.summary.endswith("stderr:\ntwo is wrong")


def test_a_crash_is_its_own_failure_and_being_killed_is_not(native_stand: Stand) -> None:
    crashed = native_stand.run_command(*sh("kill -SEGV $$"), number=1).judged()
    killed = native_stand.run_command(*sh("kill -KILL $$"), number=2).judged()

    assert (crashed.outcome.reason, crashed.outcome.retry) == (Reason.COMMAND_FAILED, False)
    assert (crashed.exit_code, crashed.ending) == (139, "signal 11 (SIGSEGV)")
    assert (killed.outcome.reason, killed.outcome.retry) == (Reason.INTERRUPTED, True)


def test_one_that_takes_too_long_is_stopped_with_all_it_started(stand: Stand) -> None:
    ended = stand.run_command(*sh("sleep 300 & echo begun; sleep 300"), timeout=0.5)

    end = ended.judged()
    assert (end.outcome.reason, end.outcome.retry) == (Reason.TIMEOUT, False)
    assert "limits.timeout" in end.outcome.summary
    assert end.outcome.summary.endswith("begun")
    assert not stand.alive()


def test_one_that_holds_too_much_memory_is_stopped(stand: Stand) -> None:
    eater = "x = bytearray(b'x') * (200 << 20); import time; time.sleep(300)"

    end = stand.run_command(sys.executable, "-c", eater, memory=100 << 20).judged()

    assert (end.outcome.reason, end.outcome.retry) == (Reason.MEMORY, False)
    assert "limits.memory" in end.outcome.summary
    assert not stand.alive()


def test_one_that_is_told_to_stop_is_cancelled(stand: Stand) -> None:
    watch = RunWatch.of(stand.start_command(*sh("trap '' TERM; echo here; sleep 300")))
    wait_until(lambda: content(watch.run_folder / "stdout.log") == b"here\n")
    asked = time.monotonic()

    watch.stop("stopped")

    assert stand.end_of(watch).judged().outcome.status is Status.CANCELLED
    assert time.monotonic() - asked < 5
    assert not stand.alive()


def test_one_that_is_ended_together_with_its_runner_was_interrupted(stand: Stand) -> None:
    # A shutdown tells everybody at once; `make` then ends with 2, as if its tests had failed.
    watch = RunWatch.of(
        stand.start_command(*sh("trap 'exit 2' TERM; echo here; while :; do sleep 0.01; done"))
    )
    wait_until(lambda: content(watch.run_folder / "stdout.log") == b"here\n")
    runner = watch.pid
    assert runner is not None
    os.kill(runner, signal.SIGSTOP)
    for pid in stand.alive():
        with suppress(ProcessLookupError):  # a `sleep` that is over
            os.kill(pid, signal.SIGTERM)
    wait_until(lambda: not stand.alive(), what="the end of the command")
    os.kill(runner, signal.SIGTERM)

    os.kill(runner, signal.SIGCONT)

    end = stand.end_of(watch).judged()
    assert (end.outcome.reason, end.outcome.retry) == (Reason.INTERRUPTED, True)


def test_what_looks_like_an_event_of_claude_code_is_no_event(stand: Stand) -> None:
    ended = stand.run_command(*sh('echo \'{"type":"result"}\'; exec sleep 300'), timeout=0.5)

    assert (ended.exit["saw_result"], ended.exit["why"]) == (False, "timeout")


# -- what cannot be started -----------------------------------------------------------------------------------


def test_a_program_that_is_missing_fails_at_once_with_what_to_do(stand: Stand) -> None:
    ended = stand.run_command("no-such-program", "--all")

    end = ended.judged()
    assert (end.outcome.reason, end.outcome.retry, end.exit_code) == (Reason.COMMAND_FAILED, False, 127)
    assert end.outcome.summary.startswith(
        "`no-such-program --all`: could not be started.\n"
        "no-such-program cannot be started: No such file or directory. Is it installed"
    )


@pytest.mark.parametrize(
    ("text", "mode", "told"),
    [
        ("#!/bin/sh\n", 0o644, "chmod +x"),
        ("echo\n", 0o755, "first line"),
        ("#!/no/sh\n", 0o755, "first line"),
    ],
)
def test_a_file_that_is_no_program_fails_at_once_with_what_to_do(
    native_stand: Stand, text: str, mode: int, told: str
) -> None:
    script = native_stand.checkout / "script"
    script.write_text(text)
    script.chmod(mode)

    end = native_stand.run_command("./script").judged()

    assert end.outcome.reason is Reason.COMMAND_FAILED
    assert told in end.outcome.summary


def test_a_workspace_that_is_gone_fails_at_once(native_stand: Stand) -> None:
    end = native_stand.run_command("true", cwd=native_stand.folder / "nowhere").judged()

    assert end.outcome.reason is Reason.COMMAND_FAILED
    assert "nowhere cannot be entered: No such file or directory. The place" in end.outcome.summary


# -- what it says ---------------------------------------------------------------------------------------------


def test_fifty_megabytes_are_kept_whole_and_shown_by_their_ends(native_stand: Stand) -> None:
    writer = "for n in range(500_000): print(f'{n:>99}')"
    watch = RunWatch.of(native_stand.start_command(sys.executable, "-c", writer))

    ended = native_stand.end_of(watch)

    assert (ended.folder / "stdout.log").stat().st_size == 50_000_000
    assert sum(map(len, ended.lines)) <= 8 << 20  # the daemon need not hold it all
    assert ended.lines[-1].strip() == b"499999"
    output = ended.judged().output
    assert output.is_cut
    assert output.head.split()[0] == "0"
    assert output.tail.split()[-1] == "499999"
    assert "50,000,000 bytes" in output.tail
    assert output.logs == (ended.folder / "stdout.log",)


def test_output_that_never_ends_a_line_does_not_pile_up_anywhere(native_stand: Stand) -> None:
    ended = native_stand.run_command(*sh("head -c 10000000 /dev/zero; echo end"))

    assert (ended.folder / "stdout.log").stat().st_size == 10_000_004
    assert max(map(len, ended.lines)) <= 9 << 20
    assert ended.judged().output.tail.endswith("end")


def test_binary_output_is_kept_byte_for_byte_and_shown_as_text(native_stand: Stand) -> None:
    everything = bytes(range(256)) * 300
    (native_stand.checkout / "binary").write_bytes(everything)

    ended = native_stand.run_command("cat", "binary")

    assert ended.stdout == everything
    tail = ended.judged().output.tail
    tail.encode()
    assert all(one.isprintable() or one in "\n\t" for one in tail)


def test_no_secret_reaches_a_file_whether_it_was_given_or_left_there_by_the_model(stand: Stand) -> None:
    secrets = {"DEPLOY_TOKEN": "canary-4711-abcdef", "ANTHROPIC_API_KEY": "sk-canary-4712-abcdef"}
    (stand.checkout / "left.txt").write_text(f"key: {secrets['ANTHROPIC_API_KEY']}\n")
    settings = RunSettings(env_pass=("DEPLOY_TOKEN",), timeout_seconds=60)
    script = "echo $DEPLOY_TOKEN; cat left.txt; cat left.txt >&2; printf %s $DEPLOY_TOKEN >&2"

    ended = stand.run_command(*sh(script), environ=secrets, settings=settings)

    assert ended.stdout == b"[secret:DEPLOY_TOKEN]\nkey: [secret:ANTHROPIC_API_KEY]\n"
    assert ended.stderr == b"key: [secret:ANTHROPIC_API_KEY]\n[secret:DEPLOY_TOKEN]"
    for path in stand.plan_folder.rglob("*"):
        assert b"canary" not in (path.read_bytes() if path.is_file() else b""), path
    assert "canary" not in ended.judged().outcome.summary


def test_a_child_in_the_background_that_holds_the_pipe_open_ends_with_it(stand: Stand) -> None:
    detach = "import os, time; os.fork() or (os.setsid(), os.fork() or time.sleep(300))"

    ended = stand.run_command(*sh(f'sleep 300 & "$0" -c "{detach}"; echo done'), sys.executable)

    assert (ended.stdout, ended.exit["why"], ended.exit["exit_code"]) == (b"done\n", "ended", 0)
    assert ended.exit["wall_seconds"] < 10
    assert ended.exit["killed_leftovers"] >= 2
    assert not stand.alive()


def test_a_full_disk_holds_it_up_and_loses_nothing(small_disk: tuple[Path, Stand]) -> None:
    disk, stand = small_disk
    watch = RunWatch.of(
        stand.start_command(sys.executable, "-c", "for n in range(300_000): print(f'{n:>99}')")
    )
    wait_until(lambda: os.statvfs(disk).f_bavail == 0, what="a full disk")
    assert not watch.is_over()

    subprocess.run(["mount", "-o", "remount,size=64m", str(disk)], check=True)

    ended = stand.end_of(watch)
    assert [int(line) for line in ended.stdout.splitlines()] == list(range(300_000))
    assert ended.judged().outcome.status is Status.SUCCEEDED


# -- beside the daemon ----------------------------------------------------------------------------------------

DAEMON = """
import sys, time
from pathlib import Path
from tests.runs.stand import Stand
stand = Stand(Path(sys.argv[1]))
stand.mark = sys.argv[2]
script = "echo begun; while [ ! -e go ]; do sleep 0.01; done; echo I am still here; sleep 300 &"
stand.start_command("/bin/sh", "-c", script)
print("started", flush=True)
time.sleep(600)
"""


def test_it_outlives_the_daemon_and_the_next_one_finds_its_end(stand: Stand, tmp_path: Path) -> None:
    place = tmp_path / "daemon"
    daemon = subprocess.Popen(
        [sys.executable, "-c", DAEMON, str(place), stand.mark],
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
        cwd=Path(__file__).parents[2],
    )
    assert daemon.stdout is not None
    assert daemon.stdout.readline() == "started\n"
    os.killpg(daemon.pid, signal.SIGKILL)
    daemon.wait()
    daemon.stdout.close()
    folder = place / "active" / "plan" / "runs" / "main.1"
    wait_until(lambda: content(folder / "stdout.log"), what="its first word")
    assert inspect(folder) is Found.ALIVE

    watch = RunWatch.adopt(folder)
    assert watch.read_new_lines() == [b"begun"]
    (place / "checkout" / "go").touch()

    ended = stand.end_of(watch)
    assert inspect(folder) is Found.FINISHED
    assert ended.lines == [b"I am still here"]
    assert ended.judged().outcome.status is Status.SUCCEEDED
    assert not stand.alive()


def test_one_whose_runner_was_killed_has_died_and_is_swept_away(stand: Stand) -> None:
    started = stand.start_command(sys.executable, "-c", MARKED)
    wait_until(lambda: stand.mark.encode() in content(started.run_folder / "stdout.log"))
    os.kill(started.pid, signal.SIGKILL)
    started.process.wait()
    assert inspect(started.run_folder) is Found.DIED

    assert len(sweep(started.run_folder).killed) == 1

    assert not stand.alive()
    assert kind_of(started.run_folder) == "command"
    (started.run_folder / "launch.json").write_bytes(b"")  # as a power cut may leave it
    assert kind_of(started.run_folder) == "command"


def test_a_launch_of_an_older_daemon_that_names_no_kind_is_claude_codes(
    native_stand: Stand, monkeypatch: pytest.MonkeyPatch
) -> None:
    document = start._document

    def older(*arguments: Any) -> bytes:
        launch = json.loads(document(*arguments))
        return json.dumps({name: value for name, value in launch.items() if name != "kind"}).encode()

    monkeypatch.setattr(start, "_document", older)

    ended = native_stand.run("[say Hello.]")

    assert ended.texts() == ["Hello.", "Done."]
    assert kind_of(ended.folder) == "claude"
    assert RunWatch.adopt(ended.folder).read_new_lines() == ended.lines
