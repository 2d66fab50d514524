"""Workflows on the command line: the list, what one takes, a plan made of one."""

from __future__ import annotations

import json
import tomllib

import pytest

SHIPPED = ["bugfix", "coordinate", "docs", "feature", "refactor", "review"]
ASK = """
handoff = 1
title = "Ask"
description = "Asks one question."
prompt = "{{question}}{{#files}}, about {{files}}{{/files}}, {{depth}} deep"

[limits]
max_turns = "{{depth}}"

[permissions]
allow = ["Bash({{test}})"]

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

[params.files]
type = "list"
description = "About which files"

[params.test]
type = "command"
description = "A command that may be run"
"""


@pytest.fixture
def root(orchestrd):
    assert orchestrd("init").code == 0
    return orchestrd.root


@pytest.fixture
def ask(orchestrd):
    orchestrd.environ["XDG_CONFIG_HOME"] = str(orchestrd.home / "config")
    folder = orchestrd.home / "config" / "orchestrd" / "workflows"
    folder.mkdir(parents=True)
    (folder / "ask.toml").write_text(ASK)
    return folder / "ask.toml"


def handed_in(root) -> dict:
    (file,) = root.joinpath("inbox").iterdir()
    return tomllib.loads(file.read_text())


def test_the_list_names_what_ships_and_ones_own_without_a_root(orchestrd, ask):
    said = orchestrd("workflows")

    assert (said.code, said.err) == (0, "")
    rows = {line.split()[0]: line.split()[1] for line in said.out.splitlines()[1:]}
    assert rows == dict.fromkeys(SHIPPED, "shipped") | {"ask": "user"}
    assert "Asks one question." in said.out
    listed = json.loads(orchestrd("workflows", "--json").out)
    assert next((one["name"], one["from"], one["title"]) for one in listed) == ("ask", "user", "Ask")


def test_a_projects_own_are_listed_and_said_to_be_of_no_use_until_it_is_trusted(orchestrd, project):
    folder = project / ".handoff" / "workflows"
    folder.mkdir(parents=True)
    (folder / "release.toml").write_text(
        'handoff = 1\ntitle = "R"\ndescription = "Releases."\nprompt = "x"\n'
    )

    before = orchestrd("workflows", "--project", str(project)).out
    refused = orchestrd("workflows", "show", "release", "--project", str(project))
    orchestrd("trust", str(project))
    after = orchestrd("workflows", "--project", str(project)).out

    assert "cannot be used: " in before
    assert (refused.code, refused.out) == (2, "")
    assert f"read it, then `orchestrd trust {project}`" in refused.err
    assert [line.split(maxsplit=2)[1:] for line in after.splitlines() if "release" in line] == [
        ["project", "Releases."]
    ]


def test_one_is_shown_with_what_it_takes_and_its_steps(orchestrd):
    said = orchestrd("workflows", "show", "bugfix")

    assert (said.code, said.err) == (0, "")
    lines = said.out.splitlines()
    assert lines[0].startswith("bugfix: Bug fix (shipped, ")
    (row,) = (line for line in lines if line.startswith("changes "))
    assert row.split(maxsplit=4)[:4] == ["changes", "expected", "|", "allowed"]
    assert '"expected"' in row
    assert any(line.startswith("description  string") and "required" in line for line in lines)
    assert any(line.startswith("●") and "reproduce" in line for line in lines)
    fields = json.loads(orchestrd("workflows", "show", "bugfix", "--json").out)
    assert fields["params"]["description"] | {"description": ""} == {
        "type": "string",
        "description": "",
        "required": True,
        "example": fields["params"]["description"]["example"],
    }
    assert [step["id"] for step in fields["body"]["steps"]] == ["reproduce", "fix", "review"]


BROKEN = """handoff = 1
title = "Broken"
description = "Is broken."

[params.a]
type = "string"
description = "A"

[[steps]]
id = "one"
prompt = "Do {{#a}} and {{nope}}"
needs = ["two"]

[[steps]]
id = "two"
prompt = "x"
needs = ["one"]
whem = "a"
"""


@pytest.mark.parametrize("words", [["workflows", "show"], ["submit", "--workflow"]])
def test_what_is_wrong_with_a_file_is_told_whole_and_a_line_each(orchestrd, root, ask, project, words):
    file = ask.with_name("broken.toml")
    file.write_text(BROKEN)

    said = orchestrd(*words, "broken", "--project", str(project))

    assert (said.code, said.out) == (2, "")
    lines = said.err.splitlines()
    assert [line.partition(" ")[0] for line in lines] == [
        f"{file}:11:",
        f"{file}:11:",
        f"{file}:12:",
        f"{file}:18:",
    ]
    assert lines[0] == f"{file}:11: steps[0].prompt: the section `a` does not end — {{{{/a}}}} where it ends"
    assert lines[3] == f"{file}:18: steps[1].whem: there is no such field — did you mean `when`?"


def test_the_list_says_of_a_file_that_cannot_be_used_which_it_is_and_what_comes_first(orchestrd, ask):
    folder = ask.parent / ("a-folder-with-a-long-name-" * 4)
    folder.mkdir()
    (folder / "broken.toml").write_text(BROKEN)
    ask.with_name("broken.toml").symlink_to(folder / "broken.toml")

    (row,) = (line for line in orchestrd("workflows").out.splitlines() if line.startswith("broken"))

    assert row.split(maxsplit=2)[1:] == [
        "user",
        "cannot be used: broken.toml:11: steps[0].prompt: the section `a` does not end (and 3 more)",
    ]


def test_an_unknown_one_is_told_with_the_nearest_name(orchestrd):
    said = orchestrd("workflows", "show", "bugfx")

    assert (said.code, said.out) == (2, "")
    assert said.err == 'orchestrd: there is no workflow "bugfx" — did you mean `bugfix`?\n'


def test_a_plan_is_made_of_one_with_values_as_they_are_declared(orchestrd, ask, root, project, tmp_path):
    (tmp_path / "question.txt").write_text('Why "this"?\nAnd why\\now?\n')

    said = orchestrd(
        *("submit", "--workflow", "ask", "--project", str(project)),
        *(
            "-p",
            f"question=@{tmp_path}/question.txt",
            "-p",
            "depth=3",
            "-p",
            "files=a.py",
            "-p",
            "files=b c.py",
        ),
        *("-p", "test=make 'all tests'"),
    )

    assert said.code == 0, said.err
    assert said.out.startswith("ask-")
    plan = handed_in(root)
    assert plan == {
        "handoff": 1,
        "title": 'Ask: Why "this"? And why\\now?',
        "project": str(project),
        "workflow": "ask",
        "params": {
            "question": 'Why "this"?\nAnd why\\now?',
            "depth": 3,
            "files": ["a.py", "b c.py"],
            "test": ["make", "all tests"],
        },
    }


def test_a_title_with_placeholders_is_that_of_the_plan(orchestrd, ask, root, project):
    ask.write_text(ASK.replace('title = "Ask"', 'title = "Mine: {{question}}"'))

    said = orchestrd("submit", "--workflow", "ask", "--project", str(project), "-p", "question=Why?")

    assert said.code == 0, said.err
    assert "title" not in handed_in(root)


@pytest.mark.parametrize(
    "typed, value", [("@@home", "@home"), ("a=b", "a=b"), ("1\r\n2", "1\r\n2"), ("x  ", "x  ")]
)
def test_text_arrives_as_it_was_typed(orchestrd, ask, root, project, typed, value):
    orchestrd("submit", "--workflow", "ask", "--project", str(project), "-p", f"question={typed}")

    assert handed_in(root)["params"]["question"] == value


@pytest.mark.parametrize(
    "params, said",
    [
        (
            ["depth=9", "dpeth=1"],
            [
                'params.dpeth: there is no parameter "dpeth" — did you mean `depth`?',
                "params.question: this parameter is required, and missing — What is asked (text in quotes)",
                "params.depth: 9 is out of range — a whole number from 1 to 5, without quotes",
            ],
        ),
        (
            ["question=x", "test=make *"],
            [
                (
                    "--workflow ask: params.test: \"make '*'\" cannot be allowed to a step: "
                    "* ( ) \\ have a meaning in permissions — put it into a script, and name the script"
                )
            ],
        ),
    ],
)
def test_what_the_daemon_would_refuse_is_told_in_its_words_and_not_handed_in(
    orchestrd, ask, root, project, params, said
):
    words = [word for param in params for word in ("-p", param)]

    found = orchestrd("submit", "--workflow", "ask", "--project", str(project), *words)

    assert (found.code, found.out) == (2, "")
    assert sorted(found.err.splitlines()) == sorted(
        line if line.startswith("--") else f"--workflow ask: {line}" for line in said
    )
    assert not list((root / "inbox").iterdir())


@pytest.mark.parametrize(
    "words, said",
    [
        (["--workflow", "ask", "-p", "question"], "write -p NAME=VALUE"),
        (["--workflow", "ask", "-p", "question=@/no/such"], "No such file or directory"),
        (
            ["--workflow", "ask", "-p", "depth=deep", "-p", "question=x"],
            '--workflow ask: params.depth: "deep" is no whole number — a whole number from 1 to 5, like 2\n',
        ),
        (
            ["--workflow", "ask", "-p", "question=x", "-p", "depth=1", "-p", "depth=2"],
            "params.depth: is given more than once",
        ),
        (["--workflow", "aks", "-p", "question=x"], "did you mean `ask`?"),
        (["--workflow", "ask", "plan.toml"], "give one of them"),
        ([], "give one of them"),
        (["plan.toml", "-p", "a=1"], "belong to --workflow"),
        (["--workflow", "ask", "--project", "/no/such"], "/no/such: no such directory"),
    ],
)
def test_wrong_use_is_one_line_and_nothing_is_handed_in(orchestrd, ask, root, words, said):
    found = orchestrd("submit", *words)

    assert (found.code, found.out) == (2, "")
    assert said in found.err
    assert found.err.count("\n") == 1
    assert not list((root / "inbox").iterdir())


def test_all_that_is_wrong_with_what_was_typed_is_told_at_once(orchestrd, ask, root):
    found = orchestrd("submit", "--workflow", "ask", "-p", "dpeth=x", "-p", "depth=three", "-p", "test='")

    assert (found.code, found.out) == (2, "")
    assert sorted(found.err.splitlines()) == [
        '--workflow ask: params.depth: "three" is no whole number — a whole number from 1 to 5, like 2',
        '--workflow ask: params.dpeth: there is no parameter "dpeth" — did you mean `depth`?',
        "--workflow ask: params.question: this parameter is required, and missing — What is asked (text in quotes)",
        (
            '--workflow ask: params.test: "\'" has a quote that does not end — '
            'a program and its arguments: ["make", "test"]'
        ),
    ]
    assert not list((root / "inbox").iterdir())


def test_check_knows_ones_own_workflows(orchestrd, ask, project, tmp_path):
    file = tmp_path / "plan.toml"
    file.write_text(f'handoff = 1\nproject = "{project}"\nworkflow = "ask"\n[params]\nquestion = "Why?"\n')

    assert orchestrd("check", str(file)).code == 0
    file.write_text(file.read_text() + "dpth = 1\n")
    assert f"{file}:6: params.dpth: " in orchestrd("check", str(file)).err
