"""What may go, and why; what stays, and why. Work that is nowhere else always stays.

A checkout goes when its plan is settled and git finds nothing uncommitted in it; a branch when all of it is in the
branch that the project stands on, one of a step also when all of it is in its plan's; an archived plan when it is older
than the configuration keeps.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from handoff.root import PlanId, Root
from orchestrd.config import checkouts_folder
from orchestrd.outbound.archive import OldPlan, find_old, prune
from orchestrd.record.index import Index
from orchestrd.views.looking import plan_folder, read_result, settled_plans
from orchestrd.views.words import how_long, read_json, read_lines, read_time
from orchestrd.workspaces.git import GitFailed, run_git
from orchestrd.workspaces.step_places import BETWEEN
from orchestrd.workspaces.step_work import branches_made


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
    into: str | None = None
    """Of a branch: the one that holds all of it, where that is not what the project stands on."""


def look_for_old(root: Root, age_seconds: float, archive_keep_seconds: float) -> list[Old]:
    """Look at everything that a settled plan may have left behind. Changes nothing."""
    now = datetime.now(UTC)
    checkouts = list(_checkouts(root, now, age_seconds))
    going = {one.name for one in checkouts if one.goes}
    branches: list[Old] = []
    for plan in settled_plans(root):
        result = read_result(root, plan) or {}
        settled = read_time(result.get("settled"))
        if settled is None:
            continue
        if (now - settled).total_seconds() >= age_seconds:
            branches += _branches(root, plan, result, going)
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
                _remove_branch(one.project, one.name, one.into)
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
        # A step's own is called PLAN+STEP.
        plan, path = PlanId(name.partition(BETWEEN)[0]), folder / name
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
        within = _repository_within(checkout)
        if within is not None:
            return f"holds a git repository of its own, {within}, with work that may be nowhere else"
        if _git(checkout, "status", "--porcelain", "--untracked-files=normal").strip():
            return "holds work that is not committed"
        if _git(checkout, "log", "--oneline", "-1", "HEAD", "--not", "--branches", "--remotes").strip():
            return "holds commits that are on no branch"
    except GitFailed as error:
        return f"cannot be looked at: {error.last_line()}"
    return None


def _repository_within(checkout: Path) -> str | None:
    """Find a repository that somebody made in a checkout, or a submodule that was filled."""
    untracked = _git(checkout, "ls-files", "--others", "--exclude-standard", "-z").split("\0")
    folders = [name for name in untracked if name.endswith("/")]  # git looks into no other repository
    return next(
        (name for name in (*folders, *_links(checkout)) if os.path.lexists(checkout / name / ".git")), None
    )


def _links(checkout: Path) -> list[str]:
    """List what is committed as a link to a commit of another repository: submodules."""
    entries = _git(checkout, "ls-files", "-s", "-z").split("\0")
    return [entry.partition("\t")[2] for entry in entries if entry.startswith("160000 ")]


def _branches(root: Root, plan: PlanId, result: dict[str, Any], going: set[str]) -> Iterator[Old]:
    """Look at a plan's branch, and first at those that its steps had of their own; at no other's."""
    own, project = (result.get("changes") or {}).get("branch"), _project(root, plan)
    folder = plan_folder(root, plan)
    names = branches_made(read_lines(folder / "journal.jsonl")) if folder is not None else []
    if not names or project is None:
        return
    for name, checkout in _standing(project, names).items():
        old = Old("branch", name, goes=False, why="", project=project)
        stands_on = f"what {project} stands on"
        if checkout and checkout not in going:
            yield replace(old, why=f"is checked out in {checkout}")
        elif _is_held(project, name, "HEAD"):
            yield replace(old, goes=True, why=f"is merged into {stands_on}")
        elif own and name != own and _is_held(project, name, f"refs/heads/{own}"):
            yield replace(old, goes=True, why=f"all of it is in {own}", into=own)
        else:
            yield replace(old, why=f"is not merged into {stands_on}")


def _standing(project: Path, names: list[str]) -> dict[str, str]:
    """Those of the branches that there are, in this order, each with its checkout ('': none)."""
    refs = [f"refs/heads/{name}" for name in names]
    try:
        there = set(_git(project, "for-each-ref", "--format=%(refname)", "--", *refs).split())
        places = _git(project, "worktree", "list", "--porcelain").split("\n\n")
    except GitFailed:
        return {}
    checkouts = {}
    for place in places:
        told = dict(line.partition(" ")[::2] for line in place.splitlines())
        checkouts[told.get("branch", "")] = told.get("worktree", "")
    found = zip(names, refs, strict=True)
    return {name: checkouts.get(ref, "") for name, ref in found if ref in there}


def _is_held(project: Path, name: str, into: str) -> bool:
    return _is_so(project, "merge-base", "--is-ancestor", f"refs/heads/{name}", into)


def _remove_branch(project: Path, name: str, into: str | None) -> None:
    if into is None:
        # -d, not -D: git looks once more whether it is merged.
        _git(project, "branch", "-d", "--", name)
    elif _is_held(project, name, f"refs/heads/{into}"):
        _git(project, "branch", "-D", "--", name)
    else:
        raise GitFailed(f"{name}: not all of it is in {into} any more")


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
        # Git removes no checkout with submodules unless forced to, be they as empty as these.
        force = ["--force"] if _links(checkout) else []
        _git(project, "worktree", "remove", *force, "--", str(checkout))


def _git(where: Path, *words: str) -> str:
    return run_git(words, where, lock=None).decode("utf-8", "replace")


def _is_so(where: Path, *words: str) -> bool:
    try:
        _git(where, *words)
    except GitFailed:
        return False
    return True
