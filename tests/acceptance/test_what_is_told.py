"""What people are told of plans that do not succeed: which step, why, and where the work of the others is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.acceptance.stage import as_toml, drop_plan, git, runs_now, said, shown_plans
from tests.serving import Serving
from tests.waiting import wait_until


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


def test_where_the_work_of_steps_is_that_was_not_merged_stands_in_summary_page_and_show(
    here: Serving, project: Path
) -> None:
    here.start(LIMITS__MAX_PARALLEL="4")
    drop_steps(
        here,
        project,
        [
            {"id": "a", "prompt": "x [write a.txt one]"},
            {
                "id": "b",
                "prompt": "x [write b.txt two] [write c.txt three] [sleep 1] [fail Overloaded by far]",
            },
            {"id": "idle", "prompt": "x"},
        ],
        limits={"attempts": 1},
    )

    summary, page, show = here.result("p")["summary"], page_of(here), said(here, "show", "p")

    for text in (summary, page, show):
        assert "handoff/p+a" in text
        assert "handoff/p+b" in text
        assert "handoff/p+idle" not in summary
    assert git(project, "show", "handoff/p+a:a.txt") == "one"
    assert "**Failed**, and what its steps did is not all on its branch." in page
    assert "- `a`: succeeded, it changed the project (1 commit, 1 file, +1 -0), " in page
    assert "- `b`: failed (`api`), it changed the project (1 commit, 2 files, +2 -0), " in page
    checkouts = [
        line.rpartition("its checkout is kept: `")[2][:-1] for line in page.splitlines() if "p+" in line
    ]
    kept = {Path(one).name for one in checkouts if one.startswith("/")}
    assert kept == {"p+a", "p+b", "p+idle"}
    assert all(Path(one).is_dir() and one in show for one in checkouts if one.startswith("/"))


def test_the_page_of_a_conflict_says_which_steps_and_files_and_that_both_sides_are_kept(
    here: Serving, project: Path
) -> None:
    here.start(LIMITS__MAX_PARALLEL="4")
    steps = [{"id": one, "prompt": f"x [write same.txt {one}]"} for one in ("left", "right")]
    drop_steps(here, project, steps)

    assert here.result("p")["reason"] == "conflict"
    page = page_of(here)

    assert "no evidence" not in page
    reason = next(line for line in page.splitlines() if line.startswith("Reason:"))
    assert "conflict" in reason
    assert "right" in reason
    assert "left" in reason
    assert "same.txt" in reason


def test_who_is_billed_is_told_before_a_plan_runs_while_it_does_and_in_its_journal(
    here: Serving, project: Path, tmp_path: Path
) -> None:
    here.environ["ANTHROPIC_API_KEY"] = "sk-ant-0123456789"
    here.start(LIMITS__MAX_PARALLEL="1")
    gate = tmp_path / "gate"
    drop_plan(here, "first", project, f"[await {gate}]")
    runs_now(here, "first")
    drop_plan(here, "second", project)
    drop_steps(here, project, [{"id": "build", "run": ["true"]}])

    wait_until(lambda: len(shown_plans(here)) == 3, 15, "all plans to be shown")
    payers = {name: plan.get("payer") for name, plan in shown_plans(here).items()}
    assert payers == {"first": "api-key", "second": "api-key", "p": "nobody"}
    assert "billed         API key" in said(here, "show", "second")
    rows = {line.split()[0]: line for line in said(here, "ps").splitlines()}
    assert "API key" in rows["first"]
    assert "API key" in rows["second"]
    assert "nobody" in rows["p"]
    [intended] = [one for one in here.journal("first") if one["event"] == "run-intended"]
    assert intended["payer"] == "api-key"
    gate.touch()
    assert here.result("first")["payer"] == "api-key"
    assert "billed         API key" in said(here, "show", "first")


def test_of_a_check_that_cannot_be_started_it_is_said_why(here: Serving, project: Path) -> None:
    here.start()
    drop_plan(here, "p", project, "x", accept={"checks": [["no-such-check"]], "rounds": 0})

    [check] = here.result("p")["checks"]

    why = "no-such-check cannot be started: No such file or directory."
    assert check["exit"] == 127
    assert check["output_tail"].startswith(
        f"[{why} Is it installed on this machine, and in a folder on the PATH"
    )
    assert why in page_of(here)
    assert f"no-such-check: failed, exit code 127: [{why[:40]}" in said(here, "show", "p")
