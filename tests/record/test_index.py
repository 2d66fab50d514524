from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from handoff.root import PlanId, Root
from orchestrd.outbound import publish
from orchestrd.record.index import Index, IndexReader, row_of
from orchestrd.record.journal import read_journal
from tests.outbound.telling import Telling, a_root, a_success


@pytest.fixture
def root(tmp_path: Path) -> Root:
    return a_root(tmp_path)


def active_row(told: Telling) -> object:
    return row_of(told.id, read_journal(told.folder / "journal.jsonl"), f"active/{told.id}")


def fill(root: Root) -> None:
    """Plans of all sorts, put into the index one by one as a daemon does."""
    with Index(root.index) as index:
        a_success(root, "done")
        a_success(root, "asked", "json")
        told = Telling(root, "refused").tell("refused", reason="invalid", errors=[], title="T", key="k")
        told.ended("rejected", reason="invalid")
        Telling(root, "caf", bad_file="is a link").ended("rejected", reason="bad-file")
        waiting = Telling(root, "waiting").accepted()
        running = Telling(root, "running").accepted().worktree().run()
        index.put_many([active_row(waiting), active_row(running)])  # type: ignore[list-item]
        for plan in ("done", "asked", "refused", "caf"):
            index.put_many([publish.settle(root, PlanId(plan), lambda _checkout: None).row])


def test_made_anew_it_gives_the_same_answers_as_kept_all_along(root: Root) -> None:
    fill(root)
    kept = IndexReader(root.index).dump()

    with Index(root.index) as index:
        problems = index.rebuild(root)
    rebuilt = IndexReader(root.index).dump()
    root.index.unlink()
    with Index(root.index) as index:
        index.rebuild(root)

    assert len(kept) == 6
    assert problems == []
    assert rebuilt == kept
    assert IndexReader(root.index).dump() == kept


def test_a_row_tells_what_came_of_a_plan(root: Root) -> None:
    fill(root)

    row = IndexReader(root.index).by_id("done")

    assert row is not None
    assert (row.status, row.verdict, row.cost_usd, row.month) == ("succeeded", "changed", 0.1, "2026-11")
    assert (row.title, row.project, row.key) == ("Rate-limit the API", "/src/api", "api-limit")
    assert (root.path / str(row.result)).is_file()


def test_readers_ask_by_key_by_status_and_for_the_latest(root: Root) -> None:
    fill(root)
    reader = IndexReader(root.index)

    assert {row.id for row in reader.by_key("api-limit")} == {"done", "asked", "waiting", "running"}
    assert reader.by_key("k") == [], "a plan that was rejected leaves its key free"
    assert {row.id for row in reader.latest(status="rejected")} == {"refused", "caf"}
    assert len(reader.latest(limit=2)) == 2
    assert len(reader.latest(limit=10, offset=4)) == 2


def test_without_an_index_or_with_a_broken_one_readers_find_nothing(root: Root) -> None:
    reader = IndexReader(root.index)

    missing = (reader.is_there, reader.dump())
    root.index.write_bytes(b"no database at all" * 100)
    broken = reader.by_id("done")

    assert missing == (False, [])
    assert broken is None
    assert list(root.private.glob("index*")) == [root.index], "a reader makes nothing"


def test_a_broken_index_is_begun_anew(root: Root) -> None:
    fill(root)
    kept = IndexReader(root.index).dump()
    for path in root.private.glob("index*"):
        path.unlink()
    root.index.write_bytes(b"no database at all" * 100)

    with Index(root.index) as index:
        index.rebuild(root)

    assert IndexReader(root.index).dump() == kept


def test_a_locked_index_is_not_thrown_away(root: Root, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(root)
    monkeypatch.setattr("orchestrd.record.index.BUSY_SECONDS", 0.05)
    with closing(sqlite3.connect(root.index)) as other:
        other.execute("BEGIN IMMEDIATE")

        with pytest.raises(sqlite3.OperationalError, match="locked"), Index(root.index) as index:
            index.remove([PlanId("done")])
        other.rollback()

    assert IndexReader(root.index).by_id("done") is not None


def test_a_reader_sees_the_old_rows_while_it_is_made_anew(root: Root) -> None:
    fill(root)
    with Index(root.index) as index, index._database:
        index._database.execute("DELETE FROM plans")

        assert len(IndexReader(root.index).dump()) == 6
        index._database.rollback()


def test_a_damaged_journal_is_named_and_its_plan_kept_as_far_as_it_can_be_read(root: Root) -> None:
    fill(root)
    journal = root.archive / "2026-11" / "done" / "journal.jsonl"
    lines = journal.read_bytes().splitlines(keepends=True)
    journal.write_bytes(b"".join([*lines[:2], lines[2].replace(b"e", b"x", 1), *lines[3:]]))

    with Index(root.index) as index:
        (problem,) = index.rebuild(root)

    row = IndexReader(root.index).by_id("done")
    assert f"{journal}, line 3" in problem
    assert row is not None
    assert (row.title, row.status) == ("Rate-limit the API", None)


def test_a_start_that_was_cut_is_no_plan(root: Root) -> None:
    Telling(root, "cut")

    with Index(root.index) as index:
        index.rebuild(root)

    assert IndexReader(root.index).dump() == []


def test_what_was_pruned_is_taken_out(root: Root) -> None:
    fill(root)

    with Index(root.index) as index:
        index.remove([PlanId("done"), PlanId("unknown")])

    assert {row.id for row in IndexReader(root.index).dump()} == {
        "asked",
        "refused",
        "caf",
        "waiting",
        "running",
    }


def test_a_name_that_is_no_utf8_can_be_kept(root: Root) -> None:
    told = Telling(root, "x")
    (told.folder / "journal.jsonl").unlink()
    told.tell("taken", source="caf\udce9.toml", format="toml").accepted()

    with Index(root.index) as index:
        index.rebuild(root)

    row = IndexReader(root.index).by_id("x")
    assert row is not None
    assert row.source == r"caf\xe9.toml"
