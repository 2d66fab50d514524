"""What makes a plan one that will be executed, and what is told of one that will not."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from handoff.formats import Format
from handoff.plan import Plan
from handoff.result import Reason
from handoff.root import PlanId
from orchestrd.config import Limits
from orchestrd.inbound.intake import Accepted, Refused, check_plan


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    folder.mkdir()
    return folder


@pytest.fixture
def repository(project: Path) -> Path:
    subprocess.run(["git", "init", "-q", str(project)], check=True)
    return project


def checked(text: str) -> Accepted | Refused:
    return check_plan(text.encode(), Format.TOML, PlanId("fix-it"), Limits(timeout=1800, attempts=5))


def accepted(text: str) -> Accepted:
    found = checked(text)
    assert isinstance(found, Accepted), found
    return found


def refused(text: str) -> Refused:
    found = checked(text)
    assert isinstance(found, Refused)
    return found


def test_what_a_plan_leaves_out_is_filled_in(repository: Path) -> None:
    found = accepted(f'handoff = 1\nproject = "{repository}"\nprompt = "Fix it."\n')

    plan = found.plan
    assert (plan.title, plan.workspace.mode, found.in_place) == ("fix-it", "worktree", False)
    assert (plan.limits.timeout, plan.limits.attempts) == (1800, 5)
    assert found.project == repository.resolve()


def test_a_plan_after_itself_is_refused_with_its_line_also_beside_other_errors(repository: Path) -> None:
    begin = f'handoff = 1\nproject = "{repository}"\nprompt = "Fix it."\nafter = ["design", "fix-it"]\n'

    for text in (begin, f"{begin}priority = 200\n"):
        found = refused(text)
        assert found.reason is Reason.INVALID
        (error,) = [one for one in found.errors if one.path == "after[1]"]
        assert (error.line, "fix-it is this plan itself" in error.message) == (4, True)
        assert "leave it out" in (error.hint or "")
    assert accepted(begin.replace("fix-it", "fix-it-2")).plan.after == ("design", "fix-it-2")


UNCOMMITTED = """handoff = 1
project = "{project}"
[workspace]
commit = false
"""
STEP = """[[steps]]
id = "{id}"
prompt = "Do it."
"""


def steps(*ids: str, **more: str) -> str:
    return "".join(STEP.format(id=name) + more.get(name, "") for name in ids)


@pytest.mark.parametrize(
    "told, names",
    [
        (steps("a", "b"), ("'a' and 'b'",)),
        (steps("a", "b", "c", b='needs = ["a"]\n', c='needs = ["a"]\n'), ("'b' and 'c'",)),
        # Who reads beside somebody who writes in the plan's own checkout begins with a commit.
        (
            steps(
                "a",
                "r",
                "b",
                r='needs = ["a"]\npermissions.mode = "plan"\n',
                b='needs = ["a"]\n',
            ),
            ("'r' and 'b'",),
        ),
        (steps("a", a="expands = true\n"), ("'a' returns",)),
    ],
)
def test_steps_side_by_side_cannot_leave_their_work_uncommitted(
    repository: Path, told: str, names: tuple[str, ...]
) -> None:
    found = refused(UNCOMMITTED.format(project=repository) + told)

    assert found.reason is Reason.INVALID
    (error,) = found.errors
    assert (error.path, error.line) == ("workspace.commit", 4)
    assert all(name in error.message for name in names), error.message
    assert "leave it out" in (error.hint or "")


def test_steps_one_after_the_other_may_leave_their_work_uncommitted_and_so_may_readers(
    repository: Path,
) -> None:
    begin = UNCOMMITTED.format(project=repository)
    assert accepted(begin + steps("a", "b", b='needs = ["a"]\n')).plan.workspace.commit is False
    reads = 'permissions.mode = "plan"\n'
    accepted(begin + steps("a", "b", "c", a=reads, b=reads, c='needs = ["a", "b"]\n'))
    accepted(begin.replace("[workspace]\ncommit = false\n", "") + steps("a", "b"))


def test_a_limit_of_money_that_nothing_can_reach_is_refused_with_its_line(repository: Path) -> None:
    head = f'handoff = 1\nproject = "{repository}"\nlimits.max_usd = 1.0\n'
    command = '[[steps]]\nid = "test"\nrun = ["make", "test"]\n'
    prompt = '[[steps]]\nid = "fix"\nprompt = "Fix it."\n'

    alone = refused(head + command)
    beside = accepted(head + command + prompt)
    its_own = refused(head + command + "limits.max_usd = 0.5\n" + prompt)

    assert alone.reason is Reason.INVALID
    assert [(one.path, one.line) for one in alone.errors][:1] == [("limits.max_usd", 3)]
    assert "no step of this plan has a model" in alone.errors[0].message
    assert beside.plan.limits.max_usd == 1.0
    assert [(one.path, one.line) for one in its_own.errors][:1] == [("steps[0].limits.max_usd", 7)]


COMMAND = '[[steps]]\nid = "test"\nrun = ["make"]\n'


@pytest.mark.parametrize(
    ("told", "path", "to_do"),
    [
        (COMMAND + 'model = "opus"\n', "steps[0].model", "leave it out"),
        (COMMAND + 'fallback_model = "opus"\n', "steps[0].fallback_model", "leave it out"),
        (COMMAND + 'effort = "high"\n', "steps[0].effort", "leave it out"),
        (COMMAND + 'system_prompt_append = "x"\n', "steps[0].system_prompt_append", "leave it out"),
        (COMMAND + 'permissions.mode = "plan"\n', "steps[0].permissions", "leave it out"),
        (COMMAND + 'mcp.db.command = "db"\n', "steps[0].mcp", "leave it out"),
        (COMMAND + "limits.max_turns = 3\n", "steps[0].limits.max_turns", "`limits.timeout`"),
        (steps("a", a="expands = true\n[steps.output_schema]\n"), "steps[0].output_schema", "leave out one"),
    ],
)
def test_what_could_have_no_effect_in_a_step_is_refused_and_never_ignored(
    repository: Path, told: str, path: str, to_do: str
) -> None:
    found = refused(f'handoff = 1\nproject = "{repository}"\n{told}')

    assert found.reason is Reason.INVALID
    (error,) = found.errors
    assert (error.path, error.line) == (path, 3 + told.count("\n") - 1)
    assert to_do in (error.hint or "")


def test_a_command_has_the_limits_that_hold_for_commands_and_inherits_the_others_in_silence(
    repository: Path,
) -> None:
    own = 'limits = { timeout = "1m", memory = "1GiB", attempts = 2, on_interrupt = "restart" }\n'
    head = f'handoff = 1\nproject = "{repository}"\nmodel = "opus"\nlimits.max_turns = 3\n'

    found = accepted(head + COMMAND + own + steps("a"))

    assert Plan.model_validate_json(found.plan.model_dump_json()) == found.plan


def test_outside_of_git_a_plan_works_in_place(project: Path) -> None:
    found = accepted(f'handoff = 1\nproject = "{project}"\nprompt = "Fix it."\n')

    assert (found.plan.workspace.mode, found.in_place) == ("directory", True)


def test_a_folder_within_a_repository_lies_in_git(repository: Path) -> None:
    inner = repository / "src" / "api"
    inner.mkdir(parents=True)

    assert not accepted(f'handoff = 1\nproject = "{inner}"\nprompt = "Fix it."\n').in_place


def test_the_home_folder_is_expanded(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(repository.parent))

    found = accepted('handoff = 1\nproject = "~/project"\nprompt = "Fix it."\n')

    assert found.project == repository.resolve()


def test_a_project_that_is_not_there_is_told_among_the_other_mistakes(tmp_path: Path) -> None:
    found = refused(f'handoff = 1\nproject = "{tmp_path}/gone"\nprompt = "x"\npriority = 200\n')

    assert found.reason is Reason.INVALID
    assert [(error.path, error.line) for error in found.errors] == [("priority", 4), ("project", 2)]


@pytest.mark.parametrize(
    "text",
    [
        'prompt = "x"\n[permissions]\nask = "request"\nask_timeout = "24h"\n',
        steps("a", "b", b='permissions.ask = "request"\n'),
    ],
)
def test_a_plan_may_ask_a_person(repository: Path, text: str) -> None:
    found = accepted(f'handoff = 1\nproject = "{repository}"\n{text}')

    asked = found.plan.steps[1].permissions if found.plan.steps else found.plan.permissions
    assert asked is not None
    assert asked.ask == "request"


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ('[workspace]\nmode = "worktree"\n', "workspace.mode"),
        ('[accept]\nchanges = "expected"\n', "accept.changes"),
        ('[workspace]\nbranch = "mine"\n', "workspace.branch"),
    ],
)
def test_without_git_nothing_is_promised_that_needs_it(project: Path, text: str, path: str) -> None:
    found = refused(f'handoff = 1\nproject = "{project}"\nprompt = "x"\n{text}')

    assert found.reason is Reason.INVALID
    assert [error.path for error in found.errors] == [path]


def test_in_place_a_branch_is_not_silently_left_out(repository: Path) -> None:
    text = '[workspace]\nmode = "directory"\nbranch = "mine"\ncommit = false\n'
    found = refused(f'handoff = 1\nproject = "{repository}"\nprompt = "x"\n{text}')

    assert [error.path for error in found.errors] == ["workspace.branch", "workspace.commit"]


LONG = "x" * 300


@pytest.mark.parametrize(
    "name, said",
    [
        (f"/{LONG}", "File name too long"),
        ("/" + "/".join(["x" * 200] * 30), "longer than 4096 characters"),
        ("~nobody-of-that-name/x", "there is no user 'nobody-of-that-name' here"),
        ("~nobody-of-that-name", "there is no user 'nobody-of-that-name' here"),
        ("/dev/null", "/dev/null is not a directory"),
        ("/dev/null/x", "/dev/null/x does not exist"),
    ],
)
@pytest.mark.parametrize("also", ["", "no_such_field = 1\n"])
def test_a_project_that_cannot_be_looked_at_is_an_error_of_the_plan(name: str, said: str, also: str) -> None:
    found = refused(f'handoff = 1\nproject = "{name}"\nprompt = "Fix it."\n{also}')

    [error] = [error for error in found.errors if error.path == "project"]
    assert said in error.message
    assert len(error.message) < 300
    assert error.line == 2


HIDDEN = """
import os, sys
from handoff.formats import Format
from handoff.plan import Plan
from handoff.root import PlanId
from orchestrd.config import Limits
from orchestrd.inbound.intake import check_plan
for project in sys.argv[2:]:
    os.stat(project)
os.chmod(sys.argv[1], 0)
if os.geteuid() == 0:
    os.setuid(65534)
for project in sys.argv[2:]:
    raw = f'handoff = 1\\nproject = "{project}"\\nprompt = "x"\\n'.encode()
    print(*(f"{error.line} {error.path} {error.message}" for error in
            check_plan(raw, Format.TOML, PlanId("p"), Limits()).errors))
"""


def test_a_project_that_may_not_be_entered_or_lies_in_such_a_folder_is_an_error_of_the_plan(
    tmp_path: Path,
) -> None:
    folder = tmp_path / "closed"
    (folder / "project").mkdir(parents=True)

    told = subprocess.run(
        [sys.executable, "-c", HIDDEN, str(folder), str(folder / "project"), str(folder)],
        capture_output=True,
        text=True,
        check=False,
    )
    folder.chmod(0o700)

    lines = told.stdout.splitlines()
    assert len(lines) == 2, told.stderr
    assert lines[0].startswith(f"2 project {folder}/project cannot be looked at: Permission denied")
    assert lines[1].startswith(f"2 project {folder}")


@settings(max_examples=200)
@given(
    name=st.sampled_from(["", "~", "/", "\x00", "~\ud800", "\ud800", "../", "~root/"]).flatmap(
        lambda begin: st.text(max_size=6).map(lambda rest: begin + rest)
    )
    | st.integers(200, 5000).map(lambda length: "/" + "y" * length),
    also=st.sampled_from([{}, {"prompt": 1}, {"no_such_field": 1}, {"project": None}]),
    file_format=st.sampled_from([Format.JSON, Format.TOML, Format.MARKDOWN]),
)
def test_no_project_raises(name: str, also: dict[str, object], file_format: Format) -> None:
    text = json.dumps({"handoff": 1, "project": name, "prompt": "x"} | also)

    found = check_plan(text.encode(), file_format, PlanId("p"), Limits())
    in_toml = check_plan(
        f"handoff = 1\nproject = {json.dumps(name)}\nprompt = 'x'\n".encode(),
        Format.TOML,
        PlanId("p"),
        Limits(),
    )

    assert isinstance(found, Accepted | Refused)
    assert isinstance(in_toml, Accepted | Refused)


def test_a_project_that_is_no_path_is_not_looked_for_behind_a_hundred_other_mistakes() -> None:
    unknown = "".join(f"u{number} = 1\n" for number in range(150))

    for project in ("/a" * 400_000, "~" + "a" * 800_000):
        began = time.thread_time()
        found = refused(f'{unknown}project = "{project}"\n')
        assert time.thread_time() - began < 1
        assert max(len(str(error)) for error in found.errors) < 1000
