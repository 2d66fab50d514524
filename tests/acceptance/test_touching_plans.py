"""Plans of one project that touch the same files run one after the other and say so; all others run side by side."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import tomli_w

from tests.acceptance.stage import drop_plan, entries, runs_now, shown_plans, starts, waits_for
from tests.serving import Serving, a_repository
from tests.waiting import wait_until

SETTINGS = {"LIMITS__MAX_PARALLEL": "4"}


def touching(*rules: str) -> dict[str, Any]:
    return {"workspace": {"mode": "worktree", "touches": list(rules)}}


def await_overlap(here: Serving, plan: str) -> None:
    wait_until(lambda: waits_for(here, plan) == "overlap", 15, f"{plan} to wait for the other; {here.said()}")


def test_two_plans_that_touch_the_same_files_run_one_after_the_other_and_disjoint_ones_side_by_side(
    here: Serving, project: Path, tmp_path: Path
) -> None:
    here.start(**SETTINGS)
    gate = here.folder / "go-on"
    drop_plan(here, "api", project, f"[await {gate}]", **touching("src/api/**"))
    runs_now(here, "api")

    drop_plan(here, "all-code", project, **touching("src/*/*.py"))
    await_overlap(here, "all-code")
    drop_plan(here, "docs", project, **touching("docs/**"))
    drop_plan(here, "whatever", project)
    drop_plan(here, "elsewhere", a_repository(tmp_path / "other"), **touching("src/api/**"))

    assert {here.result(plan)["status"] for plan in ("docs", "whatever", "elsewhere")} == {"succeeded"}
    assert "until" not in shown_plans(here)["all-code"]
    assert starts(here, "all-code") == []
    gate.touch()
    assert here.result("all-code")["status"] == "succeeded"
    (end,) = entries(here, "end", "api")
    assert end.time < starts(here, "all-code")[0].time


def test_a_plan_keeps_others_out_between_its_steps_and_under_the_next_daemon_too(
    here: Serving, project: Path
) -> None:
    here.start(**SETTINGS)
    gates = [here.folder / "first", here.folder / "second"]
    steps = [
        {"id": "one", "prompt": f"[await {gates[0]}] [write one.txt 1]"},
        {"id": "two", "prompt": f"[await {gates[1]}] [write two.txt 2]", "needs": ["one"]},
    ]
    head = {"handoff": 1, "project": str(project), **touching("*.txt")}
    here.drop("steps.toml", tomli_w.dumps({**head, "steps": steps}))
    runs_now(here, "steps")
    drop_plan(here, "next", project, **touching("two.*"))
    await_overlap(here, "next")

    gates[0].touch()
    wait_until(lambda: len(starts(here, "steps")) == 2, 20, f"the second step; {here.said()}")
    here.kill()
    here.start(**SETTINGS)
    await_overlap(here, "next")
    assert starts(here, "next") == []

    gates[1].touch()
    assert here.result("next")["status"] == "succeeded"
    assert here.result("steps")["status"] == "succeeded"
    assert entries(here, "end", "steps")[-1].time < starts(here, "next")[0].time
