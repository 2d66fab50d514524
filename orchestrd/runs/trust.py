"""Which projects are trusted: whose hooks, MCP servers and settings may act in a run.

Such things are programs that start without being asked. In `-p` Claude Code starts them of an untrusted project
too, so a run of one is given none of them (`launch.py`). Two lists count: our own (`orchestrd trust PATH`) and
Claude Code's, which is read and never written.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from handoff import durable, looking
from orchestrd.runs.environment import claude_state_file


class TrustedBy(StrEnum):
    """Whose list names the project."""

    ORCHESTRD = "orchestrd"
    CLAUDE_CODE = "claude-code"


@dataclass(frozen=True, slots=True)
class Trust:
    """Whether a project is trusted, and by whose word."""

    by: TrustedBy | None = None

    @property
    def is_trusted(self) -> bool:
        """Its hooks, MCP servers and settings may act."""
        return self.by is not None


class TrustFileBroken(Exception):
    """The list of trusted projects cannot be read, so it is not written either."""


def look_up_trust(project: Path, trusted_file: Path, environ: Mapping[str, str]) -> Trust:
    """Say whether `project` is trusted. What cannot be read trusts nobody."""
    places = _places(project)
    try:
        own = trusted_projects(trusted_file)
    except TrustFileBroken:
        own = ()
    if not places.isdisjoint(own):
        return Trust(TrustedBy.ORCHESTRD)
    if any(_field(environ, place, "hasTrustDialogAccepted") is True for place in places):
        return Trust(TrustedBy.CLAUDE_CODE)
    return Trust()


def trust_project(project: Path, trusted_file: Path) -> bool:
    """Put a project on our list; False: it was there.

    Raises:
        TrustFileBroken: the list is there and cannot be read.

    """
    projects = trusted_projects(trusted_file)
    place = os.path.realpath(project)
    if place in projects:
        return False
    _write(trusted_file, (*projects, place))
    return True


def untrust_project(project: Path, trusted_file: Path) -> bool:
    """Take a project off our list; False: it was not there. Claude Code's own list stays as it is."""
    projects = trusted_projects(trusted_file)
    places = {os.path.realpath(project), os.path.abspath(project)}
    left = tuple(place for place in projects if place not in places)
    if left == projects:
        return False
    _write(trusted_file, left)
    return True


def trusted_projects(trusted_file: Path) -> tuple[str, ...]:
    """Our own list, as absolute paths.

    Raises:
        TrustFileBroken: it is there and is not a list of projects.

    """
    try:
        content = json.loads(looking.read_file(trusted_file, follow=True))
    except FileNotFoundError:
        return ()
    except (OSError, ValueError) as error:
        raise TrustFileBroken(
            f"{trusted_file}: not readable as JSON ({error}). Correct or remove it."
        ) from error
    projects = content.get("projects") if isinstance(content, dict) else None
    if not isinstance(projects, list) or not all(isinstance(place, str) for place in projects):
        raise TrustFileBroken(
            f'{trusted_file}: expected {{"projects": ["/a/path", ...]}}. Correct or remove it.'
        )
    return tuple(projects)


def servers_switched_off_for(project: Path, environ: Mapping[str, str]) -> frozenset[str]:
    """Names of the project's own MCP servers that the user refused in Claude Code."""
    names = _field(environ, os.path.realpath(project), "disabledMcpjsonServers")
    return (
        frozenset(name for name in names if isinstance(name, str)) if isinstance(names, list) else frozenset()
    )


def _places(project: Path) -> set[str]:
    """The keys under which trust in a project may stand: its path, and the repository around it.

    Claude Code keys trust by the repository's root, for a folder within it and for a worktree of it alike.
    """
    real = os.path.realpath(project)
    places = {os.path.abspath(project), real}
    for folder in (Path(real), *Path(real).parents):
        if looking.is_there(folder / ".git"):
            places.add(str(folder))
            break
    return places


def _field(environ: Mapping[str, str], place: str, name: str) -> object:
    try:
        content = json.loads(looking.read_file(claude_state_file(environ), follow=True))
        return content["projects"][place].get(name)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def _write(trusted_file: Path, projects: tuple[str, ...]) -> None:
    trusted_file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    content = json.dumps({"projects": list(projects)}, indent=2) + "\n"
    durable.replace(trusted_file, content.encode())
