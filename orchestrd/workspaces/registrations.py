"""Where a repository keeps what it knows of its worktrees, read from its own files: no git is started for it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from handoff import looking
from handoff.effects import effects
from orchestrd.workspaces.error import WorkspaceError


def common_dir(repository: Path) -> Path:
    """Find the repository's own folder: `.git`, or what a file of that name points to.

    Raises:
        WorkspaceError: there is none.

    """
    entry = repository / ".git"
    if looking.is_folder(entry):
        return Path(os.path.realpath(entry))
    content = read_line(entry)
    if content is not None and content.startswith(b"gitdir: "):
        git_dir = repository / os.fsdecode(content[len(b"gitdir: ") :])
        common = read_line(git_dir / "commondir")
        found = git_dir if common is None else git_dir / os.fsdecode(common)
        if looking.is_folder(found):
            return Path(os.path.realpath(found))
    raise WorkspaceError(
        "the repository is gone", str(repository), "the git repository of the project", "bring it back"
    )


def registration(common: Path, path: Path) -> Path | None:
    """Find the folder by which the repository knows the checkout at `path`."""
    folder = common / "worktrees"
    wanted = os.fsencode(path / ".git")
    # Git names it after the checkout; only where that name was taken, all have to be looked at.
    likely = folder / path.name
    if read_line(likely / "gitdir") == wanted:
        return likely
    try:
        names = sorted(effects.list(folder))
    except FileNotFoundError:
        return None
    return next((folder / name for name in names if read_line(folder / name / "gitdir") == wanted), None)


def work_trees(common: Path) -> Iterator[tuple[Path, Path]]:
    """Name every work tree of a repository: the folder in which git keeps its state, and where it lies itself."""
    yield common, common.parent
    try:
        names = sorted(effects.list(common / "worktrees"))
    except FileNotFoundError:
        return
    for name in names:
        entry = read_line(common / "worktrees" / name / "gitdir")
        if entry:
            yield common / "worktrees" / name, Path(os.fsdecode(entry)).parent


def lies_in_git(folder: Path) -> bool:
    """Tell whether a folder looks as if it lay in a repository, without asking git."""
    return any(looking.is_there(place / ".git") for place in (folder, *folder.parents))


def read_line(path: Path) -> bytes | None:
    """Read one of git's one-line files, without its newline; None: there is none.

    Raises OSError where the disk does not say: a registration that cannot be read is not one that is gone.
    """
    try:
        content = looking.read_file(path, follow=True)
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
        return None
    return content.removesuffix(b"\n")
