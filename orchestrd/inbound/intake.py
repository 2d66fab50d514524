"""From the bytes of a file to an accepted plan, or to every reason why not.

It looks at the disk only to see whether the plan's project is there; it writes nothing. `orchestrd check` and the
daemon both use it, so a refusal reads the same in both.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from handoff.formats import DocumentError, FieldError, Format, line_of, read_document
from handoff.plan import Plan
from handoff.result import Reason
from handoff.root import PlanId
from orchestrd.config import Limits

LATER = {
    "steps": "write one `prompt` instead",
    "workflow": "write the `prompt` out instead",
    "params": "they belong to a workflow",
    "agents": "describe the sub-agent in the prompt instead",
    "accept.checks": "ask for the check in the prompt, or run it on the branch afterwards",
    "workspace.touches": "leave it out; plans with worktrees do not disturb one another",
}
"""Fields of the protocol that this version checks and then refuses (`unsupported`), and what to do meanwhile."""


@dataclass(frozen=True, slots=True)
class Accepted:
    """A plan that will be executed: normalised, defaults filled in."""

    plan: Plan
    project: Path
    """The project, `~` expanded and symbolic links resolved."""
    in_place: bool


@dataclass(frozen=True, slots=True)
class Refused:
    """Why a plan will not be executed: all errors at once."""

    reason: Reason
    errors: tuple[FieldError, ...]
    key: str | None = None
    title: str | None = None


def check_plan(raw: bytes, file_format: Format, plan: PlanId, limits: Limits) -> Accepted | Refused:
    """Check a plan and fill in what it leaves out (PROTOCOL, section 4).

    `limits` are the configured ones that hold where the plan names none. Raises nothing for any content of `raw`.
    """
    try:
        written = read_document(Plan, raw, file_format)
    except DocumentError as error:
        return Refused(Reason.INVALID, error.errors)

    def problem(path: str, message: str, hint: str) -> FieldError:
        return FieldError(path=path, message=message, hint=hint, line=line_of(raw, file_format, path))

    project, errors = _find_project(written, problem)
    unsupported = [
        problem(path, "this version does not carry it out yet", hint) for path, hint in _later_fields(written)
    ]
    if errors or unsupported:
        reason = Reason.INVALID if errors else Reason.UNSUPPORTED
        return Refused(reason, (*errors, *unsupported), key=written.key, title=written.title)
    return _fill_in(written, plan, project, limits)


def _find_project(written: Plan, problem: Any) -> tuple[Path, list[FieldError]]:
    project = Path(os.path.realpath(os.path.expanduser(written.project)))  # noqa: PTH111 - as a shell expands it
    if not project.is_dir():
        there = "is not a directory" if project.exists() else "does not exist"
        return project, [problem("project", f"{project} {there}", "name an existing directory")]
    if lies_in_git(project):
        return project, []
    errors = []
    if written.workspace.mode == "worktree":
        hint = 'make it one with "git init" and a first commit, or use mode = "directory"'
        errors.append(problem("workspace.mode", f"{project} is not in a git repository", hint))
    if written.accept.changes != "allowed":
        hint = "leave it out: without git nothing can be compared"
        errors.append(problem("accept.changes", f"{project} is not in a git repository", hint))
    return project, errors


def lies_in_git(folder: Path) -> bool:
    """Whether `folder` lies in a git work tree, by its `.git` entries alone: no process is started."""
    return any((above / ".git").exists() for above in (folder, *folder.parents))


def _later_fields(written: Plan) -> list[tuple[str, str]]:
    """The given fields that belong to later versions."""
    found = []
    for path, hint in LATER.items():
        value: Any = written
        for name in path.split("."):
            value = getattr(value, name)
        if value:
            found.append((path, hint))
    if written.permissions.ask == "request":
        found.append(("permissions.ask", 'leave it out, or use "deny" and name what is allowed in `allow`'))
    return found


def _fill_in(written: Plan, plan: PlanId, project: Path, limits: Limits) -> Accepted:
    in_git = lies_in_git(project)
    mode = written.workspace.mode or ("worktree" if in_git else "directory")
    filled = written.model_copy(
        update={
            "title": written.title or plan,
            "workspace": written.workspace.model_copy(update={"mode": mode}),
            "limits": written.limits.model_copy(
                update={
                    "timeout": written.limits.timeout or limits.timeout,
                    "attempts": written.limits.attempts or limits.attempts,
                }
            ),
        }
    )
    return Accepted(filled, project, in_place=mode == "directory")
