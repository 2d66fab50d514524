from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from handoff.root import PlanId, Root
from orchestrd.outbound import publish
from orchestrd.outbound.archive import OldPlan, find_old, prune
from tests.outbound.telling import PLAN, Telling, a_root

DAY = 86_400.0
NOW = datetime(2027, 3, 1, tzinfo=UTC).timestamp()


@pytest.fixture
def root(tmp_path: Path) -> Root:
    root = a_root(tmp_path)
    root.ids_log.write_text('{"id":"old"}\n')
    return root


def settled(root: Root, plan: str, when: str, *, docs: bool = False, checkout: Path | None = None) -> None:
    told = Telling(root, plan).accepted(PLAN if docs else PLAN.replace("request = true", ""))
    if checkout:
        told.tell("workspace-intended", mode="worktree", path=str(checkout))
    told.tell("settling", status="succeeded", settled=when)
    publish.settle(root, PlanId(plan), lambda _checkout: None)


def found(root: Root, keep_days: float) -> dict[str, tuple[bool, str]]:
    return {one.plan: (one.goes, one.reason) for one in find_old(root, keep_days * DAY, NOW)}


def test_plans_older_than_kept_go_with_their_results_and_their_ids_stay_known(root: Root) -> None:
    settled(root, "old", "2026-11-24T02:00:00Z")
    settled(root, "young", "2027-02-20T02:00:00Z")

    gone = [one.plan for one in prune(root, find_old(root, 90 * DAY, NOW))]

    assert gone == ["old"]
    assert not (root.archive / "2026-11" / "old").exists()
    assert sorted(path.name for path in root.results.iterdir()) == ["young.md", "young.toml"]
    assert (root.archive / "2027-02" / "young" / "result.toml").is_file()
    assert root.ids_log.read_text() == '{"id":"old"}\n'


def test_looking_changes_nothing_and_gives_a_reason(root: Root) -> None:
    settled(root, "old", "2026-11-24T00:00:00Z")

    assert found(root, 90) == {"old": (True, "settled 2026-11-24, 97 days ago")}
    assert (root.archive / "2026-11" / "old" / "journal.jsonl").is_file()


def test_within_a_month_each_plan_counts_by_its_own_day(root: Root) -> None:
    settled(root, "first", "2026-12-01T00:00:01Z")
    settled(root, "last", "2026-12-31T00:00:00Z")

    assert list(found(root, 70)) == ["first"]
    assert list(found(root, 59)) == ["first", "last"]
    assert found(root, 120) == {}


def test_a_plan_whose_documentation_is_asked_for_stays(root: Root) -> None:
    settled(root, "old", "2026-11-24T02:00:00Z", docs=True)

    ((goes, reason),) = found(root, 90).values()

    assert not goes
    assert reason.endswith("old.docs.md is not answered")
    assert list(prune(root, find_old(root, 90 * DAY, NOW))) == []


def test_a_plan_whose_checkout_lies_there_stays(root: Root, tmp_path: Path) -> None:
    settled(root, "old", "2026-11-24T02:00:00Z", checkout=tmp_path)

    ((goes, reason),) = found(root, 90).values()

    assert not goes
    assert reason.endswith(f"its checkout lies in {tmp_path}")


def test_what_a_cut_removal_left_is_removed_later(root: Root) -> None:
    settled(root, "old", "2026-12-05T02:00:00Z")
    (root.archive / "2026-12" / "old" / "journal.jsonl").unlink()

    early = found(root, 75)
    late: list[OldPlan] = list(prune(root, find_old(root, 50 * DAY, NOW)))

    assert early == {}
    assert [one.settled for one in late] == [datetime(2027, 1, 1, tzinfo=UTC)]
    assert not (root.archive / "2026-12" / "old").exists()


def test_links_are_neither_followed_nor_counted(root: Root, tmp_path: Path) -> None:
    settled(root, "old", "2026-11-24T02:00:00Z")
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "mine").write_text("mine")
    (root.archive / "2026-11" / "link").symlink_to(outside)
    (root.archive / "2026-11" / "old" / "link").symlink_to(outside)

    gone = [one.plan for one in prune(root, find_old(root, 90 * DAY, NOW))]

    assert gone == ["old"]
    assert (outside / "mine").read_text() == "mine"
