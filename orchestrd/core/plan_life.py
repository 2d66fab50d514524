"""The law: what states a plan has, and what may happen to it in each.

Theory of operation
-------------------
A plan is *accepted* when its file lies in `active/`, and *settled* when its folder lies in `archive/`. Between
the two it is in exactly one of the states below. What happens to it is a `Trigger`; the table says which state
follows. A pair that is not in the table is a bug: it is refused loudly and changes nothing.

- WAITING    something outside the plan has to come first: another plan, a date.
- OPEN       its steps have their turn; what each of them does stands in `step_life`.
- JOINING    it holds a slot; its steps are over, and the work of those that ran side by side is merged.
- CHECKING   it holds a slot; what `[accept]` demands is run, one check after the other.
- GATHERING  it holds a slot; nothing runs any more, what was left is committed, compared and written down.
- SETTLING   it holds no slot; how it ended is decided, the result is being published.
- SETTLED    the result is out and the folder is in the archive. Nothing happens to it any more.

A plan of one prompt is a plan of one step. A cancel is *noted* where a process or git is at work and takes effect when
that ends: work done is never thrown away. Nothing else in the project changes a plan's state.
"""

from __future__ import annotations

from enum import StrEnum
from types import MappingProxyType


class Life(StrEnum):
    """Where a plan stands between its acceptance and its settling."""

    WAITING = "waiting"
    OPEN = "open"
    JOINING = "joining"
    CHECKING = "checking"
    GATHERING = "gathering"
    SETTLING = "settling"
    SETTLED = "settled"


class Trigger(StrEnum):
    """What can happen to a plan."""

    FREED = "freed"
    STEPS_OVER = "steps over"
    JOINED = "joined"
    CHECK_FAILED = "check failed"
    OVER = "over"
    CANCEL_NOTED = "cancel noted"
    EVIDENCE_GATHERED = "evidence gathered"
    GIVEN_UP = "given up"
    PUBLISHED = "published"


class IllegalTransitionError(Exception):
    """A trigger came in a state that does not know it; the state is unchanged."""


TABLE: MappingProxyType[tuple[Life, Trigger], Life] = MappingProxyType(
    {
        (Life.WAITING, Trigger.FREED): Life.OPEN,
        (Life.WAITING, Trigger.GIVEN_UP): Life.SETTLING,
        (Life.OPEN, Trigger.GIVEN_UP): Life.SETTLING,
        (Life.OPEN, Trigger.STEPS_OVER): Life.JOINING,
        (Life.OPEN, Trigger.OVER): Life.GATHERING,
        (Life.OPEN, Trigger.CANCEL_NOTED): Life.OPEN,
        (Life.JOINING, Trigger.JOINED): Life.CHECKING,
        (Life.JOINING, Trigger.OVER): Life.GATHERING,
        (Life.JOINING, Trigger.CANCEL_NOTED): Life.JOINING,
        (Life.CHECKING, Trigger.CHECK_FAILED): Life.OPEN,
        (Life.CHECKING, Trigger.OVER): Life.GATHERING,
        (Life.CHECKING, Trigger.CANCEL_NOTED): Life.CHECKING,
        (Life.GATHERING, Trigger.EVIDENCE_GATHERED): Life.SETTLING,
        (Life.SETTLING, Trigger.PUBLISHED): Life.SETTLED,
    }
)


class State(StrEnum):
    """What a plan is doing, its steps looked at: for `status/`, and for whoever may do something to it."""

    WAITING = "waiting"
    READY = "ready"
    PREPARING = "preparing"
    RUNNING = "running"
    ASKING = "asking"
    GATHERING = "gathering"
    SETTLING = "settling"
    SETTLED = "settled"


HOLDS_A_SLOT = frozenset({State.PREPARING, State.RUNNING, State.GATHERING})
"""What counts against `max_parallel`."""

SHOWN_AS = MappingProxyType(
    {State.READY: State.WAITING, State.PREPARING: State.RUNNING, State.GATHERING: State.RUNNING}
)
"""The states that a reader of `status/` need not know of, and what they are told instead."""

AT_WORK = frozenset({Life.JOINING, Life.CHECKING, Life.GATHERING})
"""The states in which the plan itself, not one of its steps, holds a slot."""


def next_life(life: Life, trigger: Trigger) -> Life:
    """Return the state that follows; raise `IllegalTransitionError` where the table has none."""
    try:
        return TABLE[life, trigger]
    except KeyError:
        allowed = ", ".join(known for at, known in TABLE if at is life) or "nothing"
        message = f"a plan that is {life} cannot be '{trigger}'; what can happen to it: {allowed}"
        raise IllegalTransitionError(message) from None
