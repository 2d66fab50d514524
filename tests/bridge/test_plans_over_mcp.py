"""Handing plans in over MCP: what is wrong is told, what is right lies in the inbox, what is repeated runs once."""

from __future__ import annotations

import json
import os
import re
import tomllib
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from handoff.root import Root
from handoff.written_values import format_instant
from tests.bridge.talking import Talk, ToolFailed


def a_plan(project: Path, more: str = "", prompt: str = "Write made.txt") -> str:
    return f'handoff = 1\ntitle = "Make it"\nproject = "{project}"\nprompt = "{prompt}"\n{more}'


def inbox(root: Root) -> list[str]:
    return sorted(name for name in os.listdir(root.inbox) if not name.startswith("."))


def was_taken(root: Root, plan: str, source: str, when: datetime, **fields: str) -> None:
    """Let the register say that a plan was taken, and take its file out of the inbox."""
    line = {"id": plan, "source": source, **fields, "taken": format_instant(when)}
    with root.ids_log.open("a") as log:
        log.write(json.dumps(line, separators=(",", ":")) + "\n")
    (root.inbox / source).unlink(missing_ok=True)


def test_a_plan_that_is_handed_in_lies_in_the_inbox_byte_for_byte(talk: Talk, root: Root, project: Path):
    text = a_plan(project)

    answer = talk("submit_plan", plan=text)

    assert answer["submitted"] is True
    (name,) = inbox(root)
    assert (root.inbox / name).read_text() == text
    assert answer["id"] == name.removesuffix(".plan.toml")
    assert answer["title"] == "Make it"
    assert answer["project"] == str(project)
    assert answer["daemon"].startswith("away")
    assert "orchestrd serve" in answer["next"]


@pytest.mark.parametrize(
    "ending, text",
    [
        ("json", '{{"handoff": 1, "title": "Make it", "project": "{0}", "prompt": "Write"}}'),
        ("md", '+++\nhandoff = 1\ntitle = "Make it"\nproject = "{0}"\n+++\nWrite it.\n'),
        ("md", "---\nhandoff: 1\ntitle: Make it\nproject: {0}\n---\nWrite it.\n"),
        ("toml", 'handoff = 1\ntitle = "Make it"\nproject = "{0}"\nprompt = "Write"\n'),
    ],
)
def test_each_language_is_told_by_its_beginning(
    talk: Talk, root: Root, project: Path, ending: str, text: str
):
    answer = talk("submit_plan", plan=text.format(project))

    (name,) = inbox(root)
    assert name == f"{answer['id']}.plan.{ending}"


def test_everything_that_is_wrong_is_told_at_once_with_line_and_hint(talk: Talk, root: Root, project: Path):
    text = f'handoff = 1\nproject = "{project}/none"\npromt = "x"\n[limits]\ntimeout = "90"\n'

    answer = talk("submit_plan", plan=text)

    assert answer["submitted"] is False
    assert inbox(root) == []
    told = {one["path"]: one for one in answer["errors"]}
    assert told["project"]["line"] == 2
    assert told["promt"]["line"] == 3
    assert "prompt" in told["promt"]["hint"]
    assert told["limits.timeout"]["line"] == 5
    assert "90s" in told["limits.timeout"]["hint"]
    assert talk("check_plan", plan=text)["errors"] == answer["errors"]


def test_a_fence_of_code_around_the_plan_is_no_error_and_lines_are_those_that_the_model_wrote(
    talk: Talk, root: Root, project: Path
):
    wrong = talk("check_plan", plan=f"```toml\n{a_plan(project)}priorty = 1\n```")
    right = talk("submit_plan", plan=f"```toml\n{a_plan(project)}```\n")

    assert [(one["path"], one["line"]) for one in wrong["errors"]] == [("priorty", 6)]
    assert right["submitted"] is True
    assert (root.inbox / inbox(root)[0]).read_text() == a_plan(project).removesuffix("\n")


def test_a_check_says_what_the_plan_would_do_and_hands_nothing_in(talk: Talk, root: Root, project: Path):
    more = '[accept]\nchecks = [["make", "test"]]\n[docs]\nrequest = true\n[[steps]]\nid = "one"\nprompt = "Do it"\n'

    answer = talk("check_plan", plan=a_plan(project, more).replace('prompt = "Write made.txt"\n', ""))

    assert answer["valid"] is True
    assert (answer["steps"], answer["checks"]) == (["one"], ["make test"])
    assert "branch handoff/ID" in answer["works"]
    assert answer["asks_for_documents"] is True
    assert inbox(root) == []


def test_a_workflow_is_handed_in_with_its_parameters_and_further_fields(
    talk: Talk, root: Root, project: Path
):
    wrong = talk("submit_plan", workflow="feature", params={}, project=str(project))
    right = talk(
        "submit_plan",
        workflow="feature",
        params={"description": "A dark mode"},
        project=str(project),
        fields={"docs": {"request": True}, "priority": 70},
    )

    assert wrong["submitted"] is False
    assert [one["path"] for one in wrong["errors"]] == ["params.description"], wrong
    assert right["submitted"] is True, right
    written = json.loads((root.inbox / inbox(root)[0]).read_text())
    assert (written["workflow"], written["priority"]) == ("feature", 70)
    assert written["title"].endswith("A dark mode")


@pytest.mark.parametrize(
    "arguments, words",
    [
        ({}, "give one of them"),
        ({"plan": "x", "workflow": "feature"}, "give one of them"),
        ({"plan": "x = 1", "project": "/tmp"}, "belong to `workflow`"),
        ({"plan": "  \n"}, "empty"),
        ({"workflow": "feature"}, "`project` is missing"),
        ({"plan": "#" * 1_100_000}, "1048576"),
    ],
)
def test_what_cannot_be_meant_is_refused_in_words(talk: Talk, arguments: dict[str, str], words: str):
    with pytest.raises(ToolFailed, match=words):
        talk("submit_plan", **arguments)


def test_the_same_call_again_finds_the_plan_in_the_inbox(talk: Talk, root: Root, project: Path):
    first = talk("submit_plan", plan=a_plan(project))

    second = talk("submit_plan", plan=a_plan(project))

    assert (second["submitted"], second["repeated"], second["id"]) == (False, True, first["id"])
    assert len(inbox(root)) == 1


def test_the_same_call_many_times_at_once_is_one_plan(talk: Talk, root: Root, project: Path):
    answers = talk.at_once(*[("submit_plan", {"plan": a_plan(project)})] * 8)

    assert len(inbox(root)) == 1
    assert len({one["id"] for one in answers}) == 1
    assert sorted(one["submitted"] for one in answers) == [*[False] * 7, True]


def test_the_same_call_again_after_it_was_taken_finds_it_in_the_register(
    talk: Talk, root: Root, project: Path
):
    first = talk("submit_plan", plan=a_plan(project))
    was_taken(root, first["id"], inbox(root)[0], datetime.now(UTC))

    second = talk("submit_plan", plan=a_plan(project))

    assert (second["submitted"], second["repeated"], second["id"]) == (False, True, first["id"])
    assert inbox(root) == []


def test_the_same_call_between_the_take_and_the_registers_line_finds_it_in_work(
    talk: Talk, root: Root, project: Path
):
    first = talk("submit_plan", plan=a_plan(project))
    (root.active / first["id"]).mkdir()
    (root.inbox / inbox(root)[0]).rename(root.active / first["id"] / "plan.toml")

    second = talk("submit_plan", plan=a_plan(project))

    assert (second["submitted"], second["id"]) == (False, first["id"])


def test_the_same_plan_a_day_later_runs_again_under_an_id_of_its_own(talk: Talk, root: Root, project: Path):
    first = talk("submit_plan", plan=a_plan(project))
    was_taken(root, first["id"], inbox(root)[0], datetime.now(UTC) - timedelta(days=1))

    second = talk("submit_plan", plan=a_plan(project))

    assert second["submitted"] is True
    assert second["id"] == f"{first['id']}-2"
    assert len(inbox(root)) == 1


def test_again_runs_it_once_more_at_once(talk: Talk, root: Root, project: Path):
    first = talk("submit_plan", plan=a_plan(project))

    second = talk("submit_plan", plan=a_plan(project), again=True)

    assert second["submitted"] is True
    assert second["id"] != first["id"]
    assert len(inbox(root)) == 2


def test_a_plan_that_was_rejected_may_be_handed_in_again_once_its_cause_is_gone(
    talk: Talk, root: Root, project: Path
):
    first = talk("submit_plan", plan=a_plan(project))
    was_taken(root, first["id"], inbox(root)[0], datetime.now(UTC))
    (root.results / f"{first['id']}.toml").write_text('status = "rejected"\nreason = "invalid"\n')

    second = talk("submit_plan", plan=a_plan(project))

    assert second["submitted"] is True


def test_a_key_that_was_had_is_not_handed_in_again_whatever_the_plan_says(
    talk: Talk, root: Root, project: Path
):
    was_taken(root, "first", "first.toml", datetime.now(UTC) - timedelta(days=9), key="k-1")

    one = talk("submit_plan", plan=a_plan(project, 'key = "k-1"\n'))
    other = talk("submit_plan", plan=a_plan(project, 'key = "k-1"\n', prompt="Other"), again=True)
    free = talk("submit_plan", plan=a_plan(project, 'key = "k-2"\n'))

    for answer in (one, other):
        assert (answer["submitted"], answer["repeated"], answer["id"]) == (False, True, "first")
        assert "another key" in answer["next"]
    assert free["submitted"] is True


def test_what_a_plan_is_called_leads_nowhere_else(talk: Talk, root: Root, project: Path):
    text = a_plan(project).replace("Make it", "../../etc/passwd")

    answer = talk("submit_plan", plan=text)

    assert answer["id"].startswith("etc-passwd-")
    assert len(inbox(root)) == 1


def test_the_workflows_are_listed_with_what_they_take(talk: Talk):
    listed = {one["name"]: one for one in talk("list_workflows")["workflows"]}

    assert {"feature", "bugfix", "docs", "refactor", "review", "coordinate"} <= listed.keys()
    assert listed["feature"]["params"]["description"]["required"] is True
    assert listed["feature"]["description"]


def test_the_plan_that_the_description_shows_is_valid_and_so_is_all_else_that_it_names(
    talk: Talk, project: Path
):
    described = next(tool for tool in talk.ask("list_tools").tools if tool.name == "submit_plan").description
    (shown,) = re.findall(r"```toml\n(.*?)```", described, re.DOTALL)
    shown = shown.replace("/home/ann/src/api", str(project))
    more = {
        **tomllib.loads(shown),
        "key": "k",
        "priority": 70,
        "after": ["other-plan"],
        "model": "sonnet",
        "effort": "high",
        "system_prompt_append": "Be brief.",
        "limits": {"timeout": "45m", "max_turns": 40, "max_usd": 2.5, "attempts": 3},
        "workspace": {"base": "main", "branch": "x/{id}", "touches": ["src/api/**"]},
        "metadata": {"ticket": "API-1"},
    }
    more["permissions"] |= {"deny": ["WebFetch"], "ask": "request"}
    more["accept"] |= {"rounds": 2}
    more["docs"] |= {"about": "x", "expires": "2030-01-01T00:00:00Z"}
    schema = {"type": "object", "properties": {"found": {"type": "string"}}}
    steps = [
        {"id": "look", "prompt": "Look", "permissions": {"mode": "plan"}, "output_schema": schema},
        {"id": "test", "run": ["make", "test"], "needs": ["look"]},
    ]
    of_steps = {name: value for name, value in more.items() if name != "prompt"} | {"steps": steps}

    for plan in (shown, json.dumps(more), json.dumps(of_steps)):
        assert talk("check_plan", plan=plan).get("errors") is None
    named = (
        "key",
        "priority",
        "after",
        "touches",
        "ask",
        "rounds",
        "about",
        "metadata",
        "output_schema",
        "needs",
    )
    assert [field for field in named if field not in described] == []
