"""From the log of a recorder to a recording: which directory and which content each line changed."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

from tests.faults.power.disk import FROM_THE_START, Names, Node, Recording, Sync, Written

PLACES = (
    (re.compile(r"^handoff/active/[^/]+"), "active/ID"),
    (
        re.compile(r"^handoff/archive/\d{4}-\d\d(/[^/]+)?"),
        lambda found: "archive/MONTH" + ("/ID" if found[1] else ""),
    ),
    (re.compile(r"/runs/[a-z]+\.\d+"), "/runs/RUN"),
    (re.compile(r"orders/\d+[^/]*$"), "orders/N"),
    (re.compile(r"^handoff/?"), ""),
    (re.compile(r"checkouts/\w+/[^/]+"), "checkouts/ID"),
    (re.compile(r"checkouts/[0-9a-f]{12}$"), "checkouts"),
    (re.compile(r"worktrees/[^/]+"), "worktrees/ID"),
    (
        re.compile(
            r"(results|requests|inbox|control)/\.?[^/]+?(\.docs)?(\.(?:toml|json|md))(\.\w+)?(\.tmp)?$"
        ),
        r"\1/ID\2\3",
    ),
)
GIT_SYNCS = re.compile(r"/\.git/(objects|refs)(/|$)|/\.git/(worktrees/[^/]+/)?index$")
"""`core.fsync=added,reference` (`workspaces/git.py`)."""
FLOOR = ("durable", "taking", "syncing")
"""The modules that sync for whoever asks."""
INNER = (
    "sync_names",
    "write_beside",
    "sync_or_write_anew",
    "_sync_parents",
    "_sync_filesystems",
    "_sync_folder",
)


def read_recording(log: Path, top: Path) -> Recording:
    """Read a log; everything that lies below `top` at its first line is on the disk."""
    steps: list[dict[str, Any]] = []
    for line in log.read_bytes().splitlines():
        if line.startswith(b"{"):
            steps.append(json.loads(line))
        else:
            steps.append({"op": "ledger", "line": line.decode()})
    return Reader(str(top), steps).recording


class Reader:
    """Follows a log from line to line, as the running system saw it: nothing is lost."""

    def __init__(self, top: str, steps: list[dict[str, Any]]) -> None:
        self.recording = Recording(top, steps, nodes=[Node(0, True, 0o700, "")])
        self._inside: dict[int, dict[str, int]] = {0: {}}
        self._sizes: dict[int, bytearray] = {}
        self._step = FROM_THE_START
        self._lines: dict[str, list[int]] = {}
        for step, line in enumerate(steps):
            self._step = FROM_THE_START if line.get("word") == "base" else step
            getattr(self, f"_{line['op']}")(line)

    # -- steps ----------------------------------------------------------------------------------------------------

    def _ledger(self, line: dict[str, Any]) -> None:
        pass

    def _mark(self, line: dict[str, Any]) -> None:
        if line["word"] == "base":
            self._take_over(line["tree"], durable=FROM_THE_START)

    def _look(self, line: dict[str, Any]) -> None:
        """Bring folders that others write to up to what was found there."""
        found = line["found"]
        areas = [self._below(area) for area in line["areas"]]
        known = [path for area in areas for path in self._paths(area)]
        there = {self._below(path): content for path, content in found.items()}
        for path in sorted(known, reverse=True):
            if path not in there:
                self._change({self._folder(path): {os.path.basename(path): None}}, path, group=self._step)
        for path in sorted(there):
            content = there[path]
            node = self._find(path)
            if node is None:
                node = self._make(
                    path, 0o755 if content is None else 0o644, content is None, group=self._step
                )
            if content is not None and bytes(self._sizes.get(node, b"")) != content.encode("latin-1"):
                self._rewrite(node, content.encode("latin-1"), path)

    def _open(self, line: dict[str, Any]) -> None:
        path = self._below(line["path"])
        node = self._find(path)
        if node is None:
            self._make(path, line["mode"], is_folder=False)
        elif line["cut"]:
            self._write_to(node, 0, None)

    def _write(self, line: dict[str, Any]) -> None:
        node = self._find(self._below(line["path"]))
        if node is not None:
            self._write_to(node, line["at"], line["content"].encode("latin-1"))

    def _truncate(self, line: dict[str, Any]) -> None:
        node = self._find(self._below(line["path"]))
        if node is not None:
            self._write_to(node, line["size"], None)

    def _fsync(self, line: dict[str, Any]) -> None:
        self._synced("file", line)

    def _sync_dir(self, line: dict[str, Any]) -> None:
        self._synced("dir", line)

    def _sync_all(self, line: dict[str, Any]) -> None:
        self._synced("all", line)

    def _rename(self, line: dict[str, Any]) -> None:
        src, dst = self._below(line["path"]), self._below(line["to"])
        node = self._find(src)
        if node is None:
            return
        changes: dict[int, dict[str, int | None]] = {}
        changes.setdefault(self._folder(dst), {})[os.path.basename(dst)] = node
        changes.setdefault(self._folder(src), {})[os.path.basename(src)] = None
        self._change(changes, dst)
        self.recording.names[-1].is_folders = len(changes) > 1 and self.recording.nodes[node].is_folder

    def _unlink(self, line: dict[str, Any]) -> None:
        path = self._below(line["path"])
        if self._find(path) is not None:
            self._change({self._folder(path): {os.path.basename(path): None}}, path)

    def _mkdir(self, line: dict[str, Any]) -> None:
        path = self._below(line["path"])
        if self._find(path) is None:
            self._make(path, line["mode"], is_folder=True)

    # -- parts ----------------------------------------------------------------------------------------------------

    def _take_over(self, tree: dict[str, list[Any]], durable: int) -> None:
        for path in sorted(tree):
            mode, content = tree[path]
            node = self._make(path, mode, is_folder=content is None, durable=durable)
            if content is not None:
                self._write_to(node, 0, content.encode("latin-1"), durable)

    def _make(
        self, path: str, mode: int, is_folder: bool, *, durable: int | None = None, group: int | None = None
    ) -> int:
        node = Node(len(self.recording.nodes), is_folder, mode, path)
        self.recording.nodes.append(node)
        if is_folder:
            self._inside[node.number] = {}
        self._change({self._folder(path): {os.path.basename(path): node.number}}, path, durable, group)
        return node.number

    def _change(
        self,
        changes: dict[int, dict[str, int | None]],
        path: str,
        durable: int | None = None,
        group: int | None = None,
    ) -> None:
        for place, (folder, leads) in enumerate(changes.items()):
            number = len(self.recording.names)
            one = Names(number, self._step, folder, dict(leads), group=group)
            one.needs = number - 1 if place else None
            if durable is not None or (group is not None and GIT_SYNCS.search(path)):
                one.durable = self._step
            self.recording.names.append(one)
            for name, node in leads.items():
                if node is None:
                    self._inside[folder].pop(name, None)
                else:
                    self._inside[folder][name] = node

    def _write_to(self, node: int, at: int, content: bytes | None, durable: int | None = None) -> None:
        from tests.faults.power.disk import _apply

        one = Written(self._step, node, at, content)
        if durable is not None:
            one.durable = durable
        self.recording.written.append(one)
        _apply(self._sizes.setdefault(node, bytearray()), one)

    def _rewrite(self, node: int, content: bytes, path: str) -> None:
        durable = self._step if GIT_SYNCS.search(path) else None
        self._write_to(node, 0, None, durable)
        self._write_to(node, 0, content, durable)

    def _synced(self, kind: str, line: dict[str, Any]) -> None:
        path = self._below(line["path"])
        node = self._find(path)
        if node is None:
            return
        site = site_of(kind, path, line["by"])
        lines = self._lines.setdefault(site, [])
        asked = next((frame[2] for frame in line["by"] if frame[1] not in INNER), 0)
        if asked not in lines:
            lines.append(asked)
        # Two places of one function look alike but for their line, which changes with every edit: they are counted.
        place = lines.index(asked)
        site = f"{site} ({place + 1})" if place else site
        self.recording.syncs.append(Sync(self._step, site, kind, node))

    def _below(self, path: str) -> str:
        return os.path.relpath(path, self.recording.top)

    def _folder(self, path: str) -> int:
        parent = os.path.dirname(path)
        node = self._find(parent) if parent else 0
        if node is None:
            # Made by nobody whom we listen to: it is taken for granted.
            step, self._step = self._step, FROM_THE_START
            node = self._make(parent, 0o700, is_folder=True, durable=FROM_THE_START)
            self._step = step
        return node

    def _find(self, path: str) -> int | None:
        node: int | None = 0
        for name in path.split(os.sep):
            if node is None or name in ("", "."):
                continue
            node = self._inside.get(node, {}).get(name)
        return node

    def _paths(self, area: str) -> list[str]:
        node = self._find(area)
        found: list[str] = []
        todo = [(area, node)] if node is not None else []
        while todo:
            path, number = todo.pop()
            for name, inner in self._inside.get(number, {}).items():
                found.append(f"{path}/{name}")
                if self.recording.nodes[inner].is_folder:
                    todo.append((f"{path}/{name}", inner))
        return found


def site_of(kind: str, path: str, by: list[tuple[str, str, int]]) -> str:
    """Name a sync by what it brings to the disk and who asked for it: the operation, and whoever called that."""
    for pattern, short in PLACES:
        path = pattern.sub(short, path)
    names = [f"{os.path.basename(file)[:-3]}.{name}" for file, name, _ in by if name not in INNER]
    inner = [name for name in names if name.split(".")[0] in FLOOR][:1]
    outer = [name for name in names if name.split(".")[0] not in (*FLOOR, "journal", "journals")][:1]
    what = {"file": "content of", "dir": "names in", "all": "all of"}[kind]
    return f"{what} {path or 'root'}: {' < '.join([*inner, *outer])}"
