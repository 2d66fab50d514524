"""A plan's `max_usd` with the real Claude Code: it holds for all of the plan, over its steps, rounds and daemons."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import tomli_w

from orchestrd.core.facts import check_number
from tests.live.real import MAY_ALL, Live, bash, conversation, live
from tests.waiting import wait_until

COSTLY = "usage = { input_tokens = 100, output_tokens = 20000 }"
CAP_USD = 1.0
SCRIPT = "".join(
    (
        conversation("^Small", f'text = "That was little."\n{COSTLY}'),
        conversation("^Endless", f"{bash('true')}\n{COSTLY}", repeat_last=True),
        conversation("^Try", f'text = "Now it is right, I say."\n{COSTLY}', repeat_last=True),
    )
)
STEPS = [
    {"id": "first", "prompt": "Small"},
    {"id": "second", "prompt": "Small", "needs": ["first"]},
    {"id": "third", "prompt": "Endless", "needs": ["second"]},
    {"id": "fourth", "prompt": "Small", "needs": ["third"]},
]


def submit_steps(there: Live, name: str, project: Path) -> None:
    plan = {"handoff": 1, "project": str(project), "model": "sonnet", "permissions": MAY_ALL}
    there.here.drop(f"{name}.toml", tomli_w.dumps({**plan, "limits": {"max_usd": CAP_USD}, "steps": STEPS}))


def of_models(there: Live, plan: str, event: str, field: str) -> list[float]:
    """A field of the journal's records of starts that asked a model, in order."""
    records = there.here.journal(plan)
    return [r[field] for r in records if r["event"] == event and check_number(r["step"]) is None]


def assert_held(result: dict[str, Any], handed: list[float], costs: list[float]) -> None:
    """Each start was handed what those before it had left, and no more than one reply came after that."""
    assert (result["status"], result["reason"]) == ("failed", "budget"), result
    left = [CAP_USD - sum(costs[:number]) for number in range(len(costs))]
    assert handed == pytest.approx(left, abs=0.001)
    assert sum(costs) == pytest.approx(result["usage"]["cost_usd"])
    # Claude Code counts a reply when it has come. The first start was a single one.
    assert CAP_USD <= sum(costs) <= CAP_USD + 1.2 * costs[0]


def test_a_plans_cap_holds_over_its_steps_and_over_the_rounds_of_its_checks(
    claude_binary: Path, project: Path, tmp_path: Path
) -> None:
    with live(tmp_path / "live", claude_binary, SCRIPT, LIMITS__MAX_PARALLEL="2") as there:
        submit_steps(there, "steps", project)
        never = {"checks": [["sh", "-c", "echo not yet; exit 1"]], "rounds": 9}
        there.submit("rounds", project, "Try", limits={"max_usd": CAP_USD}, accept=never)
        steps, rounds = there.result("steps", 120), there.result("rounds", 120)
        assert_held(steps, *money(there, "steps"))
        assert_held(rounds, *money(there, "rounds"))
        starts = len(money(there, "rounds")[0])

    assert [step["status"] for step in steps["steps"]] == ["succeeded", "succeeded", "failed", "skipped"]
    assert starts > 2
    assert [check["round"] for check in rounds["checks"]] == list(range(starts - 1))
    assert "not yet" in rounds["checks"][-1]["output_tail"]


def test_a_plans_cap_holds_where_the_daemon_is_killed_between_its_steps(
    claude_binary: Path, project: Path, tmp_path: Path
) -> None:
    with live(tmp_path / "live", claude_binary, SCRIPT) as there:
        submit_steps(there, "steps", project)
        for number in (2, 3):
            wait_until(
                lambda n=number: len(so_far(there)) >= n,  # type: ignore[misc]
                60,
                f"start {number}; {there.here.said()}",
            )
            there.here.kill()
            there.here.start()
        assert_held(there.result("steps", 120), *money(there, "steps"))


def money(there: Live, plan: str) -> tuple[list[float], list[float]]:
    """What each start might cost, and has."""
    return of_models(there, plan, "run-intended", "budget_usd"), of_models(
        there, plan, "run-ended", "cost_usd"
    )


def so_far(there: Live) -> list[float]:
    is_taken = (there.root.active / "steps").exists()
    return of_models(there, "steps", "run-intended", "budget_usd") if is_taken else []
