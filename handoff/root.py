"""The handoff root: its lanes, its names and ids; made, opened and checked.

Knows where things lie (PROTOCOL 1 and 9) and what a name means (PROTOCOL 2 and 3), nothing of what files hold.
"""

from __future__ import annotations

import os
import re
import stat
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum
from pathlib import Path
from typing import NewType

from handoff import durable, looking
from handoff.effects import effects
from handoff.filesystems import network_filesystem
from handoff.reserve import Reserve
from handoff.safe_place import RootError, check_place, check_private

__all__ = [
    "LANES",
    "NameKind",
    "PlanId",
    "Root",
    "RootError",
    "create_root",
    "kind_of",
    "network_filesystem",
    "open_root",
    "plan_id_of",
    "reserve_of",
]

PlanId = NewType("PlanId", str)

LANES = ("inbox", "replies", "control", "results", "requests", "status")
FOLDERS = (*LANES, "active", "archive", ".orchestrd", ".orchestrd/orders")
CONTEXT = "context"
"""Made with the others; a root that an earlier version made may lack it until a daemon serves it."""
ID_LENGTH = 80

_ENDING = re.compile(r"\.(toml|json|md)\Z", re.IGNORECASE | re.ASCII)
_MIDDLE = re.compile(r"\.plan\Z", re.IGNORECASE | re.ASCII)
_NOT_IN_IDS = re.compile(r"[^a-z0-9]+")
_ASCII_LOWER = str.maketrans("ABCDEFGHIJKLMNOPQRSTUVWXYZ", "abcdefghijklmnopqrstuvwxyz")


@dataclass(frozen=True, slots=True)
class Root:
    """A handoff root: where everything in it lies."""

    path: Path

    @property
    def inbox(self) -> Path:
        """Plans to run."""
        return self.path / "inbox"

    @property
    def replies(self) -> Path:
        """Answers to requests."""
        return self.path / "replies"

    @property
    def control(self) -> Path:
        """Orders."""
        return self.path / "control"

    @property
    def results(self) -> Path:
        """One result a plan."""
        return self.path / "results"

    @property
    def requests(self) -> Path:
        """What the daemon asks for."""
        return self.path / "requests"

    @property
    def status(self) -> Path:
        """What is happening now."""
        return self.path / "status"

    @property
    def active(self) -> Path:
        """One folder a plan in work."""
        return self.path / "active"

    @property
    def archive(self) -> Path:
        """One folder a settled plan, by month."""
        return self.path / "archive"

    @property
    def context(self) -> Path:
        """What is known of each project."""
        return self.path / CONTEXT

    @property
    def private(self) -> Path:
        """The daemon's own."""
        return self.path / ".orchestrd"

    @property
    def lock(self) -> Path:
        """Held by the daemon of this root."""
        return self.private / "lock"

    @property
    def git_lock(self) -> Path:
        """Held by the git commands that the daemon started, which outlive it."""
        return self.private / "git.lock"

    @property
    def orders(self) -> Path:
        """Orders in hand."""
        return self.private / "orders"

    @property
    def index(self) -> Path:
        """SQLite, derived, can be deleted."""
        return self.private / "index.sqlite"

    @property
    def reserve(self) -> Path:
        """Space that is given up to write a result on a full disk."""
        return self.private / "reserve"

    @property
    def spare(self) -> Path:
        """Empty files that are given up where a disk has no inode left."""
        return self.private / "spare"

    @property
    def ids_log(self) -> Path:
        """Every id and key that this root has had."""
        return self.archive / "ids.jsonl"

    @property
    def orders_log(self) -> Path:
        """What came of each order."""
        return self.archive / "orders.jsonl"

    def plan_folder(self, plan: PlanId) -> Path:
        """Where a plan lies while it is in work."""
        return self.active / plan

    def archive_folder(self, plan: PlanId, settled: datetime) -> Path:
        """Where a plan lies once it is settled: by the month, in UTC. A time without a zone is taken for UTC."""
        time = settled if settled.tzinfo is None else settled.astimezone(UTC)
        return self.archive / f"{time:%Y-%m}" / plan

    def result_path(self, plan: PlanId, format: str) -> Path:  # noqa: A002 - the protocol's word
        """Where a plan's result appears: in the language of the question, JSON or (for all others) TOML."""
        return self.results / f"{plan}.{'json' if str(format) == 'json' else 'toml'}"


class NameKind(Enum):
    """What a lane file's name says."""

    TOML = "toml"
    JSON = "json"
    MARKDOWN = "md"
    TEMPORARY = "temporary"
    """Somebody is still writing it: never touched, never listed."""
    OTHER = "other"

    @property
    def is_document(self) -> bool:
        """A name under which a document is taken."""
        return self is not NameKind.TEMPORARY and self is not NameKind.OTHER


_KINDS = {
    "toml": NameKind.TOML,
    "json": NameKind.JSON,
    "md": NameKind.MARKDOWN,
    "tmp": NameKind.TEMPORARY,
    "part": NameKind.TEMPORARY,
}


def kind_of(name: str) -> NameKind:
    """Tell what a name in a lane means (PROTOCOL 2). Asked of every file at every scan: no pattern is matched."""
    if name.startswith("."):
        return NameKind.TEMPORARY
    stem, dot, ending = name.rpartition(".")
    return _KINDS.get(ending.translate(_ASCII_LOWER), NameKind.OTHER) if dot and stem else NameKind.OTHER


def plan_id_of(file_name: str) -> PlanId:
    """Foresee the id of a plan by its file's name (PROTOCOL 3); the root adds -2, -3, … to one that it has had."""
    bare = _MIDDLE.sub("", _ENDING.sub("", file_name))
    letters = _NOT_IN_IDS.sub("-", bare.translate(_ASCII_LOWER))
    return PlanId(letters[:ID_LENGTH].strip("-") or "plan")


def create_root(path: str | Path, *, allow_network: bool = False) -> Root:
    """Make a root with all its lanes, or complete one, and make it private; what is in it stays. Raises RootError."""
    where = Path(path).expanduser()
    try:
        # Private all the way: by a lax umask, folders of our own making would be refused a moment later.
        for missing in reversed(
            [folder for folder in (where, *where.parents) if not looking.is_folder(folder)]
        ):
            durable.make_folder(missing)
        root = Root(where.resolve(strict=True))
        check_place(root.path, allow_network=allow_network)
        _check_empty_or_ours(root)
        # A folder that was there: what plans, results and runs say is for their user alone.
        effects.chmod(root.path, 0o700)
        for folder in (*FOLDERS, CONTEXT):
            durable.make_folder(root.path / folder, sync=False)
        _keep_reserve(root)
        for folder in ("", ".orchestrd"):
            effects.sync_dir(str(root.path / folder))
    except OSError as error:
        raise _cannot(where, error) from error
    _check_lanes(root)
    return root


def open_root(path: str | Path, *, allow_network: bool = False) -> Root:
    """Open a root that is there, after looking at all that makes it safe. Raises RootError with the remedy."""
    where = Path(path).expanduser()
    try:
        root = Root(where.resolve(strict=True))
        if not looking.is_folder(root.private):
            raise RootError("is no handoff root", where, "a folder made by orchestrd", _init(where))
        check_place(root.path, allow_network=allow_network)
        _check_lanes(root)
    except OSError as error:
        raise _cannot(where, error) from error
    return root


def reserve_of(root: Root) -> Reserve:
    """What a root has set aside for a full disk."""
    return Reserve(root.reserve, root.spare)


def _keep_reserve(root: Root) -> None:
    if looking.is_there(root.reserve) and not looking.is_file(root.reserve):
        raise RootError(
            "is no regular file", root.reserve, "a file that is kept for a full disk", _anew(root.reserve)
        )
    if looking.is_there(root.spare) and not looking.is_folder(root.spare):
        raise RootError(
            "is no folder", root.spare, "a folder that is kept for a full disk", _anew(root.spare)
        )
    reserve_of(root).keep()


def _anew(place: Path) -> str:
    return f"move {place} away; it is made anew"


def _check_lanes(root: Root) -> None:
    devices = set()
    for name in (*FOLDERS, CONTEXT):
        folder = root.path / name
        try:
            found = effects.stat(folder, follow=False)
        except FileNotFoundError:
            if name == CONTEXT:
                continue
            raise RootError(f"has no {name}/", root.path, "all lanes", _init(root.path)) from None
        if not stat.S_ISDIR(found.st_mode):
            raise RootError(
                "is not a folder", folder, "a folder, and no link", f"move it away, then {_init(root.path)}"
            )
        check_private(folder, found)
        devices.add(found.st_dev)
    # A rename across file systems is a copy, and a copy has a moment in which a plan is twice or nowhere.
    if len(devices) > 1:
        raise RootError(
            "is spread over several file systems", root.path, "one", "unmount what is mounted inside it"
        )


def _check_empty_or_ours(root: Root) -> None:
    """Refuse to make lanes among somebody's own files."""
    known = {name.partition("/")[0] for name in (*FOLDERS, CONTEXT)}
    is_ours = looking.is_folder(root.private)
    foreign = [] if is_ours else sorted(set(effects.list(root.path)) - known - _TOLERATED)
    if foreign:
        raise RootError(
            f"holds other files ({', '.join(foreign[:3])})",
            root.path,
            "an empty folder",
            "name a folder of its own",
        )


_TOLERATED = frozenset({".DS_Store", ".gitignore", ".gitkeep", ".stfolder", ".stignore"})


def _cannot(where: Path, error: OSError) -> RootError:
    place = Path(os.fsdecode(error.filename)) if error.filename else where
    remedy = _init(where) if isinstance(error, FileNotFoundError) else "repair that, or name another root"
    return RootError(error.strerror or str(error), place, "a folder that we may read and write", remedy)


def _init(where: Path) -> str:
    return f"orchestrd --root {where} init"
