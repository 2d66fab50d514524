"""How a plan's branch is named: as its plan says, where that is free."""

from __future__ import annotations

import os
import re
from pathlib import Path

from orchestrd.workspaces.error import WorkspaceError
from orchestrd.workspaces.git import GitFailed, GitLock, run_git
from orchestrd.workspaces.refs import refs_there
from orchestrd.workspaces.registrations import common_dir
from orchestrd.workspaces.worktree import HEADS

DEFAULT_BRANCH = "handoff/{id}"
NAMES_AT_ONCE = 16
NAMES_AT_MOST = 4096

_PLAIN = re.compile(r"[a-z0-9][a-z0-9-]*(/[a-z0-9][a-z0-9-]*)*")
"""Names that git accepts for certain."""


def named_branch(repository: Path, wanted: str, pattern: str, lock: GitLock | None) -> str:
    """Find the branch for `pattern`, of which `wanted` came; the default makes way for a branch named `handoff`.

    Raises:
        WorkspaceError: there is none of that name.

    """
    found = free_branch(repository, _checked(wanted, repository, lock), lock)
    if found is None and pattern == DEFAULT_BRANCH:
        found = free_branch(repository, wanted.replace("/", "-"), lock)
    if found is None:
        raise WorkspaceError(
            f"a branch cannot be named {wanted!r}, for there is one whose name is the beginning of that",
            str(repository),
            "a name that no branch is in the way of",
            "rename that branch, or give the plan another [workspace] branch",
        )
    return found


def free_branch(repository: Path, wanted: str, lock: GitLock | None) -> str | None:
    """Find a branch's name that nobody has: `wanted`, else with -2, -3, …; None: a branch above it is in the way."""
    parts = wanted.split("/")
    above = ["/".join(parts[:length]) for length in range(1, len(parts))]
    for first in range(1, NAMES_AT_MOST, NAMES_AT_ONCE):
        numbers = range(first, first + NAMES_AT_ONCE)
        names = [wanted if number == 1 else f"{wanted}-{number}" for number in numbers]
        there = _are_there([*above, *names], repository, lock)
        if any(there[: len(above)]):
            return None
        for name, is_there in zip(names, there[len(above) :], strict=True):
            if not is_there:
                return name
    raise WorkspaceError(
        f"there are {NAMES_AT_MOST} branches named {wanted!r}", str(repository), "a free name", "remove some"
    )


def _are_there(names: list[str], repository: Path, lock: GitLock | None) -> list[bool]:
    refs = [HEADS + name for name in names]
    there = refs_there(common_dir(repository), refs)
    if there is not None:
        return there
    asked = "".join(f"{ref}\n" for ref in refs)
    told = run_git(["cat-file", "--batch-check"], repository, lock=lock, stdin=os.fsencode(asked))
    return [not line.endswith(b" missing") for line in told.splitlines()]


def _checked(name: str, repository: Path, lock: GitLock | None) -> str:
    if _PLAIN.fullmatch(name):
        return name
    refused = WorkspaceError(
        f"{name!r} is no name for a branch",
        str(repository),
        "what `git check-ref-format --branch` accepts",
        "give the plan another [workspace] branch",
    )
    if name.startswith("-") or name == "HEAD" or not name.isprintable():
        raise refused
    try:
        # Not its --branch, which takes "@{-1}" for the branch before.
        run_git(["check-ref-format", HEADS + name], repository, lock=lock)
    except GitFailed as error:
        raise refused from error
    return name
