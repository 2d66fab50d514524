"""What may go, and why; what stays, and why. Work that is nowhere else always stays.

A checkout goes when its plan is settled and git finds nothing uncommitted in it; a branch when all of it is in the
branch that the project stands on; an archived plan when it is older than the configuration keeps.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from handoff.root import PlanId, Root
from orchestrd.config import checkouts_folder
from orchestrd.outbound.archive import OldPlan, find_old, prune
from orchestrd.record.index import Index
from orchestrd.views.looking import plan_folder, read_result, settled_plans
from orchestrd.views.words import how_long, read_json, read_time
from orchestrd.workspaces.git import GitFailed, run_git


@dataclass(frozen=True, slots=True)
class Old:
    """Something that was looked at, and what is to become of it."""

    kind: str
    """`checkout`, `branch` or `archive`."""
    name: str
    goes: bool
    why: str
    project: Path | None = None
    plan: OldPlan | None = None
    """Of an archived plan."""


def look_for_old(root: Root, age_seconds: float, archive_keep_seconds: float) -> list[Old]:
    """Look at everything that a settled plan may have left behind. Changes nothing."""
    now = datetime.now(UTC)
    checkouts = list(_checkouts(root, now, age_seconds))
    held = {one.name for one in checkouts if not one.goes}
    branches = []
    for plan in settled_plans(root):
        result = read_result(root, plan) or {}
        settled = read_time(result.get("settled"))
        if settled is None:
            continue
        if (now - settled).total_seconds() >= age_seconds:
            branches += _branch(root, plan, result, held)
    archives = [
        Old("archive", str(one.folder), one.goes, one.reason, plan=one)
        for one in find_old(root, archive_keep_seconds, now.timestamp())
    ]
    # In the order in which it can be done: a branch that is checked out cannot go, and the archive knows the branches.
    return [*checkouts, *branches, *archives]


def remove(root: Root, one: Old) -> str | None:
    """Remove it; returns what went wrong, None when it is gone."""
    try:
        match one.kind:
            case "checkout":
                _remove_checkout(Path(one.name), one.project)
            case "branch" if one.project:
                # -d, not -D: git looks once more whether it is merged.
                _git(one.project, "branch", "-d", "--", one.name)
            case _ if one.plan:
                _prune(root, one.plan)
            case _:
                return "nobody knows what this is"
    except GitFailed as error:
        return error.last_line()
    except OSError as error:
        return str(error)
    return None


def _prune(root: Root, old: OldPlan) -> None:
    for gone in prune(root, [old]):
        # What is left of it in the index would lead nowhere; `orchestrd reindex` mends what fails here.
        with suppress(sqlite3.Error), Index(root.index) as index:
            index.remove([gone.plan])


def _checkouts(root: Root, now: datetime, age_seconds: float) -> Iterator[Old]:
    folder = checkouts_folder(root.path)
    for name in sorted(os.listdir(folder)) if folder.is_dir() else ():
        plan, path = PlanId(name), folder / name
        if root.plan_folder(plan).is_dir():
            yield Old("checkout", str(path), goes=False, why="its plan is in work")
            continue
        result = read_result(root, plan)
        settled = read_time((result or {}).get("settled"))
        if settled is None:
            yield Old("checkout", str(path), goes=False, why="no result of its plan is left to judge it by")
            continue
        age = (now - settled).total_seconds()
        if age < age_seconds:
            yield Old("checkout", str(path), goes=False, why=f"settled only {how_long(age)} ago")
            continue
        project = _project(root, plan)
        problem = _unsaved(path)
        if problem:
            yield Old("checkout", str(path), goes=False, why=problem)
        else:
            why = f"settled {how_long(age)} ago, all is committed"
            yield Old("checkout", str(path), goes=True, why=why, project=project)


def _unsaved(checkout: Path) -> str | None:
    """Say what in a checkout is nowhere else; None when nothing is."""
    if not (checkout / ".git").exists():
        return "is no checkout of git"
    try:
        if _git(checkout, "status", "--porcelain", "--untracked-files=normal").strip():
            return "holds work that is not committed"
        if _git(checkout, "log", "--oneline", "-1", "HEAD", "--not", "--branches", "--remotes").strip():
            return "holds commits that are on no branch"
    except GitFailed as error:
        return f"cannot be looked at: {error.last_line()}"
    return None


def _branch(root: Root, plan: PlanId, result: dict[str, Any], held: set[str]) -> list[Old]:
    name = (result.get("changes") or {}).get("branch")
    project = _project(root, plan)
    if (
        not name
        or project is None
        or not _is_so(project, "rev-parse", "--verify", "--quiet", f"refs/heads/{name}")
    ):
        return []
    if str(checkouts_folder(root.path) / plan) in held:
        return [Old("branch", name, goes=False, why="its checkout stays", project=project)]
    if not _is_so(project, "merge-base", "--is-ancestor", f"refs/heads/{name}", "HEAD"):
        return [
            Old(
                "branch",
                name,
                goes=False,
                why=f"is not merged into what {project} stands on",
                project=project,
            )
        ]
    return [Old("branch", name, goes=True, why=f"is merged into what {project} stands on", project=project)]


def _project(root: Root, plan: PlanId) -> Path | None:
    folder = plan_folder(root, plan)
    named = read_json(folder / "accepted.json").get("project") if folder else None
    return Path(os.path.expanduser(named)) if isinstance(named, str) else None


def _remove_checkout(checkout: Path, project: Path | None) -> None:
    problem = _unsaved(checkout)  # something may have happened since it was looked at
    if problem:
        raise GitFailed(problem)
    if project is None or not project.is_dir():
        shutil.rmtree(checkout)
    else:
        _git(project, "worktree", "remove", "--", str(checkout))


def _git(where: Path, *words: str) -> str:
    return run_git(words, where, lock=None).decode("utf-8", "replace")


def _is_so(where: Path, *words: str) -> bool:
    try:
        _git(where, *words)
    except GitFailed:
        return False
    return True
