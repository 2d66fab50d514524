"""A disk as a power cut may leave it: what of a recording had to be there, and what may be missing.

The model is that of a journalling file system (ext4) without its kindness: only what was asked for is promised.
`fsync` of a file brings its content, not its name; a directory's sync brings the names in it; until then each change
of a directory may be there or missing, whatever came before or after it. A rename within a directory is one change, a
rename across two is two of them: the file may be found twice, a folder (which has one parent) may not. Never nowhere:
where the old name could go before the new one came, no rename would ever be safe, whoever syncs what and when.
Content that was not synced may be missing, cut in the middle, or zeroes in the right number.

What git wrote is believed as far as git syncs it by our settings (objects and refs), names included: git never syncs
a directory, so it relies on a journal that brings names with the content that follows them. We do likewise.
"""

from __future__ import annotations

import bisect
import hashlib
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

NEVER = 1 << 60
FROM_THE_START = -1


class Content(StrEnum):
    """What is left of content that was not synced."""

    WHOLE = "whole"
    NONE = "none"
    HALF = "half"
    ZEROES = "zeroes"


LOSSES = (Content.NONE, Content.HALF, Content.ZEROES)


@dataclass(slots=True)
class Node:
    """A file or a folder, by whatever names."""

    number: int
    is_folder: bool
    mode: int
    path: str
    """By which it came to be."""


@dataclass(slots=True)
class Names:
    """A change of one directory: names that lead elsewhere, or nowhere, from then on; all of them or none."""

    number: int
    step: int
    folder: int
    leads: dict[str, int | None]
    durable: int = NEVER
    """The step by which it is on the disk for certain."""
    group: int | None = None
    """What one git did is there or missing together."""
    needs: int | None = None
    """The old name of what was renamed does not go before the new one is there, unless its folder was synced first."""
    is_folders: bool = False
    """It is the old name of a folder, which goes when the new one comes."""


@dataclass(slots=True)
class Written:
    """A change of one file's content."""

    step: int
    node: int
    at: int
    content: bytes | None
    """None: the file is cut at `at`."""
    durable: int = NEVER


@dataclass(frozen=True, slots=True)
class Sync:
    """A sync, and where in the code it was asked for."""

    step: int
    site: str
    """Empty where it is none of ours."""
    kind: str
    node: int


@dataclass(slots=True)
class Recording:
    """A story, step by step, as the file system saw it."""

    top: str
    steps: list[dict[str, Any]]
    nodes: list[Node] = field(default_factory=list)
    names: list[Names] = field(default_factory=list)
    written: list[Written] = field(default_factory=list)
    syncs: list[Sync] = field(default_factory=list)

    def sites(self) -> list[str]:
        """Every place that asked for a sync, in the order of the first time."""
        return list(dict.fromkeys(sync.site for sync in self.syncs if sync.site))


@dataclass(frozen=True, slots=True)
class Cut:
    """A cut after a step, and what of the changes that were not synced did not reach the disk."""

    step: int
    lost: frozenset[int] = frozenset()
    """Of `Recording.names`."""
    contents: tuple[tuple[int, Content], ...] = ()
    """Nodes whose content is not whole."""
    deleted: str = ""
    """The sync that the code did not do."""


Tree = dict[str, tuple[int, bytes | None]]
"""Path below the top → mode and content; None: a folder. One file by two names has one object for its content."""


class Disk:
    """A recording under the assumption that one of its syncs was not done."""

    def __init__(self, recording: Recording, deleted: str = "") -> None:
        self.recording = recording
        self.deleted = deleted
        self._names = {one.number: one.durable for one in recording.names}
        self._written = [one.durable for one in recording.written]
        self._take_syncs()

    def _take_syncs(self) -> None:
        """Find by which step each change is on the disk."""
        folders: dict[int, list[int]] = {}
        files: dict[int, list[int]] = {}
        everything: dict[str, list[int]] = {}
        for sync in self.recording.syncs:
            if sync.site and sync.site == self.deleted:
                continue
            if sync.kind == "all":
                everything.setdefault(self._file_system(sync.node), []).append(sync.step)
            else:
                (folders if sync.kind == "dir" else files).setdefault(sync.node, []).append(sync.step)
        for one in self.recording.names:
            own = _first_after(folders.get(one.folder, ()), one.step)
            all_ = everything.get(self._file_system(one.folder), ())
            self._names[one.number] = min(one.durable, own, _first_after(all_, one.step))
        for number, written in enumerate(self.recording.written):
            own = _first_after(files.get(written.node, ()), written.step)
            all_ = everything.get(self._file_system(written.node), ())
            self._written[number] = min(written.durable, own, _first_after(all_, written.step))

    def _file_system(self, node: int) -> str:
        """Each folder at the top lies on a disk of its own: what is synced on one says nothing of the others."""
        return self.recording.nodes[node].path.partition(os.sep)[0]

    def loose_names(self, step: int) -> list[Names]:
        """The changes of directories that a cut after this step may take."""
        found = (one for one in self.recording.names if one.step <= step < self._names[one.number])
        return [one for one in found if one.step >= 0]

    def loose_contents(self, step: int) -> list[int]:
        """The nodes of whose content a cut after this step may take some."""
        found = (
            one.node
            for one, durable in zip(self.recording.written, self._written, strict=True)
            if one.step <= step < durable
        )
        return list(dict.fromkeys(found))

    def made_durable_by(self, step: int) -> tuple[list[Names], list[int]]:
        """What became certain at a step: the changes of directories, and the nodes with content."""
        names = [one for one in self.recording.names if self._names[one.number] == step]
        pairs = zip(self.recording.written, self._written, strict=True)
        return names, list(dict.fromkeys(one.node for one, durable in pairs if durable == step))

    def durable_step(self, names: Names) -> int:
        """By which step a change of a directory is certain."""
        return self._names[names.number]

    def content_durable_step(self, node: int, step: int) -> int:
        """By which step all that was written to a node until `step` is certain."""
        pairs = zip(self.recording.written, self._written, strict=True)
        return max((durable for one, durable in pairs if one.node == node and one.step <= step), default=step)

    def tree(self, cut: Cut) -> Tree:
        """Lay out what a cut leaves."""
        folders: dict[int, dict[str, int]] = {}
        for one in self.recording.names:
            if one.step > cut.step or self._is_lost(one, cut):
                continue
            inside = folders.setdefault(one.folder, {})
            for name, node in one.leads.items():
                if node is None:
                    inside.pop(name, None)
                else:
                    inside[name] = node
        contents = self._contents(cut)
        tree: Tree = {}
        todo = [("", 0)]
        while todo:
            path, number = todo.pop()
            for name, inner in folders.get(number, {}).items():
                node, below = self.recording.nodes[inner], f"{path}/{name}" if path else name
                if node.is_folder:
                    tree[below] = (node.mode, None)
                    todo.append((below, inner))
                else:
                    tree[below] = (node.mode, contents.get(inner, b""))
        return tree

    def _is_lost(self, names: Names, cut: Cut) -> bool:
        if names.needs is None:
            return names.number in cut.lost
        if names.needs in cut.lost:
            return self._names[names.number] > cut.step
        return names.number in cut.lost and not names.is_folders

    def _contents(self, cut: Cut) -> dict[int, bytes]:
        fates = dict(cut.contents)
        whole: dict[int, bytearray] = {}
        loose: dict[int, list[Written]] = {}
        for one, durable in zip(self.recording.written, self._written, strict=True):
            if one.step > cut.step:
                continue
            if one.node in fates and durable > cut.step:
                loose.setdefault(one.node, []).append(one)
            else:
                _apply(whole.setdefault(one.node, bytearray()), one)
        for node, changes in loose.items():
            _apply_some(whole.setdefault(node, bytearray()), changes, fates[node])
        return {node: bytes(content) for node, content in whole.items()}


def digest(tree: Mapping[str, tuple[int, bytes | None]], *extra: object) -> str:
    """Name a tree by all that is in it."""
    named = hashlib.sha256(repr(extra).encode())
    for path in sorted(tree):
        mode, content = tree[path]
        named.update(f"{path!r} {mode} {None if content is None else len(content)}\n".encode())
        named.update(content or b"")
    return named.hexdigest()


def _first_after(steps: Sequence[int], step: int) -> int:
    """The first of some steps, in order, that came after one."""
    place = bisect.bisect_right(steps, step)
    return steps[place] if place < len(steps) else NEVER


def _apply(content: bytearray, change: Written) -> None:
    if change.content is None:
        del content[change.at :]
        content.extend(bytes(max(0, change.at - len(content))))
        return
    content.extend(bytes(max(0, change.at - len(content))))
    content[change.at : change.at + len(change.content)] = change.content


def _apply_some(content: bytearray, changes: Sequence[Written], fate: Content) -> None:
    if fate is Content.WHOLE:
        left = NEVER
    elif fate is Content.HALF:
        left = sum(len(one.content or b"") for one in changes) // 2
    else:
        left = 0
    for one in changes:
        if one.content is None:
            if fate in (Content.WHOLE, Content.ZEROES) or left:
                _apply(content, one)
        elif fate is Content.ZEROES:
            _apply(content, Written(one.step, one.node, one.at, bytes(len(one.content))))
        elif left > 0:
            _apply(content, Written(one.step, one.node, one.at, one.content[:left]))
            left -= len(one.content)


def below(path: str, top: str) -> bool:
    """Whether a path lies in a folder."""
    return path == top or path.startswith(top + os.sep)


def parts_of(path: str, top: str) -> Iterator[str]:
    """The names from the top down to a path."""
    yield from path[len(top) :].strip(os.sep).split(os.sep)
