"""Projects by short names: those whose context is kept have the name of its file, the others that of their folder."""

from __future__ import annotations

from dataclasses import dataclass

from handoff.context import Context, context_name, list_contexts, project_of
from handoff.root import Root
from orchestrd.bridge.answers import CannotDo
from orchestrd.bridge.settled import index_of
from orchestrd.views.present import read_plans
from orchestrd.views.words import one_line

_MOST_PROJECTS = 1000


@dataclass(slots=True)
class Project:
    """A project that plans have worked in, or whose context is kept."""

    name: str
    path: str
    plans: int = 0
    last: str | None = None
    """When its last plan was taken."""
    context: Context | None = None


def projects_of(root: Root) -> list[Project]:
    """List the projects that this root knows, the one that was worked in last first."""
    contexts = _contexts(root)
    found: dict[str, Project] = {}
    for path, plans, last in index_of(root).projects()[:_MOST_PROJECTS]:
        found[path] = Project(
            contexts[path].name if path in contexts else context_name(path), path, plans, last
        )
    for work in read_plans(root):
        place = str(work.get("project") or "")
        if place and place not in found:
            found[place] = Project(contexts[place].name if place in contexts else context_name(place), place)
    for path, one in contexts.items():
        found.setdefault(path, Project(one.name, path)).context = one
    return list(found.values())


def project_named(root: Root, text: str) -> str:
    """Find the directory of a project by its name or its path. Raises CannotDo."""
    if text.startswith(("/", "~")):
        return project_of(text)
    return known_project(root, text).path


def known_project(root: Root, text: str) -> Project:
    """Find a project that this root knows, by its name or its path. Raises CannotDo."""
    all_of_them = projects_of(root)
    if text.startswith(("/", "~")):
        path = project_of(text)
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


def _contexts(root: Root) -> dict[str, Context]:
    try:
        found = list_contexts(root)
    except OSError:
        return {}
    contexts: dict[str, Context] = {}
    for one in found:
        contexts.setdefault(one.project, one)
    return contexts
