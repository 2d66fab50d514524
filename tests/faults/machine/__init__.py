"""T8: whatever users, writers and faults do, in any order that hypothesis finds, against the real daemon."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from hypothesis import HealthCheck, Phase, Verbosity, seed, settings
from hypothesis.internal.conjecture import engine
from hypothesis.reporting import with_reporter
from hypothesis.stateful import run_state_machine_as_test

from handoff.platform import PLATFORM
from tests.faults.campaign import Campaign, Ground, Outcome, Violation, run_rounds
from tests.faults.machine.machine import Machine

EXAMPLES_A_ROUND = 3
WORKERS = 3
"""Rounds at a time: much of each is waiting, for a pause or a patience to be over."""
SHRINKING_SECONDS = 60
"""At most so long a failing example is made smaller: each try is a daemon that lives and dies."""
NO_FAULTS = ("plans", "orders", "examples", "steps", "stops", "results consumed", "errors raised")
"""Counted, but nothing that could break a promise by itself."""

engine.MAX_SHRINKING_SECONDS = SHRINKING_SECONDS


def run(ground: Ground) -> Outcome:
    """Let hypothesis try so many examples of so many steps, each in a world of its own."""
    examples, steps = ground.pick(12, 40, 100), ground.pick(30, 30, 50)
    chance = ground.random("machine")
    rounds = [
        Round(
            chance.randrange(1 << 32),
            min(EXAMPLES_A_ROUND, examples - done),
            steps,
            shrinks=not ground.until,  # what has only to be seen is not made smaller
        )
        for done in range(0, examples, EXAMPLES_A_ROUND)
    ]
    return run_rounds(ground, rounds, run_some, WORKERS)


@dataclass(frozen=True, slots=True)
class Round:
    """So many examples, found by a seed, of so many steps."""

    seed: int
    examples: int
    steps: int
    shrinks: bool = True
    """An example that fails is made smaller."""


def run_some(folder: Path, what: Round) -> Outcome:
    """Run them."""
    seeded, examples, steps = what.seed, what.examples, what.steps
    counted: Counter[str] = Counter()
    broken: list[tuple[list[Violation], list[str]]] = []
    said: list[str] = []

    def make() -> Machine:
        return Machine(folder / "world", counted, broken, said)

    asked = settings(
        max_examples=examples,
        stateful_step_count=steps,
        deadline=None,
        database=None,
        phases=(Phase.generate, Phase.shrink) if what.shrinks else (Phase.generate,),
        suppress_health_check=list(HealthCheck),
        report_multiple_bugs=False,
        print_blob=False,
        # Tells each step, so that one that failed once and not again (it is a real daemon) is known all the same.
        verbosity=Verbosity.debug,
    )
    try:
        with with_reporter(said.append):
            run_state_machine_as_test(seed(seeded)(make), settings=asked)
    except Exception:
        # What was broken is known by its steps; whether it breaks again (it is a real daemon) does not matter.
        if not broken:
            raise
    outcome = Outcome(figures=counted)
    outcome.fired = sum(count for name, count in counted.items() if name not in NO_FAULTS)
    if broken:
        # Of those whose steps were told the last one is the smallest.
        violations, steps_taken = next((one for one in reversed(broken) if one[1]), broken[-1])
        again = f"seed {seeded}, {examples} examples of {steps}: {'; '.join(steps_taken)}"
        outcome.violations = [Violation(one.invariant, one.where, one.what, again) for one in violations]
    return outcome


def missing() -> str | None:
    """Say why this machine cannot run it."""
    return None if PLATFORM.lease else "nothing proves here that a writer is done, which the model relies on"


CAMPAIGNS = (Campaign("T8", "anything in any order: a state machine over the real daemon", run, missing),)
