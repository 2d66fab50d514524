"""What stands in the files that a plan's documentation may be written to."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from orchestrd.record.present_documents import PresentDocument, PresentDocuments, keep, kept
from orchestrd.workspaces import documents_there as room
from orchestrd.workspaces.documents_there import documents_there
from orchestrd.workspaces.intent import DIRECTORY, WORKTREE, Intent, decide, make, remove
from tests.repositories import Repository, a_repository, isolate_git

PLACES = ("branch", "place")


class There:
    """A project whose files are asked about: in a commit when its checkout is gone, or in place."""

    def __init__(self, folder: Path, where: str, within: str = "") -> None:
        self.repository = a_repository(folder / "project")
        self.where = where
        self.project = self.repository.path / within
        self.project.mkdir(exist_ok=True)

    def write(self, path: str, content: str | bytes) -> None:
        file = self.project / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content if isinstance(content, bytes) else content.encode())

    def found(self, *write_to: str, secret: bytes = b"-") -> PresentDocuments:
        intent, head = Intent(DIRECTORY, self.project, self.project, self.project), None
        if self.where == "branch":
            intent, head = self._committed()
        found = documents_there(
            intent,
            head,
            write_to,
            None,
            lambda raw: raw.replace(secret, b"[secret:KEY]" if secret != b"-" else b"-"),
        )
        assert found is not None
        return found

    def _committed(self) -> tuple[Intent, str]:
        self.repository.git("add", "-A")
        self.repository.git("commit", "-q", "--allow-empty", "-m", "All of it")
        checkout = self.repository.path.parent / "checkouts" / "x"
        intent = decide(self.project, "x", mode=WORKTREE, checkout=checkout, lock=None)
        make(intent, None)
        remove(intent, None)
        assert not checkout.exists()
        return intent, self.repository.git("rev-parse", "HEAD").strip()


@pytest.fixture(params=PLACES)
def there(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> There:
    isolate_git(monkeypatch, tmp_path)
    return There(tmp_path, request.param)


def test_files_that_are_named_are_shown_whole_and_of_globs_the_markdown_files_are_named(there: There) -> None:
    there.write("README.md", "# Grüße\n")
    for name in ("docs/b.md", "docs/a/c.MD", "docs/x.py", "other/d.md", "docs/[z]/e.md", "docs/up.md.txt"):
        there.write(name, "x\n")

    found = there.found("./README.md", "docs/new.md", "docs/**", "docs/b.md")

    assert found.files == (
        PresentDocument(path="README.md", text="# Grüße\n"),
        PresentDocument(path="docs/new.md"),
        PresentDocument(path="docs/b.md", text="x\n"),
    )
    assert (found.names, found.more, found.is_complete) == (("docs/[z]/e.md", "docs/a/c.MD"), 0, True)
    assert there.found("docs/[[]z]/*.md").names == ("docs/[z]/e.md",)
    assert there.found("*.md").names == ("README.md",)
    assert there.found("docs/").names == ("docs/[z]/e.md", "docs/a/c.MD", "docs/b.md")


def test_no_link_is_followed_and_what_is_no_text_is_named_only(there: There, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "key.md").write_text("outside\n")
    there.write("docs/real.md", "x\n")
    os.symlink(outside / "key.md", there.project / "link.md")
    os.symlink(outside, there.project / "folder")
    os.symlink(outside / "key.md", there.project / "docs/link.md")
    os.symlink(outside, there.project / "docs/folder")
    there.write("latin.md", b"caf\xe9\n")
    there.write("binary.md", b"a\0b")

    found = there.found("link.md", "folder/key.md", "docs", "latin.md", "binary.md", "docs/**", "folder/**")

    told = {one.path: one.why_not or "" for one in found.files}
    assert all(one.text is None for one in found.files)
    assert list(told) == ["link.md", "folder/key.md", "docs", "latin.md", "binary.md"]
    assert all(told.values())
    assert (told["latin.md"], told["binary.md"]) == ("it is no text in UTF-8", "it is a binary file")
    assert found.names == ("docs/real.md",)
    assert "outside" not in found.model_dump_json().replace("folder that", "")


def test_it_is_bounded_and_says_so(there: There, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "MOST_BYTES", 100_000)
    for name in ("a.md", "b.md", "c.md"):
        there.write(name, "ä" * 45_000)
    there.write("large.md", "x" * 100_001)
    for number in range(210):
        there.write(f"docs/{number:03}.md", "x")

    found = there.found("large.md", "a.md", "b.md", "c.md", "docs/**")

    told = [(len(one.text or ""), one.is_whole, one.why_not) for one in found.files]
    assert told == [
        (0, True, "it is larger than 8 MB"),
        (40_000, False, None),
        (40_000, False, None),
        (0, True, "the others take all the room"),
    ]
    assert (len(found.names), found.names[-1], found.more) == (200, "docs/199.md", 10)


def test_secrets_are_hidden_before_a_text_is_cut(there: There, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "MOST_LETTERS", 12)
    there.write("a.md", "the key is sesame\n")
    there.write("docs/sesame.md", "x")

    found = there.found("a.md", "docs/**", secret=b"sesame")

    assert (found.files[0].text, found.names) == ("the key is [", ("docs/[secret:KEY].md",))


@pytest.mark.parametrize("where", PLACES)
def test_a_project_below_the_top_of_its_repository_is_asked_about_alone(
    where: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    isolate_git(monkeypatch, tmp_path)
    there = There(tmp_path, where, within="ap[i]")
    there.write("README.md", "the api\n")
    there.write("docs/a.md", "x\n")
    (there.repository.path / "docs").mkdir()
    (there.repository.path / "docs/of-another.md").write_text("x\n")

    found = there.found("README.md", "docs/**")

    assert [one.text for one in found.files] == ["the api\n"]
    assert found.names == ("docs/a.md",)
    assert found.within == ("ap[i]/" if where == "branch" else "")


def test_a_project_with_very_many_files_is_not_looked_through_to_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    isolate_git(monkeypatch, tmp_path)
    monkeypatch.setattr(room, "MOST_LOOKED_AT", 5)
    there = There(tmp_path, "place")
    for number in range(6):
        there.write(f"docs/{number}/a.md", "x")

    assert there.found("docs/**").is_complete is False


def test_where_git_cannot_tell_nothing_is_said_and_nothing_older_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    isolate_git(monkeypatch, tmp_path)
    there = There(tmp_path, "branch")
    there.write("a.md", "x")
    keep(tmp_path, there.found("a.md"))
    project = there.project
    intent = Intent(WORKTREE, project, tmp_path / "gone", tmp_path / "gone", Repository(project).path)
    assert kept(tmp_path) is not None

    keep(tmp_path, documents_there(intent, "d" * 40, ["a.md"], None, bytes))

    assert kept(tmp_path) is None
