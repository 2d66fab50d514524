"""What checks leave in a plan's checkout is not its work: it is kept as a patch, and the checkout is as it was."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

from handoff import durable, looking
from orchestrd.workspaces import difference, registrations, rescue
from orchestrd.workspaces.error import said_plainly
from orchestrd.workspaces.git import GitLock, run_git
from orchestrd.workspaces.intent import Intent, worktree_of
from orchestrd.workspaces.standing import look


def set_aside(
    plan: Intent, patch: Path, lock: GitLock | None, redact: Callable[[bytes], bytes] | None
) -> None:
    """Clear from a plan's own checkout all that is in no commit, what is ignored excepted, and keep it in `patch`.

    For a checkout in which all was committed before the checks ran. It can be repeated after any crash: a patch that
    is there already is the whole one.

    Raises:
        WorkspaceError: git fails; what is not in the patch is where it was.

    """
    tree = worktree_of(plan)
    if not looking.is_folder(tree.path):
        return
    with said_plainly("what the checks left cannot be set aside", plan.path, plan.project):
        env = rescue.opened(tree, lock)
        standing = look(env, tree.path, lock)
        if standing.head is None or not standing.is_dirty:
            return
        if not looking.is_there(patch):
            common = registrations.common_dir(tree.repository)
            with tempfile.TemporaryDirectory(prefix="orchestrd-index-") as scratch:
                apart = difference.index_apart(env, tree.path, common, Path(scratch), lock)
                sides = ["--cached", standing.head]
                difference.write_patch(sides, tree.path, apart, patch, lock, redact)
        run_git(["reset", "-q", "--hard"], tree.path, lock=lock, extra=env)
        run_git(["clean", "-q", "-f", "-d"], tree.path, lock=lock, extra=env)
        # Git does not sync what it writes: files that a power cut emptied would be taken for work.
        durable.sync_tree(tree.path)
