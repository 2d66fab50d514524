"""A worktree made with one git is what `git worktree add` makes."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrd.workspaces.quick_worktree import add_quickly
from orchestrd.workspaces.refs import loose_tip, refs_there
from tests.repositories import Repository, a_repository, isolate_git


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Repository:
    isolate_git(monkeypatch, tmp_path)
    return a_repository(tmp_path / "project")


def _make(repository: Repository, name: str, branch: str) -> Path | None:
    path = repository.path.parent / name
    base = repository.git("rev-parse", "HEAD")
    return add_quickly(repository.path / ".git", path, branch, base, None)


def test_it_is_what_git_itself_would_have_made(repository: Repository) -> None:
    git_made = repository.path.parent / "slow"
    repository.git("worktree", "add", "-q", "--no-track", "-b", "handoff/slow", "--", str(git_made), "HEAD")

    admin = _make(repository, "quick", "handoff/quick")

    assert admin is not None
    made = repository.path.parent / "quick"
    assert sorted(entry.name for entry in made.iterdir()) == sorted(
        entry.name for entry in git_made.iterdir()
    )
    assert repository.git("status", "--porcelain=v2", "--branch", cwd=made) == repository.git(
        "status", "--porcelain=v2", "--branch", cwd=git_made
    ).replace("slow", "quick")
    first, second = repository.git("worktree", "list", "--porcelain").strip().split("\n\n")[1:]
    assert first.replace("slow", "quick") == second.replace("slow", "quick")
    assert first != second
    repository.git("worktree", "remove", str(made))
    assert not admin.exists()
    repository.git("fsck", "--strict")


def test_where_the_branch_is_taken_nothing_is_left(repository: Repository) -> None:
    repository.git("branch", "handoff/one")
    before = repository.git("worktree", "list", "--porcelain")

    assert _make(repository, "one", "handoff/one") is None

    assert not (repository.path.parent / "one").exists()
    assert not (repository.path / ".git/worktrees/one").exists()
    assert not (repository.path / ".git/orchestrd-one").exists()
    assert repository.git("worktree", "list", "--porcelain") == before


@pytest.mark.parametrize("name", ["info/sparse-checkout", "config.worktree", "reftable"])
def test_what_is_out_of_the_ordinary_is_left_to_git(repository: Repository, name: str) -> None:
    (repository.path / ".git" / name).parent.mkdir(exist_ok=True)
    (repository.path / ".git" / name).touch()

    assert _make(repository, "one", "handoff/one") is None


def test_a_registration_of_that_name_is_another_s(repository: Repository) -> None:
    repository.git("worktree", "add", "-q", "-b", "other", str(repository.path.parent / "elsewhere" / "one"))

    assert _make(repository, "one", "handoff/one") is None

    assert repository.git("worktree", "list").count("one") == 1


def test_refs_are_found_loose_and_packed(repository: Repository) -> None:
    common = repository.path / ".git"
    repository.git("branch", "loose")
    repository.git("branch", "packed")
    refs = ["refs/heads/loose", "refs/heads/packed", "refs/heads/pack", "refs/heads/no"]
    assert loose_tip(common, "refs/heads/loose") == repository.git("rev-parse", "HEAD")

    repository.git("pack-refs", "--all")
    repository.git("update-ref", "refs/heads/loose2", "HEAD")

    assert refs_there(common, [*refs, "refs/heads/loose2"]) == [True, True, False, False, True]
    assert loose_tip(common, "refs/heads/packed") is None
