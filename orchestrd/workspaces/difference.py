"""Two states of a project compared by git: which files, how many lines, the patch."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from handoff import durable, looking
from orchestrd.workspaces.git import GitLock, run_git

PLAIN = (
    "--no-ext-diff",
    "--no-textconv",
    "--no-color",
    "--ignore-submodules=dirty",
    "--submodule=short",
    "-M",
)
"""Nothing of the user's configuration decides what a difference looks like, nor which program makes it."""
PATCH = ("--binary", "--full-index", "--src-prefix=a/", "--dst-prefix=b/")


@dataclass(frozen=True, slots=True)
class Difference:
    """What differs."""

    files: tuple[tuple[str, str], ...]
    """Git's letter (A M D R T) and the path, the new one where it was renamed."""
    insertions: int
    """Lines; those of binary files are not counted."""
    deletions: int


def compare(sides: Sequence[str], cwd: Path, env: Mapping[str, str], lock: GitLock | None) -> Difference:
    """Compare two commits, or (`--cached`, a commit) a commit with the index."""
    told = run_git(["diff", "--raw", "--numstat", "-z", *PLAIN, *sides, "--"], cwd, lock=lock, extra=env)
    words = iter(told.split(b"\0"))
    files: list[tuple[str, str]] = []
    insertions = deletions = 0
    for word in words:
        if word.startswith(b":"):
            letter = word.rsplit(b" ", 1)[1][:1].decode()
            path = next(words)
            files.append((letter, shown(next(words) if letter in "RC" else path)))
        elif word:
            added, removed, path = word.split(b"\t", 2)
            insertions += int(added) if added != b"-" else 0
            deletions += int(removed) if removed != b"-" else 0
            if not path:  # renamed: both names follow
                next(words)
                next(words)
    return Difference(tuple(files), insertions, deletions)


def differing(
    sides: Sequence[str], cwd: Path, env: Mapping[str, str], lock: GitLock | None
) -> dict[str, str]:
    """Tell of each file that differs what it is now: git's letter, its mode and its blob. No rename is looked for."""
    raw = ["diff", "--raw", "-z", "--no-abbrev", *PLAIN, "--no-renames"]
    words = iter(run_git([*raw, *sides, "--"], cwd, lock=lock, extra=env).split(b"\0"))
    found = {}
    for word in words:
        if word:
            _, mode, _, blob, letter = word.decode().split(" ")
            found[shown(next(words))] = f"{letter} {mode} {blob}"
    return found


def write_patch(
    sides: Sequence[str],
    cwd: Path,
    env: Mapping[str, str],
    patch: Path,
    lock: GitLock | None,
    redact: Callable[[bytes], bytes] | None,
) -> None:
    """Write the difference as a patch that `git apply` takes; there is a whole one or none."""
    temporary = Path(durable.temporary_of(patch))
    durable.remove(temporary, sync=False)
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    descriptor = durable.effects.open(os.fspath(temporary), flags, 0o600)
    try:
        run_git(["diff", *PATCH, *PLAIN, *sides, "--"], cwd, lock=lock, extra=env, stdout=descriptor)
    finally:
        durable.effects.close(descriptor)
    if redact is not None:
        content = redact(looking.read_file(temporary))
        durable.remove(temporary, sync=False)
        durable.replace(patch, content)
        return
    durable.sync_files([temporary])
    durable.remove(patch, sync=False)
    durable.move_new(temporary, patch)


def index_apart(
    env: Mapping[str, str],
    cwd: Path,
    common: Path,
    scratch: Path,
    lock: GitLock | None,
    *,
    whole: bool = False,
) -> dict[str, str]:
    """Put all of the work tree into an index of our own; return the environment in which git uses that.

    What git cannot read is left out; with `whole` that raises GitFailed. New contents go into an object store of our
    own too: the user's repository gets nothing.
    """
    git_dir = Path(env["GIT_DIR"]) if "GIT_DIR" in env else common
    if "GIT_DIR" not in env:
        told = run_git(["rev-parse", "--absolute-git-dir"], cwd, lock=lock)
        git_dir = Path(os.fsdecode(told.removesuffix(b"\n")))
    index = scratch / "index"
    objects = scratch / "objects"
    durable.make_folder(objects, sync=False)
    if looking.is_there(git_dir / "index"):
        # With what it knows of unchanged files: only changed ones are read.
        shutil.copy2(git_dir / "index", index)
    apart = {
        **env,
        "GIT_INDEX_FILE": str(index),
        "GIT_OBJECT_DIRECTORY": str(objects),
        "GIT_ALTERNATE_OBJECT_DIRECTORIES": _listed(common / "objects"),
    }
    # Nothing of it outlives the comparison: the disk need not hold it.
    add = ["-c", "core.fsync=none", "add", "-A", "--ignore-errors"]
    run_git(add, cwd, lock=lock, extra=apart, codes=(0,) if whole else (0, 1))
    return apart


def _listed(folder: Path) -> str:
    """A folder as git takes it in a list, whose entries are parted by colons."""
    text = str(folder)
    if ":" not in text:
        return text
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def shown(path: bytes) -> str:
    """A path as text; bytes that are no UTF-8 are spelt out."""
    return path.decode("utf-8", "backslashreplace")
