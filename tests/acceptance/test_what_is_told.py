"""What people are told of plans that do not succeed: which step, why, and where the work of the others is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.acceptance.stage import as_toml
from tests.serving import Serving


def drop_steps(here: Serving, project: Path, steps: list[dict[str, Any]], **fields: Any) -> None:
    """Hand in the plan `p` of these steps."""
    here.drop("p.toml", as_toml({"handoff": 1, "project": str(project), "steps": steps, **fields}))


def page_of(here: Serving, plan: str = "p") -> str:
    """The page beside a plan's result."""
    return (here.root.results / f"{plan}.md").read_text()


def test_the_summary_of_a_failed_plan_says_what_was_wrong_and_not_what_a_step_beside_it_said(
    here: Serving, project: Path
) -> None:
    here.start(LIMITS__MAX_PARALLEL="4")
    drop_steps(
        here,
        project,
        [{"id": "a", "prompt": "x [fail Credit balance is too low]"}, {"id": "b", "prompt": "x [sleep 0.5]"}],
    )

    summary = here.result("p")["summary"]

    assert summary.startswith("Step a did not succeed.\n\n")
    assert "Credit balance is too low" in summary
    assert "Done." not in summary.replace("Its last words: Done.", "")
