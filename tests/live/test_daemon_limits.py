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
AT_ONCE_SECONDS = 8
BACK_SECONDS = 3.0
"""So soon after the reset every plan goes on."""
INPUT_TOKENS, OUTPUT_TOKENS = 1000, 2000
"""Of each reply of the model."""
USAGE = (
    f"usage = {{ input_tokens = {INPUT_TOKENS}, output_tokens = {OUTPUT_TOKENS}, "
    "cache_creation_input_tokens = 0, cache_read_input_tokens = 0 }\n"
)


def limit(seconds: int) -> str:
    """A turn that is refused once, for so long, and then given."""
    return f"usage_limit = {{ resets_in_seconds = {seconds}, times = 1 }}\n"


IN_THE_MIDDLE = USAGE + "".join(
    (
        conversation("^First", write("first.txt"), f'{limit(RESET_SECONDS)}text = "First is done."'),
        conversation("^Second", write("second.txt"), 'text = "Second is done."'),
    )
)
FROM_THE_START = USAGE + "".join(
    conversation(f"^{name}", limit(AT_ONCE_SECONDS) + write(f"{name}.txt"), f'text = "{name} is done."')
    for name in ("First", "Second")
)
PLANS = ("first", "second")
SETTINGS = {"LIMITS__MAX_PARALLEL": "2"}


def shown(there: Live, plan: str) -> dict[str, Any]:
    plans = there.here.status("plans")
    return next((one for one in (plans or {}).get("plans", []) if one["id"] == plan), {})


def until_of(there: Live, plan: str) -> float:
    return datetime.fromisoformat(shown(there, plan)["until"]).timestamp()


def parked(there: Live, *plans: str) -> bool:
    return all(shown(there, plan).get("waiting_for") == "limit" for plan in plans)


def starts_of(there: Live, plan: str) -> list[float]:
    """When its runs were there."""
    return [
        datetime.fromisoformat(record["time"]).timestamp()
        for record in there.here.journal(plan)
        if record["event"] == "run-started"
    ]


def sessions_of(there: Live, plan: str) -> set[str]:
    return {r["session_id"] for r in there.here.journal(plan) if r["event"] == "run-intended"}


def assert_all_went_on(there: Live, reset: float) -> None:
    """Each was started again within moments of the reset, and none before."""
    for plan in PLANS:
        back_at = starts_of(there, plan)[-1]
        assert reset - 1 < back_at < reset + BACK_SECONDS, plan


def assert_as_served(result: dict[str, Any], replies: int) -> None:
    """What a plan used is what the model gave it: what was refused costs nothing, what was given counts once."""
    usage = result["usage"]
    assert usage["input_tokens"] == replies * INPUT_TOKENS
    assert usage["output_tokens"] == replies * OUTPUT_TOKENS


@pytest.mark.parametrize("is_killed", [False, True], ids=["waits", "killed meanwhile"])
def test_plans_wait_for_the_reset_and_all_go_on_by_themselves(
    claude_binary: Path, project: Path, tmp_path: Path, is_killed: bool
) -> None:
    with live(tmp_path / "live", claude_binary, IN_THE_MIDDLE, credential="token", **SETTINGS) as there:
        there.submit("first", project, "First", permissions=MAY_WRITE)
        wait_until(lambda: parked(there, "first"), 30, f"the first plan to wait; {there.here.said()}")
        refused = there.asked("First")[-1]
        there.submit("second", project, "Second", permissions=MAY_WRITE)
        wait_until(lambda: parked(there, *PLANS), 10, "both plans to wait for the limit")
        reset = refused.time + RESET_SECONDS
        assert [until_of(there, plan) for plan in PLANS] == pytest.approx([reset, reset], abs=2)
        if is_killed:
            there.here.kill()
            there.here.start(**SETTINGS)
            wait_until(lambda: parked(there, *PLANS), 10, "both plans to wait on")
        assert there.model.messages[-1] is refused
        wait_until(lambda: time.time() > reset - 1, RESET_SECONDS, "the reset")
        assert there.model.messages[-1] is refused
        first, second = (there.result(plan, 60) for plan in PLANS)
        assert_all_went_on(there, reset)
        assert [len(starts_of(there, plan)) for plan in PLANS] == [2, 1]
        assert len(sessions_of(there, "first")) == 1
        asked = [len(there.asked(prompt)) for prompt in ("First", "Second")]

    assert [one["status"] for one in (first, second)] == ["succeeded", "succeeded"]
    assert [one["steps"][0]["attempts"] for one in (first, second)] == [1, 1]
    assert asked == [3, 2]
    assert_as_served(first, 2)
    assert_as_served(second, 2)
    # Nothing was refused of the second one: so much cost two replies.
    assert second["usage"]["cost_usd"] > 0
    assert first["usage"]["cost_usd"] == pytest.approx(second["usage"]["cost_usd"])


def test_a_daemon_that_does_not_know_that_the_limit_is_reached_finds_out_and_waits_as_well(
    claude_binary: Path, project: Path, tmp_path: Path
) -> None:
    with live(tmp_path / "live", claude_binary, FROM_THE_START, credential="token", **SETTINGS) as there:
        with there.here.frozen():
            for plan in PLANS:
                there.submit(plan, project, plan.capitalize(), permissions=MAY_WRITE)
        wait_until(lambda: parked(there, *PLANS), 30, f"both plans to be refused; {there.here.said()}")
        refused = list(there.model.messages)
        # Of two the later one holds.
        reset = max(request.time for request in refused) + AT_ONCE_SECONDS
        assert [until_of(there, plan) for plan in PLANS] == pytest.approx([reset, reset], abs=2)
        results = [there.result(plan, 60) for plan in PLANS]
        assert_all_went_on(there, reset)
        assert [len(starts_of(there, plan)) for plan in PLANS] == [2, 2]
        asked = [len(there.asked(prompt)) for prompt in ("First", "Second")]

    assert len(refused) == 2
    assert [one["status"] for one in results] == ["succeeded", "succeeded"]
    assert [one["steps"][0]["attempts"] for one in results] == [1, 1]
    assert asked == [3, 3]
    for result in results:
        assert_as_served(result, 2)
