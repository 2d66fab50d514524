"""How a workspace stood when a step began in it, so that its work can be told from what lay there uncommitted before.

Told exactly: whether anything is different, and which files, of all that git knows of or would add. Not told: lines,
renames and a patch of files that were uncommitted before, for their contents then are nowhere kept; what is ignored;
what is inside of submodules; and outside of git nothing at all.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from orchestrd.workspaces import difference
from orchestrd.workspaces.changes import Changes
from orchestrd.workspaces.git import GitLock, run_git
from orchestrd.workspaces.standing import Standing

FILES_AT_MOST = 1000
"""Uncommitted files that are noted one by one; of more it is told only whether something is different afterwards."""


@dataclass(frozen=True, slots=True)
class Beginning:
    """A workspace at the moment in which a step begins."""

    head: str | None = None
    """The commit; None: it is not in git."""
    branch: str | None = None
    tree: str | None = None
    """Of all that was there, the uncommitted included; None: nothing was uncommitted."""
    uncommitted: tuple[tuple[str, str], ...] | None = None
    """Each uncommitted file, and what it was; None: too many."""

    def fields(self) -> dict[str, Any]:
        """As it stands in the journal."""
        known = {
            "head": self.head,
            "branch": self.branch,
            "tree": self.tree,
            "uncommitted": None if self.uncommitted is None else [list(entry) for entry in self.uncommitted],
        }
        return {name: value for name, value in known.items() if value is not None}

    @classmethod
    def from_fields(cls, fields: Mapping[str, Any]) -> Beginning:
        """Read it from the journal; what else stands in the record is left alone."""
        entries = fields.get("uncommitted")
        return cls(
            fields.get("head"),
            fields.get("branch"),
            fields.get("tree"),
            None if entries is None else tuple((path, what) for path, what in entries),
        )


@dataclass(frozen=True, slots=True)
class GitPlace:
    """Where git is asked, and how."""

    cwd: Path
    common: Path
    env: Mapping[str, str]
    lock: GitLock | None


def note(standing: Standing, head: str, at: GitPlace) -> Beginning:
    """Note how it stands now, at `head`. Nothing of it is touched."""
    if not standing.is_dirty:
        return Beginning(head, standing.branch)
    entries, tree = _all_of_it(head, at)
    kept = tuple(sorted(entries.items())) if len(entries) <= FILES_AT_MOST else None
    return Beginning(head, standing.branch, tree, kept)


def since(beginning: Beginning, found: Changes, at: GitPlace, *, committed: bool) -> Changes:
    """Tell what a step did, of which `found` says what is different from the commit that it began at.

    `committed`: what it left uncommitted was committed for it, with what was uncommitted before.
    """
    head = beginning.head or ""
    if found.uncommitted:
        now, tree = _all_of_it(head, at)
    else:
        now = difference.differing([head, found.head or head], at.cwd, at.env, at.lock)
        told = run_git(["rev-parse", f"{found.head}^{{tree}}"], at.cwd, lock=at.lock, extra=at.env)
        tree = told.decode().strip()
    own_commits = bool(found.commits) and not committed
    unknown = replace(found, insertions=None, deletions=None, has_patch=False)
    if beginning.uncommitted is None:
        changed = tree != beginning.tree or own_commits
        return replace(unknown, changed=changed, files=(), files_changed=None)
    files = _between(dict(beginning.uncommitted), now)
    return replace(unknown, changed=bool(files) or own_commits, files=files, files_changed=len(files))


def _all_of_it(head: str, at: GitPlace) -> tuple[dict[str, str], str]:
    """What is different from a commit, the uncommitted included, and the tree that all of it would be."""
    with tempfile.TemporaryDirectory(prefix="orchestrd-index-") as scratch:
        apart = difference.index_apart(at.env, at.cwd, at.common, Path(scratch), at.lock)
        entries = difference.differing(["--cached", head], at.cwd, apart, at.lock)
        told = run_git(["-c", "core.fsync=none", "write-tree"], at.cwd, lock=at.lock, extra=apart)
    return entries, told.decode().strip()


def _between(before: Mapping[str, str], now: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    """Compare two states of which both are known by what is different from one commit."""
    files = []
    for path in sorted({*before, *now}):
        then, after = before.get(path), now.get(path)
        if then == after:
            continue
        # Of a file that is as the commit has it, the other state tells whether the commit has it.
        was_there = not then.startswith("D") if then else not (after or "").startswith("A")
        is_there = not after.startswith("D") if after else not (then or "").startswith("A")
        if was_there or is_there:
            files.append(("M" if was_there and is_there else "A" if is_there else "D", path))
    return tuple(files)
