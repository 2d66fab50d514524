"""Which plan runs when: slots, priority, arrival, other plans, dates; and which never does."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

from tests.acceptance.stage import PORTABLE, drop_plan, entries, give, shown_plans, starts, waits_for
from tests.serving import Serving
from tests.waiting import wait_until


def test_of_thirty_plans_never_more_than_three_run_by_priority_then_arrival(
    here: Serving, project: Path
) -> None:
    here.start(LIMITS__MAX_PARALLEL="3")
    give(here, "hold", action="pause")
    wanted = []
    for number in range(30):
        priority = (20, 80, 50)[number % 3]
        name = f"plan-{number:02}"
        drop_plan(here, name, project, "[sleep 0.05]", priority=priority, workspace={"mode": "worktree"})
        wanted.append((-priority, number, name))
    wait_until(lambda: len(shown_plans(here)) == 30, 15, "all to be taken")
    assert starts(here) == []
    give(here, "go", action="resume")

    results = [here.result(name, 60) for _, _, name in wanted]

    assert {result["status"] for result in results} == {"succeeded"}
    ordered = [name for _, _, name in sorted(wanted)]
    started = list(_in_order_of_start(here))
    # Three start beside one another, so two neighbours may swap; no more than that.
    assert sorted(started) == sorted(ordered)
    assert all(abs(ordered.index(name) - place) <= 2 for place, name in enumerate(started))
    assert _most_at_once(here) <= 3


def test_a_plan_runs_after_others_at_its_time_or_never_and_what_is_given_twice_is_told_apart(
    here: Serving, project: Path
) -> None:
    here.start(LIMITS__MAX_PARALLEL="2")
    soon = datetime.now(UTC) + timedelta(seconds=10 if PORTABLE else 3)
    drop_plan(here, "late", project, not_before=soon)
    drop_plan(
        here,
        "hopeless",
        project,
        after=["nobody"],
        expires=datetime.now(UTC) + timedelta(seconds=8 if PORTABLE else 2),
    )
    drop_plan(here, "second", project, after=["first"])
    drop_plan(here, "third", project, after=["first", "second"])
    drop_plan(here, "doomed", project, after=["broken"])
    drop_plan(here, "doomed-too", project, after=["doomed"])
    wait_until(lambda: waits_for(here, "second") == "plans", 10, "second to wait")
    assert waits_for(here, "late") == "time"
    drop_plan(here, "broken", project, "[no-result]")
    drop_plan(here, "first", project, key="once")

    assert here.result("third")["status"] == "succeeded"
    assert [one.plan for one in starts(here) if one.plan in {"first", "second", "third"}] == [
        "first",
        "second",
        "third",
    ]
    for name, because in (("doomed", "broken"), ("doomed-too", "doomed")):
        doomed = here.result(name)
        assert (doomed["status"], doomed["reason"]) == ("cancelled", "dependency")
        assert because in doomed["summary"]
    assert here.result("broken")["status"] == "failed"

    drop_plan(here, "again", project, key="once")
    duplicate = here.result("again")
    assert (duplicate["status"], duplicate["duplicate_of"]) == ("duplicate", "first")
    assert duplicate["key"] == "once"

    drop_plan(here, "first", project, "[write a.txt b]")
    assert here.result("first-2")["source"] == "first.toml"
    drop_plan(here, "much-later", project, after=["third"])
    drop_plan(here, "much-later-doomed", project, after=["broken"])
    assert here.result("much-later")["status"] == "succeeded"
    assert here.result("much-later-doomed")["reason"] == "dependency"

    assert here.result("hopeless")["status"] == "expired"
    assert here.result("hopeless")["reason"] == "expired"
    late = here.result("late")
    assert late["status"] == "succeeded"
    assert late["started"] >= soon.replace(microsecond=0)
    ran = [one.plan for one in starts(here)]
    assert sorted(ran) == sorted({"first", "first-2", "second", "third", "broken", "late", "much-later"})


def _in_order_of_start(here: Serving) -> list[str]:
    return [one.plan for one in sorted(starts(here), key=lambda one: one.time)]


def _most_at_once(here: Serving) -> int:
    now = most = 0
    for one in sorted(entries(here), key=lambda one: one.time):
        now += {"start": 1, "end": -1}.get(one.word, 0)
        most = max(most, now)
    return most
