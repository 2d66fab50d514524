"""In whose name commits are made for a plan: the user's, or nobody's where the user has told git no name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from orchestrd.workspaces.git import GitFailed, GitLock, run_git

NOBODY = ("orchestrd", "orchestrd@localhost")
"""Who commits where the user has told git no name."""


def run_as_author(
    words: Sequence[str],
    cwd: Path,
    *,
    lock: GitLock | None,
    extra: Mapping[str, str],
    stdin: bytes | None = None,
    codes: Sequence[int] = (0,),
) -> bytes:
    """Run a git that makes a commit. Git's own guess at a name, from the machine's, is never taken."""
    try:
        told = ["-c", "user.useConfigOnly=true", *words]
        return run_git(told, cwd, lock=lock, extra=extra, stdin=stdin, codes=codes)
    except GitFailed as error:
        if "auto-detection is disabled" not in error.stderr:
            raise
    name, email = NOBODY
    identity = {
        "GIT_AUTHOR_NAME": name,
        "GIT_AUTHOR_EMAIL": email,
        "GIT_COMMITTER_NAME": name,
        "GIT_COMMITTER_EMAIL": email,
    }
    return run_git(words, cwd, lock=lock, extra={**extra, **identity}, stdin=stdin, codes=codes)
