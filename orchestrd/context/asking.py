"""What git and the folders say of plans that may be open: git once for all of a project, and not too often."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

from handoff import looking
from handoff.effects import clock, effects
from handoff.root import Root
from orchestrd.context.state import OpenPlan, Seen
from orchestrd.workspaces.git import GitFailed, GitHeld, GitLock, GitMissing, GitNoSpace, run_git

AGAIN_SECONDS = 5.0
"""What git said of a project holds so long, unless somebody commits, merges or checks out there: twenty plans a second
cost it no more than one."""
MOST_SECONDS = 10.0
"""Of one git: it only reads refs and the commits between them."""
HEADS = "refs/heads/"
_MAIN = ("refs/remotes/origin/HEAD", f"{HEADS}main", f"{HEADS}master")
"""A branch is merged once what is checked out has it, or one of these."""


@dataclass(frozen=True, slots=True)
class _Told:
    at: float
    standing: tuple[int, ...]
    branches: frozenset[str]
    unmerged: frozenset[str]


class Asking:
    """Asks, and remembers for a while what git said."""

    def __init__(self, root: Root, lock: GitLock | None, again_seconds: float = AGAIN_SECONDS) -> None:
        self._root = root
        self._lock = lock
        self._again_seconds = again_seconds
        self._told: dict[str, _Told] = {}

    def look(self, project: str, plans: Sequence[OpenPlan]) -> Seen:
        """Look at what may be open. Raises OSError where the disk does not say; what git does not say is open still."""
        requests = self._root.requests
        return Seen(
            unmerged=self._unmerged(
                project, frozenset(one.branch for one in plans if one.has_branch and one.branch)
            ),
            owed=frozenset(
                one.plan
                for one in plans
                if one.asks_docs and looking.is_there(requests / f"{one.plan}.docs.md")
            ),
            checkouts=frozenset(
                one.workspace for one in plans if one.workspace and looking.is_folder(one.workspace)
            ),
        )

    def _unmerged(self, project: str, branches: frozenset[str]) -> frozenset[str]:
        if not branches:
            return branches
        told, now, standing = self._told.get(project), clock.boot(), _standing(project)
        if told is None or now - told.at >= self._again_seconds or told.standing != standing:
            told = _Told(now, standing, branches, unmerged_branches(project, branches, self._lock))
            self._told[project] = told
        # One that came since then was made a moment ago.
        return branches & (told.unmerged | (branches - told.branches))


def unmerged_branches(project: str, branches: frozenset[str], lock: GitLock | None) -> frozenset[str]:
    """Tell which branches are there and merged nowhere that counts; all of them where git does not say."""
    try:
        left = _refs(project, [HEADS + branch for branch in sorted(branches)], lock)
        targets = ("HEAD", *_refs(project, _MAIN, lock)) if left else ()
        for target in targets:
            left = _refs(project, left, lock, f"--no-merged={target}") if left else []
    except (GitFailed, GitHeld, GitMissing, GitNoSpace):
        return branches
    return frozenset(ref.removeprefix(HEADS) for ref in left)


def _standing(project: str) -> tuple[int, ...]:
    """What changes with whatever a user does to a repository, and with no plan: those have checkouts of their own."""
    times = []
    for name in ("HEAD", "logs/HEAD", "packed-refs"):
        with suppress(OSError):
            times.append(effects.stat(f"{project}/.git/{name}").st_mtime_ns)
    return tuple(times)


def _refs(project: str, refs: Sequence[str], lock: GitLock | None, *options: str) -> list[str]:
    words = ["for-each-ref", "--format=%(refname)", *options, *refs]
    told = run_git(words, project, lock=lock, timeout=MOST_SECONDS)
    wanted = set(refs)
    # A pattern also takes what lies below it: `handoff/a` is not `handoff/a/b`.
    return [name for name in os.fsdecode(told).splitlines() if name in wanted]
