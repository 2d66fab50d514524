"""A plan's journal: every event, one checksummed line of JSON each, append-only.

Lines, and which of them can be believed, are known here; what the events mean is not (`core/history.py` and
`outbound/story.py` fold them). No file is kept open between two calls: 20,000 plans may be active.

A line is `{"seq":1,"time":"2026-11-24T02:00:00.000Z","event":"taken",…,"crc":"89abcdef"}`. The checksum is the CRC-32
of the line as it would be without its last member, `crc`.
"""

from __future__ import annotations

import json
import os
import zlib
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import PurePath
from typing import Any, cast

from handoff import durable, looking
from handoff.effects import StrPath, clock, effects, let_go

Record = dict[str, Any]

CHUNK_BYTES = 16384
"""Most journals of waiting plans fit: one read each."""

_TAIL = len(',"crc":"89abcdef"}')


class JournalDamaged(Exception):
    """A line that was followed by good ones does not verify, or says nothing that can be: the disk or a hand did it.

    `records` are those before it, which can be believed. `line` counts from 1.
    """

    def __init__(
        self, path: str, line: int, records: list[Record], what: str = "the checksum does not fit"
    ) -> None:
        self.problem = (
            f"{path}, line {line}: {what}, so the file was changed after it was written "
            f"(expected: a line as the daemon wrote it)"
        )
        """What is wrong, without what to do: whoever leaves a plan alone for it has more to say."""
        super().__init__(f"{self.problem}. To do: look at that line; the {len(records)} before it hold")
        self.path = path
        self.line = line
        self.records = records


class NotAJournal(JournalDamaged):
    """Something that is no regular file lies in a journal's place."""

    def __init__(self, error: looking.NotRegular) -> None:
        self.problem = f"{error.filename}: {error.strerror}"
        Exception.__init__(self, self.problem)
        self.what = str(error.strerror)
        self.path = str(error.filename)
        self.line = 0
        self.records = []


def encode_line(
    seq: int, event: str, fields: Mapping[str, Any], now: float | None = None
) -> tuple[bytes, Record]:
    """Make a line, and the record that a reader will find in it. `now` is wall seconds; None: the present."""
    record: Record = {
        "seq": seq,
        "time": format_time(clock.wall() if now is None else now),
        "event": event,
        **fields,
    }
    # Escaped to ASCII: file names may hold bytes that are no UTF-8, and those survive only so.
    body = json.dumps(record, separators=(",", ":"), default=_plain).encode()
    return b'%b,"crc":"%08x"}\n' % (body[:-1], zlib.crc32(body)), record


def first_line(fields: Mapping[str, Any], now: float | None = None) -> bytes:
    """Make the line `taken`, which is on the disk before the plan is moved in (`durable.take`)."""
    return encode_line(1, "taken", fields, now)[0]


def append(
    journal: StrPath, seq: int, event: str, /, *, sync: bool = False, now: float | None = None, **fields: Any
) -> Record:
    """Append one event and return its record. Raises OSError where it could not be written whole; then it is not there.

    With `sync` it is on the disk; without, it is when `durable.sync_files` was called, once for many.
    """
    line, record = encode_line(seq, event, fields, now)
    durable.append_line(journal, line, sync=sync)
    return record


def read_journal(journal: StrPath) -> list[Record]:
    """Read all events in order, skipping a tail that was torn by a cut; the file is not changed.

    Raises JournalDamaged for a bad line in the middle, NotAJournal where no file lies there, and OSError
    (FileNotFoundError: no such plan).
    """
    path = os.fspath(journal)
    return _decode(path, _read(path))[0]


def read_with_tail(journal: StrPath) -> tuple[list[Record], bytes]:
    """Read as `read_journal` does, and return what follows the last good line, too: nothing, or what was torn."""
    path = os.fspath(journal)
    raw = _read(path)
    records, good = _decode(path, raw)
    return records, raw[good:]


def open_for_append(journal: StrPath) -> list[Record]:
    """Read all events and cut a torn tail off, so that what is appended next begins a line of its own.

    Only the one who writes a journal calls this. Raises as `read_journal` does; a damaged journal is not changed.
    """
    path = os.fspath(journal)
    raw = _read(path)
    records, good = _decode(path, raw)
    if good < len(raw):
        durable.replace(path, raw[:good])
    return records


def format_time(seconds: float) -> str:
    """Write wall seconds as RFC 3339 in UTC, to the millisecond."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")[:-6] + "Z"


def time_of(record: Mapping[str, Any]) -> datetime:
    """Tell when an event was written."""
    return datetime.fromisoformat(record["time"])


def _read(path: str) -> bytes:
    try:
        fd = looking.open_regular(path)
    except looking.NotRegular as error:
        raise NotAJournal(error) from None
    try:
        chunk = effects.read(fd, CHUNK_BYTES)
        if len(chunk) < CHUNK_BYTES:
            return chunk
        chunks = [chunk]
        while chunk:
            chunk = effects.read(fd, 1 << 20)
            chunks.append(chunk)
        return b"".join(chunks)
    except OSError as error:
        error.filename = path  # read() does not know it
        raise
    finally:
        let_go(fd)


def _decode(path: str, raw: bytes) -> tuple[list[Record], int]:
    """Return the records of the good lines and how many bytes those fill."""
    bodies: list[bytes] = []
    good = 0
    lines = raw.split(b"\n")
    lines.pop()  # what follows the last newline: nothing, or a torn line
    for number, line in enumerate(lines):
        body = line[:-_TAIL] + b"}"
        if line[-_TAIL:] != b',"crc":"%08x"}' % zlib.crc32(body):
            # Several lines may have been appended between two syncs: all that follows must be as bad to be a torn tail.
            if any(_verifies(later) for later in lines[number + 1 :]):
                raise JournalDamaged(path, number + 1, _parse(path, bodies))
            break
        bodies.append(body)
        good += len(line) + 1
    return _parse(path, bodies), good


def _verifies(line: bytes) -> bool:
    return line[-_TAIL:] == b',"crc":"%08x"}' % zlib.crc32(line[:-_TAIL] + b"}")


def _parse(path: str, bodies: list[bytes]) -> list[Record]:
    try:
        # One call for all lines: half the time of one a line. Of text: json would guess the encoding of bytes.
        records = json.loads((b"[%b]" % b",".join(bodies)).decode())
        if len(records) == len(bodies) and all(map(_is_record, records)):
            return cast("list[Record]", records)
    except (ValueError, RecursionError):
        pass
    return _parse_one_by_one(path, bodies)


def _parse_one_by_one(path: str, bodies: list[bytes]) -> list[Record]:
    """Find the line that verifies and is none of ours all the same: somebody wrote it with its checksum."""
    records: list[Record] = []
    for number, body in enumerate(bodies, 1):
        try:
            record = json.loads(body.decode())
        except (ValueError, RecursionError):
            record = None
        if not _is_record(record):
            raise JournalDamaged(path, number, records, "it is no record of an event")
        records.append(record)
    return records


def _is_record(value: Any) -> bool:
    return isinstance(value, dict) and isinstance(value.get("event"), str)


def _plain(value: object) -> str:
    if isinstance(value, datetime):
        return format_time(value.timestamp())
    if isinstance(value, PurePath):
        return str(value)
    message = f"{type(value).__name__} is no value of a journal: {value!r}"
    raise TypeError(message)
