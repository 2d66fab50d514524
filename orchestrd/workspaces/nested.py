"""Repositories of their own that a run made in its checkout. What is in them is in no commit of the project.

Git takes such a folder into a commit as a link to a commit that the project does not have: whoever merges that gets an
empty folder. Only a submodule that `.gitmodules` names leads anywhere.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from orchestrd.workspaces.difference import PLAIN
from orchestrd.workspaces.git import GitLock, run_git

LINK = "160000"
"""The mode of a link to a commit of another repository."""
_NO_SUCH_BLOB = (1, 128, 255)


def new_links(
    sides: Sequence[str], cwd: Path, env: Mapping[str, str], lock: GitLock | None
) -> tuple[bytes, ...]:
    """Find the links that lead nowhere and that the first of two sides does not have (see `difference.compare`)."""
    asked = ["diff", "--raw", "-z", *PLAIN, "--no-renames", *sides, "--"]
    words = iter(run_git(asked, cwd, lock=lock, extra=env).split(b"\0"))
    found = []
    for word in words:
        if word:
            path = next(words)
            before, after = word[1:].decode().split(" ")[:2]
            if after == LINK and before != LINK:
                found.append(path)
    if not found:
        return ()
    known = _registered(cwd, env, lock)
    return tuple(path for path in found if path not in known)


def leave_out(links: Sequence[bytes], cwd: Path, env: Mapping[str, str], lock: GitLock | None) -> None:
    """Take links out of the index. The folders stay as they are: they are what nobody has committed."""
    paths = b"".join(path + b"\0" for path in links)
    run_git(["update-index", "--force-remove", "-z", "--stdin"], cwd, lock=lock, extra=env, stdin=paths)


def _registered(cwd: Path, env: Mapping[str, str], lock: GitLock | None) -> set[bytes]:
    """Read the paths of the submodules that the index's `.gitmodules` names."""
    asked = ["config", "-z", "--blob=:.gitmodules", "--get-regexp", r"^submodule\..*\.path$"]
    told = run_git(asked, cwd, lock=lock, extra=env, codes=(0, *_NO_SUCH_BLOB))
    return {entry.partition(b"\n")[2] for entry in told.split(b"\0") if entry}
