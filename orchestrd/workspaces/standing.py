"""Where a work tree stands: HEAD, branch, and whether anything in it is in no commit. One git tells it all."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from orchestrd.workspaces.git import GitLock, run_git


@dataclass(frozen=True, slots=True)
class Standing:
    """A work tree at a moment."""

    head: str | None
    """In full; None: there is no commit yet."""
    branch: str | None
    """None: HEAD is detached."""
    is_dirty: bool
    has_submodules: bool
    """Among what is dirty: whose contents git does not commit with the rest."""
    has_new_folders: bool = False
    """Among what is dirty: in which there may be a repository of its own."""


def look(env: Mapping[str, str], cwd: Path, lock: GitLock | None) -> Standing:
    """Look at a work tree without touching its index."""
    asked = [
        "status",
        "--porcelain=v2",
        "--branch",
        "-z",
        "--untracked-files=normal",
        "--ignore-submodules=none",
    ]
    told = run_git([*asked, "--no-renames", "--no-ahead-behind"], cwd, lock=lock, extra=env)
    head = branch = None
    entries = []
    for entry in told.split(b"\0"):
        if entry.startswith(b"# branch.oid "):
            head = entry[13:].decode()
        elif entry.startswith(b"# branch.head "):
            branch = entry[14:].decode("utf-8", "surrogateescape")
        elif entry and not entry.startswith(b"# "):
            entries.append(entry)
    return Standing(
        head=None if head == "(initial)" else head,
        branch=None if branch == "(detached)" else branch,
        is_dirty=bool(entries),
        # "1 XY SUB ...": N... for a plain file, S and what is new in it for a submodule
        has_submodules=any(entry[:1] in (b"1", b"2", b"u") and entry[5:6] == b"S" for entry in entries),
        has_new_folders=any(entry[:1] == b"?" and entry.endswith(b"/") for entry in entries),
    )
