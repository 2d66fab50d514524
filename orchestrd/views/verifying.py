"""Whether a root is as promised: plans in one place, journals whole, results matching, runs with their locks.

It only reads, with the daemon at work or away, and tries no lock: to the daemon a try would look like a run. What is
found is named by the invariant that it breaks.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from handoff import durable
from handoff.formats import DocumentError, Format, read_document
from handoff.platform import lock_holders
from handoff.result import Result
from handoff.root import Root
from orchestrd.record.ids import Ids, Orders
from orchestrd.record.journal import JournalDamaged, Record, read_journal
from orchestrd.runs.recovery import follow_pid, read_exit

ONE_PLACE = "one-place"
"""A plan is in exactly one of the inbox, `active/` and `archive/`."""
ONE_START = "one-start"
"""Each start of a step happens at most once."""
RESULT = "result"
"""A result is whole, and is that of its plan."""
NO_TORN_FILE = "no-torn-file"
"""No half-written file lies about."""
LOCKS = "locks"
"""No process of a run without its lock, no lock without a process."""
JOURNALS = "journals"
"""Journals verify, and agree with the folders."""

FRESH_SECONDS = 60.0
"""A temporary file that is younger may be about to be renamed."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is not as promised."""

    invariant: str
    where: str
    """Relative to the root."""
    what: str


def verify(root: Root) -> Iterator[Finding]:
    """Look at everything, and tell what is not as it should be. Raises OSError where the root cannot be read."""
    active = _folders(root.active)
    archived = {plan: month / plan for month in _folders(root.archive).values() for plan in _folders(month)}
    for plan in sorted(active.keys() & archived.keys()):
        yield Finding(ONE_PLACE, f"active/{plan}", f"the plan lies in {_short(root, archived[plan])} as well")
    ids = Ids.load(root)
    for register in (ids, Orders.load(root)):
        yield from (Finding(JOURNALS, "archive", problem) for problem in register.problems)
    for plan in sorted(archived):
        if not ids.has(plan):
            yield Finding(
                ONE_PLACE, _short(root, archived[plan]), "the register of ids does not know this plan"
            )
    for plan, folder in sorted({**archived, **active}.items()):
        yield from _look_at_plan(root, plan, folder, is_settled=plan not in active)
    yield from _look_at_results(root, active, archived)
    yield from _temporaries(root)


def _look_at_plan(root: Root, plan: str, folder: Path, *, is_settled: bool) -> Iterator[Finding]:
    try:
        records = read_journal(folder / durable.JOURNAL)
    except FileNotFoundError:
        # Of a plan in work it may have moved on while we looked.
        if folder.is_dir():
            yield Finding(JOURNALS, _short(root, folder), "there is no journal")
        return
    except JournalDamaged as error:
        yield Finding(JOURNALS, _short(root, folder), str(error))
        return
    events = [record["event"] for record in records]
    if is_settled and "settling" not in events:
        yield Finding(
            JOURNALS, _short(root, folder), "it is in the archive, and its journal does not say how it ended"
        )
    yield from _look_at_starts(root, folder, records)
    if not is_settled:
        yield from _look_at_locks(plan, folder)


def _look_at_starts(root: Root, folder: Path, records: list[Record]) -> Iterator[Finding]:
    started = [(one["step"], one["n"], one.get("pid")) for one in records if one["event"] == "run-started"]
    for step, number, _ in {one for one in started if sum(one[:2] == other[:2] for other in started) > 1}:
        yield Finding(ONE_START, _short(root, folder), f"{step}.{number} was started more than once")


def _look_at_locks(plan: str, folder: Path) -> Iterator[Finding]:
    runs = folder / "runs"
    for name in sorted(os.listdir(runs)) if runs.is_dir() else ():
        holders, pid = lock_holders(runs / name / "lock"), follow_pid(runs / name)
        where = f"active/{plan}/runs/{name}"
        if holders == [] and pid is not None and not read_exit(runs / name):
            yield Finding(LOCKS, where, f"its runner (pid {pid}) is alive and does not hold its lock")


def _look_at_results(root: Root, active: dict[str, Path], archived: dict[str, Path]) -> Iterator[Finding]:
    for plan, folder in sorted(archived.items()):
        kinds = [kind for kind in (Format.TOML, Format.JSON) if (folder / f"result.{kind.value}").exists()]
        if not kinds:
            yield Finding(RESULT, _short(root, folder), "the plan is in the archive without a result")
            continue
        kept = (folder / f"result.{kinds[0].value}").read_bytes()
        yield from _look_at_result(root, plan, folder / f"result.{kinds[0].value}", kept, kinds[0])
        shown = root.results / f"{plan}.{kinds[0].value}"
        if shown.exists() and shown.read_bytes() != kept:
            yield Finding(RESULT, _short(root, shown), f"it is not what {_short(root, folder)} keeps")
    for name in sorted(os.listdir(root.results)):
        plan, _, ending = name.rpartition(".")
        if ending in {"toml", "json"} and plan not in active and plan not in archived:
            yield Finding(RESULT, f"results/{name}", "no such plan is in work or in the archive")


def _look_at_result(root: Root, plan: str, path: Path, content: bytes, kind: Format) -> Iterator[Finding]:
    try:
        result = read_document(Result, content, kind)
    except DocumentError as error:
        yield Finding(RESULT, _short(root, path), f"it is no result: {error.errors[0]}")
        return
    if result.plan != plan:
        yield Finding(RESULT, _short(root, path), f"it is that of {result.plan}")


def _temporaries(root: Root) -> Iterator[Finding]:
    """Look for half-written files where the daemon alone writes; those of writers are theirs."""
    now = time.time()
    for top in (root.results, root.requests, root.status, root.active, root.private):
        for folder, _, names in os.walk(top):
            for name in names:
                path = Path(folder, name)
                if name.startswith(".") and name.endswith(".tmp") and _age(path, now) > FRESH_SECONDS:
                    yield Finding(NO_TORN_FILE, _short(root, path), "a half-written file was left behind")


def _age(path: Path, now: float) -> float:
    try:
        return now - path.stat().st_mtime
    except FileNotFoundError:
        return 0.0


def _folders(place: Path) -> dict[str, Path]:
    with os.scandir(place) as entries:
        return {entry.name: Path(entry.path) for entry in entries if entry.is_dir(follow_symlinks=False)}


def _short(root: Root, path: Path) -> str:
    return str(path.relative_to(root.path))
