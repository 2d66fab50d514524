"""Projects by short names: those whose context is kept have the name of its file, the others that of their folder."""

from __future__ import annotations

import os
import tomllib
from dataclasses import dataclass
from pathlib import Path

from handoff import looking
from handoff.root import Root, plan_id_of
from orchestrd.bridge.answers import CannotDo
from orchestrd.bridge.settled import index_of
from orchestrd.views.present import read_plans
from orchestrd.views.words import one_line

CONTEXT = "context"
MOST_CONTEXT_BYTES = 1 << 20
_HEAD_BYTES = 16_384
_MOST_CONTEXTS = 500
_MOST_PROJECTS = 1000


@dataclass(slots=True)
class Project:
    """A project that plans have worked in, or whose context is kept."""

    name: str
    path: str
    plans: int = 0
    last: str | None = None
    """When its last plan was taken."""
    context: Path | None = None


def projects_of(root: Root) -> list[Project]:
    """List the projects that this root knows, the one that was worked in last first."""
    contexts = _contexts(root)
    found: dict[str, Project] = {}
    for path, plans, last in index_of(root).projects()[:_MOST_PROJECTS]:
        found[path] = Project(contexts[path].stem if path in contexts else _short(path), path, plans, last)
    for work in read_plans(root):
        place = str(work.get("project") or "")
        if place and place not in found:
            found[place] = Project(contexts[place].stem if place in contexts else _short(place), place)
    for path, file in contexts.items():
        found.setdefault(path, Project(file.stem, path)).context = file
    return list(found.values())


def project_named(root: Root, text: str) -> str:
    """Find the directory of a project by its name or its path. Raises CannotDo."""
    if text.startswith(("/", "~")):
        return os.path.realpath(os.path.expanduser(text))
    return known_project(root, text).path


def known_project(root: Root, text: str) -> Project:
    """Find a project that this root knows, by its name or its path. Raises CannotDo."""
    all_of_them = projects_of(root)
    if text.startswith(("/", "~")):
        path = os.path.realpath(os.path.expanduser(text))
        found = [one for one in all_of_them if one.path == path]
    else:
        found = [one for one in all_of_them if one.name == text]
    if len(found) == 1:
        return found[0]
    if found:
        paths = ", ".join(one.path for one in found[:5])
        raise CannotDo(
            f"{len(found)} projects are called {one_line(text, 60)!r}: give the directory ({paths})"
        )
    raise CannotDo(
        f"{one_line(text, 100)!r} is no project that plans of this root have worked in: list_projects names them"
    )


def project_in(text: str) -> str | None:
    """Read which project a context is of: `project` in its front matter."""
    lines = text.lstrip("\ufeff").splitlines()
    if not lines or lines[0].strip() != "+++":
        return None
    end = next((at for at, line in enumerate(lines[1:], 1) if line.strip() == "+++"), None)
    if end is None:
        return None
    try:
        path = tomllib.loads("\n".join(lines[1:end])).get("project")
    except tomllib.TOMLDecodeError:
        return None
    return path if isinstance(path, str) and path.startswith("/") else None


def _contexts(root: Root) -> dict[str, Path]:
    folder = root.path / CONTEXT
    try:
        names = sorted(os.listdir(folder))[:_MOST_CONTEXTS]
    except OSError:
        return {}
    found: dict[str, Path] = {}
    for name in names:
        if not name.endswith(".md") or name.startswith("."):
            continue
        try:
            head = looking.read_file(folder / name, _HEAD_BYTES)
        except OSError:
            continue  # a link, a folder: none of ours
        path = project_in(head.decode("utf-8", "replace"))
        if path is not None:
            found.setdefault(path, folder / name)
    return found


def _short(path: str) -> str:
    return str(plan_id_of(os.path.basename(path) or "root"))
