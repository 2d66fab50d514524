"""One plan's folder as `orchestrd verify` looks at it: its journal, its starts, its result.

It reads and compares; whether what it finds is there to stay is for `verifying` to find out by a second look.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from pathlib import Path

from handoff import durable, looking
from handoff.formats import DocumentError, Format, read_document
from handoff.result import Result
from handoff.root import PlanId, Root
from orchestrd.core.facts import MAIN
from orchestrd.record.account import Account, account_of
from orchestrd.record.archived import PLAN_FILES
from orchestrd.record.cut_takes import is_cut_take
from orchestrd.record.journal import JournalDamaged, NotAJournal, Record, read_with_tail
from orchestrd.record.replies import AFTERWARDS, answers_docs
from orchestrd.views.findings import (
    JOURNALS,
    NO_TORN_FILE,
    ONE_START,
    READABLE,
    RESULT,
    Finding,
    Looked,
    unreadable,
)
from orchestrd.views.verify_result import differences

ONCE = ("taken", "settled")
"""Events that a journal tells once. `settling` may come again: a daemon that was cut off decides again, and alike."""
AFTER_THE_END = frozenset({"settling", "settled", "cancel-asked"}) | AFTERWARDS
RESTORE = (
    "bring the file back from a backup if there is one; the work is on the plan's branch, and stays there"
)

BRING_BACK = (
    "bring it back from a copy if there is one, and restart the daemon; without it the plan is gone on with as "
    "far as accepted.json and the journal tell"
)


class PlanFolder:
    """A plan's folder, read once."""

    def __init__(self, root: Root, plan: PlanId, folder: Path, looked: Looked, *, is_archived: bool) -> None:
        self.plan = plan
        self.folder = folder
        self.is_archived = is_archived
        self.where = str(folder.relative_to(root.path))
        self.records: list[Record] = []
        self._is_damaged = False
        self._root = root
        self._looked = looked

    def look(self) -> Iterator[Finding]:
        """Tell what is not as promised about the plan as far as its folder shows it."""
        try:
            names = set(os.listdir(self.folder))
        except FileNotFoundError:
            return  # it has moved on meanwhile
        told = list(self._look_at_journal())
        if self._is_cut_take(names):
            # Or one that is under way: the plan is in its lane, and the next daemon tidies up.
            return
        yield from told
        if not self.is_archived and PLAN_FILES.isdisjoint(names):
            yield self._found_no_plan_file()
        if not self.records:
            return
        yield from self._look_at_starts()
        if self.is_archived:
            yield from self._look_at_kept_result(names)
        yield from self._look_at_shown_result()

    def starts(self) -> list[Path]:
        """The folders of its starts."""
        try:
            with os.scandir(self.folder / "runs") as entries:
                return [Path(entry.path) for entry in entries if entry.is_dir(follow_symlinks=False)]
        except (FileNotFoundError, NotADirectoryError):
            return []

    def _found(self, invariant: str, what: str, where: str = "", **remedy: str) -> Finding:
        return Finding(
            invariant, f"{self.where}/{where}" if where else self.where, what, plan=self.plan, **remedy
        )

    def _unreadable(self, invariant: str, error: OSError, where: str) -> Finding:
        return self._found(invariant, unreadable(error), where, remedy=READABLE)

    def _is_cut_take(self, names: set[str]) -> bool:
        # A journal that cannot be believed has no records either, and is told.
        return not self.is_archived and not self._is_damaged and is_cut_take(names, self.records)

    def _found_no_plan_file(self) -> Finding:
        language = self.records[0].get("format", "toml") if self.records else "toml"
        what = "the plan's own file is gone from its folder"
        return self._found(RESULT, what, f"plan.{language}", remedy=BRING_BACK)

    # -- the journal ----------------------------------------------------------------------------------------------

    def _look_at_journal(self) -> Iterator[Finding]:
        try:
            self.records, tail = read_with_tail(self.folder / durable.JOURNAL)
        except FileNotFoundError:
            if self.folder.is_dir():
                yield self._found(JOURNALS, "there is no journal", remedy=RESTORE)
            return
        except OSError as error:
            self._is_damaged = True
            yield self._unreadable(JOURNALS, error, durable.JOURNAL)
            return
        except NotAJournal as error:
            self._is_damaged = True
            yield self._found(JOURNALS, f"it {error.what}", durable.JOURNAL, remedy=READABLE)
            return
        except JournalDamaged as error:
            self._is_damaged = True
            yield self._found(JOURNALS, f"line {error.line} of the journal was changed after it was written")
            return
        self._looked.journals += 1
        self._looked.events += len(self.records)
        if not self.records:
            yield self._found(JOURNALS, "the journal is empty", remedy=RESTORE)
            return
        yield from self._look_at_order()
        # A journal at work may have been cut while it was written; the next daemon cuts that off.
        if self.is_archived and not _may_be_cut(self.records, tail):
            what = "what follows its last good line is no line of a journal"
            yield self._found(JOURNALS, what, durable.JOURNAL)

    def _look_at_order(self) -> Iterator[Finding]:
        events = [record["event"] for record in self.records]
        if [record["seq"] for record in self.records] != list(range(1, len(events) + 1)):
            yield self._found(JOURNALS, "events are missing from the journal, or stand in it twice")
        if events[0] != "taken":
            yield self._found(JOURNALS, "the journal does not begin with how the plan was taken")
        for event in ONCE:
            if events.count(event) > 1:
                yield self._found(JOURNALS, f"the journal tells of {event!r} more than once")
        if "settling" in events:
            if not AFTER_THE_END.issuperset(events[events.index("settling") :]):
                yield self._found(JOURNALS, "the journal goes on after it says how the plan ended")
        elif self.is_archived:
            yield self._found(JOURNALS, "it is in the archive, and its journal does not say how it ended")

    def _look_at_starts(self) -> Iterator[Finding]:
        numbers: dict[str, list[int]] = {}
        for record in self.records:
            if record["event"] == "run-intended":
                numbers.setdefault(record.get("step", MAIN), []).append(record["n"])
        for step, given in numbers.items():
            if given != list(range(1, len(given) + 1)):
                yield self._found(ONE_START, f"the starts of its step {step} were numbered {given}")
        for start in self.starts():
            self._looked.runs += 1
            step, _, number = start.name.rpartition(".")
            if not number.isdigit() or int(number) not in numbers.get(step, ()):
                yield self._found(JOURNALS, "the journal does not know this start", f"runs/{start.name}")
            exit_file = f"runs/{start.name}/exit.json"
            try:
                if not _is_whole(start / "exit.json"):
                    yield self._found(NO_TORN_FILE, "it is not whole", exit_file)
            except OSError as error:
                yield self._unreadable(NO_TORN_FILE, error, exit_file)

    # -- the result -----------------------------------------------------------------------------------------------

    @property
    def _result_name(self) -> str:
        return "result.json" if self.records[0].get("format") == "json" else "result.toml"

    def _look_at_kept_result(self, names: set[str]) -> Iterator[Finding]:
        name = self._result_name
        if name not in names:
            yield self._found(RESULT, "the plan is in the archive without a result", remedy=RESTORE)
            return
        self._looked.results += 1
        try:
            kind = Format.JSON if name.endswith("json") else Format.TOML
            result = read_document(Result, looking.read_file(self.folder / name), kind)
        except DocumentError as error:
            yield self._found(RESULT, f"it is no result: {error.errors[0]}", name, remedy=RESTORE)
            return
        except FileNotFoundError:
            return  # pruned meanwhile
        except OSError as error:
            yield self._unreadable(RESULT, error, name)
            return
        account = account_of(self.records)
        for difference in differences(result, self.plan, account):
            yield self._found(RESULT, difference, name)
        yield from self._look_at_answer(result)
        yield from self._look_at_plan_file(result, account)
        yield from self._look_at_named_files(result)

    def _look_at_answer(self, result: Result) -> Iterator[Finding]:
        """The result names the answer to the docs request that the journal tells of, and no other."""
        told = next(filter(answers_docs, self.records), None)
        named = result.docs.reply if result.docs is not None else None
        if told is not None and named is None:
            if not self._is_being_answered:
                what = "the journal tells of an answer to the docs request, and the result does not name it"
                yield self._found(RESULT, what, self._result_name)
        elif named is not None and told is None:
            what = f"it names the answer {named}, of which the journal does not tell"
            yield self._found(RESULT, what, self._result_name)

    @property
    def _is_being_answered(self) -> bool:
        """Whether an answer is in hand: cut off in between, the next daemon goes on with it."""
        return (self._root.private / "replies" / f"{self.plan}.docs.md").exists()

    def _look_at_plan_file(self, result: Result, account: Account) -> Iterator[Finding]:
        if result.sha256 is None:
            return  # never opened
        name = f"plan.{account.taken.get('format')}"
        try:
            content = looking.read_file(self.folder / name)
        except FileNotFoundError:
            yield self._found(RESULT, "the plan's own file is gone", name, remedy=RESTORE)
            return
        except OSError as error:
            yield self._unreadable(RESULT, error, name)
            return
        if hashlib.sha256(content).hexdigest() != result.sha256:
            yield self._found(RESULT, "it is not what was carried out: its checksum is another", name)

    def _look_at_named_files(self, result: Result) -> Iterator[Finding]:
        named = [step.log for step in result.steps] + [
            result.changes.patch if result.changes else None,
            result.docs.reply if result.docs else None,
        ]
        for path in named:
            if path and not (self._root.path / path).exists():
                yield self._found(RESULT, f"the result names {path}, which is not there", remedy=RESTORE)

    def _look_at_shown_result(self) -> Iterator[Finding]:
        shown = self._root.results / f"{self.plan}.{self._result_name.rpartition('.')[2]}"
        try:
            content = looking.read_file(shown)
        except FileNotFoundError:
            return  # not yet, or whoever wanted it has it
        except OSError as error:
            yield Finding(RESULT, f"results/{shown.name}", unreadable(error), READABLE, self.plan)
            return
        if not self.is_archived and not any(record["event"] == "settling" for record in self.records):
            yield Finding(
                RESULT, f"results/{shown.name}", "it is out, and its plan is still in work", plan=self.plan
            )
            return
        try:
            kept = looking.read_file(self.folder / self._result_name)
        except OSError:
            return  # told above, or moved on
        if content != kept and not self._is_being_answered:
            what, remedy = f"it is not what {self.where} keeps", f"believe {self.where}/{self._result_name}"
            if self.is_archived and self._root.plan_folder(self.plan).exists():
                remedy = f"it may be that of active/{self.plan}: believe in each folder what lies there"
            yield Finding(RESULT, f"results/{shown.name}", what, remedy, self.plan)


def _may_be_cut(records: list[Record], tail: bytes) -> bool:
    """Whether a kept journal ends as it may: whole, or in a line that was cut off while it was written.

    Of the last line of settling, which is not brought to the disk, a power cut may leave nothing, a part or zeroes:
    that the plan is in the archive says the same. What is appended later, of answers to its docs request, is done
    again by the next daemon.
    """
    if not tail or b"\n" in tail:
        return not tail
    if not any(record["event"] == "settled" for record in records):
        return True
    begins = b'{"seq":%d,' % (len(records) + 1)
    return tail.startswith(begins) or begins.startswith(tail)


def _is_whole(path: Path) -> bool:
    """Whether a file that is written in one piece is one; one that is not there yet is no matter."""
    try:
        return isinstance(json.loads(looking.read_file(path)), dict)
    except FileNotFoundError:
        return True
    except (ValueError, RecursionError):
        return False
