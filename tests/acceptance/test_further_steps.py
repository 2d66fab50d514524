"""Steps that a model has returned: what holds for them, and what it cannot get around by returning them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.stage import as_toml
from tests.serving import Serving

FURTHER = {
    "steps": [
        {"id": "look", "prompt": "Look at it.", "read_only": True},
        {"id": "do", "prompt": "Do it."},
    ]
}


@pytest.fixture
def lead(tmp_path: Path) -> dict[str, Any]:
    """A step that returns two further ones, of which the first only reads."""
    output = tmp_path / "further.json"
    output.write_text(json.dumps(FURTHER))
    return {"id": "lead", "prompt": f"Divide it. [structured {output}]", "expands": True}


@pytest.fixture
def reader(tmp_path: Path) -> dict[str, Any]:
    """A step that returns one further step, which only reads."""
    output = tmp_path / "further.json"
    output.write_text(json.dumps({"steps": FURTHER["steps"][:1]}))
    return {"id": "lead", "prompt": f"Divide it. [structured {output}]", "expands": True}


def drop(here: Serving, project: Path, *steps: dict[str, Any], **fields: Any) -> None:
    here.drop("p.toml", as_toml({"handoff": 1, "project": str(project), "steps": steps, **fields}))


def launched(here: Serving, step: str) -> list[str]:
    """With which arguments Claude Code was started for a step."""
    launch = here.plan_folder("p") / "runs" / f"{step}.1" / "launch.json"
    argv: list[str] = json.loads(launch.read_text())["argv"]
    return argv


def values_of(argv: list[str], flag: str) -> list[str]:
    """What stands behind a flag, up to the next one."""
    behind = argv[argv.index(flag) + 1 :] if flag in argv else []
    end = next((at for at, word in enumerate(behind) if word.startswith("--")), len(behind))
    return behind[:end]


def test_a_model_sheds_none_of_the_plans_permissions_by_asking_for_a_step_that_only_reads(
    here: Serving, project: Path, lead: dict[str, Any]
) -> None:
    permissions = {"mode": "acceptEdits", "allow": ["Edit"], "deny": ["WebFetch", "Read(secrets/**)"]}
    here.start()
    drop(here, project, lead, permissions=permissions)

    assert here.result("p")["status"] == "succeeded"
    for step, mode in (("lead-look", "plan"), ("lead-do", "acceptEdits")):
        argv = launched(here, step)
        assert values_of(argv, "--permission-mode") == [mode]
        assert values_of(argv, "--disallowedTools") == [*permissions["deny"], f"Edit(/{here.root.path}/**)"]
        assert values_of(argv, "--allowedTools") == permissions["allow"]


def test_a_further_step_has_what_the_plan_says_and_nothing_of_what_its_coordinator_has_for_itself(
    here: Serving, project: Path, lead: dict[str, Any]
) -> None:
    own = {
        "model": "opus",
        "effort": "max",
        "limits": {"max_turns": 3, "timeout": "30s", "max_usd": 0.25},
        "mcp": {"own": {"command": "own"}},
    }
    here.start()
    drop(
        here,
        project,
        {**lead, **own},
        model="haiku",
        effort="low",
        limits={"max_turns": 40, "max_usd": 2.0},
        mcp={"ours": {"command": "ours"}},
    )

    assert here.result("p")["status"] == "succeeded"
    argv = launched(here, "lead")
    assert [values_of(argv, flag) for flag in ("--model", "--max-turns")] == [["opus"], ["3"]]
    for step in ("lead-look", "lead-do"):
        argv = launched(here, step)
        said = {flag: values_of(argv, flag) for flag in ("--model", "--effort", "--max-turns")}
        assert said == {"--model": ["haiku"], "--effort": ["low"], "--max-turns": ["40"]}
        # Beyond what the coordinator might have cost: what is left of the plan's money, shared by two.
        assert float(values_of(argv, "--max-budget-usd")[0]) > 0.25
        (servers,) = values_of(argv, "--mcp-config")
        config = here.plan_folder("p") / "runs" / f"{step}.1" / Path(servers).name
        assert list(json.loads(config.read_text())["mcpServers"]) == ["ours"]


def test_where_no_step_may_write_but_one_that_expands_a_failed_check_is_the_end(
    here: Serving, project: Path, reader: dict[str, Any]
) -> None:
    here.start()
    drop(here, project, reader, accept={"checks": [["false"]]})

    result = here.result("p")

    assert (result["status"], result["reason"]) == ("failed", "check-failed")
    assert [step["status"] for step in result["steps"]] == ["succeeded", "succeeded"]
    assert [check["round"] for check in result["checks"]] == [0]
