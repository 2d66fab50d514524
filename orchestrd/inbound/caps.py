"""Limits of money, and of turns, that could have no effect: refused before anything runs, never silently inert."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from handoff.plan import Plan


class InertCap(NamedTuple):
    """One that would limit nothing."""

    path: str
    message: str
    hint: str


def inert_caps(plan: Plan) -> Iterator[InertCap]:
    """Find the limits that nothing could ever reach: a command costs no money. A workflow has no steps yet.

    It is asked of what was written: a step that is whole has inherited such limits.
    """
    commands = [step.run is not None for step in plan.steps]
    if plan.limits.max_usd is not None and commands and all(commands):
        yield InertCap(
            "limits.max_usd", "no step of this plan has a model, so nothing in it costs money", "leave it out"
        )
    hint = "leave it out; `limits.timeout` and `limits.memory` limit a command"
    for index, step in enumerate(plan.steps):
        if step.run is None or step.limits is None:
            continue
        if step.limits.max_usd is not None:
            message = "this step is a command, which costs no money"
            yield InertCap(f"steps[{index}].limits.max_usd", message, hint)
        if step.limits.max_turns is not None:
            message = "this step is a command, and turns are a model's"
            yield InertCap(f"steps[{index}].limits.max_turns", message, hint)
