"""The states of a plan as a picture, drawn from the table: `python -m orchestrd.core.drawing`."""

from __future__ import annotations

from orchestrd.core.plan_life import HOLDS_A_SLOT, TABLE, State


def draw() -> str:
    """Write the table as a Mermaid state diagram; triggers that change nothing are left out."""
    arrows = dict.fromkeys((before, after) for (before, _), after in TABLE.items() if before is not after)
    lines = ["stateDiagram-v2", "    [*] --> waiting : accepted", "    [*] --> settling : refused"]
    for before, after in arrows:
        words = " / ".join(word for (at, word), to in TABLE.items() if (at, to) == (before, after))
        lines.append(f"    {before} --> {after} : {words}")
    lines.append(f"    {State.SETTLED} --> [*]")
    lines += [f"    note right of {state} : holds a slot" for state in State if state in HOLDS_A_SLOT]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    print(draw(), end="")  # noqa: T201 - its purpose
