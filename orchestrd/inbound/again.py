"""`retry` of a settled plan: its bytes are accepted as a new plan (PROTOCOL, section 7)."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime
from pathlib import Path

from handoff import durable, looking
from handoff.foreign import BadFile, StillWritten, read_taken
from handoff.formats import Format
from handoff.root import PlanId, Root
from orchestrd.core.events import Moment
from orchestrd.inbound.reception import Reception
from orchestrd.inbound.taken import Taken, plan_file
from orchestrd.record import journal
from orchestrd.record.archived import archived_folder
from orchestrd.record.ids import Ids


class NeverRead(Exception):
    """A plan that was settled unread (`bad-file`) and so cannot be tried again."""


def accept_again(
    root: Root, ids: Ids, reception: Reception, plan: PlanId, order: int, at: Moment
) -> PlanId | None:
    """Put a settled plan's bytes into `active/` under the next free id, for reception to look at.

    Repeated for the same `order`, it finds the plan that it made. None: the archive has the plan no longer. Raises
    NeverRead for a plan whose file was bad: its bytes are not read now either.
    """
    made = _made_by(root, ids, plan, order)
    if made is not None:
        return made
    folder = archived_folder(root, plan)
    files = [] if folder is None else [folder / plan_file(kind) for kind in Format]
    there = next((path for path in files if looking.is_there(path)), None)
    if folder is None or there is None:
        return None
    first = journal.read_journal(folder / durable.JOURNAL)[0]
    content = _read(plan, folder, there.name, first.get("bad_file"))
    one = Taken(
        plan=ids.allot(plan),
        source=first["source"],
        file_format=Format(there.suffix[1:]),
        taken=datetime.fromtimestamp(at.wall, UTC),
        arrival=ids.next_arrival(),
        size=len(content),
        retry_of=plan,
        order=order,
    )
    # From here on it is taken like any other file, with all that makes that durable. (A copy that comes back with the
    # power is known for the plan itself, `twice`.)
    copy = root.orders / f"{order}-{one.file_name}"
    durable.replace(copy, content)
    try:
        durable.take(copy, root.plan_folder(one.plan), one.file_name, one.first_line())
    except OSError:
        # After a failed sync the file may have moved all the same.
        if looking.is_there(root.plan_folder(one.plan) / one.file_name):
            reception.take_up(one)
        else:
            ids.give_back(one.plan)
        raise
    reception.take_up(one)
    return one.plan


def _read(plan: PlanId, folder: Path, name: str, bad_file: str | None) -> bytes:
    """Read a settled plan's file once more; raises NeverRead where it is not to be read, or not yet."""
    if bad_file is not None:
        raise NeverRead(f"the file of {plan} {bad_file}; hand it in anew")
    try:
        return read_taken(folder, name)
    except BadFile as bad:
        raise NeverRead(f"the file of {plan} {bad.why}; hand it in anew") from None
    except StillWritten:
        raise NeverRead(
            f"the file of {plan} has a second hard link, or is being written; hand it in anew"
        ) from None


def _made_by(root: Root, ids: Ids, plan: PlanId, order: int) -> PlanId | None:
    """Find the plan that this order made before, among those that got the plan's further ids."""
    for number in itertools.count(2):
        name = PlanId(f"{plan}-{number}")
        if not ids.has(name):
            return None
        folder = (
            root.plan_folder(name)
            if looking.is_folder(root.plan_folder(name))
            else archived_folder(root, name)
        )
        try:
            first = journal.read_journal(folder / durable.JOURNAL)[:1] if folder else []
        except (OSError, journal.JournalDamaged):
            continue  # it was settled meanwhile, or it is left alone
        if first and first[0].get("order") == order:
            return name
    return None
