"""What may be spent on one day: who runs within it, who waits for tomorrow and says so, and what a new daemon knows."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.stage import drop_plan, give, runs_now, shown_plans, starts, waits_for
from tests.serving import Serving, a_repository
from tests.waiting import wait_until

PLANS = ("one", "two", "three", "four", "five")
SETTINGS = {"LIMITS__MAX_PARALLEL": "5", "BUDGET__PER_DAY_USD": "3.0"}
TIME_FOR_IT = timedelta(minutes=2)


@pytest.fixture(autouse=True)
def midnight() -> datetime:
    """The end of the day, which is not to come while a test looks at what was spent on it."""
    now = datetime.now(UTC)
    next_day = (now + timedelta(days=1)).replace(hour=0, minute=0, second=0, microsecond=0)
    if next_day - now < TIME_FOR_IT:
        pytest.skip("the day (UTC) is about to end")
    return next_day


def drop_five(here: Serving, project: Path, cost_usd: float) -> Path:
    """Hand in five plans of a dollar at most, each of which costs so much; they end when the file is there."""
    gate = here.folder / "go-on"
    for name in PLANS:
        drop_plan(here, name, project, f"[await {gate}] [cost {cost_usd}]", limits={"max_usd": 1.0})
    return gate


def await_waiting(here: Serving, *plans: str) -> None:
    wait_until(
        lambda: all(waits_for(here, plan) == "budget" for plan in plans),
        15,
        f"{plans} to wait for money; {here.status('plans')}",
    )


def running(here: Serving) -> set[str]:
    return {name for name, plan in shown_plans(here).items() if plan["state"] == "running"}


def test_of_five_plans_of_a_dollar_three_run_on_a_day_of_three_and_two_wait_for_midnight(
    here: Serving, project: Path, midnight: datetime
) -> None:
    here.start(**SETTINGS)
    gate = drop_five(here, project, cost_usd=1.0)

    await_waiting(here, "four", "five")

    assert running(here) == {"one", "two", "three"}
    for plan in ("four", "five"):
        assert shown_plans(here)[plan]["state"] == "waiting"
        assert datetime.fromisoformat(shown_plans(here)[plan]["until"]) == midnight
    gate.touch()
    assert {here.result(plan)["status"] for plan in PLANS[:3]} == {"succeeded"}
    # All of it is spent now, and nothing is reserved any more.
    wait_until(lambda: set(shown_plans(here)) == {"four", "five"}, 10, "the others to be gone")
    await_waiting(here, "four", "five")
    assert [one.plan for one in starts(here) if one.plan in {"four", "five"}] == []


def said_by(here: Serving, *words: str) -> str:
    """What the command line says to somebody who looks."""
    command = [sys.executable, "-m", "orchestrd", "--root", str(here.root.path), *words]
    return subprocess.run(command, env=here.environ, capture_output=True, check=True).stdout.decode()


def test_who_waits_is_told_which_cap_and_who_has_it_and_everybody_what_was_spent(
    here: Serving, project: Path, tmp_path: Path
) -> None:
    here.start(LIMITS__MAX_PARALLEL="5", BUDGET__PER_DAY_USD="2.2", BUDGET__PER_PROJECT_USD="1.5")
    other, gate = a_repository(tmp_path / "other"), here.folder / "go-on"
    for name, where in (("first", project), ("second", other), ("third", project), ("fourth", other)):
        drop_plan(here, name, where, f"[await {gate}] [cost 0.25]", limits={"max_usd": 1.0})
        if name in {"first", "second"}:
            runs_now(here, name)
    drop_plan(here, "fifth", a_repository(tmp_path / "new"), limits={"max_usd": 0.5})

    await_waiting(here, "third", "fifth")

    whys = {name: plan.get("why") for name, plan in shown_plans(here).items()}
    assert whys["first"] is None
    assert whys["third"] == (
        "[budget] per_project_usd is $1.50: $0.50 left, $1.00 needed ($0.00 spent today, $1.00 reserved by first)"
    )
    assert whys["fifth"] == (
        "[budget] per_day_usd is $2.20: $0.20 left, $0.50 needed ($0.00 spent today, $2.00 reserved by first, second)"
    )
    listed = said_by(here, "ps")
    assert "budget: per_project_usd is $1.50: $0.50 left, $1.00 needed · until " in listed
    assert "spent today (UTC): $0.00 of $2.20, $2.00 reserved by plans at work" in listed
    assert "($0.00 spent today, $2.00 reserved by first, second) until " in said_by(here, "show", "fifth")
    gate.touch()
    assert here.result("first")["status"] == here.result("second")["status"] == "succeeded"
    spent = wait_until(
        lambda: (now := here.status("daemon")["budget"])["spent_today_usd"] >= 1.0 and now,
        20,
        "all to have been paid for",
    )
    assert here.status("daemon")["limits"] == {"max_parallel": 5, "per_day_usd": 2.2, "per_project_usd": 1.5}
    by_project = {one["project"]: one["spent_today_usd"] for one in spent["projects"]}
    assert by_project[str(project)] == 0.5


def test_the_log_says_when_a_plan_goes_on_that_a_cap_has_stopped(here: Serving, project: Path) -> None:
    here.start(BUDGET__PER_DAY_USD="0.5")
    drop_plan(here, "long", project, "[cost 0.5] [broke]", limits={"max_usd": 3.0})

    await_waiting(here, "long")

    assert (
        "long: waits for money and goes on at 00:00 UTC at the latest: [budget] per_day_usd is $0.50: $0.00 left, "
        "$0.01 needed ($0.50 spent today, $0.00 reserved)"
    ) in here.said()


def test_what_those_who_ran_did_not_need_others_may_spend(here: Serving, project: Path) -> None:
    here.start(**SETTINGS)
    gate = drop_five(here, project, cost_usd=0.4)
    await_waiting(here, "four", "five")

    gate.touch()

    results = [here.result(plan) for plan in PLANS]
    assert {result["status"] for result in results} == {"succeeded"}
    assert sum(result["usage"]["cost_usd"] for result in results) == pytest.approx(2.0)


def test_a_daemon_that_is_killed_knows_what_is_reserved_and_what_was_spent(
    here: Serving, project: Path, midnight: datetime
) -> None:
    here.start(**SETTINGS)
    gate = drop_five(here, project, cost_usd=1.0)
    await_waiting(here, "four", "five")

    here.kill()
    here.start(**SETTINGS)

    await_waiting(here, "four", "five")
    assert running(here) == {"one", "two", "three"}

    gate.touch()
    for plan in PLANS[:3]:
        assert here.result(plan)["usage"]["cost_usd"] == 1.0
    wait_until(lambda: set(shown_plans(here)) == {"four", "five"}, 10, "the others to be gone")
    here.kill()
    here.start(**SETTINGS)

    await_waiting(here, "four", "five")
    assert {shown["until"] for shown in shown_plans(here).values()} == {f"{midnight:%Y-%m-%dT%H:%M:%SZ}"}
    assert len(starts(here)) == 3


def test_with_a_higher_cap_those_who_waited_run_at_once(here: Serving, project: Path) -> None:
    here.start(**SETTINGS)
    drop_five(here, project, cost_usd=1.0).touch()
    await_waiting(here, "four", "five")
    wait_until(lambda: set(shown_plans(here)) == {"four", "five"}, 10, "the others to be gone")
    assert here.stop() == 0

    here.start(**{**SETTINGS, "BUDGET__PER_DAY_USD": "4.5"})

    assert here.result("four")["status"] == "succeeded"
    await_waiting(here, "five")
    assert give(here, "enough", action="cancel", plan="five")["outcome"] == "done"
    assert here.result("five")["status"] == "cancelled"


def test_the_cap_of_one_project_holds_up_nobody_elses(here: Serving, project: Path, tmp_path: Path) -> None:
    here.start(LIMITS__MAX_PARALLEL="3", BUDGET__PER_PROJECT_USD="1.0")
    other = a_repository(tmp_path / "other")
    gate = here.folder / "go-on"
    fields: dict[str, Any] = {"limits": {"max_usd": 1.0}}
    drop_plan(here, "first", project, f"[await {gate}] [cost 0.9]", **fields)
    runs_now(here, "first")
    drop_plan(here, "second", project, **fields)
    drop_plan(here, "elsewhere", other, **fields)

    assert here.result("elsewhere")["status"] == "succeeded"
    await_waiting(here, "second")

    gate.touch()
    assert here.result("first")["status"] == "succeeded"
    await_waiting(here, "second")
