"""Contexts for those who read them: whose a file is, what it says, and what is none."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from handoff.context import (
    MOST_BYTES,
    ContextProblem,
    checksum,
    context_name,
    find_context,
    list_contexts,
    read_context,
    read_contexts,
)
from handoff.root import Root, RootError, create_root, open_root


@pytest.fixture
def root(tmp_path: Path) -> Root:
    return create_root(tmp_path / "handoff")


def a_context(project: str, body: str = "## Notes\n", more: str = "") -> str:
    return f'+++\nhandoff = 1\nproject = "{project}"\n{more}+++\n{body}'


def test_a_context_is_found_by_its_project_whatever_its_name(root: Root) -> None:
    (root.context / "api.md").write_text(a_context("/src/other/api"))
    (root.context / "api-2.md").write_text(a_context("/src/api"))

    assert find_context(root, "/src/api") == root.context / "api-2.md"
    assert find_context(root, "/src/nothing") is None
    assert [one.name for one in list_contexts(root)] == ["api-2", "api"]


def test_a_project_reached_by_a_link_has_the_context_of_where_it_leads(root: Root, tmp_path: Path) -> None:
    real, link = tmp_path / "real", tmp_path / "link"
    real.mkdir()
    link.symlink_to(real)
    (root.context / "real.md").write_text(a_context(str(link)))

    assert find_context(root, real) == find_context(root, link) == root.context / "real.md"


def test_what_is_read_has_no_marks_of_the_daemon_and_no_front_matter(root: Root) -> None:
    mark = f"<!-- kept done:add {checksum('done:add', 'was added')} -->"
    body = f"\n# api\n\n## Done\n\n{mark}\nwas added\n<!-- end of kept -->\n\nmine <!-- kept -->\n"
    (root.context / "api.md").write_bytes(
        a_context("/src/api", body, "hand_over = false\nmine = [1]\n").replace("\n", "\r\n").encode()
    )

    found = read_context(root.context / "api.md")

    assert found.words == "# api\n\n## Done\n\nwas added\n\nmine <!-- kept -->"
    assert (found.project, found.hand_over) == ("/src/api", False)


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"## Notes\n", "does not say whose"),
        (b"", "does not say whose"),
        (b"+++\nproject = \n+++\n", "line 2"),
        (b'+++\nproject = "api"\n+++\n', "names no project"),
        (b'+++\nproject = "/a"\nhand_over = "no"\n+++\n', "hand_over"),
        (b'+++\nproject = "/a"\n', "does not say whose"),
        (b"\xff\xfe", "is no text"),
        (b"x" * (MOST_BYTES + 1), "too large"),
    ],
)
def test_what_is_no_context_is_told_and_keeps_nobody_from_reading_the_others(
    root: Root, content: bytes, what: str
) -> None:
    (root.context / "bad.md").write_bytes(content)
    (root.context / "good.md").write_text(a_context("/good"))

    contexts, problems = read_contexts(root)

    assert [one.name for one in contexts] == ["good"]
    assert [what in str(one) and "bad.md" in str(one) and "To do:" in str(one) for one in problems] == [True]


def test_neither_a_link_nor_a_fifo_is_read(root: Root, tmp_path: Path) -> None:
    outside = tmp_path / "outside.md"
    outside.write_text(a_context("/outside"))
    (root.context / "link.md").symlink_to(outside)
    os.mkfifo(root.context / "fifo.md")
    (root.context / "folder.md").mkdir()
    (root.context / ".hidden.md").write_text(a_context("/hidden"))
    (root.context / "other.txt").write_text("")

    contexts, problems = read_contexts(root)

    assert contexts == []
    assert [one.path.name for one in problems] == ["fifo.md", "folder.md", "link.md"]
    with pytest.raises(ContextProblem, match="symbolic link"):
        read_context(root.context / "link.md")


def test_a_root_without_contexts_is_one_that_an_earlier_version_made(root: Root) -> None:
    root.context.rmdir()

    assert list_contexts(open_root(root.path)) == []

    create_root(root.path)
    assert root.context.stat().st_mode & 0o777 == 0o700


def test_contexts_are_not_kept_where_a_link_leads(root: Root, tmp_path: Path) -> None:
    root.context.rmdir()
    root.context.symlink_to(tmp_path)

    with pytest.raises(RootError):
        open_root(root.path)


@pytest.mark.parametrize(
    ("project", "name"),
    [("/src/My API", "my-api"), ("/", "project"), ("/src/äöü", "project"), ("/src/" + "a" * 99, "a" * 60)],
)
def test_a_context_is_named_for_people(project: str, name: str) -> None:
    assert context_name(project) == name
