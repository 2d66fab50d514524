"""Where workflows are found, who outranks whom, and what of a project's files is never read."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from orchestrd.library.finding import SHIPPED, Library, NoWorkflow, Origin
from tests.library.texts import HEAD

SHIPPED_NAMES = ["bugfix", "coordinate", "docs", "feature", "refactor", "review"]


def put(folder: Path, name: str, prompt: str = "Do.") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"{name}.toml"
    file.write_text(f'{HEAD}prompt = "{prompt}"\n')
    return file


@pytest.fixture
def user(tmp_path: Path) -> Path:
    return tmp_path / "config" / "workflows"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    folder.mkdir()
    return folder


@pytest.fixture
def own(project: Path) -> Path:
    """The project's folder of workflows."""
    return project / ".handoff" / "workflows"


@pytest.fixture
def library(user: Path, project: Path) -> Library:
    """That of somebody who trusts the project."""
    return Library(user, lambda place: place == project)


def why_not(library: Library, name: str, project: Path | None) -> str:
    with pytest.raises(NoWorkflow) as told:
        library.find(name, project)
    assert all(one.path == ("workflow",) and one.hint for one in told.value.problems)
    return str(told.value)


def test_what_ships_is_there_for_everybody():
    assert SHIPPED.names(None) == dict.fromkeys(SHIPPED_NAMES, Origin.SHIPPED)
    assert SHIPPED.find("feature", None).workflow.title == "Feature"


def test_a_trusted_projects_workflow_outranks_the_users_and_that_the_shipped_one(library, user, own, project):
    put(user, "feature", "user")
    assert library.find("feature", project).origin is Origin.USER

    put(own, "feature", "project")
    found = library.find("feature", project)

    assert (found.origin, found.file) == (Origin.PROJECT, own / "feature.toml")
    assert found.workflow.body == {"prompt": "project"}
    assert library.find("feature", None).origin is Origin.USER
    assert library.names(project)["feature"] is Origin.PROJECT


def test_an_unknown_name_is_told_with_the_nearest_one(library, own, project):
    put(own, "release")

    assert why_not(library, "releese", project) == 'there is no workflow "releese" — did you mean `release`?'
    assert "the workflows here are: bugfix, coordinate," in why_not(library, "zzz", project)


def test_a_workflow_of_a_project_that_is_not_trusted_is_refused_and_not_another_one_taken(user, own, project):
    put(own, "feature")
    library = Library(user)

    said = why_not(library, "feature", project)

    assert f"{own}/feature.toml is a workflow of a project that is not trusted" in said
    assert f"orchestrd trust {project}" in said
    assert library.find("bugfix", project).origin is Origin.SHIPPED


def test_nothing_of_a_project_that_is_not_trusted_is_read(user, own, project):
    own.mkdir(parents=True)
    os.mkfifo(own / "feature.toml")

    assert "not trusted" in why_not(Library(user), "feature", project)


def test_a_wrong_file_is_told_with_its_place_and_never_passed_over(library, user, project):
    file = put(user, "feature")
    file.write_text(HEAD + 'prompt = "Do {{x}}."\n[limits]\ntimout = "1h"\n')

    with pytest.raises(NoWorkflow) as told:
        library.find("feature", project)

    assert [one.message for one in told.value.problems] == [
        f'{file}:4: prompt: there is no parameter "x"',
        f"{file}:6: limits.timout: there is no such field",
    ]


def link(own: Path, elsewhere: Path) -> None:
    own.mkdir(parents=True)
    put(elsewhere, "feature")
    (own / "feature.toml").symlink_to(elsewhere / "feature.toml")


def linked_folder(own: Path, elsewhere: Path) -> None:
    put(elsewhere, "feature")
    own.parent.mkdir()
    own.symlink_to(elsewhere)


def linked_above(own: Path, elsewhere: Path) -> None:
    put(elsewhere / "workflows", "feature")
    own.parent.symlink_to(elsewhere)


def fifo(own: Path, elsewhere: Path) -> None:
    own.mkdir(parents=True)
    os.mkfifo(own / "feature.toml")


def folder(own: Path, elsewhere: Path) -> None:
    (own / "feature.toml").mkdir(parents=True)


def a_socket(own: Path, elsewhere: Path) -> None:
    own.mkdir(parents=True)
    here = os.getcwd()
    os.chdir(own)  # a socket's path is short
    try:
        socket.socket(socket.AF_UNIX).bind("feature.toml")
    finally:
        os.chdir(here)


def too_large(own: Path, elsewhere: Path) -> None:
    put(own, "feature").write_text("#" * (1 << 20) + "#")


def of_everybody(own: Path, elsewhere: Path) -> None:
    put(own, "feature").chmod(0o666)


def second_name(own: Path, elsewhere: Path) -> None:
    put(own, "feature")
    elsewhere.mkdir()
    os.link(own / "feature.toml", elsewhere / "other")


@pytest.mark.parametrize(
    "what, said",
    [
        (link, "is a symbolic link: only regular files are read"),
        (linked_folder, "is a link, or no folder"),
        (linked_above, "is a link, or no folder"),
        (fifo, "is a FIFO: only regular files are read"),
        (folder, "is a directory: only regular files are read"),
        (a_socket, "is a socket: only regular files are read"),
        (too_large, "is too large (1048577 bytes; at most 1048576)"),
        (of_everybody, "is writable by everybody"),
        (second_name, "has a second hard link"),
    ],
)
def test_what_is_no_plain_file_of_the_project_is_not_read_even_if_it_is_trusted(
    library, own, project, tmp_path, what, said
):
    what(own, tmp_path / "elsewhere")

    assert said in why_not(library, "feature", project)


def test_ones_own_file_may_be_a_link(library, user, project, tmp_path):
    put(tmp_path / "dotfiles", "mine")
    user.mkdir(parents=True)
    (user / "mine.toml").symlink_to(tmp_path / "dotfiles" / "mine.toml")

    assert library.find("mine", project).origin is Origin.USER


def test_the_list_tells_of_those_that_cannot_be_used_too(library, user, own, project):
    put(user, "broken").write_text("x")
    put(own, "feature")
    put(own, "-no-name")
    (own / "notes.txt").write_text("x")

    listed = {one.name: one for one in library.listing(project)}

    assert sorted(listed) == sorted([*SHIPPED_NAMES, "broken"])
    assert listed["broken"].found is None
    assert "broken.toml:1: this is not TOML" in str(listed["broken"].problem)
    assert listed["feature"].origin is Origin.PROJECT
    assert "not trusted" in str({one.name: one for one in Library(user).listing(project)}["feature"].problem)
