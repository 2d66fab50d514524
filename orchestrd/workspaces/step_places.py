"""Where a step of a plan works: in the plan's workspace, after the steps before it, or in a checkout of its own.

What a step begins with is one commit, its base: that of the steps that it needs, and of no others. As with a plan's
workspace, `decide` changes nothing, what it decides stands in the journal before `make` acts on it, and `make`, `begin`
and `remove` can be repeated after any crash. In place there is but the project itself: steps work there one by one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from handoff import durable, looking
from orchestrd.workspaces import beginnings, changes, forward, intent, registrations, rescue, worktree
from orchestrd.workspaces.beginnings import Beginning
from orchestrd.workspaces.branches import named_branch
from orchestrd.workspaces.changes import Changes
from orchestrd.workspaces.error import WorkspaceError, said_plainly
from orchestrd.workspaces.git import GitLock, run_git
from orchestrd.workspaces.history import is_held
from orchestrd.workspaces.intent import DIRECTORY, Intent, worktree_of
from orchestrd.workspaces.leftovers import in_use, settle
from orchestrd.workspaces.standing import look

__all__ = ["Beginning", "StepPlace", "begin", "decide", "gather", "leads_to", "make", "remove"]

BETWEEN = "+"
"""Stands between a plan and a step in the names of checkouts and branches: no plan's id holds it, and git takes it."""


@dataclass(frozen=True, slots=True)
class StepPlace:
    """The place that a step is to have."""

    step: str
    own: bool
    """It has a checkout and a branch of its own; else it shares the plan's."""
    intent: Intent
    """Its base is the commit at which the step begins."""

    def at(self, base: str) -> StepPlace:
        """Tell the same place for a step that goes on from another commit, as after a check that failed."""
        return replace(self, intent=replace(self.intent, base=base))

    def fields(self) -> dict[str, Any]:
        """As it stands in the journal."""
        return {"step": self.step, "own": self.own, **self.intent.fields()}

    @classmethod
    def from_fields(cls, fields: Mapping[str, Any]) -> StepPlace:
        """Read it from the journal; what else stands in the record is left alone."""
        return cls(fields["step"], bool(fields["own"]), Intent.from_fields(fields))


def leads_to(plan: Intent, base: str, lock: GitLock | None) -> bool:
    """Tell whether the plan's workspace can be brought forward to a step's base, so that the step can share it.

    Not where it holds work of a step that this one does not need. Whether somebody is at work in it is not known here.

    Raises:
        WorkspaceError: it cannot be told.

    """
    if plan.mode == DIRECTORY:
        return True
    tree = worktree_of(plan)
    with said_plainly("the checkout cannot be looked at", plan.path, plan.project):
        admin = registrations.registration(registrations.common_dir(tree.repository), tree.path)
        if admin is None:
            head = worktree.tip(tree, lock)
        else:
            extra = {"GIT_DIR": str(admin)}
            told = run_git(
                ["rev-parse", "-q", "--verify", "HEAD"], tree.repository, lock=lock, extra=extra, codes=(0, 1)
            )
            head = told.decode().strip() or None
        return head is None or is_held(head, base, tree.repository, lock)


def decide(plan: Intent, step: str, *, base: str | None, own: bool, lock: GitLock | None) -> StepPlace:
    """Decide on the place of a step that begins at `base` (None: where the plan begins); nothing is changed.

    `own`: where others are at work beside it, or where the plan's workspace does not lead to `base`. In place there is
    no choice.

    Raises:
        WorkspaceError: there can be none.

    """
    if plan.mode == DIRECTORY:
        return StepPlace(step, own=False, intent=plan)
    begun = replace(plan, base=base or plan.base)
    if not own:
        return StepPlace(step, own=False, intent=begun)
    tree = worktree_of(plan)
    wanted = f"{tree.branch}{BETWEEN}{step}"
    with said_plainly("the place of a step cannot be decided on", plan.path, plan.project):
        branch = named_branch(tree.repository, wanted, wanted, lock)
    path = plan.path.with_name(f"{plan.path.name}{BETWEEN}{step}")
    cwd = path / plan.cwd.relative_to(plan.path)
    was_free = not looking.is_there(path)
    return StepPlace(
        step, own=True, intent=replace(begun, path=path, cwd=cwd, branch=branch, was_free=was_free)
    )


def make(place: StepPlace, lock: GitLock | None, *, untouched: bool = False) -> None:
    """Make the place, or find it as it was; `untouched`: no run has begun in it, of this step or of one before.

    Raises:
        WorkspaceError: it cannot be made; nothing is left of the attempt.

    """
    intent.make(place.intent, lock, untouched=untouched)


def begin(place: StepPlace, lock: GitLock | None) -> Beginning:
    """Bring the place to the step's base, and note how it stands. What it tells belongs into the journal.

    It can be repeated until the step's first run has begun, and must not be afterwards: what that did would count as
    having been there before.

    Raises:
        WorkspaceError: something that is in no commit is in the way, and what; it stays as it is.

    """
    there = place.intent
    if not there.in_git or there.repository is None or there.base is None:
        return Beginning()
    common = registrations.common_dir(there.repository)
    with said_plainly("the checkout cannot be brought forward", there.path, there.project):
        if there.mode == DIRECTORY:
            standing = look({}, there.repository, lock)
            at = beginnings.GitPlace(there.repository, common, {}, lock)
            return beginnings.note(standing, standing.head or there.base, at)
        tree = worktree_of(there)
        env = rescue.opened(tree, lock)
        standing = look(env, tree.path, lock)
        found = settle(in_use(tree, standing), env, standing, commit=False, message="", lock=lock)
        forward.bring_forward(tree.path, env, found.head, there.base, lock)
        _make_cwd(there)
        at = beginnings.GitPlace(tree.path, common, env, lock)
        return beginnings.note(replace(standing, branch=found.branch), there.base, at)


def gather(
    place: StepPlace,
    beginning: Beginning,
    *,
    commit: bool,
    message: str,
    lock: GitLock | None,
    patch: Path | None = None,
    redact: Callable[[bytes], bytes] | None = None,
) -> Changes:
    """Commit what the step left, where that is wanted, and compare with how it began. All that it started is over.

    `head` of what is returned is the commit that holds its work and what it began with. A step whose work others are
    to begin with has to be committed. Where something lay uncommitted before, less can be told: see `beginnings`.

    Raises:
        WorkspaceError: it cannot be told; everything stays where it is.

    """
    there = place.intent
    if not there.in_git or there.repository is None or beginning.head is None:
        return Changes()
    began = replace(there, base=beginning.head, branch=beginning.branch or there.branch)
    was_clean = beginning.tree is None
    found = changes.gather(
        began, commit=commit, message=message, patch=patch if was_clean else None, lock=lock, redact=redact
    )
    is_there = there.mode != DIRECTORY and looking.is_folder(there.path)
    if not was_clean:
        if patch is not None:
            durable.remove(patch)
        common = registrations.common_dir(there.repository)
        with said_plainly("what the step left cannot be compared", there.path, there.project):
            env = rescue.opened(worktree_of(began), lock) if is_there else {}
            at = beginnings.GitPlace(there.path if is_there else there.repository, common, env, lock)
            found = beginnings.since(
                beginning, found, at, committed=commit and is_there and not found.uncommitted
            )
    if is_there and found.changed is not False:
        # The commit is on the disk, the files need not be: what a power cut emptied the next step would take for work.
        durable.sync_tree(there.path)
    return found


def remove(
    place: StepPlace,
    lock: GitLock | None,
    *,
    into: str | None,
    branch: str | None = None,
    untouched: bool = False,
) -> bool:
    """Remove a step's own checkout, and its branch where that holds nothing that `into` does not hold.

    `into` is the commit at which the plan's branch ends; None: there is none. `branch`: where the step's work was
    gathered, if that is another than was meant. `untouched`: no run has begun in it. True: there is no checkout of its
    own (any more). False: it stays with its branch, for there is work in it that is not committed, or it is not ours.

    Raises:
        WorkspaceError: git fails.

    """
    if not place.own:
        return True
    if not intent.remove(place.intent, lock):
        if not untouched:
            return False
        # Made anew first: then it can be told from what others put there, and git removes it by its own rules.
        with suppress(WorkspaceError):
            make(place, lock, untouched=True)
        if not intent.remove(place.intent, lock):
            return False
    tree = worktree_of(place.intent)
    if into is None or not looking.is_there(tree.repository):
        return True
    with said_plainly("the branch of a step cannot be removed", tree.path, place.intent.project):
        for name in dict.fromkeys((tree.branch, branch or tree.branch)):
            at = worktree.tip(replace(tree, branch=name), lock)
            if at is not None and is_held(at, into, tree.repository, lock):
                worktree.delete_branch(tree.repository, name, at, lock)
    return True


def _make_cwd(there: Intent) -> None:
    """Make the project's folder where the steps before left nothing in it: git keeps no empty one."""
    missing = []
    folder = there.cwd
    while folder != there.path and not looking.is_there(folder):
        missing.append(folder)
        folder = folder.parent
    if not looking.is_folder(folder):
        raise WorkspaceError(
            f"{str(folder.relative_to(there.path))!r} is no folder any more after the steps before",
            str(there.path),
            "the project's own folder to be there",
            "have those steps leave the project where it is",
        )
    for folder in reversed(missing):
        durable.make_folder(folder, sync=False, mode=0o755)
