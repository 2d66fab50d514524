"""Orders: cancel a plan, run one again. Each is a file in `control/`; its outcome is read back for a moment."""

from __future__ import annotations

import time
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import Field

from handoff import looking
from handoff.client import order
from handoff.root import PlanId, Root
from orchestrd.bridge.answers import Answer, CannotDo
from orchestrd.bridge.arguments import PlanName, Why
from orchestrd.bridge.desk import Desk, is_there, plan_named, result_of
from orchestrd.bridge.handing_in import lines_in, now
from orchestrd.views.words import read_time

OUTCOME_SECONDS = 1.0
"""How long an order's outcome is looked for; the daemon takes one within a fraction of a second."""
AGAIN_SECONDS = 300.0
"""So long after a retry another one of the same plan is a call that was repeated."""
_LOOK_SECONDS = 0.03


class Ordered(Answer):
    """What came of an order."""

    outcome: Literal["done", "nothing", "refused", "waiting"] = Field(
        description="done; nothing: there was nothing to do; refused; waiting: the daemon has not taken it yet."
    )
    plan: str = Field(description="The plan's id.")
    new_plan: str | None = Field(default=None, description="retry: the id under which it runs again.")
    repeated: bool = Field(default=False, description="It had been ordered before, so this call did nothing.")
    message: str | None = Field(default=None, description="What the daemon says of it.")
    next: str = Field(description="What to do now.")


def cancel_plan(desk: Desk, plan: PlanName, why: Why = "") -> Ordered:
    """Stop a plan, wherever it is: in the inbox, waiting, or at work. It is settled as cancelled and does not go on.

    Use it when the person wants it stopped. What was done so far stays on its branch. Of a plan that is settled already
    nothing happens. It cannot be taken back; retry_plan runs it anew from the beginning.
    """
    root = desk.root
    found = plan_named(root, plan)
    given = order(root, "cancel", plan=found, why=why or None, key=None)
    line = _outcome(root, given)
    return Ordered(
        outcome=line.get("outcome", "waiting"),
        plan=found,
        message=line.get("message"),
        next=_after_cancel(root, found, line),
    )


def retry_plan(
    desk: Desk,
    plan: PlanName,
    why: Why = "",
    again: Annotated[
        bool, Field(description="Do it although the same was ordered minutes ago. Only if that is meant.")
    ] = False,
) -> Ordered:
    """Run a settled plan anew, with the same document, under a new id; a waiting one is looked at now.

    Use it when a plan failed for a reason that is gone (a limit, the network, a missing program), or was cancelled. If
    the plan itself was wrong, write a better one and use submit_plan instead. Called again within five minutes it does
    not run it twice: `repeated` is true then, and `new_plan` names the first one.
    """
    root = desk.root
    found = plan_named(root, plan)
    with desk.one_at_a_time:
        before = _retries(root, found)
        made = [line for line in before if line.get("new_plan")]
        if made and not again and _is_recent(made[-1].get("time"), now()):
            return _repeated(found, made[-1])
        # Ordered twice while the daemon is away, both have this key, and it carries out one of them. One that came to
        # nothing (the plan was at work) has used its key up too.
        key = f"mcp-retry-{found}-{len(before) + 1}"
        settled = result_of(root, found) is not None
        given = order(root, "retry", plan=found, why=why or None, key=key)
    line = _outcome(root, given)
    new_plan = line.get("new_plan")
    return Ordered(
        outcome=line.get("outcome", "waiting"),
        plan=found,
        new_plan=new_plan,
        message=line.get("message"),
        next=_after_retry(root, found, line, settled=settled),
    )


def _repeated(plan: PlanId, line: dict[str, Any]) -> Ordered:
    new_plan = line["new_plan"]
    return Ordered(
        outcome="nothing",
        plan=plan,
        new_plan=new_plan,
        repeated=True,
        message=f"it was ordered at {line.get('time')}",
        next=f"Nothing was done: it runs again as {new_plan} already. To run it once more: again = true.",
    )


def _is_recent(text: object, at: datetime) -> bool:
    when = read_time(text)
    return when is not None and (at - when).total_seconds() < AGAIN_SECONDS


def _retries(root: Root, plan: PlanId) -> list[dict[str, Any]]:
    """What came of earlier orders to run this plan again, whatever that was."""
    return [line for line in lines_in(_read(root), "plan", plan) if line.get("action") == "retry"]


def _outcome(root: Root, file: str) -> dict[str, Any]:
    """Look for a moment for what came of an order; {} where that is not known yet."""
    if not is_there(root):
        return {}
    deadline = time.monotonic() + OUTCOME_SECONDS
    while time.monotonic() < deadline:
        lines = lines_in(_read(root), "file", file)
        if lines:
            return lines[-1]
        time.sleep(_LOOK_SECONDS)
    return {}


def _read(root: Root) -> bytes:
    try:
        return looking.read_file(root.orders_log)
    except FileNotFoundError:
        return b""
    except OSError as error:
        raise CannotDo(f"archive/orders.jsonl cannot be read: {error.strerror}") from None


def _waits(root: Root) -> str:
    if is_there(root):
        return "The daemon has not taken the order yet; plan_status says later what came of it."
    return "The daemon is away: the order lies in control/ and is carried out when the daemon is back."


def _after_cancel(root: Root, plan: PlanId, line: dict[str, Any]) -> str:
    match line.get("outcome"):
        case None:
            return _waits(root)
        case "done":
            return f"It is being stopped; get_result with {plan} says what it left."
        case _:
            return f"Nothing was stopped; plan_status with {plan} says where it stands."


def _after_retry(root: Root, plan: PlanId, line: dict[str, Any], *, settled: bool) -> str:
    if new_plan := line.get("new_plan"):
        return f"It runs again as {new_plan}: tell the person this id, and look later with plan_status."
    match line.get("outcome"):
        case "refused":
            return "It was refused, see `message`."
        case "nothing":
            return f"Nothing was done, see `message`; plan_status with {plan} says where it stands."
        case None if settled:
            return f"{_waits(root)} Its new id will be {plan} with a number."
        case None:
            return _waits(root)
        case _:
            return f"{plan} is not settled: the daemon looks at it now; plan_status says where it stands."
