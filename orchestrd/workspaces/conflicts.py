"""A conflict between the work of two steps: a value with the sides and the files named, and no error.

What git tells of one is read here. Nothing is looked at or changed.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice, takewhile
from typing import Any

NAMED_AT_MOST = 10
"""Files that a sentence names; the value holds all of them."""

_KIND = re.compile(rb"(?:CONFLICT|ERROR) ?\((.*)\)")


@dataclass(frozen=True, slots=True)
class Side:
    """Work that is to be put together with other work."""

    step: str | None
    """Whose it is; None: it stands on the plan's branch, and no one step's."""
    commit: str
    """In full: it holds the work, and all that the work began with."""
    branch: str | None = None
    """Where a person finds it."""

    def fields(self) -> dict[str, Any]:
        """As it stands in the journal."""
        known = {"step": self.step, "commit": self.commit, "branch": self.branch}
        return {name: value for name, value in known.items() if value is not None}

    @classmethod
    def from_fields(cls, fields: Mapping[str, Any]) -> Side:
        """Read it from the journal."""
        return cls(fields.get("step"), fields["commit"], fields.get("branch"))

    def __str__(self) -> str:
        whose = f"step {self.step!r}" if self.step is not None else "the plan"
        return f"{whose} ({f'branch {self.branch}' if self.branch else f'commit {self.commit[:12]}'})"


@dataclass(frozen=True, slots=True)
class ConflictedFile:
    """A file that git cannot put together by itself."""

    path: str
    """Bytes that are no UTF-8 are spelt out."""
    kind: str
    """In git's words: contents, binary, add/add, modify/delete, rename/rename, file/directory, submodule, ..."""


@dataclass(frozen=True, slots=True)
class Conflict:
    """Work that does not go together. Nothing was changed; both sides are where they were."""

    ours: tuple[Side, ...]
    """Those defined before; several where only all of them together are in conflict with the other side."""
    theirs: Side
    files: tuple[ConflictedFile, ...]
    """By path."""

    def fields(self) -> dict[str, Any]:
        """As it stands in the journal."""
        return {
            "ours": [side.fields() for side in self.ours],
            "theirs": self.theirs.fields(),
            "files": [{"path": file.path, "kind": file.kind} for file in self.files],
        }

    @classmethod
    def from_fields(cls, fields: Mapping[str, Any]) -> Conflict:
        """Read it from the journal."""
        return cls(
            tuple(Side.from_fields(side) for side in fields["ours"]),
            Side.from_fields(fields["theirs"]),
            tuple(ConflictedFile(file["path"], file["kind"]) for file in fields["files"]),
        )

    def sentence(self) -> str:
        """Say it to a person, with what can be done."""
        ours = " and ".join(str(side) for side in self.ours)
        named = ", ".join(f"{_plain(file.path)} ({file.kind})" for file in self.files[:NAMED_AT_MOST])
        more = len(self.files) - NAMED_AT_MOST
        return (
            f"the work of {self.theirs} is in conflict with that of {ours}: {named}"
            f"{f' and {more} more' if more > 0 else ''}. Both are kept as they are. What to do: "
            f"git merge {self.theirs.branch or self.theirs.commit} where the other is checked out, "
            "or let one of the steps need the other, so that they run one after the other"
        )


def conflicted_files(told: bytes, labels: Sequence[str]) -> tuple[ConflictedFile, ...]:
    """Read what `git merge-tree -z` wrote of a conflict; `labels` are the two commits as it was given them.

    Some conflicts are of no single file but of folders that were renamed: those stand only in the messages, from
    which each path has its kind.
    """
    words = iter(told.split(b"\0")[1:])  # after the tree with the markers in it, which nobody needs
    stages: dict[bytes, set[bytes]] = {}
    for word in takewhile(bool, words):
        numbers, _, path = word.partition(b"\t")
        stages.setdefault(path, set()).add(numbers.rpartition(b" ")[2])
    kinds: dict[bytes, str] = {}
    # For submodules a piece of advice follows that is in no such form.
    for count in takewhile(bytes.isdigit, words):
        *paths, word, _sentence = islice(words, int(count) + 2)
        found = _KIND.fullmatch(word)
        if found:
            for path in paths:
                kinds.setdefault(path, _kind(found[1], stages.get(path)))
    for path in stages:
        kinds.setdefault(path, "contents")
    moved = re.compile(rb"~(?:%s)(?:_\d+)?\Z" % b"|".join(re.escape(label.encode()) for label in labels))
    plain: dict[str, str] = {}
    for path, kind in kinds.items():
        # What git would move aside to make room for a folder has the side's name put after its own.
        plain.setdefault(moved.sub(b"", path).decode("utf-8", "backslashreplace"), kind)
    return tuple(ConflictedFile(path, kind) for path, kind in sorted(plain.items()))


def _kind(word: bytes, stages: set[bytes] | None) -> str:
    if word == b"contents" and stages is not None and b"1" not in stages:
        return "add/add"
    return word.decode("utf-8", "backslashreplace")


def _plain(path: str) -> str:
    return path if path.isprintable() else repr(path)
