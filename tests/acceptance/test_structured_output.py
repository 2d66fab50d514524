"""What a model says as data, held to a schema: where it can be found afterwards."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.acceptance.stage import as_toml
from tests.serving import Serving


@pytest.mark.parametrize("text", ['{"verdict":null,"lines":[1,2.5,"é\\ud83d"]}', '["no table"]'])
def test_the_exact_output_lies_beside_the_log_of_the_run_that_said_it(
    here: Serving, project: Path, tmp_path: Path, text: str
) -> None:
    (tmp_path / "output.json").write_text(text)
    asked = {
        "id": "judge",
        "prompt": f"Judge it. [structured {tmp_path / 'output.json'}]",
        "output_schema": {"type": ["object", "array"]},
    }
    then = {"id": "then", "prompt": "Go on.", "needs": ["judge"]}
    here.start()
    here.drop("p.toml", as_toml({"handoff": 1, "project": str(project), "steps": [asked, then]}))

    assert here.result("p")["status"] == "succeeded"
    runs = here.plan_folder("p") / "runs"
    assert json.loads((runs / "judge.1" / "output.json").read_text()) == json.loads(text)
    assert not (runs / "then.1" / "output.json").exists()
