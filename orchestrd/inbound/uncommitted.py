"""Plans that leave uncommitted what they do (`workspace.commit = false`): what of them can be brought together.

Steps that come one after the other share a checkout, and find there what lies uncommitted. Those that run side by side
begin with a commit, and a commit is all that is merged of them: without one their work would be nowhere.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from handoff.plan import Plan
from orchestrd.core.graph import beside, works_apart
from orchestrd.core.steps_of_plan import facts_of_step, with_whole_steps

_PATH = "workspace.commit"
_ONLY_COMMITS = "and only what is committed can be merged"


class Unjoinable(NamedTuple):
    """Why what steps leave uncommitted could not be brought together."""

    path: str
    message: str
    hint: str


def unjoinable(plan: Plan) -> Iterator[Unjoinable]:
    """Find out whether some step would work in a checkout of its own and leave it uncommitted; told once."""
    if plan.workspace.commit:
        return
    whole = with_whole_steps(plan)
    steps = [facts_of_step(whole, step) for step in whole.steps]
    expanding = next((one.step for one in steps if one.expands), None)
    if expanding is not None:
        message = f"what step {expanding!r} returns may run side by side, {_ONLY_COMMITS}"
        yield Unjoinable(_PATH, message, "leave it out")
        return
    near = beside(steps)
    for one in steps:
        if works_apart(steps, one):
            other = next(two.step for two in steps if two.step in near[one.step])
            message = f"steps {one.step!r} and {other!r} may run side by side, {_ONLY_COMMITS}"
            yield Unjoinable(_PATH, message, "leave it out, or name the one of them in the other's `needs`")
            return
