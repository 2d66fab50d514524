"""The account's usage limit, with the real Claude Code on a subscription's token: plans wait for it and go on."""

from __future__ import annotations

import time
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from tests.live.real import MAY_WRITE, Live, conversation, live, write
from tests.waiting import wait_until

RESET_SECONDS = 20
SCRIPT = "".join(
    conversation(
        f"^{name}",
        write(f"{name}.txt"),
        f'usage_limit = {{ resets_in_seconds = {RESET_SECONDS}, times = 1 }}\ntext = "{name} is done."',
    )
    for name in ("First", "Second")
)
BACK_SECONDS = 3.0
"""So soon after the reset a plan goes on."""


def shown(there: Live, plan: str) -> dict[str, Any]:
    plans = there.here.status("plans")
    return next((one for one in (plans or {}).get("plans", []) if one["id"] == plan), {})


def until_of(there: Live, plan: str) -> float:
    return datetime.fromisoformat(shown(there, plan)["until"]).timestamp()


def parked(there: Live, *plans: str) -> bool:
    return all(shown(there, plan).get("waiting_for") == "limit" for plan in plans)


@pytest.mark.parametrize("is_killed", [False, True], ids=["waits", "killed meanwhile"])
def test_plans_wait_for_the_reset_and_go_on_by_themselves(
    claude_binary: Path, project: Path, tmp_path: Path, is_killed: bool
) -> None:
    settings = {"LIMITS__MAX_PARALLEL": "1"}
    with live(tmp_path / "live", claude_binary, SCRIPT, credential="token", **settings) as there:
        there.submit("first", project, "First", permissions=MAY_WRITE)
        wait_until(lambda: parked(there, "first"), 30, f"the first plan to wait; {there.here.said()}")
        there.submit("second", project, "Second", permissions=MAY_WRITE)
        wait_until(lambda: parked(there, "first", "second"), 10, "both plans to wait for the limit")
        until = until_of(there, "first")
        assert until_of(there, "second") == pytest.approx(until, abs=2)
        assert 0 < until - time.time() <= RESET_SECONDS + 2
        asked = len(there.model.messages)
        if is_killed:
            there.here.kill()
            there.here.start(**settings)
            wait_until(lambda: parked(there, "first", "second"), 10, "both plans to wait on")
        wait_until(lambda: len(there.model.messages) > asked, RESET_SECONDS + 10, "somebody to go on")
        results = [there.result(plan, 60) for plan in ("first", "second")]
        journal = there.here.journal("first")
        starts = [
            datetime.fromisoformat(record["time"]).timestamp()
            for plan in ("first", "second")
            for record in there.here.journal(plan)
            if record["event"] == "run-intended"
        ]

    # The second one meets a limit of its own, and waits for that too.
    assert [result["status"] for result in results] == ["succeeded", "succeeded"]
    assert [result["steps"][0]["attempts"] for result in results] == [1, 1]
    # What is shown is a whole second, of the past one.
    back_at = min(start for start in starts if start > until - 1.5)
    assert back_at - until < BACK_SECONDS
    sessions = {record["session_id"] for record in journal if record["event"] == "run-intended"}
    assert len(sessions) == 1
    costs = [record["cost_usd"] for record in journal if record["event"] == "run-ended"]
    assert results[0]["usage"]["cost_usd"] == pytest.approx(sum(costs))
    assert all(cost >= 0 for cost in costs)
