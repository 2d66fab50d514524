"""What a run left in its workspace: gathered, committed on the plan's branch, compared, written as a patch.

Whatever the agent did with branches, HEAD or the checkout itself, its work is never lost. In place nothing of the
user's repository is touched, the index and the object store included.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from handoff import durable, looking
from orchestrd.workspaces import difference, registrations, rescue, worktree
from orchestrd.workspaces.error import WorkspaceError, said_plainly
from orchestrd.workspaces.git import GitLock, run_git
from orchestrd.workspaces.intent import DIRECTORY, Intent, worktree_of
from orchestrd.workspaces.leftovers import settle
from orchestrd.workspaces.standing import Standing, look

__all__ = ["Changes", "gather"]


@dataclass(frozen=True, slots=True)
class Changes:
    """What is different from where the run began."""

    changed: bool | None = None
    """There are commits, or files that differ; None: there is nothing to compare with (any more)."""
    branch: str | None = None
    base: str | None = None
    head: str | None = None
    commits: int | None = None
    files_changed: int | None = None
    insertions: int | None = None
    deletions: int | None = None
    files: tuple[tuple[str, str], ...] = ()
    """Git's letter for what became of it, and the path."""
    uncommitted: bool = False
    """Something of it is in no commit."""
    nested: tuple[str, ...] = ()
    """Folders that are repositories of their own, which the run made: what is in them is in no commit."""
    has_patch: bool = False

    def fields(self) -> dict[str, Any]:
        """As it stands in the journal."""
        known = {
            "branch": self.branch,
            "base": self.base,
            "head": self.head,
            "commits": self.commits,
            "files_changed": self.files_changed,
            "insertions": self.insertions,
            "deletions": self.deletions,
        }
        return {
            "changed": self.changed,
            **{name: value for name, value in known.items() if value is not None},
            "patch": self.has_patch,
            "files": [{"path": path, "status": letter} for letter, path in self.files],
            "uncommitted": self.uncommitted,
            **({"nested": list(self.nested)} if self.nested else {}),
        }


@dataclass(frozen=True, slots=True)
class _Wish:
    """What the caller wants, handed down."""

    commit: bool
    message: str
    patch: Path | None
    """None: there is to be none."""
    lock: GitLock | None
    redact: Callable[[bytes], bytes] | None


def gather(
    intent: Intent,
    *,
    commit: bool,
    message: str,
    patch: Path | None,
    lock: GitLock | None,
    redact: Callable[[bytes], bytes] | None = None,
) -> Changes:
    """Commit what is left, where that is wanted, and compare. The run and all that it started are over.

    The difference is written to `patch`; None: to nowhere.

    Raises:
        WorkspaceError: it cannot be told; everything stays where it is.

    """
    if not intent.in_git or intent.base is None or intent.repository is None:
        return Changes()
    wish = _Wish(commit, message, patch, lock, redact)
    with said_plainly("what the run left cannot be gathered", intent.path, intent.project):
        if intent.mode == DIRECTORY:
            return _gather_in_place(intent.repository, intent.base, wish)
        return _gather_worktree(worktree_of(intent), wish)


def _gather_in_place(repository: Path, base: str, wish: _Wish) -> Changes:
    standing = look({}, repository, wish.lock)
    head = standing.head or base
    changes = Changes(branch=standing.branch, base=base, head=head, uncommitted=standing.is_dirty)
    if head == base and not standing.is_dirty:
        return _unchanged(changes, wish)
    return _compared(changes, {}, repository, registrations.common_dir(repository), wish)


def _gather_worktree(tree: worktree.Worktree, wish: _Wish) -> Changes:
    common = registrations.common_dir(tree.repository)
    if not looking.is_folder(tree.path):
        return _gather_branch(tree, common, registrations.registration(common, tree.path), wish)
    env = rescue.opened(tree, wish.lock)
    standing = look(env, tree.path, wish.lock)
    if _is_untouched(standing, tree):
        return _unchanged(Changes(branch=tree.branch, base=tree.base, head=tree.base), wish)
    found = settle(tree, env, standing, commit=wish.commit, message=wish.message, lock=wish.lock)
    changes = Changes(
        branch=found.branch,
        base=tree.base,
        head=found.head,
        uncommitted=found.uncommitted,
        nested=tuple(difference.shown(path) for path in found.nested),
    )
    if found.head == tree.base and not found.uncommitted:
        return _unchanged(changes, wish)
    is_ours_alone = (standing.head, standing.branch) == (tree.base, tree.branch) and not found.uncommitted
    return _compared(changes, env, tree.path, common, wish, commits=1 if is_ours_alone else None)


def _gather_branch(tree: worktree.Worktree, common: Path, admin: Path | None, wish: _Wish) -> Changes:
    """The checkout is gone. Its branch is not, nor what HEAD stood at, if that is another commit."""
    head = rescue.rescued(tree, admin, wish.lock)
    if head is None:
        raise WorkspaceError(
            f"the checkout and its branch {tree.branch!r} were both deleted during the run",
            str(tree.path),
            "one of them to be there",
            "look for lost commits with git fsck --lost-found, or retry the plan",
        )
    changes = Changes(branch=tree.branch, base=tree.base, head=head)
    if head == tree.base:
        # No commits; whether there was other work nobody can tell any more.
        return replace(
            _unchanged(changes, wish), changed=None, files_changed=None, insertions=None, deletions=None
        )
    return _compared(changes, {}, tree.repository, common, wish)


def _is_untouched(standing: Standing, tree: worktree.Worktree) -> bool:
    return standing.head == tree.base and standing.branch == tree.branch and not standing.is_dirty


def _unchanged(changes: Changes, wish: _Wish) -> Changes:
    _remove_patch(wish)
    return replace(changes, changed=False, commits=0, files_changed=0, insertions=0, deletions=0)


def _compared(
    changes: Changes, env: Mapping[str, str], cwd: Path, common: Path, wish: _Wish, commits: int | None = None
) -> Changes:
    """Compare base with head, or, where something is not committed, with the work tree through an index of its own."""
    base, head = changes.base or "", changes.head or ""
    if commits is None:
        commits = int(run_git(["rev-list", "--count", f"{base}..{head}"], cwd, lock=wish.lock, extra=env))
    if changes.uncommitted:
        with tempfile.TemporaryDirectory(prefix="orchestrd-index-") as scratch:
            apart = difference.index_apart(env, cwd, common, Path(scratch), wish.lock)
            sides = ["--cached", base]
            found = difference.compare(sides, cwd, apart, wish.lock)
            has_patch = bool(found.files) and _patch(sides, cwd, apart, wish)
    else:
        sides = [base, head]
        found = difference.compare(sides, cwd, env, wish.lock)
        has_patch = bool(found.files) and _patch(sides, cwd, env, wish)
    if not has_patch:
        _remove_patch(wish)
    return replace(
        changes,
        changed=commits > 0 or bool(found.files),
        commits=commits,
        files_changed=len(found.files),
        insertions=found.insertions,
        deletions=found.deletions,
        files=found.files,
        has_patch=has_patch,
    )


def _remove_patch(wish: _Wish) -> None:
    if wish.patch is not None:
        durable.remove(wish.patch)


def _patch(sides: list[str], cwd: Path, env: Mapping[str, str], wish: _Wish) -> bool:
    if wish.patch is None:
        return False
    difference.write_patch(sides, cwd, env, wish.patch, wish.lock, wish.redact)
    return True
