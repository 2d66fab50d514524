"""What the oracle asks of the surroundings of a root that is at rest: checkouts, branches, the daemon's own keep."""

from __future__ import annotations

import json
import os
import subprocess
import time
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from handoff.platform import process_children
from handoff.root import Root
from orchestrd.record.journal import JournalDamaged, Record, read_journal
from tests.faults.campaign import Violation
from tests.faults.fingerprints import OUR_BRANCHES

OWN = frozenset(
    {"lock", "git.lock", "orders", "replies", "reserve", "spare", "paused", "notified.json", "context"}
)
"""What lies in `.orchestrd/`, with the index."""
PASSING_SECONDS = 2.0
"""A look may fall into a moment in which a daemon at rest beats: what is gone so soon was no leftover."""


@dataclass(frozen=True, slots=True)
class Settled:
    """A plan in the archive: its journal, its result."""

    name: str
    where: str
    records: list[Record]
    result: dict[str, Any]
    language: str

    @property
    def workspace(self) -> dict[str, Any]:
        """What was intended; {} for none, and for a plan that works in place."""
        told = [record for record in self.records if record["event"] == "workspace-intended"]
        return told[-1] if told and told[-1]["mode"] == "worktree" else {}

    @property
    def steps_apart(self) -> list[dict[str, Any]]:
        """The places that steps had of their own, beside the plan's."""
        last = {record["step"]: record for record in self.records if record["event"] == "step-place"}
        return [place for place in last.values() if place["own"]]

    @property
    def branches_of_steps(self) -> set[str]:
        """Those that such steps began on, and those to which their work was brought."""
        apart = {place["step"]: place["branch"] for place in self.steps_apart}
        told = [record for record in self.records if record["event"] == "step-gathered"]
        gathered = {record["branch"] for record in told if record["step"] in apart and "branch" in record}
        return set(apart.values()) | gathered

    @property
    def has_expired(self) -> bool:
        """Whether its docs request was taken back when its time was over."""
        return any(record["event"] == "request-expired" for record in self.records)

    @property
    def changes(self) -> dict[str, Any]:
        """What the result says of them."""
        return dict(self.result.get("changes") or {})


def settled_plans(root: Root) -> list[Settled]:
    """Read the archive; what cannot be read is told by `orchestrd verify`."""
    found = []
    for folder in sorted(root.archive.glob("*-*/*")):
        for language, read in (("toml", tomllib.loads), ("json", json.loads)):
            try:
                result = read((folder / f"result.{language}").read_text("utf-8"))
                records = read_journal(folder / "journal.jsonl")
            except (OSError, ValueError, JournalDamaged):
                continue
            found.append(Settled(folder.name, str(folder.relative_to(root.path)), records, result, language))
    return found


def look_at_results(root: Root, plans: list[Settled], consumed: frozenset[str]) -> Iterator[Violation]:
    """All results are out but those that somebody has taken away; and so is what they name."""
    for plan in plans:
        wanted = [root.results / f"{plan.name}.{plan.language}", root.results / f"{plan.name}.md"]
        docs = plan.result.get("docs") or {}
        if docs.get("reply"):
            wanted.append(root.path / str(docs["reply"]))
        elif docs and not plan.has_expired:
            wanted.append(root.path / str(docs["request"]))
        for path in wanted:
            if not path.exists() and path.name not in consumed:
                yield Violation("I3", plan.where, f"{path.relative_to(root.path)} was never put out")
    asked = {
        f"{plan.name}.docs.md"
        for plan in plans
        if plan.result.get("docs") and not plan.result["docs"].get("reply") and not plan.has_expired
    }
    for name in sorted(set(os.listdir(root.requests)) - asked):
        if name.endswith(".docs.md"):
            yield Violation("I3", f"requests/{name}", "no result names this request as one that is open")


def look_at_workspaces(plans: list[Settled], checkouts: Path | None) -> Iterator[Violation]:
    """A checkout is there, registered, exactly where a result names it; a branch holds what a result says."""
    for plan in plans:
        if not plan.workspace or not os.path.isdir(plan.workspace["repository"]):
            continue
        repository = plan.workspace["repository"]
        yield from _checkout(plan, Path(plan.workspace["path"]), _worktrees(repository))
        yield from _branch(plan, _branches(repository))
        yield from _steps_apart(plan, repository)
    yield from _nobodys(plans, checkouts)
    _worktrees.cache_clear()
    _branches.cache_clear()


def _checkout(plan: Settled, path: Path, registered: frozenset[str]) -> Iterator[Violation]:
    kept = "workspace" in plan.changes
    if kept and not path.is_dir():
        yield Violation("I3", plan.where, f"its result names the checkout {path}, which is not there")
    if not kept and os.path.lexists(path):
        yield Violation("I5", plan.where, f"its checkout was left over: {path}")
    if not kept and str(path) in registered:
        yield Violation("I5", plan.where, f"the registration of its checkout was left over: {path}")


def _branch(plan: Settled, branches: dict[str, str]) -> Iterator[Violation]:
    named = plan.changes.get("branch")
    documented = (plan.result.get("docs") or {}).get("commit")
    if named is None:
        if plan.workspace["branch"] in branches and not plan.changes.get("workspace"):
            yield Violation(
                "I5", plan.where, f"no result names its branch {plan.workspace['branch']}, which is there"
            )
    elif named not in branches:
        yield Violation("I3", plan.where, f"its result names the branch {named}, which is not there")
    elif (documented or plan.changes.get("head")) not in (None, branches[named]):
        yield Violation("I3", plan.where, f"its branch {named} is not at the commit that its result names")


def _steps_apart(plan: Settled, repository: str) -> Iterator[Violation]:
    """What steps had of their own goes with the plan's checkout; a branch stays that holds what the plan's does not."""
    if "workspace" in plan.changes:
        return
    for place in plan.steps_apart:
        if os.path.lexists(place["path"]):
            yield Violation(
                "I5", plan.where, f"the checkout of step {place['step']} was left over: {place['path']}"
            )
        if place["path"] in _worktrees(repository):
            yield Violation("I5", plan.where, f"the registration of {place['path']} was left over")
    branches, head = _branches(repository), plan.changes.get("head")
    for name in sorted(plan.branches_of_steps & branches.keys()):
        if head is not None and not _git(repository, "rev-list", "-1", branches[name], f"^{head}"):
            yield Violation("I5", plan.where, f"the branch {name} was left over: its plan's has all of it")


def _nobodys(plans: list[Settled], checkouts: Path | None) -> Iterator[Violation]:
    """Checkouts and branches that no result accounts for."""
    known = {plan.workspace["path"] for plan in plans if plan.workspace}
    known |= {place["path"] for plan in plans for place in plan.steps_apart}
    named = {plan.changes.get("branch") for plan in plans} | {
        plan.workspace["branch"] for plan in plans if plan.workspace
    }
    named = named.union(*(plan.branches_of_steps for plan in plans))
    if checkouts is not None and checkouts.is_dir():
        for path in sorted(checkouts.iterdir()):
            if str(path) not in known:
                yield Violation("I5", str(path), "a checkout that is of no plan")
    for repository in sorted({plan.workspace["repository"] for plan in plans if plan.workspace}):
        if not os.path.isdir(repository):
            continue
        for name in sorted(_branches(repository)):
            if name.startswith(OUR_BRANCHES) and name not in named:
                yield Violation("I5", repository, f"the branch {name} is of no plan")


@cache
def _worktrees(repository: str) -> frozenset[str]:
    told = _git(repository, "worktree", "list", "--porcelain")
    return frozenset(
        line.removeprefix("worktree ") for line in told.splitlines() if line.startswith("worktree ")
    )


@cache
def _branches(repository: str) -> dict[str, str]:
    told = _git(repository, "for-each-ref", "--format=%(refname:lstrip=2) %(objectname)", "refs/heads")
    return dict(line.rsplit(" ", 1) for line in told.splitlines())


def _git(repository: str, *words: str) -> str:
    return subprocess.run(
        ["git", "-C", repository, *words], capture_output=True, text=True, check=True
    ).stdout


# -- the daemon's own ---------------------------------------------------------------------------------------------


def look_at_private(root: Root) -> Iterator[Violation]:
    """Nothing in `.orchestrd/` but what belongs there."""
    for name in sorted(os.listdir(root.private)):
        if name not in OWN and not name.startswith(("index.sqlite", ".")):
            yield Violation("I4", f".orchestrd/{name}", "nobody knows what this is")


def look_at_temporaries(root: Root) -> Iterator[Violation]:
    """No temporary that stays: `status/` is written once a second."""
    for place in (root.results, root.requests, root.active, root.archive, root.private, root.status):
        for path in sorted(place.rglob(".*.tmp")):
            inode = _inode(path)
            if inode is not None and not passes(lambda path=path, inode=inode: _inode(path) != inode):  # type: ignore[misc]
                yield Violation("I4", str(path.relative_to(root.path)), "a temporary was left behind")


def look_at_daemon(root: Root, pid: int) -> Iterator[Violation]:
    """A daemon with nothing to do has no child, dead or alive, and holds nothing of a plan open."""
    if not passes(lambda: not process_children(pid)):
        for child in process_children(pid):
            yield Violation("I5", f"pid {child}", "a child of a daemon that has nothing to do")
    if not passes(lambda: not _held(root, pid)):
        for what in _held(root, pid):
            yield Violation("I5", f"pid {pid}", f"a daemon that has nothing to do holds open: {what}")


def _held(root: Root, pid: int) -> list[str]:
    """Its descriptors that belong to a plan: files of one, removed files, processes."""
    inside = tuple(f"{place}/" for place in (root.active, root.archive, root.results, root.requests))
    held = []
    folder = f"/proc/{pid}/fd"
    for name in os.listdir(folder) if os.path.isdir(folder) else ():
        try:
            target = os.readlink(f"{folder}/{name}")
        except FileNotFoundError:
            continue
        is_gone = target.startswith(f"{root.path}/") and target.endswith(" (deleted)")
        if target.startswith(inside) or "[pidfd]" in target or is_gone:
            held.append(target)
    return sorted(held)


def passes(is_over: Callable[[], bool]) -> bool:
    """Whether what may be so for a moment is over soon."""
    deadline = time.monotonic() + PASSING_SECONDS
    while not is_over():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


def _inode(path: Path) -> int | None:
    try:
        return path.lstat().st_ino
    except OSError:
        return None
