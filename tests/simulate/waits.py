"""Everything that waits says for what, in the words of the protocol, and until when where that is known."""

from __future__ import annotations

from orchestrd.core.engine import Engine
from orchestrd.core.plan_life import State
from tests.simulate.violation import Violation

WORDS = frozenset(
    {"plans", "time", "limit", "budget", "pressure", "overlap", "slot", "retry", "claude", "space", "pause"}
)
HAVE_A_TIME = frozenset({"time", "budget", "retry", "limit"})
"""What is over at some time, if perhaps nobody knows when exactly."""


def hold_waits(engine: Engine) -> None:
    """Raise Violation where a plan that waits does not say so, or one that does not says it."""
    waiting = 0
    for plan in engine.plans():
        state, wait = plan.state, engine.waits_for(plan)
        name = plan.facts.plan
        is_waiting = state in {State.WAITING, State.READY}
        waiting += is_waiting
        if is_waiting != (wait is not None):
            raise Violation(name, f"what it waits for is not told right: it is {state}, and {wait}")
        if wait is None:
            continue
        if wait.word not in WORDS:
            raise Violation(name, f"it waits for what has no name: {wait}")
        if wait.word in HAVE_A_TIME and wait.until is None and not engine.admission.limit.is_reached:
            raise Violation(name, f"it does not say until when it waits: {wait}")
    asking = sum(plan.state is State.ASKING for plan in engine.plans())
    if asking != engine.asking():
        raise Violation("-", f"who asks is not counted right: {engine.asking()} instead of {asking}")
    if waiting != engine.waiting():
        raise Violation("-", f"who waits is not counted right: {engine.waiting()} instead of {waiting}")
