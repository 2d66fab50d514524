"""What each step of a plan left, and where that lies: for whoever looks for work that is not on the plan's branch."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from orchestrd.outbound.words import counted
from orchestrd.record.account import Account, StepAccount


@dataclass(frozen=True, slots=True)
class StepLeft:
    """What one step left. What is not known is None."""

    step: str
    changed: bool = False
    commits: int | None = None
    files: int | None = None
    insertions: int | None = None
    deletions: int | None = None
    branch: str | None = None
    """Its own; None: it worked in the plan's checkout, or in place."""
    unmerged: int = 0
    """So many commits of its branch the plan's branch does not have."""
    checkout: str | None = None
    """Its own, as long as that is there."""

    def difference(self) -> str:
        """Say how much it changed: `1 commit, 2 files, +3 -0`; '' where nothing is known to have changed."""
        if not self.changed:
            return ""
        facts = [counted(self.commits, "commit")] if self.commits is not None else []
        facts += [counted(self.files, "file")] if self.files is not None else []
        if self.insertions is not None and self.deletions is not None:
            facts.append(f"+{self.insertions} -{self.deletions}")
        return ", ".join(facts)


def left_by_steps(account: Account, *, keeps: bool = True) -> list[StepLeft]:
    """What the steps of a plan left, in their order, by its journal alone; `keeps`: its checkouts stay."""
    apart = {one["step"]: int(one["commits"]) for one in account.gathered.get("unmerged", ())}
    return [_left(step, apart.get(step.step, 0), keeps=keeps) for step in account.steps.values() if step.ran]


def unmerged_sentence(left: Iterable[StepLeft], told: str = "") -> str | None:
    """Name the branches that hold work which the plan's branch does not; those that `told` names are known already."""
    named = [
        f"step {one.step}: {one.branch} ({counted(one.unmerged, 'commit')})"
        for one in left
        if one.unmerged and one.branch and one.branch not in told
    ]
    return (
        f"Work that is not on the plan's branch is kept on branches of its own: {'; '.join(named)}."
        if named
        else None
    )


def has_unmerged(left: Sequence[StepLeft]) -> bool:
    """Whether the plan's branch does not have all that its steps did."""
    return any(one.unmerged for one in left)


def _left(step: StepAccount, unmerged: int, *, keeps: bool) -> StepLeft:
    told, place = step.gathered, step.place if step.place.get("own") else {}
    # What is in no commit is nowhere else.
    stays = keeps or told.get("uncommitted")
    return StepLeft(
        step.step,
        changed=bool(told.get("changed")),
        commits=told.get("commits"),
        files=told.get("files_changed"),
        insertions=told.get("insertions"),
        deletions=told.get("deletions"),
        branch=(told.get("branch") or place.get("branch")) if place else None,
        unmerged=unmerged,
        checkout=place.get("path") if stays else None,
    )
