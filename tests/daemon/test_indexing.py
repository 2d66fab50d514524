"""The index is in nobody's way: trouble with it is told, and what it missed is put in later."""

from __future__ import annotations

import errno
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from handoff.root import PlanId, create_root
from orchestrd.core.events import Moment
from orchestrd.daemon.indexing import Indexing
from orchestrd.daemon.troubles import Troubles
from orchestrd.record import missing
from orchestrd.record.index import Index, IndexReader, row_of
from tests.acceptance.stage import AGENT, drop_plan
from tests.failing import fail
from tests.serving import a_repository, serving
from tests.waiting import wait_until
from tests.warm import as_it_is


def test_rows_that_cannot_be_put_in_are_put_in_when_the_trouble_is_over(tmp_path: Path) -> None:
    path = tmp_path / "index.sqlite"
    path.mkdir()
    troubles = Troubles()
    indexing = Indexing(path, troubles)

    indexing.add(row_of(PlanId("one"), [], "active/one"))
    indexing.turn(Moment(wall=0, boot=0))
    [trouble] = troubles
    assert trouble.word == "index"
    assert str(path) in trouble.message
    assert "reindex" in trouble.remedy
    path.rmdir()
    indexing.turn(Moment(wall=1, boot=1))
    assert not path.exists()
    assert indexing.next_look(Moment(wall=1, boot=1)) == 4
    indexing.add(row_of(PlanId("two"), [], "active/two"))
    indexing.turn(Moment(wall=5, boot=5))
    indexing.close()

    assert list(troubles) == []
    assert {row.id for row in IndexReader(path).latest()} == {"one", "two"}


def test_a_row_that_a_killed_daemon_did_not_come_to_put_in_is_there_after_the_next_start(
    tmp_path: Path,
) -> None:
    project = a_repository(tmp_path / "project")
    with serving(tmp_path, {}, AGENT, as_it_is) as here:
        here.start()
        reader = IndexReader(here.root.index)
        for plan in ("kept", "lost"):
            drop_plan(here, plan, project)
            here.result(plan)
        wait_until(lambda: len(reader.latest()) == 2, 10, "both rows")
        before = reader.dump()
        here.kill()
        with closing(sqlite3.connect(here.root.index)) as database, database:
            database.execute("DELETE FROM plans WHERE id = 'lost'")

        here.start()

        wait_until(lambda: reader.dump() == before, 10, "the row to be back")


def test_nothing_is_read_of_a_month_of_which_the_index_has_as_many_plans_as_there_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = create_root(tmp_path / "handoff")
    for folder in ("2026-10/old", "2026-10/older", "2026-11/new", "2026-11/lost"):
        (root.archive / folder).mkdir(parents=True)
    (root.archive / "ids.jsonl").touch()
    with Index(root.index) as index:
        rows = {"old": "2026-10", "older": "2026-10", "new": "2026-11"}
        index.put_many(row_of(PlanId(plan), [], f"archive/{month}/{plan}") for plan, month in rows.items())
    read: list[str] = []
    monkeypatch.setattr(missing, "row_on_disk", lambda _root, folder, _problems: read.append(folder))

    assert list(missing.missing_rows(root)) == []

    assert read == ["archive/2026-11/lost"]


def test_an_index_that_the_disk_refuses_is_told_of_and_opened_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    troubles = Troubles()
    indexing = Indexing(tmp_path / "index.sqlite", troubles)
    indexing.add(row_of(PlanId("one"), [], "active/one"))
    with monkeypatch.context() as patch:
        fail(patch, "chmod", errno.EIO)
        indexing.turn(Moment(wall=0, boot=0))

    assert [trouble.word for trouble in troubles] == ["index"]
    indexing.turn(Moment(wall=9, boot=9))
    indexing.close()
    assert list(troubles) == []
