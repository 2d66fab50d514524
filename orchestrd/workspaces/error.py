"""Why there is no workspace: what is wrong, where, what was expected, what to do."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from orchestrd.workspaces.git import GitFailed, GitMissing

_FILTERS = (
    re.compile(r"(?:smudge|clean) filter '?([^\s']+)'? failed"),
    re.compile(r"external filter '([^']+)' failed"),
)


class WorkspaceError(Exception):
    """A workspace cannot be made, compared or removed."""

    def __init__(self, what: str, where: str, expected: str, remedy: str) -> None:
        super().__init__(f"{where}: {what}. Expected: {expected}. What to do: {remedy}.")
        self.what = what
        self.where = where
        self.expected = expected
        self.remedy = remedy


class DocumentsRefused(Exception):
    """Documents cannot be written as things stand: what is in the way, and what to do."""

    def __init__(self, problem: str, **known: Any) -> None:
        super().__init__(problem)
        self.problem = problem
        self.known = known
        """How things stood, for the next answer: whoever gives that was told what others had changed up to there."""


@contextmanager
def said_plainly(what: str, where: Path, project: Path) -> Iterator[None]:
    """Turn what a git fails with into what a person can do about it. Raises WorkspaceError."""
    try:
        yield
    except GitMissing as error:
        raise no_git(project) from error
    except GitFailed as error:
        raise from_git(error, what, where) from error


def no_git(project: Path) -> WorkspaceError:
    """There is no git on this machine."""
    return WorkspaceError(
        "there is no git on this machine",
        str(project),
        "a git on the PATH of the daemon",
        'install git, or give the plan [workspace] mode = "directory" outside a git repository',
    )


def from_git(error: GitFailed, what: str, where: Path) -> WorkspaceError:
    """Make sense of what git said."""
    said = error.stderr
    if "dubious ownership" in said:
        return WorkspaceError(
            f"{what}: the repository belongs to another user, and git refuses to work in it",
            str(where),
            "a repository of the daemon's own user, or one that git is told to trust",
            f"git config --global --add safe.directory {where}",
        )
    found = next((match for pattern in _FILTERS if (match := pattern.search(said))), None)
    if found:
        return WorkspaceError(
            f"{what}: the filter {found[1]!r} that the repository demands fails",
            str(where),
            "the filters of .gitattributes to work for the daemon's user (for LFS: git-lfs on its PATH)",
            "install the filter, or take it out of the git configuration",
        )
    return WorkspaceError(
        f"{what}: {error.last_line()}", str(where), "git to succeed", "do what git says, then retry the plan"
    )
