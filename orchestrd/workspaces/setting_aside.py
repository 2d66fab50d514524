"""What checks leave in a plan's checkout is not its work: it is kept as a patch, and the checkout is as it was."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from handoff import durable, looking
from orchestrd.workspaces import difference, nested, registrations, rescue
from orchestrd.workspaces.error import said_plainly
from orchestrd.workspaces.git import GitFailed, GitLock, run_git
from orchestrd.workspaces.intent import Intent, worktree_of
from orchestrd.workspaces.standing import look


def set_aside(
    plan: Intent, patch: Path, lock: GitLock | None, redact: Callable[[bytes], bytes] | None
) -> bool:
    """Clear from a plan's own checkout what is in no commit, and keep it in `patch`; tell whether it is clear now.

    What is ignored stays, and repositories of their own. For a checkout in which all was committed before the checks
    ran that git could commit: where there is something that it cannot read, nothing is cleared. It can be repeated
    after any crash: a patch that is there already is the whole one.

    Raises:
        WorkspaceError: git fails; what is not in the patch is where it was.

    """
    tree = worktree_of(plan)
    if not looking.is_folder(tree.path):
        return True
    with said_plainly("what the checks left cannot be set aside", plan.path, plan.project):
        env = rescue.opened(tree, lock)
        standing = look(env, tree.path, lock)
        if standing.head is None or not standing.is_dirty:
            return True
        common = registrations.common_dir(tree.repository)
        with tempfile.TemporaryDirectory(prefix="orchestrd-index-") as scratch:
            try:
                apart = difference.index_apart(env, tree.path, common, Path(scratch), lock, whole=True)
            except GitFailed:
                return False
            sides = ["--cached", standing.head]
            links = nested.new_links(sides, tree.path, apart, lock)
            nested.leave_out(links, tree.path, apart, lock)
            if not difference.differing(sides, tree.path, apart, lock):
                return True
            if not looking.is_there(patch):
                difference.write_patch(sides, tree.path, apart, patch, lock, redact)
        run_git(["reset", "-q", "--hard"], tree.path, lock=lock, extra=env)
        # 1: something could not be removed, as in a folder that its owner closed.
        run_git(["clean", "-q", "-f", "-d"], tree.path, lock=lock, extra=env, codes=(0, 1))
        # Git does not sync what it writes: files that a power cut emptied would be taken for work.
        durable.sync_tree(tree.path)
        return set(_left(tree.path, env, lock)) <= set(links)


def _left(path: Path, env: Mapping[str, str], lock: GitLock | None) -> Iterator[bytes]:
    told = run_git(["status", "--porcelain", "-z", "--no-renames"], path, lock=lock, extra=env)
    yield from (entry[3:].rstrip(b"/") for entry in told.split(b"\0") if entry)
