"""Orders: cancel, retry, pause, resume, drain; each carried out once, and told what came of it."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from tests.acceptance.stage import (
    as_toml,
    drop_plan,
    entries,
    git,
    give,
    is_alive,
    orders,
    runs_now,
    shown_plans,
    starts,
    waits_for,
)
from tests.serving import Serving
from tests.waiting import wait_until

BAD_ORDERS = {
    "not-toml.toml": "action = [",
    "no-action.toml": 'why = "because"',
    "odd.toml": 'action = "explode"',
    "no-plan.toml": 'action = "cancel"',
    "too-much.toml": 'action = "pause"\nplan = "held"',
    "long.toml": 'action = "resume"\n# ' + "x" * (2 << 20),
}


def test_a_cancelled_plan_ends_wherever_it_stands_and_its_work_stays_on_its_branch(
    here: Serving, project: Path
) -> None:
    here.start()
    drop_plan(
        here, "running", project, "[ignore-term] [child 600] [detach 600] [write work.txt so-far] [block]"
    )
    drop_plan(here, "waiting", project, after=["nobody"])
    wait_until(lambda: entries(here, "detached"), 10, "the agent's children")
    wait_until(lambda: waits_for(here, "waiting") == "plans", 10, "the other to wait")

    assert give(here, "end-it", action="cancel", plan="running", why="changed my mind")["outcome"] == "done"
    wait_until(lambda: not any(is_alive(one.pid) for one in entries(here)), 5, "its whole tree to be gone")
    assert give(here, "end-that", action="cancel", plan="waiting")["outcome"] == "done"

    cancelled = here.result("running")
    assert (cancelled["status"], cancelled["reason"]) == ("cancelled", "cancelled")
    assert "changed my mind" in str(cancelled)
    assert git(project, "show", "handoff/running:work.txt") == "so-far"
    assert cancelled["changes"]["commits"] == 1
    waited = here.result("waiting")
    assert (waited["status"], waited["reason"]) == ("cancelled", "cancelled")
    assert "started" not in waited
    wait_until(lambda: not list(here.root.active.iterdir()), 5, "both to be archived")
    for name, plan, word in (("no-such", "no-such", "known"), ("settled", "running", "settled")):
        line = give(here, name, action="cancel", plan=plan)
        assert line["outcome"] == "nothing"
        assert word in line["message"]
    assert (project / "work.txt").exists() is False
    wait_until(lambda: not here.processes(), 5, "every process to be gone")


def test_a_settled_plan_is_tried_again_as_a_new_one_and_a_waiting_one_at_once(
    here: Serving, project: Path
) -> None:
    here.start(LIMITS__MAX_PARALLEL="3")
    soon = datetime.now(UTC) + timedelta(seconds=2)
    drop_plan(here, "keyed", project, "[write a.txt a]", key="k-1", expires=soon)
    drop_plan(here, "future", project, not_before=datetime.now(UTC) + timedelta(days=2))
    here.drop("wrong.toml", "not = [")
    assert here.result("keyed")["key"] == "k-1"
    assert here.result("wrong")["status"] == "rejected"
    assert give(here, "end", action="cancel", plan="future")["outcome"] == "done"
    here.result("future")
    wait_until(lambda: datetime.now(UTC) > soon, 5, "its date to pass")

    again = give(here, "again", action="retry", plan="keyed")
    assert (again["outcome"], again["new_plan"]) == ("done", "keyed-2")
    thence = give(here, "thence", action="retry", plan="future")
    wrong = give(here, "wrong-again", action="retry", plan="wrong")
    assert give(here, "unknown", action="retry", plan="no-such")["outcome"] == "nothing"

    retried = here.result("keyed-2")
    assert (retried["status"], retried["retry_of"], retried["source"]) == ("succeeded", "keyed", "keyed.toml")
    assert retried["sha256"] == here.result("keyed")["sha256"]
    assert retried["changes"]["branch"] == "handoff/keyed-2"
    assert here.result(thence["new_plan"])["status"] == "succeeded"
    assert here.result(wrong["new_plan"])["status"] == "rejected"
    drop_plan(here, "keyed-anew", project, key="k-1")
    assert here.result("keyed-anew")["duplicate_of"] == "keyed"

    drop_plan(here, "stubborn", project, "[again] [fail Not today.]", limits={"attempts": 3})
    wait_until(lambda: pause_seconds(here, "stubborn") > 4, 15, "the pause of 10 s before its third attempt")
    assert len(starts(here, "stubborn")) == 2
    began = time.monotonic()
    assert give(here, "now", action="retry", plan="stubborn")["outcome"] == "done"
    given_up = here.result("stubborn")
    assert time.monotonic() - began < 8
    assert (given_up["status"], given_up["reason"], given_up["steps"][0]["attempts"]) == ("failed", "api", 3)
    assert given_up["usage"]["turns"] == 3


def pause_seconds(here: Serving, plan: str) -> float:
    """How long a plan still waits before a further attempt."""
    shown = shown_plans(here).get(plan, {})
    if shown.get("waiting_for") != "retry":
        return 0.0
    return (datetime.fromisoformat(shown["until"]) - datetime.now(UTC)).total_seconds()


def test_a_pause_survives_a_restart_and_every_order_is_carried_out_once_and_accounted_for(
    here: Serving, project: Path
) -> None:
    here.start(LANES__PATIENCE_SECONDS="1")
    assert give(here, "hold", action="pause", why="maintenance", key="k")["outcome"] == "done"
    wait_until(lambda: here.status("daemon")["state"] == "paused", 1, "the daemon to say so at once")
    drop_plan(here, "held", project)
    wait_until(lambda: waits_for(here, "held") == "pause", 10, "the plan to be taken and to wait")
    here.kill()
    here.start(LANES__PATIENCE_SECONDS="1")
    assert here.status("daemon")["state"] == "paused"
    assert starts(here) == []

    assert give(here, "hold-again", action="pause", key="k")["outcome"] == "nothing"
    assert give(here, "go", action="resume")["outcome"] == "done"
    assert here.result("held")["status"] == "succeeded"
    wait_until(lambda: here.status("daemon")["state"] == "running", 5, "the daemon to say so")
    for name, text in BAD_ORDERS.items():
        here.order(name, text)
    for name in BAD_ORDERS:
        line = wait_until(lambda name=name: outcome_of(here, name), 10, f"the order {name} to be refused")
        assert line["outcome"] == "refused"
        assert line["message"]
    here.order("in.json", '{"action": "resume", "key": "j"}')
    wait_until(lambda: outcome_of(here, "in.json"), 10, "an order in JSON")

    lines = orders(here)
    assert [line["order"] for line in lines] == sorted({line["order"] for line in lines})
    assert [line["file"] for line in lines][:3] == ["hold.toml", "hold-again.toml", "go.toml"]
    assert (lines[0]["action"], lines[0]["key"]) == ("pause", "k")
    assert not list(here.root.control.iterdir())
    # An order's line is there a moment before its file goes.
    wait_until(lambda: not list(here.root.orders.iterdir()), 5, "no order to be in hand")


def outcome_of(here: Serving, file: str) -> dict[str, object] | None:
    """The line of an order, by the name of its file."""
    return next((line for line in orders(here) if line["file"] == file), None)


def test_a_drain_lets_runs_end_takes_nothing_more_and_ends_the_daemon(
    here: Serving, project: Path, tmp_path: Path
) -> None:
    gate = tmp_path / "gate"
    here.start(LIMITS__MAX_PARALLEL="1")
    drop_plan(here, "long", project, f"[await {gate}]")
    runs_now(here, "long")
    drop_plan(here, "queued", project)
    wait_until(lambda: "queued" in shown_plans(here), 10, "the second to be taken")

    assert give(here, "out", action="drain")["outcome"] == "done"
    drop_plan(here, "left-lying", project)
    drop_plan(here, "given-up", project)
    assert give(here, "end", action="cancel", plan="given-up")["outcome"] == "done"
    assert here.result("given-up")["status"] == "cancelled"
    wait_until(lambda: here.status("daemon")["state"] == "draining", 5, "the daemon to say so")
    gate.touch()
    assert here.daemon is not None
    assert here.daemon.wait(15) == 0

    assert here.result("long")["status"] == "succeeded"
    assert (here.root.inbox / "left-lying.toml").exists()
    assert (here.root.active / "queued").exists()
    assert here.status("daemon")["state"] == "stopped"
    here.start()
    assert {here.result(plan)["status"] for plan in ("queued", "left-lying")} == {"succeeded"}


def test_what_a_drained_daemon_left_is_shown_as_it_stands_and_not_as_it_stood(
    here: Serving, project: Path, tmp_path: Path
) -> None:
    gate = tmp_path / "gate"
    here.start()
    steps = [{"id": "a", "prompt": f"A [await {gate}]"}, {"id": "b", "prompt": "B", "needs": ["a"]}]
    here.drop("half.toml", as_toml({"handoff": 1, "project": str(project), "steps": steps}))
    runs_now(here, "half")

    assert give(here, "out", action="drain")["outcome"] == "done"
    wait_until(lambda: shown_plans(here).get("half", {}).get("runs"), 10, "its run to be shown")
    gate.touch()
    assert here.daemon is not None
    assert here.daemon.wait(15) == 0

    assert here.status("daemon")["state"] == "stopped"
    shown = shown_plans(here)["half"]
    assert (shown["state"], shown["waiting_for"], shown["runs"]) == ("waiting", "pause", [])


def test_a_check_that_a_cancel_stopped_is_told_as_stopped_and_not_as_failed(
    here: Serving, project: Path
) -> None:
    here.start()
    check = ["sh", "-c", "echo begun; exec sleep 300"]
    drop_plan(here, "checked", project, accept={"checks": [check], "rounds": 1})
    said = here.root.active / "checked" / "runs" / "check_1.1" / "stdout.log"
    wait_until(lambda: said.exists() and said.read_text() == "begun\n", 15, "the check to have begun")

    assert give(here, "end", action="cancel", plan="checked")["outcome"] == "done"

    result = here.result("checked")
    assert (result["status"], result["reason"]) == ("cancelled", "cancelled")
    assert result["summary"].startswith("The plan was cancelled.")
    (told,) = result["checks"]
    assert told["exit"] == -1
    assert told["output_tail"] == "begun\n[The plan was cancelled while it ran.]"
    page = (here.root.results / "checked.md").read_text()
    assert "**stopped** after" in page
    assert "**failed**" not in page
    assert "begun\n[The plan was cancelled while it ran.]" in page
