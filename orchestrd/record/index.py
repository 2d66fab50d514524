"""The index: one row a plan, in SQLite. Derived from the journals; it can be deleted at any time and is made anew.

Only the daemon (and `orchestrd reindex` while none runs) writes. Readers open it read-only and cope with none.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, suppress
from dataclasses import dataclass, fields
from operator import attrgetter
from pathlib import Path
from typing import Any, Self

from handoff import durable, looking
from handoff.effects import effects
from handoff.root import PlanId, Root
from orchestrd.record.account import account_of, printable
from orchestrd.record.cut_takes import is_cut_take
from orchestrd.record.journal import JournalDamaged, read_journal
from orchestrd.record.wanted import Wanted

BUSY_SECONDS = 5.0
"""How long a writer waits for a reader's or another writer's lock."""

ROWS_AT_ONCE = 2000
"""Rows of one insertion when the index is rebuilt: so 100,000 plans need no memory."""


@dataclass(frozen=True, slots=True)
class Row:
    """One plan. What has no value (yet) is None; times are RFC 3339 in UTC, and so sort as text."""

    id: PlanId
    source: str | None
    title: str | None
    project: str | None
    key: str | None
    status: str | None
    """None while it is not settled."""
    reason: str | None
    verdict: str | None
    cost_usd: float | None
    taken: str | None
    accepted: str | None
    settled: str | None
    folder: str
    """Relative to the root."""
    month: str | None
    """`2026-11`; None while it is in `active/`."""
    result: str | None
    """The result in the plan's folder, relative to the root; the one in `results/` may have been consumed."""


COLUMNS = tuple(field.name for field in fields(Row))
_VALUES = attrgetter(*COLUMNS)

_SCHEMA = f"""
    CREATE TABLE IF NOT EXISTS plans ({", ".join(COLUMNS)}, PRIMARY KEY (id)) WITHOUT ROWID;
    CREATE INDEX IF NOT EXISTS plans_by_key ON plans (key) WHERE key IS NOT NULL;
    CREATE INDEX IF NOT EXISTS plans_by_taken ON plans (taken);
    PRAGMA user_version = 1;
"""
_PUT = f"INSERT OR REPLACE INTO plans VALUES ({', '.join('?' * len(COLUMNS))})"  # noqa: S608 - names of our own


def row_of(plan: PlanId, records: Iterable[Mapping[str, Any]], folder: str) -> Row:
    """Make a plan's row of its journal. `folder` is relative to the root: `active/ID` or `archive/2026-11/ID`."""
    account = account_of(records)
    month = folder.split("/")[1] if folder.startswith("archive/") else None
    ending = "json" if account.taken.get("format") == "json" else "toml"
    usage = account.usage
    return Row(
        id=plan,
        source=_text(account.taken.get("source")),
        title=_text(account.checked.get("title")) or plan,
        project=_text(account.checked.get("project")),
        key=_text(account.checked.get("key")) if account.is_accepted else None,
        status=account.status if month else None,
        reason=account.reason if month else None,
        verdict=account.verdict if month else None,
        cost_usd=usage.get("cost_usd") if month else None,
        taken=account.taken.get("time"),
        accepted=account.accepted,
        settled=account.settled if month else None,
        folder=folder,
        month=month,
        result=f"{folder}/result.{ending}" if month else None,
    )


class Index:
    """The index, opened to write. Its commits are not synced: after a power cut it is rebuilt, not trusted.

    Any error of SQLite's is `sqlite3.Error`; a file that is none of its databases is removed and begun anew.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            self._database = _open_to_write(path)
        except sqlite3.OperationalError:
            raise  # locked, or a full disk: nothing is wrong with what is there
        except sqlite3.DatabaseError:
            _remove(path)
            self._database = _open_to_write(path)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    def close(self) -> None:
        """Close it; the journal of SQLite's own is folded in."""
        self._database.close()

    def put_many(self, rows: Iterable[Row]) -> None:
        """Put rows in, in one transaction; a plan's earlier row is replaced."""
        with self._database as database:
            database.executemany(_PUT, [_VALUES(row) for row in rows])

    def remove(self, plans: Iterable[PlanId]) -> None:
        """Take plans out whose folders are gone."""
        with self._database as database:
            database.executemany("DELETE FROM plans WHERE id = ?", [(plan,) for plan in plans])

    def rebuild(self, root: Root) -> list[str]:
        """Make it anew of all journals, in one transaction. Return what could not be read, for a person."""
        problems: list[str] = []
        with self._database as database:
            database.execute("DELETE FROM plans")
            batch: list[tuple[object, ...]] = []
            for row in _rows_on_disk(root, problems):
                batch.append(_VALUES(row))
                if len(batch) == ROWS_AT_ONCE:
                    database.executemany(_PUT, batch)
                    batch.clear()
            database.executemany(_PUT, batch)
        return problems


class IndexReader:
    """The index for those who only look. With no index, or one that cannot be read, it knows no plans (`is_there`)."""

    def __init__(self, path: Path, busy_seconds: float = BUSY_SECONDS) -> None:
        self._path = path
        self._busy_seconds = busy_seconds

    @property
    def is_there(self) -> bool:
        """Whether there is an index to ask."""
        return looking.is_file(self._path)

    def by_id(self, plan: str) -> Row | None:
        """One plan's row."""
        return next(iter(self._select("WHERE id = ?", (plan,))), None)

    def by_key(self, key: str) -> list[Row]:
        """The plans that were accepted with that key, the first one first; further ones are retries."""
        return self._select("WHERE key = ? ORDER BY taken, id", (key,))

    def latest(self, limit: int = 50, offset: int = 0, status: str | None = None) -> list[Row]:
        """Plans, the last one taken first; with `status`, those that ended so."""
        where, values = ("WHERE status = ? ", [status]) if status is not None else ("", [])
        return self._select(f"{where}ORDER BY taken DESC, id DESC LIMIT ? OFFSET ?", (*values, limit, offset))

    def settled_since(self, time: str) -> list[Row]:
        """Plans that were settled then (RFC 3339, as rows have it) or later."""
        return self._select("WHERE settled >= ?", (time,))

    def settled(self, wanted: Wanted, limit: int, before: tuple[str, str] | None = None) -> list[Row]:
        """Settled plans, the last one taken first; `before`: those behind the one taken then and of that id."""
        clause, values = wanted.clause()
        if before is not None:
            clause, values = f"{clause} AND (taken, id) < (?, ?)", [*values, *before]
        return self._select(f"WHERE {clause} ORDER BY taken DESC, id DESC LIMIT ?", (*values, limit))

    def projects(self) -> list[tuple[str, int, str]]:
        """The projects that plans have worked in: how many plans, and when the last one was taken; that first."""
        query = (
            "SELECT project, count(*), max(taken) AS last FROM plans WHERE project NOT NULL GROUP BY project"
        )
        return self._ask(f"{query} ORDER BY last DESC", ())

    def spent(self, wanted: Wanted, by: str, limit: int) -> list[tuple[str | None, int, float]]:
        """What settled plans have cost: name, plans, US dollars.

        By `project` or `id`, the dearest first; by `day` (UTC), the last one first; by `all` it is one sum.
        """
        what = {"project": "project", "id": "id", "day": "substr(settled, 1, 10)", "all": "''"}[by]
        order = "name DESC" if by == "day" else "usd DESC, name"
        clause, values = wanted.clause()
        query = f"SELECT {what} AS name, count(*), total(cost_usd) AS usd FROM plans WHERE {clause}"  # noqa: S608 - words of our own
        return self._ask(f"{query} GROUP BY name ORDER BY {order} LIMIT ?", (*values, limit))

    def ids(self, wanted: Wanted) -> list[str]:
        """Settled plans by their ids alone, the last one taken first."""
        clause, values = wanted.clause()
        query = f"SELECT id FROM plans WHERE {clause} ORDER BY taken DESC"  # noqa: S608 - words of our own
        return [plan for (plan,) in self._ask(query, tuple(values))]

    def rows(self, plans: Iterable[str]) -> list[Row]:
        """The rows of these plans."""
        return self._select("WHERE id IN (SELECT value FROM json_each(?))", (json.dumps(list(plans)),))

    def count_by_month(self) -> dict[str, int]:
        """How many settled plans of each month it has. Raises sqlite3.Error."""
        with closing(_open_to_read(self._path)) as database:
            found = database.execute("SELECT month, count(*) FROM plans WHERE month NOT NULL GROUP BY month")
            return dict(found.fetchall())

    def ids_of_month(self, month: str) -> set[str]:
        """The settled plans of a month that it has. Raises sqlite3.Error."""
        with closing(_open_to_read(self._path)) as database:
            return {plan for (plan,) in database.execute("SELECT id FROM plans WHERE month = ?", (month,))}

    def dump(self) -> list[Row]:
        """Every row, by id."""
        return self._select("ORDER BY id", ())

    def _select(self, clause: str, values: tuple[object, ...]) -> list[Row]:
        query = f"SELECT * FROM plans {clause}"  # noqa: S608 - clauses of our own
        return [Row(*row) for row in self._ask(query, values)]

    def _ask(self, query: str, values: tuple[object, ...]) -> list[Any]:
        if not self.is_there:
            return []
        with suppress(sqlite3.Error), closing(_open_to_read(self._path, self._busy_seconds)) as database:
            return database.execute(query, values).fetchall()
        return []


def row_on_disk(root: Root, folder: str, problems: list[str]) -> Row | None:
    """Make a plan's row of what lies in its folder (relative to the root); None where nothing can be made of it."""
    journal = root.path / folder / durable.JOURNAL
    try:
        records = read_journal(journal)
    except JournalDamaged as error:
        problems.append(str(error))
        records = error.records
    except OSError as error:
        problems.append(f"{journal}: {error.strerror}; the plan is not in the index")
        return None
    place, _, name = folder.rpartition("/")
    if not records or (place == "active" and is_cut_take(effects.list(root.path / folder), records)):
        return None  # a start that was cut: its plan lies in the inbox still
    return row_of(PlanId(name), records, folder)


def _rows_on_disk(root: Root, problems: list[str]) -> Iterator[Row]:
    months = sorted(looking.folders_in(root.archive))
    for place in ("active", *(f"archive/{month}" for month in months)):
        for name in looking.folders_in(root.path / place):
            row = row_on_disk(root, f"{place}/{name}", problems)
            if row is not None:
                yield row


def _open_to_write(path: Path) -> sqlite3.Connection:
    # Threads of the pool take turns at it: the daemon never calls it from two at once.
    database = sqlite3.connect(path, timeout=BUSY_SECONDS, check_same_thread=False)
    try:
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("PRAGMA synchronous = OFF")
        (version,) = database.execute("PRAGMA user_version").fetchone()
        if version not in {0, 1}:
            raise sqlite3.DatabaseError(f"{path} was made by another version ({version})")
        database.executescript(_SCHEMA)
    except sqlite3.Error:
        database.close()
        raise
    effects.chmod(path, 0o600)
    return database


def _open_to_read(path: Path, busy_seconds: float = BUSY_SECONDS) -> sqlite3.Connection:
    return sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=busy_seconds)


def _remove(path: Path) -> None:
    for ending in ("", "-wal", "-shm"):
        durable.remove(f"{path}{ending}", sync=False)


def _text(value: str | None) -> str | None:
    """Text that SQLite can keep."""
    return value if value is None else printable(value)
