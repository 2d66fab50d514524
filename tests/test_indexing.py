"""The index is in nobody's way: trouble with it is told, and what it missed is put in later."""

from __future__ import annotations

from pathlib import Path

from handoff.root import PlanId
from orchestrd.core.events import Moment
from orchestrd.indexing import Indexing
from orchestrd.record.index import IndexReader, row_of
from orchestrd.troubles import Troubles


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
