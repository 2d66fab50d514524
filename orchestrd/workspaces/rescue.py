"""What an agent may have done to the checkout it worked in, made good: its registration, its branch, itself deleted."""

from __future__ import annotations

from pathlib import Path

from handoff import durable
from orchestrd.workspaces import forward, registrations, worktree
from orchestrd.workspaces.git import GitLock, run_git


def opened(tree: worktree.Worktree, lock: GitLock | None) -> dict[str, str]:
    """Find the way from a checkout that is there into its repository: what its gits are told in their environment.

    Said outright, git looks for no repository: where the checkout's own link is broken it would find the user's.
    Nothing of a run is alive in it.
    """
    common = registrations.common_dir(tree.repository)
    admin = registrations.registration(common, tree.path) or recovered(tree, common, lock)
    worktree.link(tree, admin)
    remove_stale_locks(admin, common, tree.ref)
    env = {"GIT_DIR": str(admin), "GIT_WORK_TREE": str(tree.path)}
    forward.finish(tree.path, env, lock)
    return env


def recovered(tree: worktree.Worktree, common: Path, lock: GitLock | None) -> Path:
    """Register a checkout whose registration was deleted during its run, with its branch and an index like it.

    Raises:
        WorkspaceError: the branch is gone too.

    """
    if worktree.tip(tree, lock) is None:
        _restore_branch(tree, tree.base, lock)
    return worktree.register(tree, common, lock)


def rescued(tree: worktree.Worktree, admin: Path | None, lock: GitLock | None) -> str | None:
    """Of a checkout that was deleted: the commit that its branch holds; None: there is neither branch nor HEAD.

    What HEAD stood at without a branch goes onto the plan's, or it would be lost with the registration.
    """
    at = worktree.tip(tree, lock)
    head = registrations.read_line(admin / "HEAD") if admin is not None else None
    if head is None or head.startswith(b"ref: "):
        return at
    commit = head.decode()
    if at is None or at == tree.base:
        _restore_branch(tree, commit, lock)
        return commit
    return at


def remove_stale_locks(admin: Path, common: Path, ref: str) -> None:
    """Remove what a git of the run left locked when it was killed. Nothing of the run is alive any more."""
    for lock in (admin / "index.lock", admin / "HEAD.lock", common / f"{ref}.lock"):
        durable.remove(lock, sync=False)


def _restore_branch(tree: worktree.Worktree, commit: str, lock: GitLock | None) -> None:
    run_git(["update-ref", tree.ref, commit], tree.repository, lock=lock)
