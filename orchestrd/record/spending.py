"""What was spent on one day (UTC), by project, for a daemon that starts: out of the index and the journals.

A plan's cost is that of the day on which each of its runs was over, as its journal tells. Most plans begin and end on
one day, and of these the index knows the cost; of the others, and of those that the index lacks, the journal is read.
"""

from __future__ import annotations

import os
import sqlite3
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from handoff import durable, looking
from handoff.effects import effects
from handoff.root import Root
from orchestrd.core.money import dollars, micros
from orchestrd.record.index import IndexReader, Row
from orchestrd.record.journal import JournalDamaged, format_time, read_journal


@dataclass(frozen=True, slots=True)
class Spent:
    """What was spent on one day."""

    usd_by_project: dict[str, float] = field(default_factory=dict)
    """US dollars, summed up exactly; the projects as the engine knows them."""
    problems: tuple[str, ...] = ()
    """Journals that could not be read, so that what their plans have cost is missing; for a person."""


def spent_on_day(root: Root, wall: float) -> Spent:
    """Sum up what was spent on the day of `wall` (seconds since 1970) so far. Raises OSError where nothing is told.

    What runs that are alive have cost is not in it: they tell it themselves when they are found.
    """
    return _Sum(root, wall).of_all()


class _Sum:
    def __init__(self, root: Root, wall: float) -> None:
        midnight = datetime.fromtimestamp(wall, UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        self._root = root
        self._midnight = midnight.timestamp()
        # As journals and the index write times, which sort as text.
        self._begin = format_time(self._midnight)
        self._end = format_time((midnight + timedelta(days=1)).timestamp())
        self._month = self._begin[:7]
        self._micros: Counter[str] = Counter()
        self._problems: list[str] = []

    def of_all(self) -> Spent:
        active = os.fspath(self._root.active)
        for name in effects.list(active):
            # Of thousands that wait only those have cost anything that were started. (Plain texts: pathlib takes longer
            # than the disk.)
            if looking.is_folder(f"{active}/{name}/runs"):
                self._add_journal(self._root.active / name)
        for row in IndexReader(self._root.index).settled_since(self._begin):
            self._add_row(row)
        for folder in self._not_in_index():
            self._add_journal(folder)
        by_project = {project: dollars(amount) for project, amount in self._micros.items() if amount}
        return Spent(by_project, tuple(self._problems))

    def _add_row(self, row: Row) -> None:
        if not row.cost_usd or row.project is None:
            return
        began_today = row.taken is not None and row.taken >= self._begin
        ended_today = row.settled is not None and row.settled < self._end
        # A name that is no Unicode stands in the index as people can read it: not as the engine knows it.
        if began_today and ended_today and "\\" not in row.project:
            self._micros[row.project] += micros(row.cost_usd)
        else:
            self._add_journal(self._root.path / row.folder)

    def _not_in_index(self) -> Iterator[Path]:
        """Plans of this month that were settled and never put into the index, unless they were so before today."""
        archive = self._root.archive / self._month
        try:
            names = effects.list(archive)
        except FileNotFoundError:
            return
        try:
            known = IndexReader(self._root.index).ids_of_month(self._month)
        except sqlite3.Error:
            known = set()
        for name in names:
            if name not in known and effects.stat(archive / name).st_mtime >= self._midnight:
                yield archive / name

    def _add_journal(self, folder: Path) -> None:
        journal = folder / durable.JOURNAL
        try:
            records: Iterable[Mapping[str, Any]] = read_journal(journal)
        except JournalDamaged as error:
            self._problems.append(str(error))
            records = error.records
        except OSError as error:
            self._problems.append(
                f"{journal}: {error.strerror}; what this plan has cost today is not counted"
            )
            return
        project = ""
        for record in records:
            if record["event"] == "accepted":
                project = record["project"]
            elif record["event"] == "run-ended" and self._begin <= record["time"] < self._end:
                self._micros[project] += micros(record.get("cost_usd") or 0.0)
