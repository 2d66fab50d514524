"""What is shown of a command's output: both ends, as text, and never cut without a word."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrd.runs.command_output import (
    HEAD_BYTES,
    HEAD_LINES,
    TAIL_BYTES,
    TAIL_LINES,
    CommandFacts,
    Output,
    read_output,
)


def said(folder: Path, stdout: bytes = b"", stderr: bytes = b"") -> Output:
    (folder / "stdout.log").write_bytes(stdout)
    (folder / "stderr.log").write_bytes(stderr)
    return read_output(folder)


def numbered(count: int, width: int = 20) -> bytes:
    return b"".join(b"%0*d\n" % (width - 1, number) for number in range(count))


def test_little_is_shown_whole(tmp_path: Path) -> None:
    output = said(tmp_path, b"one\n\n  two\n")

    assert output == Output(tail="one\n\n  two", logs=(tmp_path / "stdout.log",))


def test_both_outputs_are_shown_by_their_names(tmp_path: Path) -> None:
    output = said(tmp_path, b"one\ntwo", b"three\n")

    assert output.tail == "stdout:\none\ntwo\nstderr:\nthree"
    assert not output.is_cut
    assert [path.name for path in output.logs] == ["stdout.log", "stderr.log"]


def test_nothing_is_shown_of_nothing_and_of_what_is_not_there(tmp_path: Path) -> None:
    assert said(tmp_path) == read_output(tmp_path / "nowhere") == Output()


@pytest.mark.parametrize(
    ("stdout", "stderr"),
    [
        (numbered(1000), b""),
        (b"", numbered(1000, 500)),
        (numbered(1000), numbered(1000)),
        (numbered(3, 9000), numbered(1000)),
        (numbered(1000, 3), numbered(5, 4000)),
        (b"x" * 100_000, b"y" * 100_000),
        ("é日".encode() * 30_000, b"\xff" * 50_000),
        (b"\n" * 10_000, b"\r" * 10_000),
        (b"\n" * 70, b""),
    ],
)
def test_much_is_shown_within_its_limits_and_what_is_left_out_is_said(
    tmp_path: Path, stdout: bytes, stderr: bytes
) -> None:
    output = said(tmp_path, stdout, stderr)

    assert output.is_cut
    for text, most_lines, most_bytes in (
        (output.tail, TAIL_LINES, TAIL_BYTES),
        (output.head, HEAD_LINES, HEAD_BYTES),
    ):
        assert text.count("\n") + 1 <= most_lines
        assert len(text.encode()) <= most_bytes
    for size, name in ((len(stdout), "stdout"), (len(stderr), "stderr")):
        if size > TAIL_BYTES:
            assert f"all {size:,} bytes are in {name}.log" in output.tail


def test_a_short_output_leaves_its_room_to_a_long_one(tmp_path: Path) -> None:
    output = said(tmp_path, numbered(1000), b"make: *** [test] Error 1\n")

    assert output.tail.endswith("stderr:\nmake: *** [test] Error 1")
    assert output.tail.count("\n") > TAIL_LINES - 10
    assert output.head.startswith("stdout:\n0000000000000000000\n")


def test_of_two_long_ones_each_gets_its_half(tmp_path: Path) -> None:
    tail = said(tmp_path, numbered(1000, 10), numbered(1000, 10)).tail

    first, _, second = tail.partition("stderr:")
    assert abs(first.count("\n") - second.count("\n")) <= 2


def test_of_one_endless_line_the_end_is_shown(tmp_path: Path) -> None:
    output = said(tmp_path, b"begin" + b"." * 100_000 + b"end")

    assert output.tail.endswith("...end")
    assert output.head.startswith("begin...")


def test_what_drives_a_terminal_is_left_out_and_other_control_characters_are_made_visible(
    tmp_path: Path,
) -> None:
    coloured = b"\x1b[1;31mFAILED\x1b[0m \x1b]0;a title\x07here\x00\x08\n10%\r20%\r\ndone\x1b]unended\n"

    assert said(tmp_path, coloured).tail == "FAILED here��\n10%\n20%\ndone�]unended"


def test_while_it_runs_its_last_line_is_known() -> None:
    facts = CommandFacts()

    for line in (b"one\n", b"\x1b[32mtwo\x1b[0m " + b"x" * 9000, b"  \n"):
        facts.feed(line)

    assert facts.last_words.startswith("two xxx")
    assert len(facts.last_words) <= 500
    assert (facts.turns, facts.cost_usd) == (0, 0.0)
