"""From the bytes of a file to an accepted plan, or to every reason why not.

It looks at the disk only to see whether the plan's project is there; it writes nothing. `orchestrd check` and the
daemon both use it, so a refusal reads the same in both.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import TypeAdapter, ValidationError

from handoff import looking
from handoff.document_error import path_parts, path_text
from handoff.effects import effects
from handoff.fields import Problem
from handoff.formats import DocumentError, FieldError, Format, as_written, line_finder, read_document
from handoff.naming import Project
from handoff.plan import Plan
from handoff.result import Reason
from handoff.root import PlanId
from orchestrd.config import Limits
from orchestrd.core.steps_of_plan import with_whole_steps
from orchestrd.inbound.caps import inert_caps
from orchestrd.inbound.making_out import MadeOut, make_out, problems_of_naming
from orchestrd.inbound.touches import name_folders
from orchestrd.inbound.uncommitted import unjoinable
from orchestrd.library.finding import SHIPPED, Library
from orchestrd.library.roles import problems_of_roles

_PROJECT: TypeAdapter[str] = TypeAdapter(Project)
_MOST_SHOWN = 200
"""Characters of a name that is no good."""


class Wrong(NamedTuple):
    """One thing that a plan cannot have; its line in the file is found later."""

    path: str
    message: str
    hint: str


@dataclass(frozen=True, slots=True)
class Accepted:
    """A plan that will be executed: normalised, defaults filled in."""

    plan: Plan
    project: Path
    """The project, `~` expanded and symbolic links resolved."""
    in_place: bool
    workflow: str | None = None
    """The workflow that it named and was made of."""


@dataclass(frozen=True, slots=True)
class Refused:
    """Why a plan will not be executed: all errors at once."""

    reason: Reason
    errors: tuple[FieldError, ...]
    key: str | None = None
    title: str | None = None


def check_plan(
    raw: bytes, file_format: Format, plan: PlanId, limits: Limits, library: Library = SHIPPED
) -> Accepted | Refused:
    """Check a plan, make its workflow out, and fill in what it leaves out (PROTOCOL, section 4).

    `limits` are the configured ones that hold where the plan names none. Raises nothing for any content of `raw`;
    OSError where the disk does not give a workflow's file.
    """
    line = line_finder(raw, file_format)
    try:
        written = read_document(Plan, raw, file_format)
    except DocumentError as error:
        also = _wrong_besides(as_written(raw, file_format), error.errors, plan, library)
        return Refused(Reason.INVALID, (*error.errors, *_told(also, line)))

    project = _look_at(written.project)
    known = project if isinstance(project, Path) else None
    # Its own bytes are read once more only where they have to be.
    tree = as_written(raw, file_format) if written.workflow is not None else {}
    made = make_out(written, tree, known, library)
    wrong = [project] if isinstance(project, Wrong) else []
    wrong += _after_itself(written.after, plan)
    wrong += [_wrong(one) for one in made.problems]
    wrong += [Wrong(*inert) for inert in inert_caps(made.plan or written)]
    if made.plan is not None:
        roles = [_wrong(one) for one in problems_of_roles(made.plan.steps, made.plan.agents)]
        besides = _wrong_with_project(made.plan, known) if known is not None else []
        wrong += [_placed(one, made) for one in (*roles, *besides)]
    if made.plan is None or known is None or wrong:
        return Refused(Reason.INVALID, _told(wrong, line), key=written.key, title=written.title)
    return replace(_fill_in(made.plan, plan, known, limits), workflow=written.workflow)


def _told(wrong: Iterable[Wrong], line: Callable[[str], int | None]) -> tuple[FieldError, ...]:
    """Give each its line; of very many not all are told."""

    def place(path: str) -> int | None:
        # A parameter that is missing where there are none at all is missed by the workflow.
        is_nowhere = path.startswith("params.") and line(path) == line("")
        return line("workflow" if is_nowhere else path)

    return DocumentError(FieldError(*one, place(one.path)) for one in wrong).errors


def _wrong(found: Problem) -> Wrong:
    return Wrong(path_text(found.path), found.message, found.hint)


def _placed(wrong: Wrong, made: MadeOut) -> Wrong:
    return _wrong(made.placed(Problem(path_parts(wrong.path), wrong.message, wrong.hint)))


def _wrong_besides(
    tree: dict[str, Any], told: Iterable[FieldError], plan: PlanId, library: Library
) -> list[Wrong]:
    """What else is wrong with a plan whose fields are wrong already: all its errors are told at once."""
    paths = {error.path for error in told}
    project = _look_at_written(tree) if "project" not in paths else None
    wrong = [project] if isinstance(project, Wrong) else []
    if paths.isdisjoint({"workflow", "params"}):
        known = project if isinstance(project, Path) else None
        wrong += [_wrong(one) for one in problems_of_naming(tree, known, library)]
    after = tree.get("after")
    return wrong + _after_itself(after if isinstance(after, list) else (), plan)


def _after_itself(after: Iterable[object], plan: PlanId) -> list[Wrong]:
    """A plan that waits for its own end never runs. By what it is called only its own file's name decides."""
    message = f"{plan} is this plan itself, and it would wait for its own end"
    hint = "name the plans that it is to come after, or leave it out"
    return [Wrong(f"after[{at}]", message, hint) for at, name in enumerate(after) if name == plan]


def _look_at_written(tree: dict[str, Any]) -> Path | Wrong | None:
    """Find the project of a plan that is wrong in other ways; None: it names none."""
    project = tree.get("project")
    if not isinstance(project, str):
        return None
    try:
        # Of very many errors not all are told: one of a project that is no path at all may not be among them.
        _PROJECT.validate_python(project)
    except ValidationError:
        return None
    return _look_at(project)


def _look_at(project: str) -> Path | Wrong:
    """Find the project, `~` expanded and symbolic links resolved; or say why it cannot be worked in."""
    hint = "name an existing directory"
    try:
        expanded = os.path.expanduser(project)
        if expanded.startswith("~"):
            # Left as it is, it would be taken for a folder of that name wherever the daemon was started.
            return Wrong("project", f"there is no user {_shown(project.partition('/')[0][1:])!r} here", hint)
        place = os.path.realpath(expanded)
        mode = effects.stat(place).st_mode
        # Listed and entered, as git and Claude Code will have to.
        is_open = effects.may(place, os.R_OK | os.X_OK)
    except (FileNotFoundError, NotADirectoryError):
        return Wrong("project", f"{_shown(place)} does not exist", hint)
    except (OSError, ValueError) as error:
        # Path.is_dir() would raise these: a name that is too long, a folder above that may not be searched.
        said = (error.strerror if isinstance(error, OSError) else None) or str(error)
        return Wrong("project", f"{_shown(project)} cannot be looked at: {said}", hint)
    if not stat.S_ISDIR(mode):
        return Wrong("project", f"{_shown(place)} is not a directory", hint)
    if not is_open:
        return Wrong(
            "project", f"{_shown(place)} may not be listed and entered", "let the daemon's user work in it"
        )
    return Path(place)


def _shown(name: str) -> str:
    return name if len(name) <= _MOST_SHOWN else f"{name[:_MOST_SHOWN]}…"


def _wrong_with_project(written: Plan, project: Path) -> list[Wrong]:
    """What the plan wants of its project and cannot have."""
    in_git = lies_in_git(project)
    wrong = _wishes_of_a_worktree(written, in_place=written.workspace.mode == "directory" or not in_git)
    if in_git:
        return [*wrong, *(Wrong(*one) for one in unjoinable(written))]
    if written.workspace.mode == "worktree":
        hint = 'make it one with "git init" and a first commit, or use mode = "directory"'
        wrong.append(Wrong("workspace.mode", f"{project} is not in a git repository", hint))
    if written.accept.changes != "allowed":
        hint = 'leave it out, or changes = "allowed": without git nothing can be compared'
        wrong.append(Wrong("accept.changes", f"{project} is not in a git repository", hint))
    return wrong


def _wishes_of_a_worktree(written: Plan, *, in_place: bool) -> list[Wrong]:
    """What has no meaning for a plan that works in place is refused, never silently without effect."""
    if not in_place:
        return []
    hint = 'leave it out, or use mode = "worktree" in a git repository'
    given = written.workspace.model_fields_set & {"base", "branch", "commit"}
    return [
        Wrong(f"workspace.{name}", "it is for plans with a worktree; this one works in place", hint)
        for name in sorted(given)
    ]


def lies_in_git(folder: Path) -> bool:
    """Whether `folder` lies in a git work tree, by its `.git` entries alone: no process is started."""
    # By plain texts: with pathlib this was a tenth of what accepting a plan costs.
    place = os.fspath(folder)
    while True:
        with suppress(PermissionError):  # what may not be looked into is no repository that we could work in
            if looking.is_there(os.path.join(place, ".git")):
                return True
        above = os.path.dirname(place)
        if above == place:
            return False
        place = above


def _fill_in(written: Plan, plan: PlanId, project: Path, limits: Limits) -> Accepted:
    in_git = lies_in_git(project)
    mode = written.workspace.mode or ("worktree" if in_git else "directory")
    touches = name_folders(written.workspace.touches, project)
    filled = written.model_copy(
        update={
            "title": written.title or plan,
            "workspace": written.workspace.model_copy(update={"mode": mode, "touches": touches}),
            "limits": written.limits.model_copy(
                update={
                    "timeout": written.limits.timeout or limits.timeout,
                    "attempts": written.limits.attempts or limits.attempts,
                }
            ),
        }
    )
    return Accepted(with_whole_steps(filled), project, in_place=mode == "directory")
