"""The three things that can be done to Desktop's configuration: each first as a change to look at, then carried out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from difflib import unified_diff
from pathlib import Path

from orchestrd.desktop.backups import make_backup, read_backup
from orchestrd.desktop.config_file import ConfigFile, demand_writable, write_config
from orchestrd.desktop.entries import Entry
from orchestrd.desktop.error import DesktopError
from orchestrd.desktop.installed import Installed, checksum, recall, remember
from orchestrd.desktop.json_text import NotJson
from orchestrd.desktop.masking import masked
from orchestrd.desktop.section import NEW_TEXT, is_ours, put_in, read_text, servers_of, take_out


@dataclass(frozen=True, slots=True)
class Change:
    """What is to become of the configuration; nothing is done yet."""

    file: ConfigFile
    content: bytes | None
    """What it will hold; None: it goes, as it came with us."""
    installed: Installed | None
    """What is to be remembered afterwards."""
    names: tuple[str, ...]
    """The entries that are put in or taken out."""
    is_known_elsewhere: bool = False
    """What goes is what we wrote ourselves, of which nothing needs to be kept."""
    is_first: bool = False
    """Nothing of ours was in it before."""
    left_alone: tuple[str, ...] = ()
    """Entries that came with us and that somebody has made into something else since: theirs now."""

    @property
    def is_none(self) -> bool:
        """There is nothing to do."""
        return self.content == self.file.content


def plan_install(file: ConfigFile, entries: Sequence[Entry], *, replacing: bool) -> Change:
    """Work out how our entries come in. DesktopError: the file cannot be changed, or an entry is somebody else's."""
    known = recall(file.real) or Installed()
    text = read_text(file.content, str(file.named)) if file.content is not None else NEW_TEXT
    is_first = not any(is_ours(name, value, known.marks) for name, value in servers_of(text).items())
    if is_first:
        known = Installed()
    try:
        placed = put_in(text, entries, known.marks, replace=replacing)
    except DesktopError as error:
        raise DesktopError(f"{file.named}: {error}") from None
    content = file.content if placed.text == text and file.content is not None else placed.text.encode()
    goes_on = file.content is not None and known.left(file.content)
    installed = replace(
        known,
        marks={**known.marks, **placed.marks},
        section_was=placed.section_was if is_first else known.section_was,
        file_was=file.content is not None if is_first else known.file_was,
        before=known.before if goes_on else "",
        after=checksum(content),
    )
    return Change(file, content, installed, tuple(one.name for one in entries), is_first=is_first)


def plan_uninstall(file: ConfigFile) -> Change:
    """Work out how our entries go: by the old bytes where nobody has changed anything since. Raises DesktopError."""
    known = recall(file.real) or Installed()
    if file.content is None:
        return Change(file, None, None, ())
    text = read_text(file.content, str(file.named))
    left, gone = take_out(text, known.marks, known.section_was)
    names = tuple(gone)
    alone = tuple(name for name in servers_of(text) if name in known.marks and name not in gone)
    if gone and known.left(file.content):
        if not known.file_was:
            return Change(file, None, None, names, is_known_elsewhere=True)
        before = _before(known)
        if before is not None:
            return Change(file, before, None, names, is_known_elsewhere=True)
    return Change(file, left.encode() if gone else file.content, None, names, left_alone=alone)


def plan_restore(file: ConfigFile, backup: Path) -> Change:
    """Work out a return to a backup, whatever it holds."""
    known = recall(file.real)
    return Change(file, read_backup(backup), replace(known, before="", after="") if known else None, ())


def carry_out(change: Change, now: datetime) -> Path | None:
    """Do it: a backup, what we remember, then the file. Returns the backup, where one was needed."""
    file = change.file
    demand_writable(file)
    backup = None
    if file.content is not None and not change.is_known_elsewhere:
        backup = make_backup(file, now)
    installed = change.installed
    if installed is not None:
        if backup is not None and change.is_first:
            installed = replace(installed, before=str(backup))
        # Before the file: cut off in between, it names entries that are not there, which harms nobody.
        remember(file.real, installed)
    write_config(file, change.content)
    if installed is None:
        remember(file.real, None)
    return backup


def difference(change: Change) -> list[str]:
    """Return what changes, line by line, with dots for what looks secret in what others keep there."""
    old, new = _shown(change.file.content or b""), _shown(change.content or b"")
    name = str(change.file.named)
    return list(unified_diff(old, new, name, f"{name} (new)", n=3, lineterm=""))


def _shown(content: bytes) -> list[str]:
    if not content:
        return []
    try:
        # Not splitlines(): in JSON only these end a line.
        return masked(content.decode("utf-8")).removesuffix("\n").replace("\r\n", "\n").split("\n")
    except (NotJson, UnicodeDecodeError):
        return [f"({len(content)} bytes that are no JSON)"]


def _before(known: Installed) -> bytes | None:
    try:
        return read_backup(Path(known.before)) if known.before else None
    except DesktopError:  # somebody has tidied up: then it is taken out by its text
        return None
