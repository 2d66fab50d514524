"""The few file operations that everything rests on. Nothing else in the project writes state.

Each leaves, whenever the power goes, either what was before or what was meant, and can be repeated. They are built
of single effects on the file system, all of which go through `effects`, so that a test can make each of them fail.
Standard library only: the runner loads this by path. What the files mean is not known here.
"""

from __future__ import annotations

import os

from handoff import looking, platform
from handoff.effects import Effects, StrPath, attempt, effects, let_go, quietly

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from handoff.syncing import sync_tree
    from handoff.taking import Take, take, take_many

__all__ = [
    "JOURNAL",
    "DurabilityLost",
    "Effects",
    "Take",
    "append_line",
    "effects",
    "make_folder",
    "move_new",
    "publish_new",
    "remove",
    "remove_tree",
    "replace",
    "sync_files",
    "sync_tree",
    "take",
    "take_many",
    "temporary_of",
]

JOURNAL = "journal.jsonl"
WRITES_AT_MOST = 3
BATCH_FOR_SYNCFS = 64
"""From so many takes on, two syncs of the whole file system replace three of files and folders each.

Measured (ext4, 2 cores): 0.5 ms a take one by one, 0.11 ms with syncfs, which pays from the first. But syncfs also
writes out what anybody else left unwritten on that disk, perhaps gigabytes: so a few takes never wait for it.
"""

NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


class DurabilityLost(OSError):
    """The disk did not take what was written, `WRITES_AT_MOST` times over. Stop taking plans, and say so."""


def publish_new(path: StrPath, content: bytes, mode: int = 0o600, *, alone: bool = True) -> bool:
    """Write a whole new file that is complete and durable once it can be seen.

    False: a file with equal bytes was there (this was done before). FileExistsError: one with others.
    DurabilityLost: the disk failed; nothing, or the whole file, is there. `alone=False`: others may be writing under
    this name too, so the temporary file gets a name of its own.
    """
    target = os.fspath(path)
    temporary = temporary_of(target) if alone else temporary_of(target, os.urandom(8).hex())
    write_beside(temporary, content, mode, sync=True)
    new = True
    try:
        effects.rename_new(temporary, target, ours=False)
    except FileExistsError:
        forget(temporary)
        if looking.read_file(target) != content:
            raise
        new = False
    except OSError:
        forget(temporary)
        raise
    # Also where it was there: whoever wrote it may have been cut off before this.
    sync_names(os.path.dirname(target))
    return new


def replace(path: StrPath, content: bytes, *, sync: bool = True, mode: int = 0o600) -> None:
    """Put a whole file in the place of another, or of none; readers see the old or the new one.

    `sync=False` is for what is made anew at every start (`status/`).
    """
    target = os.fspath(path)
    temporary = temporary_of(target)
    write_beside(temporary, content, mode, sync=sync)
    try:
        effects.rename(temporary, target)
    except OSError:
        forget(temporary)
        raise
    if sync:
        sync_names(os.path.dirname(target))


def append_line(path: StrPath, line: bytes, *, sync: bool, mode: int = 0o600) -> None:
    """Append one line. A line that could not be written whole is cut off again; OSError says why.

    With `sync`, the file is on the disk afterwards; where that failed it was written anew, or the line cut off. (What
    cannot be cut off either may still be there: before it appends again, whoever numbers its lines reads them.)
    """
    if not line.endswith(b"\n"):
        message = f"a line ends in a newline: {line[-20:]!r}"
        raise ValueError(message)
    name = os.fspath(path)
    fd, is_new = _open_to_append(name, mode)
    failed: OSError | None = None
    try:
        size = effects.fstat(fd).st_size
        try:
            write_all(fd, line)
        except OSError:
            quietly(lambda: effects.truncate(fd, size))
            raise
        if sync:
            failed = attempt(lambda: effects.fsync(fd))
    finally:
        closed = attempt(lambda: effects.close(fd))
    failed = failed or closed
    if failed:
        # A second fsync would "succeed" without the bytes, which are still to be read, but no longer marked as
        # unwritten (RELIABILITY, trap 4): all of it goes into a new file.
        try:
            replace(name, looking.read_file(name), mode=mode)
        except OSError:
            quietly(lambda: _cut(name, size))
            raise
    elif sync and is_new:
        sync_names(os.path.dirname(name))


def sync_files(paths: Sequence[StrPath]) -> None:
    """Bring files that were appended to without `sync` to the disk, all together; those that vanished are left out."""
    names = [os.fspath(path) for path in paths]
    if len(names) >= BATCH_FOR_SYNCFS and syncs_filesystems():
        failed = attempt(lambda: effects.sync_filesystem(os.path.dirname(names[0]) or "."))
        if failed is None:
            return
    for name in names:
        sync_or_write_anew(name)


def make_folder(path: StrPath, *, sync: bool = True, mode: int = 0o700) -> None:
    """Make a folder; one that is there is fine. With `sync` its name is on the disk."""
    name = os.fspath(path)
    try:
        effects.mkdir(name, mode)
    except FileExistsError:
        if not looking.is_folder(name):
            raise
    if sync:
        sync_names(os.path.dirname(name))


def move_new(src: StrPath, dst: StrPath, *, within: int | None = None) -> None:
    """Move a file or folder within the file system, never replacing; durable in both directories when it returns.

    `within` is the open folder of `src`, where somebody might put a link in that folder's place.

    A move that was done before (no `src`, but a `dst`) is completed: both directories are synced. FileExistsError
    where both are there.
    """
    source, target = os.fspath(src), os.fspath(dst)
    try:
        effects.rename_new(source, target, ours=True, within=within)
    except FileNotFoundError:
        if looking.is_there(source) or not looking.is_there(target):
            raise
    # The new place first: should only one of the two be kept, it is there twice rather than nowhere. (A folder cannot
    # be, as far as a file system gives it one place only: for one the second sync is there for those that do not.)
    sync_names(os.path.dirname(target))
    if os.path.dirname(source) != os.path.dirname(target):
        sync_names(os.path.dirname(source))


def remove(path: StrPath, *, sync: bool = True) -> bool:
    """Remove a file; False where there was none."""
    name = os.fspath(path)
    try:
        effects.unlink(name)
    except FileNotFoundError:
        return False
    if sync:
        sync_names(os.path.dirname(name))
    return True


def remove_tree(path: StrPath, *, sync: bool = True) -> None:
    """Remove a folder with all that is in it, following no link; none there is fine."""
    name = os.fspath(path)
    try:
        names = effects.list(name)
        folders = set(looking.folders_in(name, names))
    except FileNotFoundError:
        return
    for inner in names:
        if inner in folders:
            remove_tree(os.path.join(name, inner), sync=False)
        else:
            remove(os.path.join(name, inner), sync=False)
    effects.rmdir(name)
    if sync:
        sync_names(os.path.dirname(name))


def __getattr__(name: str) -> object:
    """Find in their own rooms what a runner does not need before its work is done."""
    if name == "sync_tree":
        from handoff.syncing import sync_tree

        return sync_tree
    if name in ("Take", "take", "take_many"):
        from handoff import taking

        return getattr(taking, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def syncs_filesystems() -> bool:
    """Tell whether one call may sync a whole file system here."""
    return platform.PLATFORM.syncfs


def write_beside(temporary: str, content: bytes, mode: int, *, sync: bool) -> None:
    """Write a temporary file, synced; anew, and at most WRITES_AT_MOST times, where that fails.

    Its name is fixed, so that one left by a kill is replaced by the next writer instead of lying there for ever.
    """
    failed: OSError | None = None
    for _ in range(WRITES_AT_MOST):
        forget(temporary)
        fd = effects.open(temporary, NEW_FILE, mode)
        try:
            write_all(fd, content)
        except OSError:
            quietly(lambda fd=fd: effects.close(fd))  # type: ignore[misc]
            forget(temporary)
            raise
        failed = attempt(lambda fd=fd: effects.fsync(fd)) if sync else None  # type: ignore[misc]
        closed = attempt(lambda fd=fd: effects.close(fd))  # type: ignore[misc]
        failed = failed or closed
        if failed is None:
            return
    forget(temporary)
    assert failed is not None  # noqa: S101 - for the type checker: it fell out of the loop
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
    flags = os.O_WRONLY | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
    try:
        return effects.open(name, flags, mode), False
    except FileNotFoundError:
        return effects.open(name, flags | os.O_CREAT, mode), True


def _cut(name: str, size: int) -> None:
    fd = effects.open(name, os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        effects.truncate(fd, size)
    finally:
        effects.close(fd)


def sync_or_write_anew(name: str) -> None:
    """Bring a file to the disk, as a new file where its sync failed; one that vanished is left out."""
    try:
        fd = effects.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
    except FileNotFoundError:
        return
    try:
        failed = attempt(lambda: effects.fsync(fd))
    finally:
        let_go(fd)
    if failed:
        replace(name, looking.read_file(name))


def sync_names(path: str) -> None:
    """Sync a directory. What failed cannot be written anew by us: it is reported at once."""
    try:
        effects.sync_dir(path or ".")
    except OSError as error:
        raise DurabilityLost(error.errno, error.strerror, path or ".") from error


def write_all(fd: int, content: bytes) -> None:
    """Write all of it, however little one write takes."""
    left = memoryview(content)
    while left:
        left = left[effects.write(fd, left) :]


def forget(path: str) -> None:
    """Remove a file of ours that has no more use, if that can be done."""
    quietly(lambda: effects.unlink(path))
