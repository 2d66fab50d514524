"""What was spent today, as a daemon finds it when it starts: the same with an index, without one, with half of one."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from handoff.root import Root
from orchestrd.outbound import publish
from orchestrd.record.index import Index
from orchestrd.record.journal import format_time
from orchestrd.record.spending import Spent, spent_on_day
from tests.outbound import telling
from tests.outbound.telling import Telling, a_root

DAY = 86_400.0
NOON = 20_790 * DAY + DAY / 2
YESTERDAY = NOON - DAY

Clock = Callable[[float], None]


@pytest.fixture
def root(tmp_path: Path) -> Root:
    return a_root(tmp_path)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """Set the time at which journals are written."""

    def set_clock(wall: float) -> None:
        monkeypatch.setattr(telling, "AT", wall)

    set_clock(NOON)
    return set_clock


def settled(root: Root, told: Telling, wall: float = NOON, *, indexed: bool = True) -> Path:
    told.gathered().tell("settling", status="succeeded", settled=format_time(wall))
    published = publish.settle(root, told.id, lambda _checkout: None)
    os.utime(published.folder, (wall, wall))  # as when it was really done then
    if indexed:
        with Index(root.index) as index:
            index.put_many([published.row])
    return published.folder


def a_day(root: Root, clock: Clock, *, indexed: bool) -> None:
    """A day's work of all sorts: 0.1 + 0.2 in /src/api, 0.4 + 0.05 in /src/web; more on the day before."""
    clock(YESTERDAY)
    settled(root, Telling(root, "old").accepted().worktree().run(cost_usd=7.0), YESTERDAY, indexed=indexed)
    over_night = Telling(root, "over-night").accepted().worktree().run(cost_usd=5.0)
    active = Telling(root, "active").accepted(project="/src/web").worktree().run(cost_usd=3.0)
    clock(NOON)
    over_night.run(2, cost_usd=0.1)
    settled(root, over_night, indexed=indexed)
    active.run(2, cost_usd=0.4)
    settled(root, Telling(root, "today").accepted().worktree().run(cost_usd=0.2), indexed=indexed)
    settled(
        root, Telling(root, "web").accepted(project="/src/web").worktree().run(cost_usd=0.05), indexed=indexed
    )
    (active.folder / "runs").mkdir()
    Telling(root, "waiting").accepted()
    running = Telling(root, "running").accepted()
    running.tell("run-intended", step="main", n=1, attempt=1, session_id="s", resumes=False, budget_usd=2.0)
    (running.folder / "runs").mkdir()


EXPECTED = {"/src/api": 0.3, "/src/web": 0.45}


def test_what_was_spent_is_that_of_the_runs_that_were_over_today(root: Root, clock: Clock) -> None:
    a_day(root, clock, indexed=True)

    assert spent_on_day(root, NOON) == Spent(EXPECTED)
    assert spent_on_day(root, NOON + DAY) == Spent({})


def test_without_an_index_it_is_the_same(root: Root, clock: Clock) -> None:
    a_day(root, clock, indexed=False)

    assert spent_on_day(root, NOON).usd_by_project == EXPECTED


def test_plans_that_a_killed_daemon_did_not_come_to_put_into_the_index_count(
    root: Root, clock: Clock
) -> None:
    a_day(root, clock, indexed=True)
    settled(root, Telling(root, "late").accepted().worktree().run(cost_usd=1.0), indexed=False)

    assert spent_on_day(root, NOON).usd_by_project == {**EXPECTED, "/src/api": 1.3}


def test_of_what_is_not_in_the_index_only_that_of_today_is_read(root: Root, clock: Clock) -> None:
    a_day(root, clock, indexed=True)
    clock(YESTERDAY)
    older = settled(root, Telling(root, "older").accepted().worktree().run(), YESTERDAY, indexed=False)
    (older / "journal.jsonl").unlink()
    os.utime(older, (YESTERDAY, YESTERDAY))

    assert spent_on_day(root, NOON) == Spent(EXPECTED)


def test_what_cannot_be_read_is_told_and_the_rest_counts(root: Root, clock: Clock) -> None:
    a_day(root, clock, indexed=True)
    lost = Telling(root, "lost").accepted().worktree().run(cost_usd=1.0)
    (lost.folder / "runs").mkdir()
    (lost.folder / "journal.jsonl").unlink()
    damaged = Telling(root, "damaged").accepted().worktree().run(cost_usd=1.0).tell("gathered").tell("noted")
    (damaged.folder / "runs").mkdir()
    journal = damaged.folder / "journal.jsonl"
    lines = journal.read_bytes().splitlines(keepends=True)
    lines[-2] = lines[-2].replace(b"gathered", b"gathering")
    journal.write_bytes(b"".join(lines))

    found = spent_on_day(root, NOON)

    assert found.usd_by_project == {**EXPECTED, "/src/api": 1.3}, "the lines before the damaged one hold"
    assert sorted(problem.split(",")[0].split(":")[0] for problem in found.problems) == [
        str(journal),
        str(lost.folder / "journal.jsonl"),
    ]


def test_a_project_whose_name_is_no_text_is_named_as_the_engine_names_it(root: Root, clock: Clock) -> None:
    odd = os.fsdecode(b"/src/caf\xe9")
    settled(root, Telling(root, "odd").accepted(project=odd).worktree().run(cost_usd=0.5))

    assert spent_on_day(root, NOON).usd_by_project == {odd: 0.5}


def test_a_root_in_which_nothing_was_spent_says_so(root: Root) -> None:
    assert spent_on_day(root, NOON) == Spent({})
