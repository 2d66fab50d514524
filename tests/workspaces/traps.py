"""What a git must not start, and a git that cannot do what is needed."""

from __future__ import annotations

import shutil
import stat
from pathlib import Path

from tests.repositories import Repository


def booby_trapped(repository: Repository, folder: Path) -> Path:
    """Have everything that a git may start on its own leave a trace, and fail."""
    trace = folder / "trace"
    script = folder / "trap"
    script.write_text(f"#!/bin/sh\necho $0 >> '{trace}'\nexit 1\n")
    script.chmod(script.stat().st_mode | stat.S_IXUSR)
    for hook in (
        "post-checkout",
        "pre-commit",
        "post-commit",
        "commit-msg",
        "reference-transaction",
        "post-index-change",
    ):
        (repository.path / ".git" / "hooks" / hook).symlink_to(script)
    for key, text in {
        "core.fsmonitor": str(script),
        "commit.gpgsign": "true",
        "gpg.program": str(script),
        "gc.auto": "1",
        "gc.autoDetach": "false",
    }.items():
        repository.git("config", key, text)
    return trace


def an_old_git(folder: Path) -> Path:
    """Have a git that knows only the merge-tree of old."""
    real = shutil.which("git")
    old = folder / "old" / "git"
    old.parent.mkdir()
    old.write_text(
        '#!/bin/sh\nfor word; do case "$word" in\n'
        "merge-tree) echo 'usage: git merge-tree <base-tree> <branch1> <branch2>' >&2; exit 129;;\n"
        "version) echo 'git version 2.34.1'; exit 0;;\n"
        f'esac; done\nexec {real} "$@"\n'
    )
    old.chmod(old.stat().st_mode | stat.S_IXUSR)
    return old.parent
