"""Making a worktree with one git instead of four.

`git worktree add -b` starts three more: for the branch, for HEAD, for the files. Here the registration is written as
git writes it, and one checkout does the rest. What is out of the ordinary is left to git's own way.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from handoff import durable, looking
from orchestrd.workspaces.git import GitFailed, GitLock, run_git

INITIALISING = b"initializing"
"""What git itself writes into `locked` for as long as it is making a worktree."""


def add_quickly(common: Path, path: Path, branch: str, base: str, lock: GitLock | None) -> Path | None:
    """Make a new branch at `base` and a new worktree of it at `path`; return its registration.

    None: it could not be made so, and nothing of it is left but perhaps the branch, at `base`. Raises OSError where the
    disk refuses; then nothing is left either.
    """
    admin = common / "worktrees" / path.name
    if looking.is_there(path) or looking.is_there(admin) or _is_unusual(common):
        return None
    try:
        _register(common, admin, path, base)
    except (FileNotFoundError, FileExistsError):
        # Another git came in between: it removed the empty folder of all registrations, or took the name.
        _remove(common, admin, path)
        return None
    except OSError:
        # Nothing of it may stay: what is half registered and locked would be in the user's repository for ever.
        with suppress(OSError):  # what brought us here is told; the next try begins with the same removal
            _remove(common, admin, path)
        raise
    try:
        # What `--force` would throw away is not there: the folder is new, and there is no index.
        run_git(["checkout", "-q", "--force", "--no-track", "-b", branch, base], path, lock=lock)
    except GitFailed:
        _remove(common, admin, path)
        return None
    except OSError:
        with suppress(OSError):
            _remove(common, admin, path)
        raise
    durable.remove(admin / "locked", sync=False)
    return admin


def remove_half_registered(common: Path, path: Path) -> None:
    """Remove what a cut has left of a registration that lay apart and was not in its place yet."""
    durable.remove_tree(_apart(common, path), sync=False)


def _remove(common: Path, admin: Path, path: Path) -> None:
    apart = _apart(common, path)
    # As long as the registration lies apart, nothing else is ours: what has its name is somebody's.
    for folder in (apart,) if looking.is_there(apart) else (path, admin):
        durable.remove_tree(folder, sync=False)


def _apart(common: Path, path: Path) -> Path:
    return common / f"orchestrd-{path.name}"


def _is_unusual(common: Path) -> bool:
    """Whether git would hand more on to a new worktree: what is checked out, configuration of its own."""
    handed_on = ("info/sparse-checkout", "config.worktree", "reftable")
    return any(looking.is_there(common / name) for name in handed_on)


def _register(common: Path, admin: Path, path: Path, base: str) -> None:
    """Write the registration apart and put it in its place whole: every git in the repository reads all of them."""
    apart = _apart(common, path)
    durable.remove_tree(apart, sync=False)
    durable.make_folder(admin.parent, sync=False, mode=0o755)
    durable.make_folder(apart, sync=False, mode=0o755)
    files = {
        "locked": INITIALISING + b"\n",
        "commondir": b"../..\n",
        "gitdir": os.fsencode(path / ".git") + b"\n",
        "HEAD": base.encode() + b"\n",
    }
    for name, content in files.items():
        durable.replace(apart / name, content, sync=False, mode=0o644)
    durable.effects.rename_new(os.fspath(apart), os.fspath(admin), ours=True)
    durable.make_folder(path, sync=False, mode=0o755)
    durable.replace(path / ".git", b"gitdir: " + os.fsencode(admin) + b"\n", sync=False, mode=0o644)
