"""The start of a daemon: what lies in `active/` becomes the engine's knowledge again.

The folders win: whatever their journals say is gone on with, by the table in `runs/recovery.py`. Doing this twice
changes nothing.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime

from handoff import durable, looking
from handoff.effects import effects
from handoff.result import Status
from handoff.root import PlanId, Root
from orchestrd.core.events import Event, Moment, PlanRecovered, PlanRefused, StepHistory
from orchestrd.core.history import Told, facts_of, read_history
from orchestrd.inbound.reception import Reception
from orchestrd.inbound.taken import Taken
from orchestrd.inbound.twice import remove_old_names
from orchestrd.record import journal
from orchestrd.record.archived import PLAN_FILES, status_of
from orchestrd.record.cut_takes import is_cut_take, may_be_cut_take
from orchestrd.record.ids import IdLine, Ids
from orchestrd.record.journal import JournalDamaged
from orchestrd.record.journals import Journals


@dataclass(slots=True)
class Recovered:
    """What was found."""

    events: list[Event] = field(default_factory=list)
    in_hand: list[tuple[tuple[PlanId, str], StepHistory]] = field(default_factory=list)
    """Steps of which a start was intended about whose end nothing was decided."""
    settling: list[PlanId] = field(default_factory=list)
    """Plans whose journals say already how they end."""
    damaged: list[str] = field(default_factory=list)
    """What is wrong with journals that cannot be believed."""
    left_alone: list[PlanId] = field(default_factory=list)
    """Their plans."""
    unread: dict[PlanId, str] = field(default_factory=dict)
    """Plans that the disk did not give now, and what it said: `recover` is called once more for them."""
    lent: list[PlanId] = field(default_factory=list)
    """Ids that nobody else may get, for their folders are there, though no register tells of them."""


def recover(
    root: Root,
    ids: Ids,
    journals: Journals,
    reception: Reception,
    at: Moment,
    before: Recovered | None = None,
) -> Recovered:
    """Read every plan in `active/`, in the order of arrival. What was not looked at yet goes to reception.

    After `before`, only what could not be read then. Raises OSError; then it can be repeated.
    """
    found = Recovered()
    names = effects.list(root.active) if before is None else before.unread
    known = sorted(_read_all(root, names, found), key=lambda one: one[0].arrival)
    remove_old_names(root, [taken for taken, _ in known])
    for plan in before.lent if before is not None else ():
        ids.give_back(plan)
    for plan in (*found.left_alone, *found.unread):
        if not ids.has(plan):
            ids.hold(plan)
            found.lent.append(plan)
    lines: list[IdLine] = []
    for taken, told in known:
        journals.begin(taken.plan, told.sequence)
        ids.arrived(taken.arrival)
        if not ids.has(taken.plan):
            ids.hold(taken.plan)
            if told.checked:
                lines.append(_missing_line(taken, told))
    ids.append(lines)
    status = _statuses_of(root, ids)
    for taken, told in known:
        try:
            event = _event(taken, told, status, at) if told.checked else None
        except Exception as error:  # noqa: BLE001 - the same border: facts that nothing can be made of
            _leave_alone(found, taken.plan, f"{root.plan_folder(taken.plan)}/{durable.JOURNAL}", error)
        else:
            _place(taken, told, found, reception, event)
    return found


def _leave_alone(found: Recovered, plan: PlanId, path: str, error: Exception) -> None:
    """One plan's journal that verifies and cannot be gone on with must not keep all the others."""
    found.damaged.append(f"{path} verifies and tells nothing that can be: {error!r:.200}")
    found.left_alone.append(plan)


def _read_all(root: Root, names: Iterable[str], found: Recovered) -> Iterator[tuple[Taken, Told]]:
    """Read each plan's journal, cutting a torn tail off; a start that was cut before its plan was moved in goes."""
    active, likely = os.fspath(root.active), "plan.toml"
    for name in names:
        plan = PlanId(name)
        # Plain texts: with 20,000 plans pathlib would be a quarter of the start.
        folder = f"{active}/{name}"
        try:
            if not _holds_plan(folder, likely) and _is_cut_take(folder):
                durable.remove_tree(folder)  # the file still lies in its lane
                continue
            records = journal.open_for_append(f"{folder}/{durable.JOURNAL}")
            if not records:
                found.damaged.append(f"{folder}/{durable.JOURNAL} is empty")
                found.left_alone.append(plan)
                continue
            one = Taken.from_record(plan, records[0]), read_history(records)
        except JournalDamaged as error:
            found.damaged.append(error.problem)
            found.left_alone.append(plan)
            continue
        except (NotADirectoryError, FileNotFoundError) as error:
            found.damaged.append(f"{error.filename or folder}: {error.strerror}")
            found.left_alone.append(plan)
            continue
        except OSError as error:
            found.unread[plan] = f"{error.filename or folder}: {error.strerror}"
            continue
        except Exception as error:  # noqa: BLE001 - the border of one plan
            _leave_alone(found, plan, f"{folder}/{durable.JOURNAL}", error)
            continue
        likely = one[0].file_name
        yield one


def _holds_plan(folder: str, likely: str) -> bool:
    """Whether a plan was moved in. `likely` is what its file is called if it is like the one before."""
    # A name that cannot be asked for (a failing disk) is not one that is not there: before a folder goes, it is listed.
    return looking.is_there(f"{folder}/{likely}") or not PLAN_FILES.isdisjoint(effects.list(folder))


def _is_cut_take(folder: str) -> bool:
    """Whether a folder without a plan's file may go. Of a plan whose file somebody removed it is all that there is."""
    names = effects.list(folder)
    if not may_be_cut_take(names):
        return False
    records = journal.read_journal(f"{folder}/{durable.JOURNAL}") if durable.JOURNAL in names else []
    return is_cut_take(names, records)


def _place(taken: Taken, told: Told, found: Recovered, reception: Reception, event: Event | None) -> None:
    """Put a plan where it is gone on with."""
    if event is None:
        reception.take_up(taken, told.sequence, told.history.cancelled)
        return
    found.events.append(event)
    if told.is_settling:
        found.settling.append(taken.plan)
    if told.history.ending is None:
        steps = told.history.steps
        found.in_hand += [((taken.plan, step), steps[step]) for step in told.history.in_hand]


def _missing_line(taken: Taken, told: Told) -> IdLine:
    facts = told.facts or {}
    key = facts.get("key") if taken.retry_of is None else None
    return taken.id_line(facts.get("sha256"), key)


def _event(taken: Taken, told: Told, status: Callable[[PlanId], Status | None], at: Moment) -> Event:
    if told.facts is None:
        assert told.history.ending is not None  # noqa: S101 - checked and not accepted: refused or a duplicate
        return PlanRefused(at, taken.plan, told.history.ending)
    facts = facts_of(taken.plan, taken.arrival, taken.taken.timestamp(), told.facts)
    settled = {name: ended for name in facts.after if (ended := status(name)) is not None}
    history = told.history
    if told.moved is not None:
        history = replace(history, since=datetime.fromisoformat(told.moved).timestamp())
    return PlanRecovered(at, facts, history, settled)


def _statuses_of(root: Root, ids: Ids) -> Callable[[PlanId], Status | None]:
    return lambda plan: status_of(root, plan) if ids.has(plan) else None
