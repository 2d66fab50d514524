"""What a model is told at a start, found out from its plan and from what the journal says so far."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from handoff.plan import Plan
from handoff.root import PlanId
from orchestrd.core.commands import StartRun
from orchestrd.core.steps_of_plan import steps_of
from orchestrd.runs.telling import prompt_of
from tests.builders import a_plan

Records = list[dict[str, Any]]


def told(plan: Plan, records: Records, runs: Path, step: str, number: int = 1, **start: Any) -> str:
    """The prompt of a start. `start`: its `session` and its `round`, where it has them."""
    command = StartRun(PlanId("p"), number, 1, start.get("session"), None, step, start.get("round", 0))
    folder = runs / f"{step}.{number}"
    return prompt_of(plan, steps_of(plan, records)[step], command, folder, records).text


def ended(step: str, number: int = 1, **fields: Any) -> dict[str, Any]:
    return {"event": "run-ended", "step": step, "n": number, "status": "succeeded", **fields}


def test_the_output_of_a_further_step_is_handed_on_with_its_title(tmp_path: Path) -> None:
    plan = a_plan(
        steps=[
            {"id": "lead", "prompt": "Divide it.", "expands": True},
            {"id": "sum", "prompt": "Sum up.", "needs": ["lead"]},
        ]
    )
    output = {"steps": [{"id": "look", "title": "The old parser", "prompt": "Look at it."}]}
    records = [
        ended("lead", output=output, further_steps=[{"step": "lead-look", "needs": ["lead"]}]),
        ended("lead-look", summary="It is old."),
    ]

    text = told(plan, records, tmp_path, "sum")

    assert "title: The old parser\nits final text:\nIt is old.\n" in text
