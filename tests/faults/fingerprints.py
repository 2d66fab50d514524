"""What lies at a path, in one word, to tell afterwards whether anybody has touched it. Of a repository: git's own, too.

Of `.git` all counts but what plans have a right to, and what says nothing: objects, registrations of checkouts (the
oracle asks of those elsewhere), logs but the stash's, the plans' own branches, times in the index. References count by
what they name, whether they are loose or packed. A git is started for the index alone: this is called very often.
"""

from __future__ import annotations

import hashlib
import os
import stat
import subprocess
from collections.abc import Collection, Iterator
from pathlib import Path

OUR_BRANCHES = "handoff/"
"""How the names of plans' branches begin, where a plan names none."""
HEADS = "refs/heads/"
ELSEWHERE = ("objects", "worktrees", "logs", "refs", "packed-refs", "index", "COMMIT_EDITMSG")
"""Of `.git`: what is left out, or looked at in another way. What git wrote into the last is in a commit, or nowhere."""


def fingerprint(place: Path, own: Collection[str] = ()) -> str:
    """Tell what lies at a path, whole: kinds, modes, contents, link targets, empty folders; not times.

    `own`: the branches that plans name besides those that begin with OUR_BRANCHES; they may come and go.
    """
    digest = hashlib.sha256()
    for folder, folders, names in os.walk(place):
        if ".git" in folders:
            folders.remove(".git")
            for line in _git(Path(folder, ".git"), own):
                digest.update(line)
        folders.sort()
        for line in _entries(Path(folder), [*folders, *names], place):
            digest.update(line)
    return digest.hexdigest()


def _entries(folder: Path, names: Collection[str], top: Path) -> Iterator[bytes]:
    for name in sorted(names):
        path = folder / name
        found = path.lstat()
        yield f"{os.path.relpath(path, top)!r} {found.st_mode:o} ".encode()
        if stat.S_ISLNK(found.st_mode):
            yield os.fsencode(os.readlink(path))
        elif stat.S_ISREG(found.st_mode):
            yield path.read_bytes()


def _git(git: Path, own: Collection[str]) -> Iterator[bytes]:
    for folder, folders, names in os.walk(git):
        here = Path(folder)
        if here == git:
            folders[:] = [name for name in folders if name not in ELSEWHERE]
            names = [name for name in names if name not in ELSEWHERE]  # noqa: PLW2901
        folders.sort()
        yield from _entries(here, [*folders, *names], git)
    for name, target in sorted(_references(git).items()):
        branch = name.removeprefix(HEADS)
        if branch == name or not (branch.startswith(OUR_BRANCHES) or branch in own):
            yield f"{name} {target}\n".encode()
    stash = git / "logs/refs/stash"
    yield stash.read_bytes() if stash.exists() else b"no stash\n"
    yield _index(git)


def _references(git: Path) -> dict[str, str]:
    """What each reference names: a commit, or another one. A loose one counts before a packed one, as for git."""
    found = {}
    packed = git / "packed-refs"
    for line in packed.read_text().splitlines() if packed.exists() else ():
        if not line.startswith(("#", "^")):
            target, _, name = line.partition(" ")
            found[name] = target
    for path in (git / "refs").rglob("*"):
        if path.is_file():
            found[str(path.relative_to(git))] = path.read_text().strip()
    return found


def _index(git: Path) -> bytes:
    """Its entries, with what is set of each; git itself may write anew what it knows of the files' times."""
    words = ("git", f"--git-dir={git}", f"--work-tree={git.parent}", "ls-files", "--stage", "-v", "-z")
    told = subprocess.run(words, capture_output=True, check=False)
    return told.stdout + told.stderr
