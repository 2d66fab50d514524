"""`orchestrd logs`: the starts of a plan, read on from where they were left, Claude Code's and commands'."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

import pytest

from handoff.root import PlanId, Root
from orchestrd.views.following import Streams


@pytest.fixture
def start(tmp_path: Path) -> Path:
    folder = tmp_path / "active" / "api" / "runs" / "test.1"
    folder.mkdir(parents=True)
    return folder


@pytest.fixture
def streams(tmp_path: Path, start: Path) -> Streams:
    return Streams(Root(tmp_path), PlanId("api"))


def write(path: Path, **fields: Any) -> None:
    path.write_text(json.dumps(fields))


def say(path: Path, content: bytes) -> None:
    with path.open("ab") as log:
        log.write(content)


def test_a_command_is_told_as_it_runs_with_both_its_outputs_and_its_end(
    start: Path, streams: Streams
) -> None:
    assert list(streams.fresh()) == ["── start test.1"]

    write(start / "launch.json", kind="command", argv=["make", "test all"])
    say(start / "stdout.log", b"one\ntw")
    assert list(streams.fresh()) == ["── $ make 'test all'", "        one"]

    say(start / "stdout.log", b"o\n\x1b[31mred\x1b[0m\nthe end")
    say(start / "stderr.log", b"a warning\n")
    assert list(streams.fresh()) == ["        two", "        red", "      ! a warning"]

    write(start / "exit.json", why="ended", exit_code=2, wall_seconds=3.14)
    assert list(streams.fresh()) == ["        the end", "── exit code 2 · 3.1 s"]
    assert list(streams.fresh()) == []


def test_a_command_that_met_a_limit_or_could_not_begin_says_so(start: Path, streams: Streams) -> None:
    write(start / "launch.json", kind="command", argv=["nope"])
    write(start / "exit.json", why="bad-launch", message="nope cannot be started: No such file or directory.")

    told = list(streams.fresh())

    assert told[:2] == ["── start test.1", "── $ nope"]
    assert told[2] == "── could not be started · 0.0 s"
    assert "Is it installed" in told[3]


def test_a_line_without_an_end_is_told_in_pieces_and_nothing_in_it_drives_the_terminal(
    start: Path, streams: Streams
) -> None:
    write(start / "launch.json", kind="command", argv=["x"])
    say(start / "stdout.log", b"\x00" * 100_000)

    told = list(streams.fresh())

    assert len(told) == 3
    assert not any("\0" in line for line in told)


def test_a_long_output_that_is_no_text_is_told_at_a_hundred_megabytes_in_ten_seconds(
    start: Path, streams: Streams
) -> None:
    write(start / "launch.json", kind="command", argv=["x"])
    line = b"\xff\x00 some noise \xe2\x82\xac " + bytes(range(256)).replace(b"\n", b"") + b"\n"
    many = 100_000_000 // 10 // len(line)
    say(start / "stdout.log", line * many)
    write(start / "exit.json", why="ended", exit_code=0, wall_seconds=1.0)

    began = time.process_time()
    count = sum(1 for _ in streams.fresh())

    # A tenth of that, so that the test itself takes little.
    assert time.process_time() - began < 1
    assert count == 3 + 2 * many


def test_on_a_terminal_the_end_of_a_long_output_is_told_and_how_much_is_left_out(
    tmp_path: Path, start: Path
) -> None:
    streams = Streams(Root(tmp_path), PlanId("api"), most_lines=3)
    write(start / "launch.json", kind="command", argv=["x"])
    say(start / "stdout.log", b"".join(b"line %d\n" % number for number in range(1, 11)))
    say(start / "stderr.log", b"one\n")

    told = list(streams.fresh())

    log = start / "stdout.log"
    assert told[2:] == [
        f"        [… 49 bytes before this are left out; all of it: `orchestrd logs api --all`, or {log}]",
        "        line 8",
        "        line 9",
        "        line 10",
        "      ! one",
    ]
    say(log, b"line 11\n")
    assert list(streams.fresh()) == ["        line 11"]


def test_claude_code_is_told_by_its_events(start: Path, streams: Streams) -> None:
    content = [{"type": "text", "text": "Hello."}]
    say(
        start / "events.jsonl",
        json.dumps({"type": "assistant", "message": {"content": content}}).encode() + b"\n",
    )
    write(start / "exit.json", why="timeout", message="Stopped after 1 s.")

    assert [line.strip() for line in streams.fresh()] == [
        "── start test.1",
        "Hello.",
        "── stopped: timeout: Stopped after 1 s.",
    ]


def test_what_moved_to_the_archive_is_read_on_there(tmp_path: Path, start: Path, streams: Streams) -> None:
    write(start / "launch.json", kind="command", argv=["x"])
    say(start / "stdout.log", b"one\n")
    assert list(streams.fresh())[-1] == "        one"
    say(start / "stdout.log", b"two\n")
    write(start / "exit.json", why="ended", exit_code=0, wall_seconds=1.0)
    month = tmp_path / "archive" / "2026-11"
    month.mkdir(parents=True)

    (tmp_path / "active" / "api").rename(month / "api")

    assert list(streams.fresh()) == ["        two", "── exit code 0 · 1.0 s"]


def test_where_several_starts_speak_it_is_said_who_does(start: Path, streams: Streams) -> None:
    other = start.with_name("check_1.2")
    other.mkdir()
    for number, folder in enumerate((start, other), 1):
        write(folder / "launch.json", kind="command", argv=["make"])
        os.utime(folder / "launch.json", (number, number))
        say(folder / "stdout.log", b"one\n")
    begun = ["── $ make", "        one"]
    assert list(streams.fresh()) == ["── start test.1", *begun, "── start check 1, run 2", *begun]

    say(start / "stdout.log", b"two\n")
    say(other / "stdout.log", b"two\n")
    assert list(streams.fresh()) == ["── test.1", "        two", "── check 1, run 2", "        two"]

    say(other / "stdout.log", b"three\n")
    assert list(streams.fresh()) == ["        three"]


def test_starts_are_told_in_the_order_in_which_they_began_whichever_ended_first(
    start: Path, streams: Streams
) -> None:
    for number, name in enumerate(("z.1", "a.1"), 1):
        folder = start.with_name(name)
        folder.mkdir()
        write(folder / "launch.json", kind="command", argv=["make"])
        os.utime(folder / "launch.json", (number, number))
    write(start / "launch.json", kind="command", argv=["make"])
    write(start.with_name("z.1") / "exit.json", why="ended", exit_code=0, wall_seconds=1)

    told = [line for line in streams.fresh() if line.startswith("── start")]

    assert told == ["── start z.1", "── start a.1", "── start test.1"]
