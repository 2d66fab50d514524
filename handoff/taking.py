"""Taking files out of lanes: the moment at which a plan becomes ours, made durable for many at once.

Reached through `handoff.durable`.
"""

from __future__ import annotations

import os

from handoff import durable, looking
from handoff.durable import (
    BATCH_FOR_SYNCFS,
    JOURNAL,
    NEW_FILE,
    forget,
    sync_names,
    sync_or_write_anew,
    syncs_filesystems,
    write_all,
)
from handoff.effects import StrPath, attempt, quietly

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence


class Take:
    """One file to be taken: out of its lane, into a new folder under a name, with the journal's first line."""

    __slots__ = ("first_line", "folder", "lane", "lane_file", "name")

    def __init__(
        self, lane_file: StrPath, folder: StrPath, name: str, first_line: bytes, lane: int | None = None
    ) -> None:
        self.lane_file = os.fspath(lane_file)
        self.folder = os.fspath(folder)
        self.name = name
        self.first_line = first_line
        self.lane = lane
        """The lane, held open: a link in its place leads nobody to what lies elsewhere."""


def take(lane_file: StrPath, folder: StrPath, name: str, first_line: bytes) -> None:
    """Take one file (see `take_many`); raises what went wrong, and then nothing was taken."""
    (failed,) = take_many([Take(lane_file, folder, name, first_line)])
    if failed:
        raise failed


def take_many(takes: Sequence[Take]) -> list[OSError | None]:
    """Take files out of lanes; the rename is the moment of ownership. One answer for each: None, or what was wrong.

    In this order, for all together: the folders with their journals, on the disk with their parents; the renames;
    then both directories of each rename. So a file is, after a power cut, in its lane (and perhaps a folder without
    it, which is a start that was cut) or in a folder whose journal says where it came from. FileNotFoundError: the
    writer took it back. FileExistsError: the folder is there already. A take that failed leaves its lane as it was
    and no folder; only after a DurabilityLost the folder may stand with the file in it: then it was taken, but a
    power cut could undo that.
    """
    failed: list[OSError | None] = [None] * len(takes)
    at_once = len(takes) >= BATCH_FOR_SYNCFS and syncs_filesystems()

    def each(step: Callable[[Take], None]) -> None:
        for number, one in enumerate(takes):
            if failed[number] is None:
                failed[number] = attempt(lambda one=one: step(one))  # type: ignore[misc]

    each(_begin_folder)
    begun = [error is None for error in failed]
    if at_once and not _sync_filesystems(takes):
        at_once = False
    if not at_once:
        each(_sync_folder)
        # Folders whose parent could not be synced are not safe to rename into.
        _sync_parents({os.path.dirname(one.folder) for one in takes}, takes, failed)
    each(_move_in)
    for number, one in enumerate(takes):
        if failed[number] is not None and begun[number]:
            _undo_folder(one)
    if not (at_once and _sync_filesystems(takes)):
        each(lambda one: sync_names(one.folder))
        _sync_parents({os.path.dirname(one.lane_file) for one in takes}, takes, failed, of_lane=True)
    return failed


def _begin_folder(one: Take) -> None:
    """Make the folder with its journal, as yet unsynced. FileExistsError: the folder is another's."""
    durable.effects.mkdir(one.folder)
    try:
        fd = durable.effects.open(os.path.join(one.folder, JOURNAL), NEW_FILE)
        try:
            write_all(fd, one.first_line)
        finally:
            durable.effects.close(fd)
    except OSError:
        _undo_folder(one)
        raise


def _move_in(one: Take) -> None:
    """The moment of ownership."""
    durable.effects.rename_new(one.lane_file, os.path.join(one.folder, one.name), ours=True, within=one.lane)


def _sync_folder(one: Take) -> None:
    sync_or_write_anew(os.path.join(one.folder, JOURNAL))
    sync_names(one.folder)


def _undo_folder(one: Take) -> None:
    """Remove what was begun; what cannot be removed is a folder without a plan, which the next start removes."""
    if looking.is_there(os.path.join(one.folder, one.name)):
        return  # moved in, whatever the error said: it keeps its journal
    forget(os.path.join(one.folder, JOURNAL))
    quietly(lambda: durable.effects.rmdir(one.folder))


def _sync_parents(
    parents: Iterable[str], takes: Sequence[Take], failed: list[OSError | None], *, of_lane: bool = False
) -> None:
    for parent in parents:
        error = attempt(lambda parent=parent: sync_names(parent))  # type: ignore[misc]
        if error is None:
            continue
        for number, one in enumerate(takes):
            own = os.path.dirname(one.lane_file if of_lane else one.folder)
            if own == parent and failed[number] is None:
                failed[number] = error


def _sync_filesystems(takes: Sequence[Take]) -> bool:
    """Sync the file system that lanes and folders share (the root is refused otherwise); False: it failed.

    After a failure the kernel has told us once, and each file is synced by itself, or written anew.
    """
    return attempt(lambda: durable.effects.sync_filesystem(os.path.dirname(takes[0].folder))) is None
