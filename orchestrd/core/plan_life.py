"""The law: what states a plan has, and what may happen to it in each.

Theory of operation
-------------------
A plan is *accepted* when its file lies in `active/`, and *settled* when its folder lies in `archive/`. Between
the two it is in exactly one of the states below. What happens to it is a `Trigger`; the table says which state
follows. A pair that is not in the table is a bug: it is refused loudly and changes nothing.

- WAITING    something outside the plan has to come first: another plan, a date, the pause before a further attempt.
- READY      nothing stands in its way but a slot (or a pause of the daemon, or a missing claude or disk space).
- PREPARING  it holds a slot; its workspace is being made.
- RUNNING    it holds a slot; a runner is alive, or its end has not been judged yet.
- ASKING     a run is alive and waits for a person; it holds no slot.
- GATHERING  it holds a slot; the run is over, what it left is committed, compared and written down.
- SETTLING   it holds no slot; how it ended is decided, the result is being published.
- SETTLED    the result is out and the folder is in the archive. Nothing happens to it any more.

A cancel is *noted* where a process or git is at work and takes effect when that ends: work done is never thrown away.
Nothing else in the project changes a plan's state.
"""

from __future__ import annotations

from enum import StrEnum
from types import MappingProxyType


class State(StrEnum):
    """Where a plan stands between its acceptance and its settling."""

    WAITING = "waiting"
    READY = "ready"
    PREPARING = "preparing"
    RUNNING = "running"
    ASKING = "asking"
    GATHERING = "gathering"
    SETTLING = "settling"
    SETTLED = "settled"


class Trigger(StrEnum):
    """What can happen to a plan."""

    FREED = "freed"
    HELD = "held"
    CHOSEN = "chosen"
    WORKSPACE_MADE = "workspace made"
    WORKSPACE_FAILED = "workspace failed"
    RUN_AGAIN = "run again"
    RUN_OVER = "run over"
    ASKED = "asked"
    ANSWERED = "answered"
    CANCEL_NOTED = "cancel noted"
    EVIDENCE_GATHERED = "evidence gathered"
    GIVEN_UP = "given up"
    PUBLISHED = "published"


class IllegalTransitionError(Exception):
    """A trigger came in a state that does not know it; the plan's state is unchanged."""


TABLE: MappingProxyType[tuple[State, Trigger], State] = MappingProxyType(
    {
        (State.WAITING, Trigger.FREED): State.READY,
        (State.WAITING, Trigger.GIVEN_UP): State.SETTLING,
        (State.WAITING, Trigger.RUN_OVER): State.GATHERING,
        (State.READY, Trigger.HELD): State.WAITING,
        (State.READY, Trigger.CHOSEN): State.PREPARING,
        (State.READY, Trigger.GIVEN_UP): State.SETTLING,
        (State.READY, Trigger.RUN_OVER): State.GATHERING,
        (State.PREPARING, Trigger.WORKSPACE_MADE): State.RUNNING,
        (State.PREPARING, Trigger.WORKSPACE_FAILED): State.SETTLING,
        (State.PREPARING, Trigger.HELD): State.READY,
        (State.PREPARING, Trigger.CANCEL_NOTED): State.PREPARING,
        (State.PREPARING, Trigger.RUN_OVER): State.GATHERING,
        (State.RUNNING, Trigger.RUN_AGAIN): State.WAITING,
        (State.RUNNING, Trigger.RUN_OVER): State.GATHERING,
        (State.RUNNING, Trigger.ASKED): State.ASKING,
        (State.RUNNING, Trigger.CANCEL_NOTED): State.RUNNING,
        (State.ASKING, Trigger.ANSWERED): State.RUNNING,
        (State.ASKING, Trigger.RUN_OVER): State.GATHERING,
        (State.ASKING, Trigger.CANCEL_NOTED): State.ASKING,
        (State.GATHERING, Trigger.EVIDENCE_GATHERED): State.SETTLING,
        (State.SETTLING, Trigger.PUBLISHED): State.SETTLED,
    }
)

HOLDS_A_SLOT = frozenset({State.PREPARING, State.RUNNING, State.GATHERING})
"""The states that count against `max_parallel`."""


SHOWN_AS = MappingProxyType(
    {State.READY: State.WAITING, State.PREPARING: State.RUNNING, State.GATHERING: State.RUNNING}
)
"""The states that a reader of `status/` need not know of, and what they are told instead."""


def next_state(state: State, trigger: Trigger) -> State:
    """Return the state that follows; raise `IllegalTransitionError` where the table has none."""
    try:
        return TABLE[state, trigger]
    except KeyError:
        allowed = ", ".join(known for at, known in TABLE if at is state) or "nothing"
        message = f"a plan that is {state} cannot be '{trigger}'; what can happen to it: {allowed}"
        raise IllegalTransitionError(message) from None
