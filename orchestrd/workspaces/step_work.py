"""The places of steps in a plan's journal: decided, begun, gathered, joined, removed.

For plans of which more follows a step than the end. What is decided is written down before anything is made, and each
call can be repeated after a crash anywhere in it. It blocks, so it is called in workers' threads.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Any

from handoff.plan import Plan
from handoff.root import PlanId, Root
from orchestrd.core.commands import GatherStep, Prepare
from orchestrd.core.history import fields_of_ending
from orchestrd.record.journals import Journals
from orchestrd.workspaces import step_places
from orchestrd.workspaces.conflicts import Conflict, Side
from orchestrd.workspaces.git import GitFailed, GitLock
from orchestrd.workspaces.history import commits_beyond
from orchestrd.workspaces.intent import WORKTREE, Intent
from orchestrd.workspaces.setting_aside import set_aside
from orchestrd.workspaces.step_places import Beginning, StepPlace
from orchestrd.workspaces.whole import base_of, gather_whole

Records = Sequence[Mapping[str, Any]]
LEFT_BY_CHECKS = "left-by-checks.{}.patch"
"""By the number of the round, from 1, in the plan's folder."""


_KEPT = (
    "head",
    "branch",
    "changed",
    "uncommitted",
    "nested",
    "commits",
    "files_changed",
    "insertions",
    "deletions",
)
"""What a plan's journal tells of what a step left."""


class StepWork:
    """The places of the steps of one root's plans."""

    def __init__(
        self, root: Root, journals: Journals, lock: GitLock, redact: Callable[[bytes], bytes]
    ) -> None:
        self._root = root
        self._journals = journals
        self._lock = lock
        self._redact = redact

    def prepare(self, whole: Intent, plan: Plan, command: Prepare) -> Conflict | None:
        """Make the place of a step, and bring it to what the steps have left that it needs.

        A conflict is of those. Raises WorkspaceError.
        """
        name, step = command.plan, command.step
        records = self._journals.read(name)
        place = _place(records, step, command.round)
        if place is None:
            base = self._base(whole, command, records)
            if isinstance(base, Conflict):
                return base
            place = self._decide(whole, command, base, _place(records, step, None))
            # Durable before anything is made: a checkout or branch that nobody knows of would be left over.
            self._journals.append(name, "step-place", sync=True, round=command.round, **place.fields())
        if place.own:
            step_places.make(place, self._lock, untouched=not _has_started(records, step, None))
        if not _has_started(records, step, command.round):
            self.set_aside_what_checks_left(whole, name, plan)
            beginning = step_places.begin(place, self._lock)
            self._journals.append(name, "step-begun", step=step, round=command.round, **beginning.fields())
        return None

    def place_of(self, plan: PlanId, step: str) -> StepPlace | None:
        """Where a step works; None: in its plan's workspace, of which alone the journal tells."""
        return _place(self._journals.read(plan), step, None)

    def gather(self, plan: Plan, command: GatherStep, title: str, *, writes: bool) -> None:
        """Commit what a step left and write down the commit that holds it, and how it ends its plan if it does.

        Raises WorkspaceError.
        """
        name, step = command.plan, command.step
        ended: dict[str, Any] = fields_of_ending(command.ending) if command.ending is not None else {}
        records = self._journals.read(name)
        place, beginning = _place(records, step, None), _beginning(records, step)
        if place is None or beginning is None:
            self._journals.append(name, "step-gathered", sync=True, step=step, **ended)
            return
        if not writes:
            head = beginning.head or place.intent.base
            self._journals.append(
                name, "step-gathered", sync=True, step=step, head=head, changed=False, **ended
            )
            return
        found = step_places.gather(
            place,
            beginning,
            commit=plan.workspace.commit,
            message=f"{title}\n\nPlan: {name}\nStep: {step}\n",
            lock=self._lock,
            redact=self._redact,
        )
        fields = found.fields()
        # Which files they are, the branch tells.
        kept = {one: fields[one] for one in _KEPT if one in fields}
        self._journals.append(name, "step-gathered", sync=True, step=step, **kept, **ended)

    def join(self, whole: Intent, name: PlanId, plan: Plan, steps: Iterable[str]) -> Conflict | None:
        """Put the work of these steps, in this order, on the plan's branch. Raises WorkspaceError."""
        sides = _sides(self._journals.read(name), steps)
        found = gather_whole(
            whole,
            name,
            sides,
            commit=plan.workspace.commit,
            message=f"{plan.title or name}\n\nPlan: {name}\n",
            patch=None,
            lock=self._lock,
        )
        if found.conflict is not None:
            self._journals.append(name, "conflict", **found.conflict.fields())
            return found.conflict
        head = found.changes.head
        fields: dict[str, Any] = {} if head is None else {"head": head}
        self._journals.append(name, "joined", **fields, changed=found.changes.changed)
        return None

    def set_aside_what_checks_left(self, whole: Intent, name: PlanId, plan: Plan) -> bool:
        """Clear what a round's checks left in the plan's checkout; what was there before them is committed.

        False: something of it is there still, and is not to be committed.

        In place nothing is cleared, nor where the plan does not want its work committed: there it cannot be told from
        work. Raises WorkspaceError.
        """
        if whole.mode != WORKTREE or not plan.workspace.commit or not plan.accept.checks:
            return True
        records = self._journals.read(name)
        if _joined_last(records) is None:
            return True
        number = sum(r["event"] == "joined" for r in records)
        patch = self._root.plan_folder(name) / LEFT_BY_CHECKS.format(number)
        return set_aside(whole, patch, self._lock, self._redact)

    def changed(self, name: PlanId) -> bool | None:
        """Whether a plan has changed anything, as it was before the checks that came last; None: none did."""
        return (_joined_last(self._journals.read(name)) or {}).get("changed")

    def unmerged(self, whole: Intent, name: PlanId, head: str) -> list[dict[str, Any]]:
        """Name the steps that have commits which the plan's branch, which ends at `head`, does not have, and how many.

        What cannot be told, because the commits are not there any more, is left out.
        """
        records = self._journals.read(name)
        found = []
        for step in dict.fromkeys(r["step"] for r in records if r["event"] == "step-place"):
            place, gathered = _place(records, step, None), _last(records, "step-gathered", step) or {}
            its = gathered.get("head")
            if place is None or not place.own or its is None or whole.repository is None:
                continue
            with suppress(GitFailed):
                commits = commits_beyond(its, head, whole.repository, self._lock)
                if commits:
                    found.append({"step": step, "commits": commits})
        return found

    def remove(self, name: PlanId) -> None:
        """Remove the checkouts that steps had of their own, and the branches of which the plan's holds all."""
        records = self._journals.read(name)
        into = next((r.get("head") for r in reversed(records) if r["event"] == "gathered"), None)
        for step in dict.fromkeys(r["step"] for r in records if r["event"] == "step-place"):
            place = _place(records, step, None)
            if place is not None:
                branch = (_last(records, "step-gathered", step) or {}).get("branch")
                step_places.remove(
                    place,
                    self._lock,
                    into=into,
                    branch=branch,
                    untouched=not _has_started(records, step, None),
                )

    def _base(self, whole: Intent, command: Prepare, records: Records) -> str | Conflict | None:
        if command.round:
            # After a check that failed it begins with what all steps have left together.
            return (_joined(records) or {}).get("head") or whole.base
        return base_of(whole, command.plan, _sides(records, command.needs), self._lock)

    def _decide(
        self, whole: Intent, command: Prepare, base: str | None, before: StepPlace | None
    ) -> StepPlace:
        if before is not None:
            return before.at(base) if base is not None else before
        own = command.own or (base is not None and not step_places.leads_to(whole, base, self._lock))
        return step_places.decide(whole, command.step, base=base, own=own, lock=self._lock)


def _joined(records: Records) -> Mapping[str, Any] | None:
    return next((r for r in reversed(records) if r["event"] == "joined"), None)


def _joined_last(records: Records) -> Mapping[str, Any] | None:
    """The record `joined`, if no step has begun since."""
    joined = _joined(records)
    if joined is None or any(r["event"] == "step-begun" for r in records[joined["seq"] :]):
        return None
    return joined


def _place(records: Records, step: str, round_number: int | None) -> StepPlace | None:
    """What was decided of a step's place, in that round; None for a round: last."""
    record = _last(records, "step-place", step, round_number)
    return StepPlace.from_fields(record) if record is not None else None


def _beginning(records: Records, step: str) -> Beginning | None:
    record = _last(records, "step-begun", step)
    return Beginning.from_fields(record) if record is not None else None


def _has_started(records: Records, step: str, round_number: int | None) -> bool:
    return _last(records, "run-intended", step, round_number) is not None


def _sides(records: Records, steps: Iterable[str]) -> list[Side]:
    sides = []
    for step in steps:
        gathered = _last(records, "step-gathered", step) or {}
        if gathered.get("head") is not None:
            sides.append(Side(step, gathered["head"], gathered.get("branch")))
    return sides


def _last(
    records: Records, event: str, step: str, round_number: int | None = None
) -> Mapping[str, Any] | None:
    return next(
        (
            r
            for r in reversed(records)
            if r["event"] == event
            and r.get("step") == step
            and (round_number is None or r.get("round", 0) == round_number)
        ),
        None,
    )


def branches_made(records: Records) -> list[str]:
    """Name the branches that were made for a plan's steps and, last, for the plan itself.

    One that a run has made, or has brought its work to, is not among them, nor is that of a project in which a plan
    worked in place: those are somebody else's.
    """
    places = [StepPlace.from_fields(r) for r in records if r["event"] == "step-place"]
    intents = [Intent.from_fields(dict(r)) for r in records if r["event"] == "workspace-intended"]
    made = [*(place.intent for place in places if place.own), *intents]
    names = [intent.branch for intent in made if intent.mode == WORKTREE]
    return [name for name in dict.fromkeys(names) if name is not None]
