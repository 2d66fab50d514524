"""What all steps of a plan left together: put on the plan's branch, compared with where the plan began."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from handoff import looking
from orchestrd.workspaces import changes, forward, rescue
from orchestrd.workspaces.changes import Changes
from orchestrd.workspaces.error import said_plainly
from orchestrd.workspaces.git import GitLock, run_git
from orchestrd.workspaces.intent import DIRECTORY, Intent, worktree_of
from orchestrd.workspaces.leftovers import in_use
from orchestrd.workspaces.merging import Conflict, Side, merge
from orchestrd.workspaces.standing import look
from orchestrd.workspaces.worktree import HEADS, Worktree

__all__ = ["Whole", "base_of", "gather_whole"]


@dataclass(frozen=True, slots=True)
class Whole:
    """What became of a plan's work."""

    changes: Changes
    """Of what is on the plan's branch; where there is a conflict, that is without the work of steps beside it."""
    conflict: Conflict | None = None
    """The steps' work does not go together: each side is on its branch."""


def base_of(plan: Intent, plan_id: str, needs: Sequence[Side], lock: GitLock | None) -> str | Conflict | None:
    """Tell the commit that a step begins at, by the heads of the steps that it needs, in order of definition.

    The head of a step that wrote nothing is the commit that it began at. None: the plan works in place.

    Raises:
        WorkspaceError: git is too old (2.38 is needed where there is something to merge), or fails.

    """
    if plan.mode == DIRECTORY or plan.repository is None or not needs:
        return plan.base if plan.mode != DIRECTORY else None
    found = merge(plan.repository, needs, plan=plan_id, lock=lock)
    return found if isinstance(found, Conflict) else found.commit


def gather_whole(
    plan: Intent,
    plan_id: str,
    heads: Sequence[Side],
    *,
    commit: bool,
    message: str,
    patch: Path | None,
    lock: GitLock | None,
    redact: Callable[[bytes], bytes] | None = None,
) -> Whole:
    """Put the work of the steps that nobody needs, in order of definition, on the plan's branch, and compare.

    All runs are over and gathered. What lies in the plan's workspace besides is committed first, where that is wanted.
    In place there is nothing to put together. It can be repeated after any crash, and with more heads.

    Raises:
        WorkspaceError: it cannot be told, or something is in the way; everything stays where it is.

    """
    if plan.mode == DIRECTORY or not plan.in_git:
        return Whole(
            changes.gather(plan, commit=commit, message=message, patch=patch, lock=lock, redact=redact)
        )
    with said_plainly("what the steps left cannot be put together", plan.path, plan.project):
        tree = _tree_in_use(worktree_of(plan), lock)
        plan = replace(plan, branch=tree.branch)
        left = changes.gather(plan, commit=commit, message=message, patch=None, lock=lock)
        tree = replace(tree, branch=left.branch or tree.branch)
        head = left.head or tree.base
        found = merge(tree.repository, _sides(head, tree.branch, heads), plan=plan_id, lock=lock)
        if not isinstance(found, Conflict):
            _move(tree, head, found.commit, lock)
    whole = changes.gather(
        replace(plan, branch=tree.branch),
        commit=commit,
        message=message,
        patch=patch,
        lock=lock,
        redact=redact,
    )
    return Whole(whole, found if isinstance(found, Conflict) else None)


def _sides(head: str, branch: str, heads: Sequence[Side]) -> list[Side]:
    """Add what is on the plan's branch: nothing new, but where something was committed there besides the steps' work.

    Were it a side where it is the work of a step, the order would depend on which of them worked there.
    """
    on_the_branch = [] if any(side.commit == head for side in heads) else [Side(None, head, branch)]
    return [*on_the_branch, *heads]


def _tree_in_use(tree: Worktree, lock: GitLock | None) -> Worktree:
    if not looking.is_folder(tree.path):
        return tree
    return in_use(tree, look(rescue.opened(tree, lock), tree.path, lock))


def _move(tree: Worktree, head: str, commit: str, lock: GitLock | None) -> None:
    if looking.is_folder(tree.path):
        forward.bring_forward(tree.path, rescue.opened(tree, lock), head, commit, lock)
    elif head != commit:
        # The checkout was deleted; what it held is on the branch.
        run_git(["update-ref", HEADS + tree.branch, commit, head], tree.repository, lock=lock)
