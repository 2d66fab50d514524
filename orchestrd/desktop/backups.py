"""Copies of Desktop's configuration, made beside it before each change and never written over.

They lie beside the file by which Desktop knows it, not beside what a link leads to: that may be a repository, and
others keep their tokens in it.
"""

from __future__ import annotations

import os
import re
from datetime import UTC, datetime
from pathlib import Path

from handoff import durable
from handoff.effects import effects
from handoff.looking import read_file
from orchestrd.desktop.config_file import MOST_BYTES, ConfigFile
from orchestrd.desktop.error import DesktopError

_NAME = re.compile(r"\.(\d{4}-\d\d-\d\dT\d{6}Z)(?:-(\d+))?\.backup")


def make_backup(file: ConfigFile, now: datetime) -> Path:
    """Keep what was read, under the time, with its mode. There has to be something to keep."""
    assert file.content is not None  # noqa: S101 - what is not there needs no copy
    stamp = now.astimezone(UTC).strftime("%Y-%m-%dT%H%M%SZ")
    number = 1
    while True:
        again = "" if number == 1 else f"-{number}"
        path = file.named.with_name(f"{file.named.name}.{stamp}{again}.backup")
        try:
            durable.publish_new(path, file.content, mode=file.mode)
        except FileExistsError:
            number += 1
            continue
        effects.chmod(path, file.mode)
        return path


def backups_of(named: Path) -> list[Path]:
    """List the copies of a configuration, the latest first."""
    found = []
    for name in effects.list(named.parent) if named.parent.is_dir() else []:
        match = _NAME.fullmatch(name.removeprefix(named.name)) if name.startswith(named.name) else None
        if match:
            found.append((match.group(1), int(match.group(2) or 1), named.with_name(name)))
    return [path for _, _, path in sorted(found, reverse=True)]


def read_backup(path: Path) -> bytes:
    """Read a copy. DesktopError: it cannot be read."""
    try:
        return read_file(path, MOST_BYTES)
    except OSError as error:
        raise DesktopError(f"{path}: cannot be read: {error.strerror}") from error


def find_backup(named: Path, wanted: str) -> Path:
    """Find the copy that somebody means: `latest`, its name, its time, or its path. DesktopError: there is none."""
    known = backups_of(named)
    if wanted == "latest":
        if known:
            return known[0]
        raise DesktopError(f"{named}: there is no backup of it")
    for path in known:
        if wanted in (path.name, str(path)) or f".{wanted}." in path.name:
            return path
    path = Path(os.path.abspath(os.path.expanduser(wanted)))
    if path.is_file():
        return path
    listed = ", ".join(one.name for one in known[:5]) or "none"
    raise DesktopError(f"{wanted}: no such backup; there is {listed}")
