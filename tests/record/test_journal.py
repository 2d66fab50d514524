from __future__ import annotations

import json
import os
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest

from handoff import durable
from orchestrd.record import journal
from orchestrd.record.journal import JournalDamaged


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "journal.jsonl"
    path.write_bytes(journal.first_line({"source": "a.toml", "size": 12}, now=0.0))
    journal.append(path, 2, "accepted", now=1.5, title="Ä title", after=[])
    journal.append(path, 3, "workspace-intended", path="/w", mode="worktree")
    return path


def test_what_is_appended_is_read_back_in_order_with_its_time(path: Path) -> None:
    written = journal.append(path, 4, "settled", sync=True)

    records = journal.read_journal(path)

    assert [record["seq"] for record in records] == [1, 2, 3, 4]
    assert records[1] == {
        "seq": 2,
        "time": "1970-01-01T00:00:01.500Z",
        "event": "accepted",
        "title": "Ä title",
        "after": [],
    }
    assert records[2]["path"] == "/w"
    assert records[3] == written


def test_a_stranger_can_check_a_line_by_its_description(path: Path) -> None:
    line = path.read_bytes().splitlines()[1]

    without, crc = line[:-18] + b"}", json.loads(line)["crc"]

    assert b'"crc"' not in without
    assert f"{zlib.crc32(without):08x}" == crc


def test_names_that_are_no_utf8_survive(path: Path) -> None:
    journal.append(path, 4, "taken", name="caf\udce9.toml")

    assert journal.read_journal(path)[-1]["name"] == "caf\udce9.toml"


@pytest.mark.parametrize(
    "tail", [b'{"seq":4', b"\0" * 50, b'{"seq":4,"crc":"00000000"}\n', b"\0\0\n\0\0\n", b"\n", b"\xff\n"]
)
def test_a_torn_tail_is_skipped_by_readers_and_cut_by_the_writer(path: Path, tail: bytes) -> None:
    whole = path.read_bytes()
    path.write_bytes(whole + tail)

    read = journal.read_journal(path)
    untouched = path.read_bytes()
    opened = journal.open_for_append(path)
    journal.append(path, 4, "settled")

    assert len(read) == 3
    assert untouched == whole + tail
    assert opened == read
    assert [record["event"] for record in journal.read_journal(path)][2:] == ["workspace-intended", "settled"]


def test_every_cut_of_a_journal_leaves_its_whole_lines(path: Path) -> None:
    whole = path.read_bytes()

    for cut in range(len(whole) + 1):
        path.write_bytes(whole[:cut])

        assert len(journal.read_journal(path)) == whole[:cut].count(b"\n")


@pytest.mark.parametrize("number", [0, 1])
def test_a_damaged_line_in_the_middle_is_reported_with_what_is_before(path: Path, number: int) -> None:
    lines = path.read_bytes().splitlines(keepends=True)
    lines[number] = lines[number].replace(b"a", b"b", 1)
    path.write_bytes(b"".join(lines))

    with pytest.raises(JournalDamaged) as caught:
        journal.open_for_append(path)

    assert (caught.value.path, caught.value.line) == (str(path), number + 1)
    assert [record["seq"] for record in caught.value.records] == list(range(1, number + 1))
    assert path.read_bytes() == b"".join(lines)


def test_a_long_journal_is_read_whole(path: Path) -> None:
    for seq in range(4, 500):
        durable.append_line(
            path, journal.encode_line(seq, "run-ended", {"summary": "x" * 200})[0], sync=False
        )

    assert [record["seq"] for record in journal.read_journal(path)] == list(range(1, 500))


def test_an_empty_journal_has_no_events(tmp_path: Path) -> None:
    (tmp_path / "journal.jsonl").touch()

    assert journal.open_for_append(tmp_path / "journal.jsonl") == []


def a_link(path: Path) -> None:
    path.symlink_to(path.with_name("other"))


@pytest.mark.parametrize(
    ("make", "what"),
    [(a_link, "a symbolic link"), (os.mkfifo, "a FIFO"), (Path.mkdir, "a directory")],
)
def test_what_is_no_file_is_damage_that_is_told_at_once_with_its_path(
    tmp_path: Path, make: Callable[[Path], None], what: str
) -> None:
    path = tmp_path / "journal.jsonl"
    make(path)

    for read in (journal.read_journal, journal.open_for_append):
        with pytest.raises(JournalDamaged) as caught:
            read(path)
        assert str(caught.value).startswith(f"{path}: is {what}")
        assert caught.value.records == []
