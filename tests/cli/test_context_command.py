"""`orchestrd context`: what is known of a project, for people."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from handoff.context import read_context
from handoff.root import Root, create_root
from tests.builders import SETTLED, a_result
from tests.context.test_keeping import a_keeping, keep


@pytest.fixture
def root(orchestrd) -> Root:
    return create_root(orchestrd.root)


@pytest.fixture
def api(root: Root, tmp_path: Path) -> Path:
    """A project that is known."""
    folder = tmp_path / "api"
    (folder / "deep").mkdir(parents=True)
    keep(a_keeping(root), folder, a_result(plan="one", started=SETTLED, title="Add a login"))
    return folder


def test_a_context_is_shown_without_marks_by_name_and_by_folder(orchestrd, api) -> None:
    by_name, by_folder = orchestrd("context", "api"), orchestrd("context", str(api / "deep"))

    assert by_name == by_folder
    assert (by_name.code, by_name.err) == (0, "")
    assert "### 2026-11-24 · Add a login · one" in by_name.out
    assert "<!--" not in by_name.out
    assert orchestrd("context", "api", "--path").out == f"{orchestrd.root}/context/api.md\n"


def test_all_contexts_are_listed_and_what_is_none_is_told(orchestrd, root, api) -> None:
    (root.context / "broken.md").write_text("")

    said = orchestrd("context")

    assert said.code == 0
    assert str(api) in said.out
    assert "context/broken.md does not say whose context it is. To do:" in said.err
    (listed,) = json.loads(orchestrd("context", "--json").out)
    assert (listed["name"], listed["project"], listed["hand_over"]) == ("api", str(api), True)
    assert "Add a login" in json.loads(orchestrd("context", "api", "--json").out)["text"]


def test_a_project_of_which_nothing_is_known_is_begun_by_editing(orchestrd, root, tmp_path) -> None:
    project, editor = tmp_path / "new", tmp_path / "editor"
    project.mkdir()
    editor.write_text('#!/bin/sh\nprintf "Use tabs.\\n" >>"$2"\n')
    editor.chmod(0o700)
    orchestrd.environ["EDITOR"] = f"{editor} --wait"

    nothing = orchestrd("context", str(project))
    edited = orchestrd("context", str(project), "--edit")
    keep(a_keeping(root), project, a_result(plan="one", started=SETTLED))

    assert (nothing.code, "--edit` begins it" in nothing.err) == (1, True)
    assert (edited.code, edited.err) == (0, "")
    text = read_context(root.context / "new.md").words
    assert "Use tabs." in text
    assert "· one" in text


def test_what_was_edited_so_that_it_is_no_context_any_more_is_told(orchestrd, api, tmp_path) -> None:
    editor = tmp_path / "editor"
    editor.write_text('#!/bin/sh\necho nothing >"$1"\n')
    editor.chmod(0o700)
    orchestrd.environ["VISUAL"] = str(editor)

    said = orchestrd("context", "api", "--edit")

    assert said.code == 1
    assert "does not say whose context it is" in said.err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["nowhere", "--edit"], "no such folder"),
        (["--edit"], "name a project"),
        (["api", "--path", "--json"], "one of them"),
    ],
)
def test_wrong_use_is_one_line(orchestrd, api, words, said) -> None:
    told = orchestrd("context", *words)

    assert told.code == 2
    assert said in told.err
    assert told.err.count("\n") == 1


def test_an_editor_that_is_not_there_is_named(orchestrd, api) -> None:
    orchestrd.environ["EDITOR"] = "no-such-editor"

    assert "no-such-editor" in orchestrd("context", "api", "--edit").err
