"""The few file operations that everything rests on. Nothing else in the project writes state.

Each leaves, whenever the power goes, either what was before or what was meant, and can be repeated. They are built
of single effects on the file system, all of which go through `effects`, so that a test can make each of them fail.
Standard library only: the runner loads this by path. What the files mean is not known here.
"""

from __future__ import annotations

import errno
import os

from handoff import platform

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

StrPath = str | os.PathLike[str]

JOURNAL = "journal.jsonl"
WRITES_AT_MOST = 3
BATCH_FOR_SYNCFS = 64
"""From so many takes on, two syncs of the whole file system replace three of files and folders each.

Measured (ext4, 2 cores): 0.5 ms a take one by one, 0.11 ms with syncfs, which pays from the first. But syncfs also
writes out what anybody else left unwritten on that disk, perhaps gigabytes: so a few takes never wait for it.
"""

_NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


class DurabilityLost(OSError):
    """The disk did not take what was written, `WRITES_AT_MOST` times over. Stop taking plans, and say so."""


class Effects:
    """Every single thing that is done to the file system: what a fault test replaces."""

    def open(self, path: str, flags: int, mode: int = 0o600) -> int:
        """Open a file."""
        return os.open(path, flags, mode)

    def write(self, fd: int, content: bytes | memoryview) -> int:
        """Write some of it; tell how much."""
        return os.write(fd, content)

    def truncate(self, fd: int, size: int) -> None:
        """Cut a file."""
        os.ftruncate(fd, size)

    def fsync(self, fd: int) -> None:
        """Bring a file to the disk."""
        platform.sync_file(fd)

    def close(self, fd: int) -> None:
        """Close a descriptor."""
        os.close(fd)

    def sync_dir(self, path: str) -> None:
        """Bring a directory's names to the disk."""
        platform.sync_dir(path)

    def sync_filesystem(self, path: str) -> None:
        """Bring all that is unwritten on a file system to the disk."""
        platform.sync_filesystem(path)

    def rename(self, src: str, dst: str) -> None:
        """Rename, replacing what is there."""
        os.rename(src, dst)

    def rename_new(self, src: str, dst: str, *, ours: bool) -> None:
        """Rename, never replacing."""
        platform.rename_new(src, dst, ours=ours)

    def unlink(self, path: str) -> None:
        """Remove a file."""
        os.unlink(path)

    def mkdir(self, path: str, mode: int = 0o700) -> None:
        """Make a folder."""
        os.mkdir(path, mode)

    def rmdir(self, path: str) -> None:
        """Remove an empty folder."""
        os.rmdir(path)


effects = Effects()


def publish_new(path: StrPath, content: bytes, mode: int = 0o600, *, alone: bool = True) -> bool:
    """Write a whole new file that is complete and durable once it can be seen.

    `alone=False`: others may be writing under this name too, so the temporary file gets a name of its own. False: a file with equal bytes was there (this was done before). FileExistsError: one with others.
    DurabilityLost: the disk failed; nothing, or the whole file, is there.
    """
    target = os.fspath(path)
    temporary = temporary_of(target) if alone else temporary_of(target, os.urandom(8).hex())
    _write_beside(temporary, content, mode, sync=True)
    new = True
    try:
        effects.rename_new(temporary, target, ours=False)
    except FileExistsError:
        _forget(temporary)
        if _read(target) != content:
            raise
        new = False
    except OSError:
        _forget(temporary)
        raise
    # Also where it was there: whoever wrote it may have been cut off before this.
    _sync_dir(os.path.dirname(target))
    return new


def replace(path: StrPath, content: bytes, *, sync: bool = True, mode: int = 0o600) -> None:
    """Put a whole file in the place of another, or of none; readers see the old or the new one.

    `sync=False` is for what is made anew at every start (`status/`).
    """
    target = os.fspath(path)
    temporary = temporary_of(target)
    _write_beside(temporary, content, mode, sync=sync)
    try:
        effects.rename(temporary, target)
    except OSError:
        _forget(temporary)
        raise
    if sync:
        _sync_dir(os.path.dirname(target))


def append_line(path: StrPath, line: bytes, *, sync: bool, mode: int = 0o600) -> None:
    """Append one line. A line that could not be written whole is cut off again; OSError says why.

    With `sync`, the file is on the disk afterwards; where that failed it was written anew.
    """
    if not line.endswith(b"\n"):
        message = f"a line ends in a newline: {line[-20:]!r}"
        raise ValueError(message)
    name = os.fspath(path)
    fd, is_new = _open_to_append(name, mode)
    failed: OSError | None = None
    try:
        size = os.fstat(fd).st_size
        try:
            _write_all(fd, line)
        except OSError:
            _quietly(lambda: effects.truncate(fd, size))
            raise
        if sync:
            failed = _attempt(lambda: effects.fsync(fd))
    finally:
        closed = _attempt(lambda: effects.close(fd))
    failed = failed or closed
    if failed:
        # A second fsync would "succeed" without the bytes, which are still to be read, but no longer marked as
        # unwritten (RELIABILITY, trap 4): all of it goes into a new file.
        replace(name, _read(name), mode=mode)
    elif sync and is_new:
        _sync_dir(os.path.dirname(name))


def sync_files(paths: Sequence[StrPath]) -> None:
    """Bring files that were appended to without `sync` to the disk, all together; those that vanished are left out."""
    names = [os.fspath(path) for path in paths]
    if len(names) >= BATCH_FOR_SYNCFS and _syncs_filesystems():
        failed = _attempt(lambda: effects.sync_filesystem(os.path.dirname(names[0]) or "."))
        if failed is None:
            return
    for name in names:
        _sync_or_write_anew(name)


def make_folder(path: StrPath, *, sync: bool = True, mode: int = 0o700) -> None:
    """Make a folder; one that is there is fine. With `sync` its name is on the disk."""
    name = os.fspath(path)
    try:
        effects.mkdir(name, mode)
    except FileExistsError:
        if not os.path.isdir(name):
            raise
    if sync:
        _sync_dir(os.path.dirname(name))


def move_new(src: StrPath, dst: StrPath) -> None:
    """Move a file or folder within the file system, never replacing; durable in both directories when it returns.

    A move that was done before (no `src`, but a `dst`) is completed: both directories are synced. FileExistsError
    where both are there.
    """
    source, target = os.fspath(src), os.fspath(dst)
    try:
        effects.rename_new(source, target, ours=True)
    except FileNotFoundError:
        if os.path.lexists(source) or not os.path.lexists(target):
            raise
    # The new place first: should only one of the two be kept, it is there twice rather than nowhere.
    _sync_dir(os.path.dirname(target))
    if os.path.dirname(source) != os.path.dirname(target):
        _sync_dir(os.path.dirname(source))


def remove(path: StrPath, *, sync: bool = True) -> bool:
    """Remove a file; False where there was none."""
    name = os.fspath(path)
    try:
        effects.unlink(name)
    except FileNotFoundError:
        return False
    if sync:
        _sync_dir(os.path.dirname(name))
    return True


def remove_tree(path: StrPath, *, sync: bool = True) -> None:
    """Remove a folder with all that is in it, following no link; none there is fine."""
    name = os.fspath(path)
    try:
        with os.scandir(name) as entries:
            inside = [(entry.path, entry.is_dir(follow_symlinks=False)) for entry in entries]
    except FileNotFoundError:
        return
    for inner, is_folder in inside:
        if is_folder:
            remove_tree(inner, sync=False)
        else:
            remove(inner, sync=False)
    effects.rmdir(name)
    if sync:
        _sync_dir(os.path.dirname(name))


class Take:
    """One file to be taken: out of its lane, into a new folder under a name, with the journal's first line."""

    __slots__ = ("first_line", "folder", "lane_file", "name")

    def __init__(self, lane_file: StrPath, folder: StrPath, name: str, first_line: bytes) -> None:
        self.lane_file = os.fspath(lane_file)
        self.folder = os.fspath(folder)
        self.name = name
        self.first_line = first_line


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
    at_once = len(takes) >= BATCH_FOR_SYNCFS and _syncs_filesystems()

    def each(step: Callable[[Take], None]) -> None:
        for number, one in enumerate(takes):
            if failed[number] is None:
                failed[number] = _attempt(lambda one=one: step(one))  # type: ignore[misc]

    each(_begin_folder)
    begun = [error is None for error in failed]
    if at_once and not _sync_filesystems(takes):
        at_once = False
    if not at_once:
        each(_sync_folder)
        # Folders whose parent could not be synced are not safe to rename into.
        _sync_parents({os.path.dirname(one.folder) for one in takes}, takes, failed)
    each(lambda one: effects.rename_new(one.lane_file, os.path.join(one.folder, one.name), ours=True))
    for number, one in enumerate(takes):
        if failed[number] is not None and begun[number]:
            _undo_folder(one)
    if not (at_once and _sync_filesystems(takes)):
        each(lambda one: _sync_dir(one.folder))
        _sync_parents({os.path.dirname(one.lane_file) for one in takes}, takes, failed, of_lane=True)
    return failed


def _begin_folder(one: Take) -> None:
    """Make the folder with its journal, as yet unsynced. FileExistsError: the folder is another's."""
    effects.mkdir(one.folder)
    try:
        fd = effects.open(os.path.join(one.folder, JOURNAL), _NEW_FILE)
        try:
            _write_all(fd, one.first_line)
        finally:
            effects.close(fd)
    except OSError:
        _undo_folder(one)
        raise


def _sync_folder(one: Take) -> None:
    _sync_or_write_anew(os.path.join(one.folder, JOURNAL))
    _sync_dir(one.folder)


def _undo_folder(one: Take) -> None:
    """Remove what was begun; what cannot be removed is a folder without a plan, which the next start removes."""
    if os.path.lexists(os.path.join(one.folder, one.name)):
        return  # moved in, whatever the error said: it keeps its journal
    _forget(os.path.join(one.folder, JOURNAL))
    _quietly(lambda: effects.rmdir(one.folder))


def _sync_parents(
    parents: Iterable[str], takes: Sequence[Take], failed: list[OSError | None], *, of_lane: bool = False
) -> None:
    for parent in parents:
        error = _attempt(lambda parent=parent: _sync_dir(parent))  # type: ignore[misc]
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
    return _attempt(lambda: effects.sync_filesystem(os.path.dirname(takes[0].folder))) is None


def _syncs_filesystems() -> bool:
    return platform.PLATFORM.syncfs


def _write_beside(temporary: str, content: bytes, mode: int, *, sync: bool) -> None:
    """Write a temporary file, synced; anew, and at most WRITES_AT_MOST times, where that fails.

    Its name is fixed, so that one left by a kill is replaced by the next writer instead of lying there for ever.
    """
    failed: OSError | None = None
    for _ in range(WRITES_AT_MOST):
        _forget(temporary)
        fd = effects.open(temporary, _NEW_FILE, mode)
        try:
            _write_all(fd, content)
        except OSError:
            _quietly(lambda fd=fd: effects.close(fd))  # type: ignore[misc]
            _forget(temporary)
            raise
        failed = _attempt(lambda fd=fd: effects.fsync(fd)) if sync else None  # type: ignore[misc]
        closed = _attempt(lambda fd=fd: effects.close(fd))  # type: ignore[misc]
        failed = failed or closed
        if failed is None:
            return
    _forget(temporary)
    assert failed is not None
    raise DurabilityLost(failed.errno, f"{failed.strerror} ({WRITES_AT_MOST} times)", temporary) from failed


def temporary_of(path: StrPath, random: str = "") -> str:
    """Name the temporary file that `path` is written by; cut where it would be too long for a directory entry."""
    folder, name = os.path.split(os.fspath(path))
    ending = f".{random}.tmp" if random else ".tmp"
    longest = 254 - len(ending)
    if len(os.fsencode(name)) > longest:
        name = os.fsencode(name)[:longest].decode("utf-8", "ignore")
    return os.path.join(folder, f".{name}{ending}")


def _open_to_append(name: str, mode: int) -> tuple[int, bool]:
    flags = os.O_WRONLY | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        return effects.open(name, flags, mode), False
    except FileNotFoundError:
        return effects.open(name, flags | os.O_CREAT, mode), True


def _sync_or_write_anew(name: str) -> None:
    try:
        fd = effects.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    try:
        failed = _attempt(lambda: effects.fsync(fd))
    finally:
        effects.close(fd)
    if failed:
        replace(name, _read(name))


def _sync_dir(path: str) -> None:
    """Sync a directory. What failed cannot be written anew by us: it is reported at once."""
    try:
        effects.sync_dir(path or ".")
    except OSError as error:
        raise DurabilityLost(error.errno, error.strerror, path or ".") from error


def _write_all(fd: int, content: bytes) -> None:
    left = memoryview(content)
    while left:
        left = left[effects.write(fd, left) :]


def _read(name: str) -> bytes:
    with open(name, "rb", opener=lambda path, flags: os.open(path, flags | os.O_NOFOLLOW)) as file:
        return file.read()


def _forget(path: str) -> None:
    _quietly(lambda: effects.unlink(path))


def _attempt(step: Callable[[], object]) -> OSError | None:
    try:
        step()
    except OSError as error:
        return error
    return None


def _quietly(step: Callable[[], object]) -> None:
    """Tidy up: what fails here is tried again by whoever comes next."""
    _attempt(step)
