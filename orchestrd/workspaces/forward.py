"""A checkout brought forward to a commit that holds what it has and more, and nothing in it lost.

What is in no commit stays as it is, and where it is in the way nothing is done at all. While the files are changed a
mark in the checkout's registration says so: what a killed git or a power cut left of them could not be told from work.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from handoff import durable
from handoff.effects import effects
from orchestrd.workspaces.error import WorkspaceError
from orchestrd.workspaces.git import GitFailed, GitLock, run_git
from orchestrd.workspaces.history import is_held
from orchestrd.workspaces.registrations import read_line

MARK = "orchestrd-forward"
NAMED_AT_MOST = 5

_MARK = re.compile(rb"([0-9a-f]{40,64}) ([0-9a-f]{40,64})")
_REFUSED = re.compile(r"not uptodate|would be overwritten|would be removed|would lose")


@dataclass(frozen=True, slots=True)
class Bringing:
    """What is brought to a checkout, in words, and what to do where something is in its way."""

    what: str
    remedy: str


OTHER_STEPS = Bringing("the work of other steps", "move it away or commit it, then retry the plan")


@dataclass(frozen=True, slots=True)
class _Way:
    """What becomes of one file."""

    was_there: bool
    mode: bytes
    """Afterwards; of a file that goes it is all zeros, and so is the object."""
    blob: bytes

    @property
    def stays(self) -> bool:
        return self.mode.strip(b"0") != b""


def bring_forward(
    path: Path,
    env: Mapping[str, str],
    head: str,
    commit: str,
    lock: GitLock | None,
    bringing: Bringing = OTHER_STEPS,
) -> None:
    """Bring the checkout at `path`, which stands at `head`, and its branch forward to `commit`.

    Raises:
        WorkspaceError: `commit` does not hold `head`, or something that is in no commit is in the way.

    """
    if head == commit:
        return
    if not is_held(head, commit, path, lock, env):
        raise WorkspaceError(
            f"it stands at {head[:12]}, which is no part of {commit[:12]}",
            str(path),
            "a checkout that nobody has moved since its last step",
            "look at the commits of its branch, then retry the plan",
        )
    ways = _ways(path, env, head, commit, lock)
    found = sorted(set(_in_the_way(path, env, ways, lock)))
    if found:
        names = [os.fsencode(name).decode("utf-8", "backslashreplace") for name in found]
        raise _blocked(path, names, bringing)
    mark = Path(env["GIT_DIR"], MARK)
    durable.publish_new(mark, f"{head} {commit}\n".encode())
    try:
        run_git(["read-tree", "-m", "-u", head, commit], path, lock=lock, extra=env)
    except GitFailed as error:
        if not _REFUSED.search(error.stderr):
            raise
        # It looks at everything before it changes anything.
        durable.remove(mark)
        raise _blocked(path, [error.last_line()], bringing) from error
    _arrived(path, env, head, commit, lock)


def finish(path: Path, env: Mapping[str, str], lock: GitLock | None) -> None:
    """Bring to its end what was begun before a crash; nothing to do where nothing was."""
    mark = Path(env["GIT_DIR"], MARK)
    begun = _MARK.fullmatch(read_line(mark) or b"")
    if begun is None:
        return
    head, commit = begun[1].decode(), begun[2].decode()
    stands = run_git(["rev-parse", "HEAD"], path, lock=lock, extra=env).decode().strip()
    if stands not in (head, commit):
        # Somebody has gone on from there: what is there now is theirs.
        durable.remove(mark)
        return
    ways = _ways(path, env, head, commit, lock)
    for name in ways:
        # Also what looks right: after a power cut a file may have its length and not its content. None of it is
        # anybody's work: before the mark was set it was looked whether something was in the way.
        _remove_file(path / name)
    entries = b"".join(
        b"%b %b 0\t%b\0" % (way.mode, way.blob, os.fsencode(name)) for name, way in ways.items()
    )
    run_git(["update-index", "-z", "--index-info"], path, lock=lock, extra=env, stdin=entries)
    there = b"".join(os.fsencode(name) + b"\0" for name, way in ways.items() if way.stays)
    run_git(["checkout-index", "-f", "-u", "-z", "--stdin"], path, lock=lock, extra=env, stdin=there)
    _arrived(path, env, stands, commit, lock)


def _arrived(path: Path, env: Mapping[str, str], stands: str, commit: str, lock: GitLock | None) -> None:
    why = "orchestrd: brought forward"
    run_git(["update-ref", "-m", why, "HEAD", commit, stands], path, lock=lock, extra=env)
    # Git does not sync the files that it writes: those that a power cut emptied would be committed as work.
    durable.sync_tree(path)
    durable.remove(Path(env["GIT_DIR"], MARK))


def _ways(
    path: Path, env: Mapping[str, str], head: str, commit: str, lock: GitLock | None
) -> dict[str, _Way]:
    asked = ["diff-tree", "-r", "-z", "--raw", "--no-renames", "--no-abbrev", head, commit]
    words = iter(run_git(asked, path, lock=lock, extra=env).split(b"\0"))
    found = {}
    for word in words:
        if word:
            was, mode, _, blob, _ = word.removeprefix(b":").split(b" ")
            found[os.fsdecode(next(words))] = _Way(was.strip(b"0") != b"", mode, blob)
    return found


def _in_the_way(
    path: Path, env: Mapping[str, str], ways: Mapping[str, _Way], lock: GitLock | None
) -> Iterator[str]:
    """Name what would be lost: changes to files that are to change, and what lies where a new one is to be.

    Git itself would overwrite what is ignored.
    """
    asked = ["status", "--porcelain", "-z", "--untracked-files=no", "--no-renames"]
    told = run_git([*asked, "--ignore-submodules=dirty"], path, lock=lock, extra=env)
    changed = (os.fsdecode(entry[3:]) for entry in told.split(b"\0") if entry)
    yield from (name for name in changed if name in ways)
    going = {name for name, way in ways.items() if not way.stays}
    # On a file system to which upper and lower case are one, a file that only changes its case is there already.
    folded = {name.casefold() for name in going}
    for name, way in ways.items():
        if not way.was_there and name.casefold() not in folded:
            yield from _on_the_place(path, name, going)


def _on_the_place(path: Path, name: str, going: set[str]) -> Iterator[str]:
    parts = name.split("/")
    for length in range(1, len(parts) + 1):
        place = "/".join(parts[:length])
        mode = _mode(path / place)
        if mode is None or place in going:
            return
        if not stat.S_ISDIR(mode):
            yield place
            return
    yield from _others_below(path, name, going)


def _others_below(path: Path, folder: str, going: set[str]) -> Iterator[str]:
    """Name what a folder holds besides files that go."""
    for inner in effects.list(path / folder):
        name = f"{folder}/{inner}"
        if name in going:
            continue
        mode = _mode(path / name)
        if mode is not None and stat.S_ISDIR(mode):
            yield from _others_below(path, name, going)
        elif mode is not None:
            yield name


def _remove_file(path: Path) -> None:
    mode = _mode(path)
    if mode is not None and not stat.S_ISDIR(mode):
        durable.remove(path, sync=False)


def _mode(path: Path) -> int | None:
    try:
        return effects.stat(path, follow=False).st_mode
    except (FileNotFoundError, NotADirectoryError):
        return None


def _blocked(path: Path, found: list[str], bringing: Bringing) -> WorkspaceError:
    named = ", ".join(name if name.isprintable() else repr(name) for name in found[:NAMED_AT_MOST])
    return WorkspaceError(
        f"what is in no commit is in the way of {bringing.what}: "
        f"{named}{f' and {len(found) - NAMED_AT_MOST} more' if len(found) > NAMED_AT_MOST else ''}",
        str(path),
        "nothing in these places, or what is committed there",
        bringing.remedy,
    )
