"""Writing into a file that people edit at the same time, so that neither takes the other's words away.

What is there is exchanged for what is to be there, in one step; then it is looked at what came out of the exchange. If
it is not what had been read, or somebody still writes it, the two change places again: theirs lies there, as if
nothing had been, and whoever wanted to write reads anew. What is exchanged has a name that tells both contents, so
that after a cut anywhere it is known what may go, and what is somebody's. What the files mean is not known here.
"""

from __future__ import annotations

import os
import re
from hashlib import sha256
from pathlib import Path

from handoff import durable, looking
from handoff.effects import effects, let_go
from handoff.foreign import MAX_DOCUMENT_BYTES, BadFile, StillWritten, read_settled
from handoff.platform import OUT

_NAME = re.compile(
    r"\.(?P<of>.+)\.(?P<new>[0-9a-f]{16})-(?P<old>[0-9a-f]{16})\.exchange(?P<in>\.out|\.tmp)?", re.DOTALL
)
_HALF_WRITTEN = ".tmp"
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC


def read_still(path: Path) -> bytes:
    """Read a file that others write into. Raises StillWritten while somebody does, BadFile, OSError."""
    fd = effects.open(path.parent, _FOLDER)
    try:
        return read_settled(fd, path.name, MAX_DOCUMENT_BYTES)
    finally:
        let_go(fd)


def put_in(path: Path, content: bytes, expected: bytes | None) -> bool:
    """Write a file, durably, if it still holds what was read (None: if there is none).

    False: somebody wrote it meanwhile, and theirs lies there. Raises OSError; then `rescue` tidies up.
    """
    beside = path.parent / f".{path.name}.{_sum(content)}-{_sum(expected)}.exchange"
    # A name of its own: whoever else writes here by a temporary file may call it as `durable` does.
    whole = os.fspath(beside) + _HALF_WRITTEN
    durable.write_beside(whole, content, 0o600, sync=True)
    if expected is None:
        return _put_new(whole, path)
    # Under that name it is always whole: of a torn one nobody could tell that it is nobody's.
    effects.rename(whole, os.fspath(beside))
    try:
        effects.exchange(os.fspath(beside), os.fspath(path))
    except (FileNotFoundError, FileExistsError):
        # Taken away, or (the portable way) made anew meanwhile.
        rescue(path.parent)
        return False
    if _holds(beside, expected):
        # First what is there, then what is not: so one of them is there whatever the disk makes of it.
        effects.sync_dir(os.fspath(path.parent))
        durable.remove(beside, sync=False)
        return True
    effects.exchange(os.fspath(beside), os.fspath(path))
    rescue(path.parent)
    return False


def rescue(folder: Path) -> list[Path]:
    """Finish what was cut off in a folder. Return the files of somebody's that had to be put aside.

    That takes two who saved the same file within an instant, and a cut: then the later one counts, and the other lies
    beside it under a name of its own.
    """
    aside = []
    for name in sorted(effects.list(folder)):
        found = _NAME.fullmatch(name)
        if found is not None and found["in"] == _HALF_WRITTEN:
            durable.remove(folder / name, sync=False)
        elif found is not None:
            aside += _rescue(folder / name, folder / found["of"], found)
    return aside


def _put_new(whole: str, path: Path) -> bool:
    try:
        effects.rename_new(whole, os.fspath(path), ours=False)
    except FileExistsError:
        durable.forget(whole)
        return False
    effects.sync_dir(os.fspath(path.parent))
    return True


def _rescue(left: Path, path: Path, found: re.Match[str]) -> list[Path]:
    content = _content(left)
    if found["in"] == OUT and not looking.is_there(path):
        durable.move_new(left, path)
        return []
    there = _content(path)
    if content is not None and (content == there or _sum(content) in (found["new"], found["old"])):
        # It lies there as well; or it is ours, or what ours was made of.
        durable.remove(left)
        return []
    if _sum(there) == found["new"]:
        # Somebody saved it at the very moment of the exchange, which was cut off then.
        effects.exchange(os.fspath(left), os.fspath(path))
        return _rescue(left, path, found)
    kept = path.with_name(f"{path.name}.{_sum(content)[:8]}.saved")
    try:
        durable.move_new(left, kept)
    except FileExistsError:
        durable.remove(left)
        return []
    return [kept]


def _holds(path: Path, content: bytes) -> bool:
    """Whether a file holds that, and nobody is about to write another into it."""
    try:
        return read_still(path) == content
    except (BadFile, StillWritten, FileNotFoundError):
        return False


def _content(path: Path) -> bytes | None:
    """What a file holds, as far as it may be ours; None: it is none that we would write."""
    try:
        return looking.read_file(path, MAX_DOCUMENT_BYTES + 1)
    except (FileNotFoundError, looking.NotRegular):
        return None


def _sum(content: bytes | None) -> str:
    if content is None:
        return "0" * 16
    return sha256(content).hexdigest()[:16]
