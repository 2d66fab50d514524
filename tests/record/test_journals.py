"""Lines of a plan's journal are numbered without a gap or a repetition, whatever the disk does in between."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from handoff.platform import PLATFORM
from handoff.root import PlanId, Root
from orchestrd.record.journals import Journals
from tests.failing import fail

pytestmark = pytest.mark.skipif(not PLATFORM.proc, reason="files are told apart by /proc")


@pytest.mark.parametrize("also", [(), ("truncate",)])
def test_after_a_line_that_failed_the_numbers_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, also: tuple[str, ...]
) -> None:
    (tmp_path / "active" / "a").mkdir(parents=True)
    journals, plan = Journals(Root(tmp_path)), PlanId("a")
    journals.begin(plan, 0)
    journals.append(plan, "taken", sync=True)
    with monkeypatch.context() as patch:
        for operation in ("fsync", *also):
            fail(patch, operation, errno.EIO)
        with pytest.raises(OSError):
            journals.append(plan, "workspace-intended", sync=True)

    journals.append(plan, "workspace-intended", sync=True)

    assert [record["seq"] for record in journals.read(plan)] == [1, 2, 3][: 2 + len(also)]


def test_a_line_that_a_failing_disk_has_torn_joins_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "active" / "a").mkdir(parents=True)
    journals, plan = Journals(Root(tmp_path)), PlanId("a")
    journals.begin(plan, 0)
    journals.append(plan, "taken", sync=True)
    (tmp_path / "active" / "a" / "journal.jsonl").open("ab").write(b'{"seq":2,"ti')
    with monkeypatch.context() as patch:
        fail(patch, "write", errno.ENOSPC)
        with pytest.raises(OSError):
            journals.append(plan, "accepted")

    journals.append(plan, "accepted")

    assert [record["event"] for record in journals.read(plan)] == ["taken", "accepted"]
