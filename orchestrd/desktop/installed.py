"""What install has put where, remembered so that uninstall takes that away and nothing else.

Kept in our own state folder, by the file's real place. Without it (another machine's dotfiles, a state folder that
was cleared) our entries are still known by what they start.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from handoff import durable
from handoff.looking import read_file
from orchestrd.config import state_folder
from orchestrd.desktop.section import SectionWas


@dataclass(frozen=True, slots=True)
class Installed:
    """What we know of one configuration."""

    marks: dict[str, str] = field(default_factory=dict)
    """By what each entry that was put there is known again, by its name."""
    section_was: str = SectionWas.THERE
    file_was: bool = True
    """Whether there was a file before us."""
    before: str = ""
    """The backup of what was there before the first of ours ("": unknown, or there was nothing)."""
    after: str = ""
    """The checksum of what we left."""

    def left(self, content: bytes) -> bool:
        """Tell whether nobody has changed what we left."""
        return bool(self.after) and self.after == checksum(content)


def checksum(content: bytes) -> str:
    """Return the checksum by which we know a content again."""
    return hashlib.sha256(content).hexdigest()


def recall(real: Path) -> Installed | None:
    """Look up what was put into a configuration; None: nothing that we know of."""
    known = _read().get(str(real))
    try:
        return Installed(**known) if isinstance(known, dict) else None
    except TypeError:  # written by a version that kept other things
        return None


def known_files() -> list[Path]:
    """Name the configurations into which something was put, by their real places."""
    return [Path(name) for name in sorted(_read())]


def remember(real: Path, installed: Installed | None) -> None:
    """Keep what was put into a configuration, or forget it (None)."""
    file = _file()
    all_known = _read()
    all_known.pop(str(real), None)
    if installed is not None:
        all_known[str(real)] = asdict(installed)
    file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    durable.replace(file, (json.dumps(all_known, indent=2) + "\n").encode())


def _read() -> dict[str, Any]:
    try:
        found = json.loads(read_file(_file()))
    except (FileNotFoundError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _file() -> Path:
    return state_folder() / "desktop.json"
