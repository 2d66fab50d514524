"""Where documents are to lie in a commit's tree: what is there, and whether it can be replaced."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from orchestrd.workspaces.git import GitLock, run_git

_KINDS = {b"120000": "a symbolic link", b"160000": "a submodule", b"040000": "a folder"}
_FOLDER = b"040000"
_EXECUTABLE = b"100755"
MOST_ASKED_BYTES = 64_000
"""Of names in one command: systems limit its length."""
PLAIN = b"100644"
"""The mode of an ordinary file."""


@dataclass(frozen=True, slots=True)
class Entry:
    """What a tree has under a name."""

    mode: bytes
    blob: str

    @property
    def kind(self) -> str | None:
        """What it is, unless it is an ordinary file."""
        return _KINDS.get(self.mode)


def entries(commit: str, paths: Iterable[str], repository: Path, lock: GitLock | None) -> dict[str, Entry]:
    """Tell what a commit has at these paths and at the folders above them, as far as there is anything."""
    found = {}
    for asked in _portions(sorted({above for path in paths for above in _with_folders_above(path)})):
        words = ["ls-tree", "-t", "-z", "--full-tree", commit, "--", *asked]
        # Not every name is taken as it stands otherwise: `:(top)` and the like mean something to git.
        told = run_git(words, repository, lock=lock, extra={"GIT_LITERAL_PATHSPECS": "1"})
        for line in filter(None, told.split(b"\0")):
            facts, _, name = line.partition(b"\t")
            mode, _, blob = facts.split(b" ")
            found[os.fsdecode(name)] = Entry(mode, blob.decode())
    return found


def obstacles(paths: Sequence[str], there: Mapping[str, Entry], shown: Mapping[str, str]) -> Iterator[str]:
    """Say of each path why no document can lie there; `shown` is how its writer named it."""
    for path in paths:
        *folders, own = _with_folders_above(path)
        above = next((name for name in folders if name in there and there[name].mode != _FOLDER), None)
        if above is not None:
            kind = there[above].kind or "a file"
            yield f"{shown[path]}: {above} is {kind} on the branch, and no folder that is written into"
        elif own in there and there[own].kind is not None:
            yield f"{shown[path]}: is {there[own].kind} on the branch, and no file that is replaced"


def mode_of(path: str, there: Mapping[str, Entry]) -> bytes:
    """The mode that a document gets: that of the file which it replaces."""
    return _EXECUTABLE if path in there and there[path].mode == _EXECUTABLE else PLAIN


def filtered(
    paths: Sequence[str], repository: Path, lock: GitLock | None, index: Mapping[str, str]
) -> dict[str, str]:
    """Tell which paths the attributes in an index send through a filter of this machine, and its name.

    One that is not on this machine git passes by, too. `index` is the environment that names the index.
    """
    words = ["check-attr", "--cached", "-z", "--stdin", "filter"]
    asked = b"".join(os.fsencode(path) + b"\0" for path in paths)
    told = run_git(words, repository, lock=lock, extra=index, stdin=asked).split(b"\0")
    named = {
        os.fsdecode(path): os.fsdecode(value) for path, value in zip(told[::3], told[2::3], strict=False)
    }
    programs = {name for name in set(named.values()) if _is_program(name, repository, lock)}
    return {path: name for path, name in named.items() if name in programs}


def _is_program(name: str, repository: Path, lock: GitLock | None) -> bool:
    if name in {"unspecified", "unset", "set"}:
        return False
    settings = [f"filter.{name}.{what}" for what in ("clean", "process")]
    found = (run_git(["config", "--get", one], repository, lock=lock, codes=(0, 1)) for one in settings)
    return any(value.strip() for value in found)


def _portions(names: Sequence[str]) -> Iterator[list[str]]:
    """Part names so that no command gets longer than any system takes."""
    portion: list[str] = []
    size = 0
    for name in names:
        size += len(os.fsencode(name)) + 1
        if portion and size > MOST_ASKED_BYTES:
            yield portion
            portion, size = [], len(os.fsencode(name)) + 1
        portion.append(name)
    yield portion


def _with_folders_above(path: str) -> list[str]:
    parts = path.split("/")
    return ["/".join(parts[:length]) for length in range(1, len(parts) + 1)]
