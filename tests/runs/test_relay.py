from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from handoff import durable
from handoff.effects import Effects
from orchestrd.runs.relay import RETRY_SECONDS, Copy, Feed
from orchestrd.secrets import Redactor

SECRET = b"canary-4711-abcdef"


class Pipe:
    def __init__(self) -> None:
        self.read, self.write = os.pipe()

    def say(self, content: bytes) -> None:
        os.write(self.write, content)


@pytest.fixture
def pipe() -> Pipe:
    return Pipe()


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "events.jsonl"


def a_copy(pipe: Pipe, log: Path, most_line_bytes: int = 1000) -> Copy:
    file = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    return Copy(pipe.read, file, Redactor({"KEY": SECRET.decode()}), most_line_bytes=most_line_bytes)


def test_a_line_is_written_when_it_is_whole(pipe: Pipe, log: Path) -> None:
    copy = a_copy(pipe, log)

    pipe.say(b"one\ntw")
    assert copy.take(0) == b"one\n"
    assert copy.take(0) == b""
    assert log.read_bytes() == b"one\n"

    pipe.say(b"o\n")
    assert copy.take(0) == b"two\n"
    assert log.read_bytes() == b"one\ntwo\n"


def test_the_end_brings_out_what_has_no_end(pipe: Pipe, log: Path) -> None:
    copy = a_copy(pipe, log)
    pipe.say(b"one\nand " + SECRET)
    copy.take(0)

    os.close(pipe.write)
    copy.take(0)

    assert not copy.is_open
    assert log.read_bytes() == b"one\nand [secret:KEY]"


@pytest.mark.parametrize("size", [1, 7, len(SECRET) - 1, 50])
def test_a_secret_that_is_cut_anywhere_is_redacted_even_in_a_line_that_is_too_long(
    pipe: Pipe, log: Path, size: int
) -> None:
    copy = a_copy(pipe, log, most_line_bytes=40)
    text = b"".join(b"%d:%s." % (number, SECRET) for number in range(60))

    for start in range(0, len(text), size):
        pipe.say(text[start : start + size])
        copy.take(0)
    os.close(pipe.write)
    copy.take(0)

    assert log.read_bytes() == text.replace(SECRET, b"[secret:KEY]")


class FullDisk(Effects):
    """Takes three bytes of a write, then none until there is space."""

    def __init__(self) -> None:
        self.has_space = False
        self.left = 3

    def write(self, fd: int, content: bytes | memoryview) -> int:
        if not self.has_space and not self.left:
            raise OSError(errno.ENOSPC, "full")
        count = super().write(fd, content if self.has_space else content[: self.left])
        self.left -= 0 if self.has_space else count
        return count


@pytest.fixture
def full_disk(monkeypatch: pytest.MonkeyPatch) -> Iterator[FullDisk]:
    disk = FullDisk()
    monkeypatch.setattr(durable, "effects", disk)
    return disk


def test_a_write_that_finds_no_space_is_tried_again_from_where_it_stopped(
    pipe: Pipe, log: Path, full_disk: FullDisk
) -> None:
    copy = a_copy(pipe, log)
    pipe.say(b"one\ntwo\n")
    copy.take(10.0)
    assert log.read_bytes() == b"one"
    assert copy.retry_at == 10.0 + RETRY_SECONDS

    copy.push(10.3)
    assert copy.retry_at == 10.3 + RETRY_SECONDS

    full_disk.has_space = True
    copy.push(10.6)
    assert copy.retry_at is None
    assert log.read_bytes() == b"one\ntwo\n"


def test_a_feed_gives_as_much_as_is_taken_and_never_blocks(pipe: Pipe, tmp_path: Path) -> None:
    content = os.urandom(300_000)
    source = tmp_path / "input.jsonl"
    source.write_bytes(content)
    feed = Feed(pipe.write, os.open(source, os.O_RDONLY))
    got = b""

    while not feed.is_done:
        feed.give()
        got += os.read(pipe.read, 1 << 20)

    assert got == content
    assert feed.is_open
    feed.close()
    assert os.read(pipe.read, 1) == b""


def test_a_feed_that_nobody_reads_any_more_is_closed(pipe: Pipe, tmp_path: Path) -> None:
    source = tmp_path / "input.jsonl"
    source.write_bytes(b"x")
    feed = Feed(pipe.write, os.open(source, os.O_RDONLY))

    os.close(pipe.read)
    feed.give()

    assert not feed.is_open
