"""A plan that names a workflow, as it is checked and kept: the workflow is made out before all else."""

from __future__ import annotations

import errno
import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
import tomli_w

from handoff.formats import Format
from handoff.plan import Plan
from handoff.result import Reason
from handoff.root import PlanId, create_root
from orchestrd.config import Limits
from orchestrd.core.events import Moment, PlanAccepted, PlanRefused
from orchestrd.inbound.accepted import read_accepted
from orchestrd.inbound.intake import Accepted, Refused, check_plan
from orchestrd.inbound.reception import Newcomer, Reception
from orchestrd.library.finding import Library
from orchestrd.record.ids import Ids
from orchestrd.record.journal import read_journal
from orchestrd.record.journals import Journals
from tests.failing import fail

ASK = """
handoff = 1
title = "Ask"
description = "Asks one question."
prompt = "{{question}}, {{depth}} deep"

[limits]
max_turns = "{{depth}}"

[permissions]
mode = "{{mode}}"

[params.question]
type = "string"
description = "What is asked"
required = true

[params.depth]
type = "integer"
description = "How deep"
min = 1
max = 5
default = 2
""".replace('mode = "{{mode}}"', 'mode = "plan"')


@pytest.fixture
def library(tmp_path: Path) -> Library:
    folder = tmp_path / "workflows"
    folder.mkdir()
    (folder / "ask.toml").write_text(ASK)
    return Library(folder)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    subprocess.run(["git", "init", "-q", str(folder)], check=True)
    return folder


def checked(library: Library, text: str, file_format: Format = Format.TOML) -> Accepted | Refused:
    return check_plan(text.encode(), file_format, PlanId("p"), Limits(), library)


def refused(library: Library, text: str) -> list[tuple[str, int | None, str]]:
    found = checked(library, text)
    assert isinstance(found, Refused)
    assert all(one.hint for one in found.errors)
    return [(one.path, one.line, one.message) for one in found.errors]


def test_what_is_accepted_is_the_plan_that_is_meant(library, project):
    found = checked(
        library,
        f'handoff = 1\nproject = "{project}"\nworkflow = "ask"\npriority = 9\n[params]\nquestion = "Why?"\ndepth = 3\n',
    )

    assert isinstance(found, Accepted)
    assert found.workflow == "ask"
    plan = found.plan
    assert (plan.prompt, plan.limits.max_turns, plan.permissions.mode) == ("Why?, 3 deep", 3, "plan")
    assert (plan.workflow, plan.params, plan.priority, plan.title) == (None, {}, 9, "p")
    assert (plan.limits.attempts, plan.workspace.mode) == (3, "worktree")


@pytest.mark.parametrize("file_format", [Format.TOML, Format.JSON, Format.MARKDOWN])
def test_in_every_language(library, project, file_format):
    fields = {"handoff": 1, "project": str(project), "workflow": "ask", "params": {"question": "Why?"}}
    text = {
        Format.TOML: tomli_w.dumps(fields),
        Format.JSON: json.dumps(fields),
        Format.MARKDOWN: f"+++\n{tomli_w.dumps(fields)}+++\n",
    }[file_format]

    found = checked(library, text, file_format)

    assert isinstance(found, Accepted)
    assert found.plan.prompt == "Why?, 2 deep"


def test_an_unknown_parameter_is_refused_with_path_line_and_the_nearest_name(library, project):
    found = checked(
        library,
        f'handoff = 1\nproject = "{project}"\nworkflow = "ask"\n\n[params]\nquestion = "Why?"\ndpeth = 3\n',
    )

    assert isinstance(found, Refused)
    assert found.reason is Reason.INVALID
    (error,) = found.errors
    assert (error.path, error.line) == ("params.dpeth", 7)
    assert error.message == 'there is no parameter "dpeth"'
    assert error.hint == "did you mean `depth`?"


def test_everything_that_is_wrong_is_told_at_once(library, project):
    text = 'handoff = 1\nproject = "/no/such"\nworkflow = "ask"\n[params]\ndepth = 9\nx = 1\n'

    assert refused(library, text) == [
        ("project", 2, "/no/such does not exist"),
        ("params.question", 4, "this parameter is required, and missing"),
        ("params.depth", 5, "9 is out of range"),
        ("params.x", 6, 'there is no parameter "x"'),
    ]
    assert [one[:2] for one in refused(library, text + "[limits]\ntimeout = 1\n")] == [
        ("limits.timeout", 8),
        ("project", 2),
        ("params.question", 4),
        ("params.depth", 5),
        ("params.x", 6),
    ]


def test_a_parameter_that_is_missing_where_there_are_none_is_told_at_the_workflow(library, project):
    text = f'handoff = 1\nproject = "{project}"\nworkflow = "ask"\n'

    assert refused(library, text) == [("params.question", 3, "this parameter is required, and missing")]


def test_an_unknown_workflow_is_told_with_the_nearest_name(library, project):
    found = checked(library, f'handoff = 1\nproject = "{project}"\nworkflow = "feture"\n')

    assert isinstance(found, Refused)
    (error,) = found.errors
    assert (error.path, error.line, error.hint) == ("workflow", 3, "did you mean `feature`?")


@pytest.mark.parametrize(
    "steps, path, line, hint",
    [
        (
            '[[steps]]\nid = "a"\nprompt = "x"\nagent = "reviwer"\n',
            "steps[0].agent",
            6,
            "did you mean `reviewer`?",
        ),
        (
            '[[steps]]\nid = "a"\nprompt = "x"\nneeds = ["b"]\n',
            "steps[0].needs[0]",
            6,
            "the steps here are: a",
        ),
    ],
)
def test_a_role_that_nobody_knows_is_refused_in_any_plan(library, project, steps, path, line, hint):
    found = checked(library, f'handoff = 1\nproject = "{project}"\n{steps}')

    assert isinstance(found, Refused)
    assert found.reason is Reason.INVALID
    assert (path, line, hint) in [(one.path, one.line, one.hint) for one in found.errors]


def test_what_a_workflow_wants_of_a_project_that_cannot_have_it_is_told_at_the_parameter(library, tmp_path):
    params = 'changes = "expected"\ndescription = "x"'
    text = f'handoff = 1\nproject = "{tmp_path}"\nworkflow = "bugfix"\n[params]\n{params}\n'

    found = [one for one in refused(library, text) if one[0] == "params.changes"]

    assert found == [
        (
            "params.changes",
            5,
            f"{tmp_path} is not in a git repository (it stands in accept.changes of the workflow bugfix)",
        )
    ]


def received(tmp_path: Path, library: Library, **fields: Any) -> tuple[Any, list[dict[str, Any]], Reception]:
    root = create_root(tmp_path / "handoff")
    reception = Reception(root, Ids.load(root), Journals(root), Limits(), 10.0, library)
    (root.inbox / "p.toml").write_text(tomli_w.dumps({"handoff": 1, **fields}))
    (event,) = reception.take([Newcomer("p.toml", 100)], Moment(1_800_000_000.0, 100.0))
    return event, read_journal(root.plan_folder(PlanId("p")) / "journal.jsonl"), reception


def test_the_journal_names_the_workflow_and_what_is_kept_is_the_plan_that_is_meant(
    library, project, tmp_path
):
    event, journal, _ = received(
        tmp_path, library, project=str(project), workflow="ask", params={"question": "Why?"}
    )

    assert isinstance(event, PlanAccepted)
    assert journal[-1]["event"] == "accepted"
    assert journal[-1]["workflow"] == "ask"
    kept = Plan.model_validate_json((tmp_path / "handoff/active/p/accepted.json").read_bytes())
    assert (kept.prompt, kept.workflow) == ("Why?, 2 deep", None)


def test_a_plan_without_a_workflow_names_none(library, project, tmp_path):
    _, journal, _ = received(tmp_path, library, project=str(project), prompt="Do.")

    assert "workflow" not in journal[-1]


def test_a_refusal_stands_in_the_journal_before_anything_ran(library, project, tmp_path):
    event, journal, _ = received(tmp_path, library, project=str(project), workflow="ask", params={"x": 1})

    assert isinstance(event, PlanRefused)
    assert [one["path"] for one in journal[-1]["errors"]] == ["params.question", "params.x"]
    assert not (tmp_path / "handoff/active/p/accepted.json").exists()


def test_what_a_workflow_made_is_on_the_disk_before_anybody_hears_of_it(
    library, project, tmp_path, monkeypatch
):
    fail(monkeypatch, "fsync", errno.EIO, ".accepted.json.tmp")

    with pytest.raises(OSError, match=os.strerror(errno.EIO)):
        received(tmp_path, library, project=str(project), workflow="ask", params={"question": "Why?"})
    journal = read_journal(tmp_path / "handoff/active/p/journal.jsonl")

    assert [line["event"] for line in journal] == ["taken"]


def test_what_was_accepted_stays_what_it_is_when_the_workflow_changes_or_goes(library, project, tmp_path):
    received(tmp_path, library, project=str(project), workflow="ask", params={"question": "Why?"})
    assert library.folder is not None
    (library.folder / "ask.toml").write_text(ASK.replace("deep", "far"))
    root = create_root(tmp_path / "handoff")

    kept = read_accepted(root, PlanId("p"), Limits(), library)
    (root.plan_folder(PlanId("p")) / "accepted.json").unlink()
    again = read_accepted(root, PlanId("p"), Limits(), library)

    assert kept is not None
    assert again is not None
    assert (kept.prompt, again.prompt) == ("Why?, 2 deep", "Why?, 2 far")
