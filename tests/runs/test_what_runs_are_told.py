"""What a model is told at a start, found out from its plan and from what the journal says so far."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from handoff.plan import Plan
from handoff.root import PlanId
from orchestrd.core.commands import StartRun
from orchestrd.core.steps_of_plan import steps_of
from orchestrd.runs.telling import GO_ON, prompt_of
from tests.builders import a_plan

Records = list[dict[str, Any]]


def told(plan: Plan, records: Records, runs: Path, step: str, number: int = 1, **start: Any) -> str:
    """The prompt of a start. `start`: its `session` and its `round`, where it has them."""
    command = StartRun(PlanId("p"), number, 1, start.get("session"), None, step, start.get("round", 0))
    folder = runs / f"{step}.{number}"
    return prompt_of(plan, steps_of(plan, records)[step], command, folder, records).text


def intended(step: str, number: int, in_round: int) -> dict[str, Any]:
    return {"event": "run-intended", "step": step, "n": number, "round": in_round}


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


CHECKED = a_plan(prompt="Do the task.", accept={"checks": [["make", "test"]]})


def a_check_failed(runs: Path, number: int, in_round: int, said: str) -> Records:
    """A round's run of the check, as it lies on the disk and stands in the journal."""
    folder = runs / f"check_1.{number}"
    folder.mkdir(parents=True)
    (folder / "exit.json").write_text(json.dumps({"exit_code": 1, "why": "ended", "wall_seconds": 1.0}))
    (folder / "stdout.log").write_text(said)
    return [intended("check_1", number, in_round), ended("check_1", number, status="failed")]


def test_a_session_to_which_a_failed_check_goes_back_is_told_of_it_once(tmp_path: Path) -> None:
    records = [
        intended("main", 1, 0),
        ended("main"),
        *a_check_failed(tmp_path, 1, 0, "foo is broken\n"),
        intended("main", 2, 1),
    ]

    first = told(CHECKED, records, tmp_path, "main", 2, session="s", round=1)
    then = told(CHECKED, [*records, intended("main", 3, 1)], tmp_path, "main", 3, session="s", round=1)

    assert "foo is broken" in first
    assert "Do the task." not in first
    assert then == GO_ON


def test_a_session_that_has_to_begin_anew_in_a_round_is_told_the_task_and_what_failed_in_the_last_one(
    tmp_path: Path,
) -> None:
    records = [
        intended("main", 1, 0),
        ended("main"),
        *a_check_failed(tmp_path, 1, 0, "foo is broken\n"),
        intended("main", 2, 1),
        ended("main", 2),
        *a_check_failed(tmp_path, 2, 1, "bar is broken\n"),
        intended("main", 3, 2),
        ended("main", 3, status="failed", resume_refused=True),
        intended("main", 4, 2),
    ]

    text = told(CHECKED, records, tmp_path, "main", 4, round=2)

    assert text.startswith("Do the task.\n")
    assert "bar is broken" in text
    assert "foo is broken" not in text


def test_who_goes_on_in_a_round_may_still_read_what_its_checks_have_said(tmp_path: Path) -> None:
    long = "".join(f"line {number}\n" for number in range(20_000))
    records = [
        *a_check_failed(tmp_path, 1, 0, long),
        intended("main", 2, 1),
        intended("main", 3, 1),
    ]
    command = StartRun(PlanId("p"), 3, 1, "s", None, "main", 1)

    prompt = prompt_of(CHECKED, steps_of(CHECKED, records)["main"], command, tmp_path / "main.3", records)

    assert tmp_path / "check_1.1" / "stdout.log" in prompt.readable


def test_only_a_session_that_begins_is_told_what_is_known_of_the_project(tmp_path: Path) -> None:
    plan = a_plan()

    def prompt(session: str | None) -> str:
        command = StartRun(PlanId("p"), 2, 1, session, None, "main", 0)
        step = steps_of(plan, [])["main"]
        return prompt_of(plan, step, command, tmp_path / "main.2", [], "Use tabs.").text

    assert "Use tabs." in prompt(None)
    assert prompt("s1") == GO_ON
