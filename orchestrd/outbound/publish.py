"""Settling a plan: its result, what is told beside it, and its way into the archive (PROTOCOL 5).

The order is the promise: first `active/ID/result`, of which everything else is made; then the page, the request for
documentation, the result in `results/`; only then is something taken away: the checkout, and the folder's place. So
it can be cut off anywhere and done again, with the same files in the end. Whether and how a plan ends is decided
elsewhere and stands in its journal.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from handoff import durable, looking
from handoff.effects import effects
from handoff.foreign import BadFile, StillWritten, read_taken
from handoff.formats import DocumentError, Format, dump, read_document
from handoff.plan import Plan
from handoff.result import Result
from handoff.root import PlanId, Root
from orchestrd.outbound.page import page_of
from orchestrd.outbound.requests import docs_facts, docs_request
from orchestrd.outbound.step_places import left_by_steps
from orchestrd.outbound.story import asks_for_docs, has_checkout, keeps_checkout, result_of
from orchestrd.record import journal
from orchestrd.record.account import Account, account_of
from orchestrd.record.archived import archived_folder
from orchestrd.record.index import Row, row_of
from orchestrd.record.journal import Record

_months_on_disk: set[str] = set()
"""Folders of months whose name this process has synced. One that is merely there may have been made by a process that
was killed before its sync; what is moved into it could then be lost with it."""


class PlaceTaken(Exception):
    """Another plan of that id is settled already, so this one's result would take the place of that one's."""

    def __init__(self, root: Root, plan: PlanId, other: Path) -> None:
        there = other.relative_to(root.path)
        super().__init__(
            f"{there} is another plan of that id, so active/{plan} is not settled and results/{plan}.* stay as they "
            f"are. To do: move {there} and results/{plan}.* out of the root; then this one gets its result"
        )


@dataclass(frozen=True, slots=True)
class Published:
    """A plan that is settled."""

    result: Result
    row: Row
    """For the index."""
    folder: Path
    """In the archive."""


def settle(root: Root, plan_id: PlanId, remove_checkout: Callable[[Path], object]) -> Published:
    """Publish a plan's result and move it to the archive. Its journal says how it ended (`settling`).

    `remove_checkout` is called with the checkout's path where it is not to be kept; it must be repeatable, and is
    expected to see to its own troubles: what it raises puts the rest off. May be repeated after any interruption,
    also when all was done. Raises OSError (`DurabilityLost` among them), `JournalDamaged`, PlaceTaken, and ValueError
    where the journal does not say how the plan ended.
    """
    folder = root.plan_folder(plan_id)
    if not looking.is_there(folder):
        return _settled_before(root, plan_id)
    other = archived_folder(root, plan_id)
    if other is not None:
        raise PlaceTaken(root, plan_id, other)
    path = folder / durable.JOURNAL
    records = journal.open_for_append(path)
    account = account_of(records)
    file_format = format_of(account)
    # A file that must not be opened (a terabyte, say) is not opened here either.
    plan = None if account.taken.get("bad_file") else plan_in(folder, file_format)
    content = _result_in_folder(folder, plan_id, records, plan, file_format)
    result = result_in(content, file_format)
    _tell(root, plan_id, result, plan, account, content)
    if has_checkout(account) and not keeps_checkout(account, plan):
        remove_checkout(Path(account.workspace["path"]))
    if records[-1]["event"] != "settled":
        # Not synced: that the folder lies in the archive says the same.
        records.append(journal.append(path, records[-1]["seq"] + 1, "settled"))
    _remove_temporaries(folder)
    return _archive(root, plan_id, result, records)


def format_of(account: Account) -> Format:
    """The language of the answer: that of the question, where that is JSON; otherwise TOML."""
    return Format.JSON if account.taken.get("format") == "json" else Format.TOML


def plan_in(folder: Path, answer: Format) -> Plan | None:
    """Read the plan that lies in a folder: as accepted, else as received. None where it is no plan, or none to read."""
    # A power cut may have torn it: it is made without a sync, of what lies beside it.
    with suppress(OSError, ValueError):
        return Plan.model_validate_json(looking.read_file(folder / "accepted.json"))
    for file_format in (Format.JSON,) if answer is Format.JSON else (Format.TOML, Format.MARKDOWN):
        with suppress(OSError, DocumentError, BadFile, StillWritten):
            return read_document(Plan, read_taken(folder, f"plan.{file_format.value}"), file_format)
    return None


def result_in(content: bytes, file_format: Format) -> Result:
    """Read a result that this daemon wrote: not as strictly as what others write, so that it is always read again."""
    text = content.decode()
    return Result.model_validate(json.loads(text) if file_format is Format.JSON else tomllib.loads(text))


def _result_in_folder(
    folder: Path, plan_id: PlanId, records: list[Record], plan: Plan | None, file_format: Format
) -> bytes:
    """Return the bytes of the result, which lie in the plan's folder, on the disk, from here on.

    They are never made twice: a newer program might write them otherwise, and they may have been seen.
    """
    path = folder / f"result.{file_format.value}"
    with suppress(FileNotFoundError):
        return looking.read_file(path)
    content = dump(result_of(plan_id, records, plan), file_format)
    # What the result says was written without a sync while it happened; it must not be known only by the result.
    durable.sync_files([folder / durable.JOURNAL])
    durable.publish_new(path, content)
    return content


def _tell(
    root: Root, plan_id: PlanId, result: Result, plan: Plan | None, account: Account, content: bytes
) -> None:
    """Put out the page, the request for documentation, and last the result: whoever sees that, finds the others."""
    page = root.results / f"{plan_id}.md"
    left = left_by_steps(account, keeps=keeps_checkout(account, plan))
    # Its bytes are synced, its name is with the directory's sync after the result: one sync less.
    durable.replace(page, page_of(result, plan, root.path, left), sync=False)
    durable.sync_files([page])
    if plan is not None and asks_for_docs(account, plan):
        request = docs_request(docs_facts(root, result, plan, account, root.plan_folder(plan_id)))
        # One that is there already is not written over: it may have gained a `problem`.
        with suppress(FileExistsError):
            durable.publish_new(root.requests / f"{plan_id}.docs.md", request)
    # Replaced, not published as new: the lane is ours, and what somebody else put there is no result.
    durable.replace(root.result_path(plan_id, format_of(account)), content)


def _remove_temporaries(folder: Path) -> None:
    """Remove what a kill left half-written: nobody writes here any more, so it would never be replaced."""
    runs = folder / "runs"
    starts = looking.folders_in(runs) if looking.is_folder(runs) else []
    for place in (folder, *(runs / start for start in starts)):
        for name in effects.list(place):
            if name.startswith(".") and name.endswith(".tmp"):
                durable.remove(place / name)


def _archive(root: Root, plan_id: PlanId, result: Result, records: list[Record]) -> Published:
    folder = root.archive_folder(plan_id, result.settled)
    month = str(folder.parent)
    if month not in _months_on_disk or not looking.is_folder(month):
        durable.make_folder(month)
        _months_on_disk.add(month)
    durable.move_new(root.plan_folder(plan_id), folder)
    return Published(result, row_of(plan_id, records, str(folder.relative_to(root.path))), folder)


def _settled_before(root: Root, plan_id: PlanId) -> Published:
    """Complete a move that was made but perhaps not synced; the plan's folder tells the rest."""
    for month in sorted(effects.list(root.archive), reverse=True):
        folder = root.archive / month / plan_id
        if looking.is_folder(folder):
            records = journal.read_journal(folder / durable.JOURNAL)
            file_format = format_of(account_of(records))
            result = result_in(looking.read_file(folder / f"result.{file_format.value}"), file_format)
            return _archive(root, plan_id, result, records)
    raise FileNotFoundError(f"plan {plan_id} lies neither in {root.active} nor in {root.archive}")
