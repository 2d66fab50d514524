"""Where a plan works: a git worktree on a branch of its own, or its project in place.

`decide` looks and changes nothing; what it decides stands in the plan's journal before `make` acts on it. `make` and
`remove` can be repeated after any crash, and never throw away what somebody may have worked on. What a run left is
gathered in `changes.py`; the journal is not known here.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from handoff import looking
from orchestrd.workspaces import registrations, worktree
from orchestrd.workspaces.branches import DEFAULT_BRANCH, named_branch
from orchestrd.workspaces.error import WorkspaceError, from_git, no_git, said_plainly
from orchestrd.workspaces.git import GitFailed, GitLock, GitMissing, run_git

__all__ = ["Intent", "WorkspaceError", "decide", "make", "remove"]

WORKTREE = "worktree"
DIRECTORY = "directory"

_COMMIT = re.compile(r"[0-9a-f]{40,64}")


@dataclass(frozen=True, slots=True)
class Intent:
    """The workspace that a plan is to have."""

    mode: str
    """`worktree` or `directory`."""
    project: Path
    """Resolved."""
    path: Path
    """The root of the checkout; in place the project itself."""
    cwd: Path
    """Where Claude Code works: the project's place within the checkout."""
    repository: Path | None = None
    """The root of the work tree that the project lies in; None: it is in none."""
    branch: str | None = None
    """The branch of the checkout."""
    base: str | None = None
    """The commit it begins at, in full; in place that of HEAD."""
    in_git: bool = False
    """There is something to compare with."""
    was_free: bool = False
    """Nothing lay at `path` when this was decided: what lies there before a run has begun was put there by us."""

    def fields(self) -> dict[str, Any]:
        """As it stands in the journal."""
        paths = {"project": self.project, "path": self.path, "cwd": self.cwd, "repository": self.repository}
        texts = {name: str(path) for name, path in paths.items() if path is not None}
        others = {"mode": self.mode, "branch": self.branch, "base": self.base, "in_git": self.in_git}
        free = {"was_free": True} if self.was_free else {}
        return {**texts, **{name: value for name, value in others.items() if value is not None}, **free}

    @classmethod
    def from_fields(cls, fields: Mapping[str, Any]) -> Intent:
        """Read it from the journal; what else stands in the record is left alone."""
        repository = fields.get("repository")
        return cls(
            mode=fields["mode"],
            project=Path(fields["project"]),
            path=Path(fields["path"]),
            cwd=Path(fields["cwd"]),
            repository=Path(repository) if repository is not None else None,
            branch=fields.get("branch"),
            base=fields.get("base"),
            in_git=bool(fields.get("in_git")),
            was_free=bool(fields.get("was_free")),
        )


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a project lies in a repository."""

    repository: Path
    base: str
    within: Path


def decide(
    project: Path,
    plan_id: str,
    *,
    mode: str | None = None,
    base: str | None = None,
    branch: str = DEFAULT_BRANCH,
    checkout: Path,
    lock: GitLock | None,
) -> Intent:
    """Decide on a plan's workspace, which would be checked out at `checkout`; nothing is changed.

    `mode` left out: a worktree in a git repository, in place elsewhere.

    Raises:
        WorkspaceError: there can be none.

    """
    project = Path(os.path.realpath(project))
    in_place = Intent(DIRECTORY, project, project, project)
    try:
        place = _find_place(project, base if mode != DIRECTORY else None, mode, lock)
        if place is None:
            return in_place
        if mode == DIRECTORY:
            _demand_clean(project, place, lock)
            return Intent(
                DIRECTORY, project, project, project, place.repository, None, place.base, in_git=True
            )
        name = named_branch(place.repository, branch.replace("{id}", plan_id), branch, lock)
    except GitMissing as error:
        if mode != WORKTREE and not registrations.lies_in_git(project):
            return in_place
        raise no_git(project) from error
    except GitFailed as error:
        raise from_git(error, "the workspace cannot be decided on", project) from error
    checkout = Path(os.path.abspath(checkout))
    return Intent(
        WORKTREE,
        project,
        checkout,
        checkout / place.within,
        place.repository,
        name,
        place.base,
        in_git=True,
        was_free=not looking.is_there(checkout),
    )


def make(intent: Intent, lock: GitLock | None, *, untouched: bool = False) -> None:
    """Make the workspace, or find it as it was made before; what a crash left half made is made whole.

    `untouched` says that no run has begun in it: then what is not known to be whole is made anew.

    Raises:
        WorkspaceError: it cannot be made; nothing is left of the attempt.

    """
    if intent.mode == DIRECTORY:
        if not looking.is_folder(intent.path):
            raise WorkspaceError(
                "the project is gone", str(intent.path), "a folder", "bring it back, then retry the plan"
            )
        return
    with said_plainly("the checkout cannot be made", intent.path, intent.project):
        tree = worktree_of(intent)
        worktree.make(tree, lock, untouched=untouched, was_free=intent.was_free)


def remove(intent: Intent, lock: GitLock | None) -> bool:
    """Remove the checkout, and its branch where that holds no work. True: there is no checkout (any more).

    False: it stays, for there is work in it that is not committed, or it is not ours.
    """
    if intent.mode == DIRECTORY:
        return False
    with said_plainly("the checkout cannot be removed", intent.path, intent.project):
        return worktree.remove(worktree_of(intent), lock)


def worktree_of(intent: Intent) -> worktree.Worktree:
    """The checkout of an intent whose mode is `worktree`."""
    if intent.repository is None or intent.branch is None or intent.base is None:
        message = f"no worktree is meant: {intent}"
        raise ValueError(message)
    return worktree.Worktree(intent.repository, intent.path, intent.branch, intent.base)


def _find_place(project: Path, base: str | None, mode: str | None, lock: GitLock | None) -> _Place | None:
    """Find the repository around a project and the commit to begin at; None: it lies in none, and need not."""
    wanted = base or "HEAD"
    if wanted.startswith("-") or not wanted.isprintable():
        raise _no_base(wanted, project)
    # One process answers all; it stops at the first thing that is not there, having told what went before.
    asked = [
        "--is-bare-repository",
        "--is-inside-work-tree",
        "--show-cdup",
        wanted + "^{commit}",
        wanted + ":./",
    ]
    try:
        lines = (
            run_git(["rev-parse", *asked], project, lock=lock).decode("utf-8", "surrogateescape").split("\n")
        )
    except GitFailed as error:
        if "not a git repository (or any" in error.stderr:
            if mode == WORKTREE:
                raise _no_repository(project) from error
            return None
        lines = error.stdout.decode("utf-8", "surrogateescape").split("\n")
        if len(lines) < 3 or error.code is None:
            raise
    bare, inside, up, *rest = lines
    # What it cannot find it repeats as it was asked, before it complains.
    commits = [line for line in rest if _COMMIT.fullmatch(line)]
    if bare == "true" or inside != "true":
        raise WorkspaceError(
            "this is a bare repository, or git's own folder in one",
            str(project),
            "a project with a work tree",
            "name a clone of it as the project",
        )
    repository = Path(os.path.realpath(project / up))
    if not commits:
        raise _no_base(wanted, project) if base else _no_commit(project)
    within = project.relative_to(repository)
    if mode != DIRECTORY and len(commits) < 2:
        raise WorkspaceError(
            f"the folder {str(within)!r} is not part of {wanted}",
            str(project),
            "a project that is committed there",
            "commit it, or name another base",
        )
    return _Place(repository, commits[0], within)


def _demand_clean(project: Path, place: _Place, lock: GitLock | None) -> None:
    """A run in place is compared with HEAD: what was changed before it would count as its work."""
    asked = ["status", "--porcelain", "-z", "--untracked-files=normal"]
    told = run_git(asked, place.repository, lock=lock)
    if told:
        names = [entry[3:].decode("utf-8", "replace") for entry in told.split(b"\0") if entry[2:3] == b" "]
        raise WorkspaceError(
            f"there are changes that are not committed: {', '.join(names[:5])}{' …' if len(names) > 5 else ''}",
            str(project),
            "a clean work tree where a plan works in place",
            'commit or stash them, or let the plan work in a worktree ([workspace] mode = "worktree")',
        )


def _no_base(base: str, project: Path) -> WorkspaceError:
    return WorkspaceError(
        f"there is no commit {base!r}",
        str(project),
        "a branch, tag or commit of the repository",
        "correct [workspace] base, or fetch what it names",
    )


def _no_commit(project: Path) -> WorkspaceError:
    return WorkspaceError(
        "the repository has no commit", str(project), "a commit to begin at", "make a first commit"
    )


def _no_repository(project: Path) -> WorkspaceError:
    return WorkspaceError(
        "this is no git repository",
        str(project),
        'a git repository, for [workspace] mode = "worktree" was asked for',
        'run git init and commit, or leave out the mode (or make it "directory")',
    )
