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
        assert values_of(argv, "--disallowedTools") == permissions["deny"]
        assert values_of(argv, "--allowedTools") == permissions["allow"]
