"""Bring what a run left onto its plan's branch, whatever it did with branches and HEAD."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace

from orchestrd.workspaces import nested, worktree
from orchestrd.workspaces.authorship import run_as_author
from orchestrd.workspaces.branches import free_branch
from orchestrd.workspaces.git import GitFailed, GitLock, run_git
from orchestrd.workspaces.history import is_held
from orchestrd.workspaces.refs import loose_tip
from orchestrd.workspaces.registrations import common_dir
from orchestrd.workspaces.standing import Standing, look


@dataclass(frozen=True, slots=True)
class Settled:
    """Where the work is now."""

    branch: str
    head: str
    uncommitted: bool
    nested: tuple[bytes, ...] = ()
    """Folders that are repositories of their own, made by the run: they are uncommitted, whoever committed the rest."""


def settle(
    tree: worktree.Worktree,
    env: Mapping[str, str],
    standing: Standing,
    *,
    commit: bool,
    message: str,
    lock: GitLock | None,
) -> Settled:
    """See to it that a branch of the plan holds the work; commit what is in no commit, if that is wanted."""
    branch, head = _on_a_branch(tree, env, standing, lock)
    if not commit:
        return Settled(branch, head, uncommitted=standing.is_dirty)
    has_committed = head != tree.base
    whole = not standing.is_dirty or _add(tree, env, lock)
    # Where nothing new can be a repository git need not be asked for one.
    may_nest = has_committed or standing.has_new_folders or standing.has_submodules
    links = nested.new_links(["--cached", tree.base], tree.path, env, lock) if may_nest else ()
    if links:
        nested.leave_out(links, tree.path, env, lock)
    if not standing.is_dirty and not links:
        return Settled(branch, head, uncommitted=False)
    _commit(tree, env, message, lock)
    if whole and not links and not standing.has_submodules:
        tip = loose_tip(common_dir(tree.repository), worktree.HEADS + branch)
        if tip is None:
            tip = run_git(["rev-parse", "HEAD"], tree.path, lock=lock, extra=env).decode().strip()
        return Settled(branch, tip, uncommitted=False)
    # Contents of submodules, and what git could not read, are in no commit even now.
    after = look(env, tree.path, lock)
    return Settled(branch, after.head or head, after.is_dirty, links)


def in_use(tree: worktree.Worktree, standing: Standing) -> worktree.Worktree:
    """Tell on which branch the next run in a checkout goes on, once what the last one left is settled.

    It is the plan's own, unless another had to be made that no work on that should be lost.
    """
    found = standing.branch
    if found is not None and re.fullmatch(rf"{re.escape(tree.branch)}(-\d+)+", found):
        return replace(tree, branch=found)
    return tree


def _on_a_branch(
    tree: worktree.Worktree, env: Mapping[str, str], standing: Standing, lock: GitLock | None
) -> tuple[str, str]:
    """Have HEAD be on the plan's branch, with all that was committed: (branch, its commit).

    The agent may have detached HEAD, switched to, made or renamed a branch. Its branches stay as they are; the plan's
    is moved forward to where HEAD stands. Only where that would lose commits of it there is a second one.
    """
    head = standing.head
    if standing.branch == tree.branch and head is not None:
        return tree.branch, head
    ours = worktree.tip(tree, lock)
    if head is None:  # a branch without a commit was begun (git switch --orphan)
        head = ours or tree.base
    if ours is not None and ours != head and not is_held(ours, head, tree.repository, lock):
        if not standing.is_dirty and is_held(head, ours, tree.repository, lock):
            return tree.branch, ours
        return _moved(free_branch(tree.repository, tree.branch, lock) or tree.branch, head, tree, env, lock)
    return _moved(tree.branch, head, tree, env, lock)


def _moved(
    branch: str, head: str, tree: worktree.Worktree, env: Mapping[str, str], lock: GitLock | None
) -> tuple[str, str]:
    ref = worktree.HEADS + branch
    run_git(["update-ref", "-m", "orchestrd: what the run left", ref, head], tree.path, lock=lock, extra=env)
    # HEAD alone, never the files: what is not committed stays as it is.
    run_git(["symbolic-ref", "HEAD", ref], tree.path, lock=lock, extra=env)
    return branch, head


def _add(tree: worktree.Worktree, env: Mapping[str, str], lock: GitLock | None) -> bool:
    """Put everything into the index; False: some of it could not be."""
    try:
        run_git(["add", "-A", "--ignore-errors"], tree.path, lock=lock, extra=env)
    except GitFailed as error:
        if error.code != 1:
            raise
        return False
    return True


def _commit(tree: worktree.Worktree, env: Mapping[str, str], message: str, lock: GitLock | None) -> None:
    """Commit what is in the index; nothing new in it is no failure."""
    words = ["commit", "-q", "--no-verify", "--allow-empty-message", "--cleanup=whitespace", "-m", message]
    run_as_author(words, tree.path, lock=lock, extra=env, codes=(0, 1))
