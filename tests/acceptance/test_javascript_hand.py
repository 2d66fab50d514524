"""The protocol in JavaScript: what examples/workflow-runner.mjs hands in, waits for and prints, and how it ends."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest

from handoff.formats import Format
from handoff.root import PlanId, plan_id_of
from orchestrd.config import Limits
from orchestrd.inbound.intake import Accepted, check_plan
from tests.acceptance.stage import drop_plan, git, runs_now, starts
from tests.serving import Serving
from tests.waiting import wait_until

RUNNER = Path(__file__).parents[2] / "examples" / "workflow-runner.mjs"
NODE = shutil.which("node")
pytestmark = pytest.mark.skipif(NODE is None, reason="node is not on PATH")

GRAPH = {
    "title": "Greet, twice!",
    "steps": [
        {"id": "left", "prompt": "L [write left.txt one]"},
        {"id": "right", "prompt": "R [write right.txt two]"},
        {"id": "both", "run": ["cat", "left.txt", "right.txt"], "needs": ["left", "right"]},
    ],
    "metadata": {"ticket": "API-142"},
}


class Hand:
    """A call of the runner, at work."""

    def __init__(self, here: Serving, *words: str) -> None:
        self.out = here.folder / "hand.out"
        self.err = here.folder / "hand.err"
        with self.out.open("wb") as out, self.err.open("wb") as err:
            self.process = subprocess.Popen(
                [str(NODE), str(RUNNER), "--root", str(here.root.path), *words],
                env=here.environ,
                cwd=here.folder,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
            )

    def says(self, words: str) -> None:
        """Wait until it has told that."""
        wait_until(lambda: words in self.err.read_text(), 15, f"{words!r} among: {self.err.read_text()}")

    def ends(self) -> tuple[int, dict[str, Any], str]:
        """Its exit code, the result that it printed, and what it told."""
        code = self.process.wait(30)
        printed = self.out.read_text()
        return code, json.loads(printed) if printed else {}, self.err.read_text()


def evaluated(script: str, *arguments: str) -> Any:
    """What a module that imports the runner prints as JSON."""
    source = f"import * as hand from {json.dumps(RUNNER.as_uri())};\n{script}"
    argv = [str(NODE), "--input-type=module", "--eval", source, "--", *arguments]
    return json.loads(subprocess.run(argv, check=True, capture_output=True, text=True, timeout=30).stdout)


def test_a_graph_of_steps_is_handed_in_waited_for_and_its_result_printed(
    here: Serving, project: Path
) -> None:
    here.start(LIMITS__MAX_PARALLEL="2")
    steps = here.folder / "steps.json"
    steps.write_text(json.dumps(GRAPH))

    code, result, told = Hand(here, "--project", str(project), "--timeout", "1m", str(steps)).ends()

    assert code == 0, told
    assert result == json.loads((here.root.results / f"{result['plan']}.json").read_text())
    assert result["source"].startswith("greet-twice-")
    assert [(step["id"], step["status"]) for step in result["steps"]] == [
        ("left", "succeeded"),
        ("right", "succeeded"),
        ("both", "succeeded"),
    ]
    assert result["metadata"] == GRAPH["metadata"]
    assert git(project, "show", f"{result['changes']['branch']}:right.txt") == "two"
    assert f"plan {result['plan']} is handed in" in told
    assert f"its work is on the branch {result['changes']['branch']}" in told
    assert list(here.root.inbox.iterdir()) == []


def test_texts_are_steps_one_after_the_other(here: Serving, project: Path) -> None:
    here.start()

    code, result, told = Hand(here, "--project", str(project), '["Look. [say a]", "Write. [say b]"]').ends()

    assert code == 0, told
    assert [step["id"] for step in result["steps"]] == ["step-1", "step-2"]
    kept = json.loads(next(here.plan_folder(result["plan"]).glob("plan.json")).read_text())
    assert [step["needs"] for step in kept["steps"]] == [[], ["step-1"]]


def test_of_a_rejected_plan_every_mistake_is_told_with_its_place(here: Serving, project: Path) -> None:
    here.start()
    wrong = '[{"id": "a", "promt": "Hello."}, {"id": "b", "prompt": "x", "needs": ["c"]}]'

    code, result, told = Hand(here, "--project", str(project), wrong).ends()

    assert (code, result["status"]) == (1, "rejected")
    lines = told.splitlines()
    assert any("steps[0].promt" in line and "line " in line and "prompt" in line for line in lines), told
    assert any("steps[1].needs" in line for line in lines), told


def test_the_same_key_again_is_answered_by_the_first_ones_result(here: Serving, project: Path) -> None:
    here.start()
    words = ("--project", str(project), "--key", "nightly-7", '["Say it. [say once]"]')
    _, first, _ = Hand(here, *words).ends()
    # Consumed, as PROTOCOL 1 allows: the archive has it still.
    wait_until(lambda: not (here.root.active / first["plan"]).exists(), 10, "the archive")
    (here.root.results / f"{first['plan']}.json").unlink()

    code, again, told = Hand(here, *words).ends()

    assert (code, again) == (0, first), told
    assert f"its key was here before: the answer is that of plan {first['plan']}" in told
    assert len(starts(here)) == 1


def test_where_the_key_was_that_of_a_plan_in_toml_it_says_where_that_ones_result_is(
    here: Serving, project: Path
) -> None:
    here.start()
    drop_plan(here, "by-hand", project, key="mine")
    here.result("by-hand")

    code, result, told = Hand(here, "--project", str(project), "--key", "mine", '["Say it."]').ends()

    assert (code, result) == (2, {})
    assert str(here.root.results / "by-hand.toml") in told


def test_without_a_daemon_it_says_so_and_waits_and_what_is_asked_is_shown(
    here: Serving, project: Path
) -> None:
    hand = Hand(here, "--project", str(project), '["Say it."]')
    hand.says("no daemon serves this root")
    (offered,) = here.root.inbox.iterdir()
    name = f"{plan_id_of(offered.name)}.step-1.1.1.approval.json"
    asks = {"kind": "approval", "step": "step-1", "tool": "Bash", "input_json": '{"command": "make deploy"}'}
    (here.root.requests / name).write_text(json.dumps(asks))
    hand.says("make deploy")
    (here.root.requests / name).unlink()
    here.start()

    code, result, told = hand.ends()

    assert (code, result["source"]) == (0, offered.name), told
    assert f'write {{"decision": "allow"}} or {{"decision": "deny"}} to {here.root.replies / name}' in told


def test_interrupted_it_leaves_the_plan_or_cancels_it_as_it_was_told(here: Serving, project: Path) -> None:
    here.start(LIMITS__MAX_PARALLEL="2")
    words = ("--project", str(project), "--key", "mine", '["[block]"]')
    hand = Hand(here, *words)
    hand.says("running: step-1")
    (plan,) = {one.plan for one in starts(here)}
    hand.process.send_signal(signal.SIGINT)
    code, result, told = hand.ends()
    assert (code, result) == (130, {})
    assert f"no longer waiting for plan {plan}; it goes on" in told
    assert "--key mine" in told

    again = Hand(here, "--cancel-on-interrupt", *words)
    again.says(f"the answer is that of plan {plan}")
    runs_now(here, plan)
    again.process.send_signal(signal.SIGINT)
    code, result, told = again.ends()

    assert (code, result["plan"], result["status"]) == (1, plan, "cancelled"), told
    assert len(starts(here)) == 1


def test_after_the_timeout_it_ends_with_3_and_wrong_use_with_2(here: Serving, project: Path) -> None:
    code, result, told = Hand(here, "--project", str(project), "--timeout", "1s").ends()
    assert (code, result) == (3, {})
    assert "has no result yet; it goes on" in told
    (example,) = here.root.inbox.iterdir()
    checked = check_plan(example.read_bytes(), Format.JSON, PlanId("an-overview"), Limits())
    assert isinstance(checked, Accepted), checked

    assert Hand(here, "--project", str(project), "--root", str(here.folder), "[]").ends()[0] == 2
    assert "orchestrd init" in (here.folder / "hand.err").read_text()
    for wrong in (["[]"], ["--project", ".", "--timeout", "soon"], ["--project", ".", "{"], ["--no-such"]):
        code, _, told = Hand(here, *wrong).ends()
        assert (code, told.count("\n")) == (2, 1), told
    assert list(here.root.inbox.iterdir()) == [example]


def test_it_foresees_ids_as_the_daemon_gives_them() -> None:
    names = [
        "Add Login.plan.md",
        "ÄÖÜ.toml",
        "a..b--c.PLAN.JSON",
        "-x-.json",
        "é.plan.json",
        f"{'long-' * 30}.md",
        f"{'x' * 79}-y.toml",
        "a.plan.plan.md",
        "K.toml",  # the Kelvin sign, whose small letter is k
        "plan.json",
        "no-ending",
    ]

    ids = evaluated(
        "console.log(JSON.stringify(JSON.parse(process.argv[1]).map(hand.planId)));", json.dumps(names)
    )

    assert ids == [plan_id_of(name) for name in names]


def test_the_result_of_another_plan_of_that_name_is_not_taken_for_the_answer(here: Serving) -> None:
    for plan, sha256 in (("deploy", "theirs"), ("deploy-2", "theirs"), ("deploy-3", "ours")):
        result = {"plan": plan, "source": "deploy.plan.json", "sha256": sha256, "status": "succeeded"}
        (here.root.results / f"{plan}.json").write_text(json.dumps(result))
    ours = {"id": "deploy", "source": "deploy.plan.json", "sha256": "ours", "key": "k"}

    wait = (
        "console.log(JSON.stringify(await hand.waitForResult(process.argv[1], JSON.parse(process.argv[2]))));"
    )
    found = evaluated(wait, str(here.root.path), json.dumps(ours))

    assert found["plan"] == "deploy-3"
