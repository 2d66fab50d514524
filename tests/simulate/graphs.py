"""The graphs of steps that simulated plans have, drawn by chance: chains, diamonds, whatever has no circle."""

from __future__ import annotations

import random

from orchestrd.core.facts import StepFacts

MOST_STEPS = 6


def draw_steps(chance: random.Random) -> tuple[StepFacts, ...]:
    """Draw the steps of a plan, each after some of those that are defined before it."""
    names = "abcdef"[: chance.choice((1, 2, 2, 3, 3, 4, MOST_STEPS))]
    shape = chance.choice(("wide", "chain", "any"))
    steps: list[StepFacts] = []
    for at, name in enumerate(names):
        before = names[:at]
        needs: tuple[str, ...] = ()
        if shape == "chain":
            needs = tuple(before[-1:])
        elif shape == "any":
            needs = tuple(one for one in before if chance.random() < 0.5)
        steps.append(_step(chance, name, needs))
    return tuple(steps)


def _step(chance: random.Random, name: str, needs: tuple[str, ...]) -> StepFacts:
    is_command = chance.random() < 0.2
    expands = not is_command and chance.random() < 0.15
    return StepFacts(
        name,
        needs,
        writes=is_command or chance.random() < 0.7,
        is_command=is_command,
        expands=expands,
        attempts=chance.choice((None, None, 1, 2)),
        on_interrupt=chance.choice((None, None, "restart", "stop")),
        max_usd=chance.choice((0.2, 0.6)) if not is_command and chance.random() < 0.15 else None,
    )


def further_steps(chance: random.Random, step: str) -> tuple[StepFacts, ...]:
    """Draw what a step that expands returns."""
    names = [f"{step}-{number}" for number in range(1, 1 + chance.randint(1, 3))]
    return tuple(
        StepFacts(
            name,
            tuple(one for one in names[:at] if chance.random() < 0.3),
            writes=chance.random() < 0.7,
            is_command=chance.random() < 0.2,
        )
        for at, name in enumerate(names)
    )
