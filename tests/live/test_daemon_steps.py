"""A plan that is a graph, with the real Claude Code and a scripted model: order, branch and result are as drawn."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import tomli_w

from tests.live.real import MAY_ALL, Live, bash, conversation, git, live, write
from tests.waiting import wait_until

FINDINGS = '{ findings = ["one", "two"] }'
PARTS = """{ steps = [
  { id = "x", prompt = "Part x: write x.txt" },
  { id = "y", prompt = "Part y: write y.txt" },
  { id = "z", prompt = "Part z: write z.txt", needs = ["x"] },
] }""".replace("\n", " ")
SCRIPT = "".join(
    (
        conversation("^Analyse", f"structured = {FINDINGS}", 'text = "Two findings."'),
        conversation("^Coordinate", f"structured = {PARTS}", 'text = "Three parts."'),
        conversation("^Left", "", write("left.txt"), 'text = "Left is written."'),
        conversation("^Right", "", write("right.txt"), 'text = "Right is written."'),
        *(
            conversation(f"^Part {name}", "", write(f"{name}.txt"), f'text = "Part {name} is written."')
            for name in "xyz"
        ),
        conversation("^Review", "", bash("cat *.txt"), 'text = "All is well."'),
        conversation("^Finish", "", write("done.txt"), 'text = "Finished."'),
    )
).replace("[[conversations.turns]]\n\n", "")
SCHEMA = {
    "type": "object",
    "properties": {"findings": {"type": "array", "items": {"type": "string"}}},
    "required": ["findings"],
}
STEPS: list[dict[str, Any]] = [
    {
        "id": "analyse",
        "prompt": "Analyse it.",
        "output_schema": SCHEMA,
        "permissions": {"mode": "plan"},
    },
    {"id": "left", "prompt": "Left: write left.txt", "needs": ["analyse"]},
    {"id": "right", "prompt": "Right: write right.txt", "needs": ["analyse"]},
    {
        "id": "coordinate",
        "prompt": "Coordinate the rest.",
        "needs": ["analyse"],
        "expands": True,
        "permissions": {"mode": "plan"},
    },
    {
        "id": "test",
        "run": ["sh", "-c", "ls left.txt right.txt x.txt y.txt z.txt"],
        "needs": ["left", "right", "coordinate"],
    },
    {"id": "review", "prompt": "Review it.", "needs": ["test"], "permissions": {"mode": "plan"}},
    {"id": "finish", "prompt": "Finish it.", "needs": ["review"]},
]
ORDER = [
    "analyse",
    "left",
    "right",
    "coordinate",
    "coordinate-x",
    "coordinate-y",
    "coordinate-z",
    "test",
    "review",
    "finish",
]
NEEDS = {step["id"]: step.get("needs", []) for step in STEPS} | {
    "coordinate-x": ["coordinate"],
    "coordinate-y": ["coordinate"],
    "coordinate-z": ["coordinate", "coordinate-x"],
    "test": ["left", "right", "coordinate", "coordinate-x", "coordinate-y", "coordinate-z"],
}
"""Of each step, further ones included."""
FILES = {"left.txt", "right.txt", "x.txt", "y.txt", "z.txt", "done.txt"}


def submit(there: Live, name: str, project: Path, steps: list[dict[str, Any]], **fields: Any) -> None:
    plan = {"handoff": 1, "project": str(project), "model": "sonnet", "permissions": MAY_ALL}
    there.here.drop(f"{name}.toml", tomli_w.dumps({**plan, **fields, "steps": steps}))


def test_a_graph_runs_as_drawn_and_comes_back_as_one_branch_and_one_result(
    claude_binary: Path, project: Path, tmp_path: Path
) -> None:
    with live(tmp_path / "live", claude_binary, SCRIPT, LIMITS__MAX_PARALLEL="4") as there:
        submit(there, "graph", project, STEPS)
        result = there.result("graph", 120)
        journal = there.here.journal("graph")
        assert_whole(there, project, result)
        assert_in_order(there, journal)
        assert_side_by_side(journal)


def test_a_daemon_that_is_killed_in_the_middle_of_a_graph_comes_to_the_same(
    claude_binary: Path, project: Path, tmp_path: Path
) -> None:
    with live(tmp_path / "live", claude_binary, SCRIPT, LIMITS__MAX_PARALLEL="4") as there:
        submit(there, "graph", project, STEPS)
        for step in ("left", "coordinate", "coordinate-x", "test", "finish"):
            wait_until(
                lambda step=step: has_begun(there, step), 60, f"step {step} to begin; {there.here.said()}"
            )
            there.here.kill()
            there.here.start(LIMITS__MAX_PARALLEL="4")
        result = there.result("graph", 120)
        assert_whole(there, project, result)
        assert_in_order(there, there.here.journal("graph"))


def has_begun(there: Live, step: str) -> bool:
    try:
        records = there.here.journal("graph")
    except (FileNotFoundError, StopIteration):
        return False
    return any(r["event"] == "run-intended" and r["step"] == step for r in records)


def assert_whole(there: Live, project: Path, result: dict[str, Any]) -> None:
    steps = {step["id"]: step for step in result["steps"]}
    assert result["status"] == "succeeded", result
    assert [step["id"] for step in result["steps"]] == ORDER
    assert {step["status"] for step in result["steps"]} == {"succeeded"}
    assert {step["attempts"] for step in result["steps"]} == {1}
    assert steps["analyse"]["output"] == {"findings": ["one", "two"]}
    assert {name: step["verdict"] for name, step in steps.items()} == {
        name: "no-change-needed" if name in {"analyse", "coordinate", "test", "review"} else "changed"
        for name in ORDER
    }
    for name, step in steps.items():
        assert step["usage"]["wall_seconds"] > 0, name
        assert (step["usage"].get("cost_usd", 0) > 0) == (name != "test"), name
        assert (there.root.path / step["log"]).is_file(), name
    assert "left.txt" in (there.root.path / steps["test"]["log"]).read_text()
    branch = result["changes"]["branch"]
    assert set(git(project, "ls-tree", "--name-only", branch).split()) >= FILES
    assert result["changes"]["files_changed"] == len(FILES)
    assert result["summary"] == "Finished."
    assert git(project, "branch", "--list", "handoff/*").replace("*", "").split() == [branch]
    assert git(project, "worktree", "list").count("\n") == 0


def at(journal: list[dict[str, Any]], event: str, step: str) -> int:
    """Where in the journal something happened to a step; it has to have happened once."""
    (found,) = (
        n for n, record in enumerate(journal) if (record["event"], record.get("step")) == (event, step)
    )
    return found


def assert_in_order(there: Live, journal: list[dict[str, Any]]) -> None:
    """No step began before those that it needs were over, and none began twice: the model was asked once."""
    for step, needs in NEEDS.items():
        for need in needs:
            assert at(journal, "run-ended", need) < at(journal, "run-intended", step), (need, step)
    begun = [request.prompt.partition("\n")[0] for request in there.model.messages if request.turn == 0]
    prompts = [step["prompt"] for step in STEPS if "prompt" in step]
    assert sorted(begun) == sorted([*prompts, *(f"Part {name}: write {name}.txt" for name in "xyz")])


def assert_side_by_side(journal: list[dict[str, Any]]) -> None:
    """Those that need the same were at work at the same time."""
    begun = [at(journal, "run-intended", step) for step in ("left", "right", "coordinate")]
    assert max(begun) < min(at(journal, "run-ended", step) for step in ("left", "right"))


def test_what_a_step_brought_out_is_told_to_those_that_need_it(
    claude_binary: Path, project: Path, tmp_path: Path
) -> None:
    with live(tmp_path / "live", claude_binary, SCRIPT) as there:
        submit(there, "two", project, [STEPS[0], STEPS[1]])
        there.result("two", 60)
        told = [request.prompt for request in there.model.messages if request.prompt.startswith("Left")]

    assert told
    assert json.dumps("one") in told[0]


def test_two_steps_that_contradict_each_other_are_a_conflict_and_both_sides_are_kept(
    claude_binary: Path, project: Path, tmp_path: Path
) -> None:
    script = "".join(
        conversation(f"^{name}", "", write("same.txt", f"{name}\\n"), f'text = "{name}."')
        for name in ("Left", "Right")
    ).replace("[[conversations.turns]]\n\n", "")
    steps = [{"id": "left", "prompt": "Left."}, {"id": "right", "prompt": "Right."}]
    with live(tmp_path / "live", claude_binary, script, LIMITS__MAX_PARALLEL="2") as there:
        submit(there, "both", project, steps)
        result = there.result("both", 60)

    assert (result["status"], result["reason"]) == ("failed", "conflict")
    assert "same.txt" in result["summary"]
    sides = git(project, "for-each-ref", "--format=%(refname:short)", "refs/heads/handoff").split()
    assert {git(project, "show", f"{side}:same.txt") for side in sides if "+" in side} == {"Left", "Right"}


def test_a_conflict_in_the_middle_of_a_graph_ends_it_where_the_work_would_have_met(
    claude_binary: Path, project: Path, tmp_path: Path
) -> None:
    script = "".join(
        conversation(f"^{name}", "", write("same.txt", f"{name}\\n"), f'text = "{name}."')
        for name in ("Left", "Right")
    ).replace("[[conversations.turns]]\n\n", "")
    steps = [
        {"id": "left", "prompt": "Left."},
        {"id": "right", "prompt": "Right."},
        {"id": "both", "prompt": "Both.", "needs": ["left", "right"]},
        {"id": "after", "run": ["true"], "needs": ["both"]},
    ]
    with live(tmp_path / "live", claude_binary, script, LIMITS__MAX_PARALLEL="2") as there:
        submit(there, "middle", project, steps)
        result = there.result("middle", 60)
        asked = {request.prompt.partition("\n")[0] for request in there.model.messages}

    assert (result["status"], result["reason"]) == ("failed", "conflict")
    assert "same.txt" in result["summary"]
    statuses = {step["id"]: step["status"] for step in result["steps"]}
    assert (statuses["left"], statuses["right"], statuses["after"]) == ("succeeded", "succeeded", "skipped")
    assert statuses["both"] != "succeeded"
    assert asked == {"Left.", "Right."}
    for side in ("left", "right"):
        assert f"handoff/middle+{side}" in result["summary"]
        assert git(project, "show", f"handoff/middle+{side}:same.txt") == side.capitalize()


def test_a_model_that_never_delivers_the_output_it_was_asked_for_has_failed_with_a_reason_of_its_own(
    claude_binary: Path, project: Path, tmp_path: Path
) -> None:
    script = conversation("^Analyse", 'text = "Two findings: one, two."', repeat_last=True)
    with live(tmp_path / "live", claude_binary, script) as there:
        submit(there, "mute", project, [STEPS[0], STEPS[1]])
        result = there.result("mute", 60)
        asked = {request.prompt for request in there.model.messages}

    analyse, left = result["steps"]
    assert (result["status"], result["reason"]) == ("failed", "schema")
    assert (analyse["status"], analyse["reason"], analyse["attempts"]) == ("failed", "schema", 1)
    assert "output" not in analyse
    assert left["status"] == "skipped"
    assert asked == {"Analyse it."}


def test_an_output_that_is_too_long_for_a_prompt_is_handed_on_as_a_file_that_can_be_read_to_its_end(
    claude_binary: Path, project: Path, tmp_path: Path
) -> None:
    lines = 3000
    runs = tmp_path / "live" / "handoff" / "active" / "long" / "runs"
    told, printed = runs / "read.1" / "inputs" / "tell.txt", runs / "count.1" / "stdout.log"
    last = [
        f'{{ name = "Read", input = {{ file_path = "{path}", offset = {lines} }} }}'
        for path in (told, printed)
    ]
    report = "\n".join(f"finding {number} of them" for number in range(1, lines + 1))
    script = "".join(
        (
            conversation("^Tell", f"text = {json.dumps(report)}"),
            conversation("^Read", f"tools = [{', '.join(last)}]", 'text = "It ends so: {results}"'),
        )
    )
    count = f"import sys; [print('line', n, 'of many') for n in range(1, {lines + 1})]"
    steps = [
        {"id": "tell", "prompt": "Tell all."},
        {"id": "count", "run": ["python3", "-c", count]},
        {
            "id": "read",
            "prompt": "Read the end.",
            "needs": ["tell", "count"],
            "permissions": {"mode": "default"},
        },
    ]
    with live(tmp_path / "live", claude_binary, script, LIMITS__MAX_PARALLEL="2") as there:
        submit(there, "long", project, steps, permissions={"mode": "default"})
        result = there.result("long", 60)
        prompt = there.asked("Read the end.")[0].prompt

    assert result["status"] == "succeeded", result
    assert str(told) in prompt
    assert str(printed) in prompt
    assert "finding 1500 of them" not in prompt
    assert f"finding {lines} of them" in result["summary"]
    assert f"line {lines} of many" in result["summary"]
    assert "denied" not in result["steps"][2]


def test_checks_go_back_to_the_session_until_they_pass(
    claude_binary: Path, project: Path, tmp_path: Path
) -> None:
    script = conversation(
        "^Do it",
        bash("echo a >> tries"),
        'text = "First."',
        bash("echo b >> tries"),
        'text = "Second."',
        bash("echo c >> tries"),
        'text = "Third."',
    )
    check = ["sh", "-c", "echo so many: $(wc -l < tries); test $(wc -l < tries) -ge 3"]
    with live(tmp_path / "live", claude_binary, script) as there:
        there.submit("checked", project, "Do it", permissions=MAY_ALL, accept={"checks": [check]})
        result = there.result("checked", 90)
        sessions = {
            record["session_id"]
            for record in there.here.journal("checked")
            if record["event"] == "run-intended" and record["step"] == "main"
        }

    assert result["status"] == "succeeded", result
    assert [(one["round"], one["exit"]) for one in result["checks"]] == [(0, 1), (1, 1), (2, 0)]
    assert "so many: 3" in result["checks"][2]["output_tail"]
    assert len(sessions) == 1
    assert result["steps"][0]["attempts"] == 1


def test_a_check_that_never_passes_fails_the_plan_with_its_evidence(
    claude_binary: Path, project: Path, tmp_path: Path
) -> None:
    script = conversation("^Do it", 'text = "Done, I say."', repeat_last=True)
    with live(tmp_path / "live", claude_binary, script) as there:
        there.submit(
            "never",
            project,
            "Do it",
            accept={"checks": [["sh", "-c", "echo no such luck; exit 3"]], "rounds": 1},
        )
        result = there.result("never", 60)

    assert (result["status"], result["reason"]) == ("failed", "check-failed")
    assert [(one["round"], one["exit"], one["output_tail"]) for one in result["checks"]] == [
        (0, 3, "no such luck"),
        (1, 3, "no such luck"),
    ]
