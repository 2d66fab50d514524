"""Where each plan works: its workspace made, found again, gathered and removed.

Every intention is written down before anything is made. It blocks, so it is called in workers' threads; each call can
be repeated after a crash anywhere in it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from handoff import looking
from handoff.plan import Plan
from handoff.root import PlanId, Root
from orchestrd.core.commands import GatherStep, Prepare
from orchestrd.core.events import (
    Event,
    EvidenceGathered,
    Joined,
    Moment,
    StepGathered,
    WorkspaceFailed,
    WorkspaceMade,
)
from orchestrd.core.facts import MAIN
from orchestrd.record import present_documents
from orchestrd.record.journals import Journals
from orchestrd.workspaces import changes
from orchestrd.workspaces import intent as workspace
from orchestrd.workspaces.documents_there import documents_there
from orchestrd.workspaces.git import GitLock
from orchestrd.workspaces.intent import Intent, WorkspaceError
from orchestrd.workspaces.step_work import StepWork

PATCH = "changes.patch"


class Places:
    """The workspaces of one root's plans. Checkouts lie outside the root, by plan id, and keep their path for ever."""

    def __init__(
        self,
        root: Root,
        checkouts: Path,
        journals: Journals,
        lock: GitLock,
        now: Callable[[], Moment],
        redact: Callable[[bytes], bytes],
    ) -> None:
        self._root = root
        self._checkouts = checkouts
        self._journals = journals
        self._lock = lock
        self._now = now
        self._redact = redact
        self._steps = StepWork(root, journals, lock, redact)
        self._intents: dict[PlanId, Intent] = {}
        self._making: dict[Path, threading.Lock] = {}

    def place_of(self, plan: PlanId, step: str = MAIN) -> Intent:
        """Where a step works, of which `prepare` was called, by this daemon or one before."""
        place = self._steps.place_of(plan, step)
        if place is not None:
            return place.intent
        intent = self._intents.get(plan) or self._intended(plan)
        if intent is None:
            raise LookupError(f"the journal of {plan} names no workspace")
        self._intents[plan] = intent
        return intent

    def prepare(self, name: PlanId, plan: Plan, project: Path, command: Prepare | None = None) -> Event:
        """Make the workspace of a plan and of the step of `command`, or find it as it was made before."""
        command = command or Prepare(name)
        try:
            # Deciding on a branch's name and making the branch are one step: two plans may wish for the same name.
            with self._one_at_a_time(project):
                records = self._journals.read(name)
                intent = last_intent(records) or self._decide(name, plan, project)
                # No run begins before this record is there, and none begins without it after a power cut.
                untouched = not any(record["event"] == "workspace-made" for record in records)
                workspace.make(intent, self._lock, untouched=untouched)
                self._intents[name] = intent
                conflict = self._steps.prepare(intent, plan, command) if command.is_staged else None
        except WorkspaceError as error:
            self._journals.append(name, "workspace-failed", message=str(error))
            return WorkspaceFailed(self._now(), name, str(error), command.step)
        if conflict is not None:
            self._journals.append(name, "conflict", **conflict.fields())
            return WorkspaceFailed(self._now(), name, conflict.sentence(), command.step, is_conflict=True)
        self._journals.append(name, "workspace-made")
        return WorkspaceMade(self._now(), name, command.step)

    def gather_step(self, plan: Plan, command: GatherStep, title: str, *, writes: bool) -> Event:
        """Commit what a step left, and write down the commit that holds it."""
        name, step = command.plan, command.step
        try:
            self._steps.gather(plan, command, title, writes=writes)
        except WorkspaceError as error:
            return StepGathered(self._now(), name, step, problem=str(error))
        return StepGathered(self._now(), name, step)

    def join(self, name: PlanId, plan: Plan, steps: Sequence[str]) -> Event:
        """Put together what the steps of a plan have left."""
        intent = self._intents.get(name) or self._intended(name)
        if intent is None:
            return Joined(self._now(), name)
        try:
            conflict = self._steps.join(intent, name, plan, steps)
        except WorkspaceError as error:
            return Joined(self._now(), name, problem=str(error))
        if conflict is not None:
            return Joined(self._now(), name, problem=conflict.sentence(), is_conflict=True)
        return Joined(self._now(), name)

    def gather(self, name: PlanId, plan: Plan) -> Event:
        """Commit what a run left (where the plan says so), compare, and write the patch.

        Of a plan that is to be documented, what stands in the files which that may replace is kept beside it.
        """
        intent = self._intents.get(name) or self._intended(name)
        if intent is None:
            return EvidenceGathered(self._now(), name, changed=None)
        folder = self._root.plan_folder(name)
        try:
            is_clear = self._steps.set_aside_what_checks_left(intent, name, plan)
            found = changes.gather(
                intent,
                commit=plan.workspace.commit and is_clear,
                message=f"{plan.title or name}\n\nPlan: {name}\n",
                patch=folder / PATCH,
                lock=self._lock,
                redact=self._redact,
            )
        except WorkspaceError as error:
            return EvidenceGathered(self._now(), name, changed=None, problem=str(error))
        if plan.docs.request:
            there = documents_there(intent, found.head, plan.docs.write_to, self._lock, self._redact)
            present_documents.keep(folder, there)
        if plan.accept.checks and (changed := self._steps.changed(name)) is not None:
            # What the checks have changed beside is theirs.
            found = replace(found, changed=changed)
        fields = found.fields()
        unmerged = self._steps.unmerged(intent, name, found.head) if found.head is not None else []
        if unmerged:
            fields["unmerged"] = unmerged
        self._journals.append(name, "gathered", **fields)
        return EvidenceGathered(self._now(), name, changed=found.changed)

    def remover(self, name: PlanId) -> Callable[[Path], None]:
        """Return what removes a plan's checkout once its result is out."""

        def remove(_checkout: Path) -> None:
            self._steps.remove(name)
            intent = self._intents.get(name) or self._intended(name)
            if intent is None or workspace.remove(intent, self._lock) or intent.mode != workspace.WORKTREE:
                return
            if not any(record["event"] == "run-intended" for record in self._journals.read(name)):
                self._remove_half_made(intent)

        return remove

    def forget(self, name: PlanId) -> None:
        """The plan is settled."""
        self._intents.pop(name, None)

    def _remove_half_made(self, intent: Intent) -> None:
        """Remove a checkout in which nothing ever ran, and which a crash may have left half made.

        It is made whole first: then it can be told from what others put there, and git removes it by its own rules.
        """
        with suppress(WorkspaceError):
            workspace.make(intent, self._lock, untouched=True)
            workspace.remove(intent, self._lock)

    def _one_at_a_time(self, project: Path) -> threading.Lock:
        """The lock of the repository around a project."""
        around = next(
            (folder for folder in (project, *project.parents) if looking.is_there(folder / ".git")), project
        )
        return self._making.setdefault(around, threading.Lock())

    def _decide(self, name: PlanId, plan: Plan, project: Path) -> Intent:
        intent = workspace.decide(
            project,
            name,
            mode=plan.workspace.mode or "directory",
            base=plan.workspace.base,
            branch=plan.workspace.branch,
            checkout=self._checkouts / name,
            lock=self._lock,
        )
        # Durable before anything is made: a branch or folder that nobody knows of would be left over. In place nothing
        # is made; the sync before the run takes it along.
        self._journals.append(
            name, "workspace-intended", sync=intent.mode == workspace.WORKTREE, **intent.fields()
        )
        return intent

    def _intended(self, name: PlanId) -> Intent | None:
        return last_intent(self._journals.read(name))


def last_intent(records: Iterable[Mapping[str, Any]]) -> Intent | None:
    """Find what a plan's journal says of its workspace."""
    found = None
    for record in records:
        if record["event"] == "workspace-intended":
            found = Intent.from_fields(dict(record))
    return found
