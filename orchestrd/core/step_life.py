"""The law for one step of a plan that is open: what states it has, and what may happen to it in each.

- PENDING    it needs steps that are not done.
- WAITING    it has to pause: before a further attempt, or until the account's limit is over.
- READY      nothing stands in its way but a slot (or a pause of the daemon, or a missing claude or disk space).
- PREPARING  it holds a slot; its workspace is being made.
- RUNNING    it holds a slot; a runner is alive, or its end has not been judged yet.
- ASKING     a run is alive and waits for a person; it holds no slot.
- GATHERING  it holds a slot; what it left is committed and compared, for those that come after it.
- DONE, FAILED, SKIPPED   it is over. A failed check brings the step that implements back.
"""

from __future__ import annotations

from enum import StrEnum
from types import MappingProxyType

from orchestrd.core.plan_life import IllegalTransitionError


class StepState(StrEnum):
    """Where a step stands."""

    PENDING = "pending"
    WAITING = "waiting"
    READY = "ready"
    PREPARING = "preparing"
    RUNNING = "running"
    ASKING = "asking"
    GATHERING = "gathering"
    DONE = "done"
    FAILED = "failed"
    SKIPPED = "skipped"


class StepTrigger(StrEnum):
    """What can happen to a step."""

    FREED = "freed"
    CHOSEN = "chosen"
    HELD = "held"
    PUT_OFF = "put off"
    WORKSPACE_MADE = "workspace made"
    WORKSPACE_FAILED = "workspace failed"
    RUN_AGAIN = "run again"
    ASKED = "asked"
    ANSWERED = "answered"
    TO_GATHER = "run over, to gather"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    GIVEN_UP = "given up"
    ANOTHER_ROUND = "another round"


_S, _T = StepState, StepTrigger

STEP_TABLE: MappingProxyType[tuple[StepState, StepTrigger], StepState] = MappingProxyType(
    {
        (_S.PENDING, _T.FREED): _S.READY,
        (_S.PENDING, _T.GIVEN_UP): _S.SKIPPED,
        (_S.WAITING, _T.FREED): _S.READY,
        (_S.WAITING, _T.GIVEN_UP): _S.SKIPPED,
        (_S.READY, _T.CHOSEN): _S.PREPARING,
        (_S.READY, _T.PUT_OFF): _S.WAITING,
        (_S.READY, _T.GIVEN_UP): _S.SKIPPED,
        (_S.PREPARING, _T.WORKSPACE_MADE): _S.RUNNING,
        (_S.PREPARING, _T.WORKSPACE_FAILED): _S.FAILED,
        (_S.PREPARING, _T.HELD): _S.READY,
        (_S.PREPARING, _T.PUT_OFF): _S.WAITING,
        (_S.PREPARING, _T.GIVEN_UP): _S.SKIPPED,
        (_S.RUNNING, _T.RUN_AGAIN): _S.WAITING,
        (_S.RUNNING, _T.ASKED): _S.ASKING,
        (_S.RUNNING, _T.TO_GATHER): _S.GATHERING,
        (_S.RUNNING, _T.SUCCEEDED): _S.DONE,
        (_S.RUNNING, _T.FAILED): _S.FAILED,
        (_S.ASKING, _T.ANSWERED): _S.RUNNING,
        (_S.ASKING, _T.RUN_AGAIN): _S.WAITING,
        (_S.ASKING, _T.TO_GATHER): _S.GATHERING,
        (_S.ASKING, _T.SUCCEEDED): _S.DONE,
        (_S.ASKING, _T.FAILED): _S.FAILED,
        (_S.GATHERING, _T.SUCCEEDED): _S.DONE,
        (_S.GATHERING, _T.FAILED): _S.FAILED,
        (_S.DONE, _T.ANOTHER_ROUND): _S.PENDING,
    }
)

BUSY = frozenset({_S.PREPARING, _S.RUNNING, _S.GATHERING})
"""The states that count against `max_parallel`."""
ALIVE = frozenset({_S.RUNNING, _S.ASKING})
"""The states in which its last start is not over."""
OVER = frozenset({_S.DONE, _S.FAILED, _S.SKIPPED})
NOT_BEGUN = frozenset({_S.PENDING, _S.WAITING, _S.READY})
"""The states in which nothing is at work for it, and something may be later."""


def next_step_state(state: StepState, trigger: StepTrigger) -> StepState:
    """Return the state that follows; raise `IllegalTransitionError` where the table has none."""
    try:
        return STEP_TABLE[state, trigger]
    except KeyError:
        allowed = ", ".join(known for at, known in STEP_TABLE if at is state) or "nothing"
        message = f"a step that is {state} cannot be '{trigger}'; what can happen to it: {allowed}"
        raise IllegalTransitionError(message) from None
