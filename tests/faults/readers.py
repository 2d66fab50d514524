"""Every reader of what others wrote, as one call on bytes; and what a reading must be: an answer or a told error, soon.

A reader that raises anything but its documented errors, is slow, or tells an error without place or without end has
broken its promise.
"""

from __future__ import annotations

import json
import math
import os
import shutil
import time
import tomllib
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from handoff.fields import Document
from handoff.formats import DocumentError, FieldError, Format, dump, line_of, read_document
from handoff.order import Order
from handoff.plan import Plan
from handoff.request import ApprovalReply, DocsRequest, QuestionReply
from handoff.result import Result
from handoff.root import PlanId, create_root
from orchestrd.config import ConfigError, load_config
from orchestrd.core.events import Moment
from orchestrd.daemon.recovering import recover
from orchestrd.inbound.intake import Accepted, check_plan
from orchestrd.inbound.reception import Reception
from orchestrd.record.account import USAGE
from orchestrd.record.ids import Ids, Orders
from orchestrd.record.journal import JournalDamaged, read_journal
from orchestrd.record.journals import Journals
from orchestrd.record.register import Register
from orchestrd.runs import recovery
from orchestrd.runs.closing import ended_fields
from orchestrd.runs.light_json import parse
from orchestrd.runs.stream import StreamFacts
from orchestrd.runs.supervision import _holds_result
from orchestrd.runs.verdict import judge
from orchestrd.settings import Limits
from orchestrd.views.words import read_json, read_lines
from tests.faults.campaign import Violation

SMALL_BYTES = 32 * 1024
SMALL_SECONDS = 0.1
"""What a document of a usual size may take at most, of the processor."""
LARGE_SECONDS = 1.0
"""The same for the largest that is read at all: the daemon never blocks longer (RELIABILITY, T10)."""
MOST_ERROR_TEXT = 128 * 1024
MOST_ERROR = 4 * 1024

LIMITS = Limits()


@dataclass(frozen=True, slots=True)
class Reader:
    """One way to read bytes."""

    name: str
    kind: str
    """What it reads: the ending of the files of the corpus that are given to it."""
    read: Callable[[bytes], object]
    documented: tuple[type[Exception], ...] = ()
    """What it says that it raises."""


class Wrong(AssertionError):
    """A reader gave an answer that it must not give."""


def readers(folder: Path) -> list[Reader]:
    """All of them; those that read files do it in `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    return [
        *(Reader(f"plan.{kind.value}", kind.value, _plan(kind)) for kind in Format),
        *(
            Reader(f"{model.__name__}.{kind.value}", kind.value, _document(model, kind), (DocumentError,))
            for model in (Order, ApprovalReply, QuestionReply, Result)
            for kind in (Format.TOML, Format.JSON)
        ),
        Reader("DocsRequest.md", "md", _document(DocsRequest, Format.MARKDOWN), (DocumentError,)),
        Reader("config", "toml", _Config(folder / "config.toml"), (ConfigError,)),
        Reader("journal", "jsonl", _Journal(folder / "journal.jsonl"), (JournalDamaged,)),
        Reader("recovery", "jsonl", _Recovery(folder / "recovery")),
        Reader("ids", "jsonl", _ids),
        Reader("orders", "jsonl", _orders),
        Reader("stream", "jsonl", _stream),
        Reader("runner's stream", "jsonl", _holds_result),
        Reader("run's files", "json", _RunFiles(folder / "active" / "a" / "runs" / "main.1")),
        Reader("runner's JSON", "json", parse, (ValueError, RecursionError)),
        Reader("status", "json", _Status(folder / "status.json")),
    ]


def broken(reader: Reader, raw: bytes) -> tuple[str | None, float]:
    """Read, and say which promise broke, if any, and the seconds of processor time. What is slow is read again."""
    allowed = SMALL_SECONDS if len(raw) <= SMALL_BYTES else LARGE_SECONDS
    said, seconds = _once(reader, raw)
    for _ in range(2):
        if said is None and seconds > allowed:
            said, seconds = _once(reader, raw)
    if said is None and seconds > allowed:
        said = f"took {seconds * 1000:.0f} ms for {len(raw)} bytes (at most {allowed * 1000:g})"
    return said, seconds


def _once(reader: Reader, raw: bytes) -> tuple[str | None, float]:
    began = time.thread_time()
    said: str | None = None
    try:
        reader.read(raw)
    except reader.documented as error:
        said = _wrong_with(error)
    except Exception as error:  # noqa: BLE001 - that nothing else comes out is what is asked here
        said = f"raised {type(error).__name__}: {str(error)[:200]}"
    return said, time.thread_time() - began


def as_violation(reader: Reader, said: str, again: str) -> Violation:
    """A broken promise, as campaigns tell it."""
    return Violation("-", reader.name, said, again)


def _wrong_with(error: Exception) -> str | None:
    """What is wrong with how an error is told."""
    text = str(error)
    if isinstance(error, DocumentError):
        return _wrong_with_errors(error.errors)
    if isinstance(error, ConfigError | JournalDamaged) and not text.startswith(("/", "ORCHESTRD_", "--root")):
        return f"told no place: {text[:100]!r}"
    return f"told an error of {len(text)} characters" if len(text) > MOST_ERROR_TEXT else None


def _wrong_with_errors(errors: tuple[FieldError, ...]) -> str | None:
    if not errors:
        return "refused and told no error"
    for one in errors:
        if not one.message or (one.line is not None and one.line < 1):
            return f"told an error without words or place: {one!r}"[:300]
        if one.line is None and not one.message.startswith("and "):
            return f"told no line: {one!r}"[:300]
        if len(str(one)) > MOST_ERROR:
            return f"told one error in {len(str(one))} characters: {str(one)[:100]!r}"
        str(one).encode()
    total = sum(len(str(one)) for one in errors)
    return f"told errors of {total} characters" if total > MOST_ERROR_TEXT else None


def _plan(kind: Format) -> Callable[[bytes], object]:
    def read(raw: bytes) -> object:
        checked = check_plan(raw, kind, PlanId("a"), LIMITS)
        if not isinstance(checked, Accepted):
            wrong = _wrong_with_errors(checked.errors)
            if wrong:
                raise Wrong(wrong)
            return checked
        # What is accepted has to come to a result: it is kept, read again, and given back.
        kept = Plan.model_validate_json(checked.plan.model_dump_json())
        result = Result(
            plan="a", source="a", status="failed", settled=datetime.now(UTC), metadata=kept.metadata
        )
        tomllib.loads(dump(result, Format.TOML).decode())
        json.loads(dump(result, Format.JSON), parse_constant=_none_such)
        return kept

    return read


def _none_such(name: str) -> object:
    raise Wrong(f"{name} in a result")


def _document(model: type[Document], kind: Format) -> Callable[[bytes], object]:
    def read(raw: bytes) -> object:
        found = read_document(model, raw, kind)
        line_of(raw, kind, "action")
        return dump(found, kind)

    return read


class _InFile:
    """A reader of a file: what is read is put there first."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True)

    def put(self, raw: bytes) -> None:
        with open(self.path, "wb", buffering=0) as file:
            file.write(raw)


class _Config(_InFile):
    def __call__(self, raw: bytes) -> object:
        self.put(raw)
        environ = {"ORCHESTRD_CONFIG": str(self.path), "HOME": str(self.path.parent)}
        return load_config(environ=environ)


class _Journal(_InFile):
    def __call__(self, raw: bytes) -> object:
        self.put(raw)
        try:
            records = read_journal(self.path)
        except JournalDamaged as damaged:
            _demand_believable(raw, damaged.records)
            raise
        _demand_believable(raw, records)
        return records


def _demand_believable(raw: bytes, records: list[dict[str, Any]]) -> None:
    """Demand that what a journal is said to hold are records, of lines whose checksums, reckoned anew, fit."""
    if not all(isinstance(one, dict) and isinstance(one.get("event"), str) for one in records):
        raise Wrong(f"gave what are no records: {records!r:.200}")
    for number, line in enumerate(raw.split(b"\n")[: len(records)], 1):
        body, _, tail = line.rpartition(b',"crc":')
        if tail != b'"%08x"}' % zlib.crc32(body + b"}"):
            raise Wrong(f"believed line {number}, whose checksum does not fit: {line!r:.200}")


class _Recovery:
    """A daemon's start on a root with one plan, whose journal says that."""

    def __init__(self, folder: Path) -> None:
        self.root = create_root(folder / "root")
        self.plan = self.root.plan_folder(PlanId("a"))

    def __call__(self, raw: bytes) -> object:
        self.plan.mkdir(exist_ok=True)
        (self.plan / "plan.toml").write_bytes(b"handoff = 1\n")
        (self.plan / "journal.jsonl").write_bytes(raw)
        self.root.ids_log.unlink(missing_ok=True)
        ids, journals = Ids.load(self.root), Journals(self.root)
        reception = Reception(self.root, ids, journals, LIMITS, 10.0)
        found = recover(self.root, ids, journals, reception, Moment(1e9, 1e5))
        if not (found.events or reception.unread or found.left_alone):
            raise Wrong("the plan is lost")
        if any(len(one) > MOST_ERROR for one in found.damaged):
            raise Wrong("told of a damaged journal without end")
        return found


def _ids(raw: bytes) -> object:
    register = Register(Path("/ids.jsonl"), raw)
    ids = Ids(register, register.records(raw))
    return ids.allot(PlanId("a")), ids.of_key("a"), ids.next_arrival()


def _orders(raw: bytes) -> object:
    register = Register(Path("/orders.jsonl"), raw)
    orders = Orders(register, register.records(raw))
    return os.fsencode(f"{orders.last + 1}.toml"), orders.of_key("a")


def _stream(raw: bytes) -> object:
    facts = StreamFacts()
    for line in raw.split(b"\n"):
        facts.feed(line)
    return _ended(facts, {"why": "ended", "exit_code": 0})


def _ended(facts: StreamFacts, end: dict[str, Any]) -> dict[str, Any]:
    """Judge, as the daemon does, and look at the record that it would write."""
    outcome = judge(facts, end, stderr_tail="")
    fields = ended_fields(facts, end, outcome, payer="api-key", booked_usd=0.0)
    json.dumps(fields).encode()
    for name in USAGE:
        value = fields.get(name, 0)
        if not isinstance(value, int | float) or not 0 <= value < math.inf:
            raise Wrong(f"booked {name} = {value!r:.100}")
    return fields


class _RunFiles:
    """`launch.json`, `started.json` and `exit.json`, all of which say that; and the samples beside them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)

    def __call__(self, raw: bytes) -> object:
        for path in (
            self.folder / "launch.json",
            self.folder / "started.json",
            self.folder / "exit.json",
            self.folder.parent.parent / "usage.jsonl",
        ):
            with open(path, "wb", buffering=0) as file:
                file.write(raw)
        recovery.inspect(self.folder)
        recovery.follow_pid(self.folder)
        recovery.read_launch(self.folder).get("payer")
        return _ended(StreamFacts(), recovery.read_exit(self.folder))


class _Status(_InFile):
    def __call__(self, raw: bytes) -> object:
        self.put(raw)
        return read_json(self.path), read_lines(self.path)
