"""What git and the folders say of the plans that may be open: asked once for all plans of a project, never for each."""

from __future__ import annotations

import os
from collections.abc import Sequence

from handoff import looking
from handoff.root import Root
from orchestrd.context.state import OpenPlan, Seen
from orchestrd.workspaces.git import GitFailed, GitHeld, GitLock, GitMissing, GitNoSpace, run_git

MOST_SECONDS = 10.0
"""Of one git: it only reads refs and the commits between them."""
HEADS = "refs/heads/"
_COUNT = ("HEAD", "refs/remotes/origin/HEAD", f"{HEADS}main", f"{HEADS}master")
"""A branch is merged once one of these has it: what is checked out, and what goes by the name of the main branch."""


def look(root: Root, project: str, plans: Sequence[OpenPlan], lock: GitLock | None) -> Seen:
    """Look at what may be open. Raises OSError where the disk does not say; what git does not say is open still."""
    branches = sorted({one.branch for one in plans if one.branch and one.has_branch})
    return Seen(
        unmerged=_unmerged(project, branches, lock),
        owed=frozenset(
            one.plan
            for one in plans
            if one.asks_docs and looking.is_there(root.requests / f"{one.plan}.docs.md")
        ),
        checkouts=frozenset(
            one.workspace for one in plans if one.workspace and looking.is_folder(one.workspace)
        ),
    )


def _unmerged(project: str, branches: Sequence[str], lock: GitLock | None) -> frozenset[str]:
    """Which of the branches are there, and in none of those that count."""
    if not branches:
        return frozenset()
    try:
        left = _refs(project, [HEADS + branch for branch in branches], lock)
        for target in ("HEAD", *_refs(project, _COUNT[1:], lock)):
            if left:
                left = _refs(project, left, lock, f"--no-merged={target}")
    except (GitFailed, GitHeld, GitMissing, GitNoSpace):
        return frozenset(branches)
    return frozenset(ref.removeprefix(HEADS) for ref in left)


def _refs(project: str, refs: Sequence[str], lock: GitLock | None, *options: str) -> list[str]:
    words = ["for-each-ref", "--format=%(refname)", *options, *refs]
    told = run_git(words, project, lock=lock, timeout=MOST_SECONDS)
    wanted = set(refs)
    # A pattern also takes what lies below it: `handoff/a` is not `handoff/a/b`.
    return [name for name in os.fsdecode(told).splitlines() if name in wanted]
