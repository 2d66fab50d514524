"""Limits of money that could have no effect: refused before anything runs, never silently inert."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from handoff.plan import Plan


class InertCap(NamedTuple):
    """A `max_usd` that would limit nothing."""

    path: str
    message: str
    hint: str


def inert_caps(plan: Plan) -> Iterator[InertCap]:
    """Find the limits that nothing could ever reach, for a command costs no money. A workflow has no steps yet."""
    commands = [step.run is not None for step in plan.steps]
    if plan.limits.max_usd is not None and commands and all(commands):
        yield InertCap(
            "limits.max_usd", "no step of this plan has a model, so nothing in it costs money", "leave it out"
        )
    for index, step in enumerate(plan.steps):
        if step.run is not None and step.limits is not None and step.limits.max_usd is not None:
            hint = "leave it out; `limits.timeout` and `limits.memory` limit a command"
            yield InertCap(
                f"steps[{index}].limits.max_usd", "this step is a command, which costs no money", hint
            )
