"""What a plan touches (`workspace.touches`), made plain: `src`, where that is a folder, means all that lies in it."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from handoff import looking

_WILD = frozenset("*?[")


def name_folders(touches: Iterable[str], project: Path) -> tuple[str, ...]:
    """Put the slash behind those rules that name a folder of the project: that is how `core.overlap` is told.

    A name that the disk does not know, or does not tell of, is left as it is written: a file.
    """
    return tuple(f"{rule}/" if _is_folder(rule, project) else rule for rule in touches)


def _is_folder(rule: str, project: Path) -> bool:
    if rule.endswith("/") or not _WILD.isdisjoint(rule):
        return False
    try:
        return looking.is_folder(project / rule)
    except (OSError, ValueError):
        return False
