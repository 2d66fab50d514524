"""Which commit holds which."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from orchestrd.workspaces.git import GitFailed, GitLock, run_git


def is_held(
    commit: str, by: str, cwd: Path, lock: GitLock | None, extra: Mapping[str, str] | None = None
) -> bool:
    """Tell whether a commit is another one, or before it. Raises GitFailed where one of them is not there."""
    try:
        run_git(["merge-base", "--is-ancestor", commit, by], cwd, lock=lock, extra=extra)
    except GitFailed as error:
        if error.code != 1:
            raise
        return False
    return True


def commits_beyond(
    commit: str, by: str, cwd: Path, lock: GitLock | None, extra: Mapping[str, str] | None = None
) -> int:
    """Count the commits up to one that another does not hold. Raises GitFailed where one of them is not there."""
    return int(run_git(["rev-list", "--count", f"{by}..{commit}"], cwd, lock=lock, extra=extra))
