"""The states of a plan and of its steps as pictures, drawn from the tables: `python -m orchestrd.core.drawing`."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TypeVar

from orchestrd.core.plan_life import AT_WORK, TABLE, Life
from orchestrd.core.step_life import BUSY, OVER, STEP_TABLE, StepState

S = TypeVar("S", bound=str)
T = TypeVar("T", bound=str)


def draw() -> str:
    """Write the table of plans as a Mermaid state diagram; triggers that change nothing are left out."""
    first = ["[*] --> waiting : accepted", "[*] --> settling : refused"]
    return _diagram(first, TABLE, [Life.SETTLED], AT_WORK)


def draw_steps() -> str:
    """Write the table of steps likewise."""
    return _diagram(["[*] --> pending"], STEP_TABLE, [state for state in StepState if state in OVER], BUSY)


def _diagram(
    first: list[str],
    table: Mapping[tuple[S, T], S],
    last: Collection[S],
    hold_slots: Collection[S],
) -> str:
    arrows = dict.fromkeys((before, after) for (before, _), after in table.items() if before != after)
    lines = ["stateDiagram-v2", *(f"    {one}" for one in first)]
    for before, after in arrows:
        words = " / ".join(word for (at, word), to in table.items() if (at, to) == (before, after))
        lines.append(f"    {before} --> {after} : {words}")
    lines += [f"    {state} --> [*]" for state in last]
    known = dict.fromkeys(state for state, _ in table)
    lines += [f"    note right of {state} : holds a slot" for state in known if state in hold_slots]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    print(draw(), draw_steps(), sep="\n", end="")  # noqa: T201 - its purpose
