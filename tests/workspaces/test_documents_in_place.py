"""Documents of a plan that worked in place: all or none, no link followed, no later work of somebody replaced."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from handoff import beneath
from handoff.docs_reply import DocumentToWrite
from orchestrd.workspaces.documents_in_place import write_in_place
from orchestrd.workspaces.error import DocumentsRefused

BOTH = [DocumentToWrite("docs/a.md", "# A\n"), DocumentToWrite("README.md", "# B\n")]
ENDED = 1_000_000.0


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "README.md").write_text("# Old\n")
    os.utime(folder / "README.md", (ENDED - 10, ENDED - 10))
    return folder


def test_documents_are_written_and_a_file_that_was_there_is_replaced(project: Path) -> None:
    (project / "README.md").chmod(0o600)

    write_in_place(project, BOTH, ENDED, {})
    write_in_place(project, BOTH, ENDED, {})

    assert (project / "docs/a.md").read_text() == "# A\n"
    assert (project / "README.md").read_text() == "# B\n"
    assert (project / "README.md").stat().st_mode & 0o777 == 0o600
    assert sorted(os.listdir(project)) == ["README.md", "docs"]


@pytest.mark.parametrize("link", ["docs", "docs/a.md"])
def test_no_link_is_followed_and_then_nothing_is_written(project: Path, tmp_path: Path, link: str) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "a.md").write_text("not yours\n")
    (project / link).parent.mkdir(exist_ok=True)
    (project / link).symlink_to(outside if link == "docs" else outside / "a.md")

    with pytest.raises(DocumentsRefused, match=r"docs/a\.md"):
        write_in_place(project, BOTH, ENDED, {})

    assert (outside / "a.md").read_text() == "not yours\n"
    assert (project / "README.md").read_text() == "# Old\n"


@pytest.mark.parametrize("root", [".", "handoff"])
def test_nothing_is_written_into_the_root_that_lies_in_the_project(project: Path, root: str) -> None:
    documents = [DocumentToWrite("handoff/inbox/plan.md", "+++\n"), BOTH[1]]

    with pytest.raises(DocumentsRefused, match=r"handoff/inbox/plan\.md: lies in "):
        write_in_place(project, documents, ENDED, {}, project / root)

    assert os.listdir(project) == ["README.md"]
    assert (project / "README.md").read_text() == "# Old\n"


def test_a_folder_that_becomes_a_link_while_it_is_written_into_leads_nowhere(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (project / "docs").mkdir()
    real = beneath.effects.open

    def exchanging(path: str, flags: int, mode: int = 0o600, *, dir_fd: int | None = None) -> int:
        if flags & os.O_CREAT:
            (project / "docs").rename(tmp_path / "moved")
            (project / "docs").symlink_to(outside)
        return real(path, flags, mode, dir_fd=dir_fd)

    monkeypatch.setattr(beneath.effects, "open", exchanging)

    write_in_place(project, BOTH[:1], ENDED, {})

    assert list(outside.iterdir()) == []
    assert (tmp_path / "moved/a.md").read_text() == "# A\n"


def test_what_somebody_has_changed_since_is_replaced_only_by_who_was_told(project: Path) -> None:
    (project / "README.md").write_text("# By hand\n")

    with pytest.raises(DocumentsRefused, match=r"since the plan ended: README\.md") as caught:
        write_in_place(project, BOTH, ENDED, {})

    assert not (project / "docs").exists()
    write_in_place(project, BOTH, ENDED, caught.value.known["files"])
    assert (project / "README.md").read_text() == "# B\n"


def test_a_project_that_is_gone_is_refused(project: Path) -> None:
    with pytest.raises(DocumentsRefused, match="the project is gone"):
        write_in_place(project / "elsewhere", BOTH, ENDED, {})
