"""The oracle: reads a root, and the ledger that fake agents write, and says which promise is broken, by name.

I1  every plan handed in is in exactly one of the inbox, `active/` and `archive/`
I2  each start STEP.N happens at most once
I3  a result is whole and matches its plan
I4  no torn file, no temporary
I5  no process without its lock, no lock without a process; no descriptor or zombie left over
I6  nothing outside root and workspaces is touched
I7  journals verify and agree with the folders
I8  quiet within 30 s after the faults stop, without a hand
I9  no secret in any file
I10 recovering twice changes nothing

What holds for any root is asked of `orchestrd verify`; what only a test can know (what was handed in, what agents
started, what lay around) is asked here.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from handoff.platform import lock_holders, processes_with_mark
from handoff.root import CONTEXT, Root
from orchestrd.record.journal import JournalDamaged, read_journal
from orchestrd.views import verifying
from tests.faults import left_over
from tests.faults.campaign import Violation
from tests.faults.fingerprints import fingerprint

NAMED = {
    verifying.ONE_PLACE: "I1",
    verifying.ONE_START: "I2",
    verifying.RESULT: "I3",
    verifying.NO_TORN_FILE: "I4",
    verifying.LOCKS: "I5",
    verifying.JOURNALS: "I7",
    verifying.STATUS: "I7",
    verifying.REQUESTS: "I8",
}
"""The words of `orchestrd verify`, as invariants."""


@dataclass(slots=True)
class Evidence:
    """What a test knows and a root does not say."""

    root: Root
    ledger: Path | None = None
    """Lines `WORD RUN PID TIME`, one a start: the fake agents' own."""
    handed_in: Mapping[str, str] = field(default_factory=dict)
    """SHA-256 of each plan that was visible in the inbox, by its file's name. All contents differ."""
    ordered: tuple[str, ...] = ()
    """The names of the files of the orders that were given; no two alike."""
    mark: str | None = None
    """`NAME=value` in the environment of whatever the daemon starts."""
    daemon: int | None = None
    """Its pid, while it is alive."""
    settled: bool = True
    """The faults are over and everything ought to have its result."""
    outside: Mapping[str, str] = field(default_factory=dict)
    """`fingerprint` of what nobody may touch, by path, from before."""
    secret: bytes | None = None
    """Bytes that no file may hold."""
    places: tuple[Path, ...] = ()
    """Where else than in the root the secret is looked for: logs, state, what agents work in."""
    repositories: tuple[Path, ...] = ()
    """Those in whose commits it is looked for, whatever branch they are on."""
    checkouts: Path | None = None
    """Where the checkouts of this root's plans lie."""
    consumed: frozenset[str] = frozenset()
    """The names of results that somebody has taken away."""
    status: bool = False
    """Look whether `status/` shows what is, too: it may be a second behind, which is waited for."""


def judge(evidence: Evidence) -> list[Violation]:
    """Tell everything that is not as promised. Call it when nothing changes any more."""
    return [
        *_verified(evidence),
        *_one_place(evidence),
        *_one_start(evidence),
        *_all_settled(evidence),
        *_left_over(evidence),
        *_known_starts(evidence),
        *_nothing_left(evidence),
        *_untouched(evidence),
        *_no_secret(evidence),
    ]


def contents(root: Root) -> dict[str, str]:
    """All that has to be alike before and after one more recovery: everything but what each daemon writes anew."""
    found = {}
    for folder, folders, names in os.walk(root.path):
        here = Path(folder)
        if here == root.path:
            folders.remove("status")
        if here in {root.path, root.private} and CONTEXT in folders:
            # What is known of projects is brought up to date by each daemon whenever it comes to it.
            folders.remove(CONTEXT)
        if here == root.private and "spare" in folders:
            # What is set aside for a full disk is set aside while a daemon is at rest, not when it recovers.
            folders.remove("spare")
        for name in names:
            path = here / name
            if path in {root.lock, root.git_lock, root.private / "reserve"} or name.startswith(
                "index.sqlite"
            ):
                continue
            found[str(path.relative_to(root.path))] = hashlib.sha256(path.read_bytes()).hexdigest()
        for name in folders:
            found[str((here / name).relative_to(root.path))] = "folder"
    return found


def differences(before: Mapping[str, str], after: Mapping[str, str]) -> Iterator[Violation]:
    """I10: what one more recovery changed."""
    for name in sorted(before.keys() | after.keys()):
        if before.get(name) != after.get(name):
            what = "came" if name not in before else "went" if name not in after else "changed"
            yield Violation("I10", name, f"recovering once more: it {what}")


def orders_told(root: Root) -> set[str]:
    """The files of the orders of which it is written down what came of them."""
    try:
        lines = root.orders_log.read_bytes().splitlines()
    except FileNotFoundError:
        return set()
    found = set()
    for line in lines:
        with suppress(ValueError):  # of half a line `orchestrd verify` tells
            found.add(str(json.loads(line)["file"]))
    return found


def _verified(evidence: Evidence) -> Iterator[Violation]:
    # Where nothing moves any more, nothing has to be looked at twice.
    at_rest = evidence.settled and not evidence.status
    again = () if at_rest else verifying.AGAIN_SECONDS
    for found in verifying.verify(evidence.root, again_seconds=again):
        if found.invariant != verifying.STATUS or evidence.status:
            yield Violation(NAMED[found.invariant], found.where, found.what)


def _plan_folders(root: Root) -> Iterator[Path]:
    for place in (root.active, *sorted(root.archive.glob("*-*"))):
        yield from sorted(path for path in place.iterdir() if path.is_dir())


def _one_place(evidence: Evidence) -> Iterator[Violation]:
    places: dict[str, list[str]] = defaultdict(list)
    for path in evidence.root.inbox.iterdir():
        if path.is_file():
            places[_digest(path)].append(f"inbox/{path.name}")
    for folder in _plan_folders(evidence.root):
        for path in folder.glob("plan.*"):
            if "retry_of" not in _first_record(folder):
                places[_digest(path)].append(str(folder.relative_to(evidence.root.path)))
    for name, digest in evidence.handed_in.items():
        found = places.get(digest, [])
        if len(found) != 1:
            yield Violation("I1", name, f"it is in {', '.join(found)}" if found else "it is nowhere")


def _one_start(evidence: Evidence) -> Iterator[Violation]:
    runs = Counter(words[1] for words in _ledger(evidence.ledger) if words[0] == "start")
    for run, count in runs.items():
        if count > 1:
            yield Violation("I2", run, f"the agent was started {count} times")
    for words in _ledger(evidence.ledger):
        if words[0] == "overlap":
            yield Violation("I2", words[1], "something else was at work on its session when it started")


def _all_settled(evidence: Evidence) -> Iterator[Violation]:
    if not evidence.settled:
        return
    root = evidence.root
    for place, what in ((root.active, "still in work"), (root.inbox, "still in the inbox")):
        for path in sorted(place.iterdir()):
            if not path.name.startswith("."):
                yield Violation("I8", str(path.relative_to(root.path)), what)
    for path in sorted(root.orders.iterdir()):
        yield Violation("I8", str(path.relative_to(root.path)), "an order that was never carried out")
    in_hand = root.private / "replies"
    for path in sorted(in_hand.iterdir()) if in_hand.is_dir() else ():
        yield Violation("I8", str(path.relative_to(root.path)), "an answer that was never dealt with")
    for name in sorted(set(evidence.ordered) - orders_told(root)):
        yield Violation("I8", name, "nothing came of this order")


def _left_over(evidence: Evidence) -> Iterator[Violation]:
    root = evidence.root
    yield from left_over.look_at_temporaries(root)
    if not evidence.settled:
        return
    plans = left_over.settled_plans(root)
    yield from left_over.look_at_results(root, plans, evidence.consumed)
    yield from left_over.look_at_workspaces(plans, evidence.checkouts)
    yield from left_over.look_at_private(root)
    if evidence.daemon is not None:
        yield from left_over.look_at_daemon(root, evidence.daemon)


def _known_starts(evidence: Evidence) -> Iterator[Violation]:
    """Whatever an agent says of a start, the journal said before: it is intended before it is made."""
    intended: dict[str, set[str]] = {}
    for folder in _plan_folders(evidence.root):
        try:
            records = read_journal(folder / "journal.jsonl")
        except (OSError, JournalDamaged):
            continue  # told by verify
        intended[folder.name] = {
            f"{record['step']}.{record['n']}" for record in records if record["event"] == "run-intended"
        }
    for run in sorted({words[1] for words in _ledger(evidence.ledger) if words[0] == "start"}):
        _, _, start = run.partition("/")
        plan, _, number = start.partition("/")
        if plan in intended and number not in intended[plan]:
            yield Violation("I7", run, "it was started, and its plan's journal does not know it")
        elif start and plan not in intended:
            yield Violation("I1", run, "it was started, and its plan is nowhere")


def _nothing_left(evidence: Evidence) -> Iterator[Violation]:
    for folder in _plan_folders(evidence.root):
        for lock in sorted(folder.glob("runs/*/lock")):
            if evidence.settled and lock_holders(lock):
                yield Violation("I5", str(lock.relative_to(evidence.root.path)), "the lock is held")
    if evidence.mark is None or not evidence.settled:
        return
    for pid in processes_with_mark(evidence.mark):
        if pid != evidence.daemon:
            yield Violation("I5", f"pid {pid}", f"it was left over: {_command(pid)}")


def _untouched(evidence: Evidence) -> Iterator[Violation]:
    own = _branches_of_plans(evidence.root)
    for name, before in evidence.outside.items():
        if not left_over.passes(partial(_is_as_it_was, Path(name), before, own)):
            yield Violation("I6", name, "it is not as it was")


def _is_as_it_was(place: Path, before: str, own: set[str]) -> bool:
    try:
        return fingerprint(place, own) == before
    except FileNotFoundError:  # the lock of a git that is at work just now
        return False


def _branches_of_plans(root: Root) -> set[str]:
    """The branches that plans' journals name: what becomes of them is told elsewhere."""
    named: set[str] = set()
    for folder in _plan_folders(root):
        with suppress(OSError, JournalDamaged):  # told by verify
            named |= {str(one["branch"]) for one in read_journal(folder / "journal.jsonl") if "branch" in one}
    return named


def _no_secret(evidence: Evidence) -> Iterator[Violation]:
    if evidence.secret is None:
        return
    for place in (evidence.root.path, *evidence.places):
        for path in sorted(place.rglob("*")) if place.is_dir() else [place]:
            if path.is_file() and not path.is_symlink() and evidence.secret in path.read_bytes():
                yield Violation("I9", str(path), "it holds the secret")
    for repository in evidence.repositories:
        words = ("git", "-C", str(repository), "log", "--all", "--patch", "--text", "--format=fuller")
        if evidence.secret in subprocess.run(words, capture_output=True, check=True).stdout:
            yield Violation("I9", str(repository), "a commit holds the secret")


def _ledger(path: Path | None) -> list[list[str]]:
    if path is None or not path.exists():
        return []
    return [line.split() for line in path.read_text().splitlines()]


def _first_record(folder: Path) -> dict[str, object]:
    try:
        with open(folder / "journal.jsonl", "rb") as file:
            return dict(json.loads(file.readline()))
    except (OSError, ValueError):
        return {}


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _command(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")[:200]
    except OSError:
        return "?"
