"""Orders to the daemon: cancel, retry, pause, resume, drain. Each is a file in `control/`; its outcome is read back."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Collection
from typing import TYPE_CHECKING, Annotated, Any

import typer

from orchestrd.cli.calling import Call, Complaint, note, plan_named, show_json
from orchestrd.views.present import read_daemon
from orchestrd.views.words import plain

if TYPE_CHECKING:
    from handoff.root import Root
    from orchestrd.views.present import Daemon

PATIENCE_SECONDS = 10.0
"""How long the next outcome of an order is waited for; the daemon takes one within a fraction of a second."""
MOST_LOOKS = 5
"""So often `cancel --all` looks for plans that were handed in meanwhile: a writer that goes on outlasts any number."""
_FILE = re.compile(rb'"file": ?"([^"]*)"')

Why = Annotated[str | None, typer.Option("--why", help="Noted with the order.", show_default=False)]
AsJson = Annotated[bool, typer.Option("--json", help="The order's line as JSON.")]
Plan = Annotated[str, typer.Argument(metavar="ID", help="The plan's id.", show_default=False)]


def add_to(app: typer.Typer) -> None:
    """Register the commands."""
    for command in (cancel, retry, pause, resume, drain):
        app.command()(command)


def cancel(
    context: typer.Context,
    plan: Annotated[
        str | None, typer.Argument(metavar="ID", help="The plan's id. None with --all.", show_default=False)
    ] = None,
    all_plans: Annotated[
        bool,
        typer.Option("--all", help="Stop every plan: those at work, those that wait, those in the inbox."),
    ] = False,
    why: Why = None,
    as_json: AsJson = False,
) -> None:
    """Stop a plan, wherever it is, or all. The work done so far stays on its branch."""
    if (plan is None) != all_plans:
        raise Complaint("cancel stops one plan, or --all: give an ID or --all, and not both")
    if plan is not None:
        _give(context.obj, "cancel", plan, why, as_json=as_json)
    else:
        _cancel_all(context.obj.root, why, as_json=as_json)


def retry(context: typer.Context, plan: Plan, why: Why = None, as_json: AsJson = False) -> None:
    """Run a settled plan anew, under a new id. A waiting one is looked at now."""
    _give(context.obj, "retry", plan, why, as_json=as_json)


def pause(context: typer.Context, why: Why = None, as_json: AsJson = False) -> None:
    """Start no further plans; what runs goes on."""
    _give(context.obj, "pause", None, why, as_json=as_json)


def resume(context: typer.Context, why: Why = None, as_json: AsJson = False) -> None:
    """End a pause."""
    _give(context.obj, "resume", None, why, as_json=as_json)


def drain(context: typer.Context, why: Why = None, as_json: AsJson = False) -> None:
    """Let the daemon end after the last run. It takes and starts nothing more."""
    _give(context.obj, "drain", None, why, as_json=as_json)


def _give(call: Call, action: str, plan: str | None, why: str | None, *, as_json: bool) -> None:
    from handoff.client import order

    root = call.root
    plan = plan_named(root, plan) if plan else None
    daemon = read_daemon(root)
    name = order(root, action, plan=plan, why=why)
    outcome = _await_outcomes(root, {name}).get(name) if daemon.alive else None
    if as_json:
        show_json(outcome or _waiting(name, action, plan))
    elif outcome:
        print(_in_words(action, plan, outcome))
    else:
        note(f"{action}: the order lies in control/{name}; {_why_it_waits(daemon)}")
    if outcome and outcome.get("outcome") == "refused":
        raise Complaint(plain(outcome.get("message") or f"{action} was refused"), 1)


def _cancel_all(root: Root, why: str | None, *, as_json: bool) -> None:
    """Give an order for each plan (the protocol has none for all), and tell what came of each."""
    from handoff.client import order
    from orchestrd.views.looking import unsettled_plans

    daemon = read_daemon(root)
    told: list[dict[str, Any]] = []
    done: set[str] = set()
    for _ in range(MOST_LOOKS):
        plans = [plan for plan in unsettled_plans(root) if plan not in done]
        if not plans:
            break
        done.update(plans)
        given = {order(root, "cancel", plan=plan, why=why): plan for plan in plans}
        outcomes = _await_outcomes(root, given) if daemon.alive else {}
        for name, plan in given.items():
            outcome = outcomes.get(name)
            told.append(outcome or _waiting(name, "cancel", plan))
            if outcome and not as_json:
                print(_in_words("cancel", plan, outcome))
    left = sum(one["outcome"] == "waiting" for one in told)
    if as_json:
        show_json(told)
    elif not told:
        note(f"cancel --all: no plan is in work in {root.path}, and none lies in the inbox")
    elif left:
        orders = f"{left} orders lie" if left > 1 else "1 order lies"
        note(f"cancel --all: {orders} in control/; {_why_it_waits(daemon)}")
    refused = sum(one["outcome"] == "refused" for one in told)
    if refused:
        raise Complaint(f"cancel --all: {refused} of {len(told)} orders were refused", 1)


def _waiting(name: str, action: str, plan: str | None) -> dict[str, Any]:
    return {"file": name, "action": action, "plan": plan, "outcome": "waiting"}


def _why_it_waits(daemon: Daemon) -> str:
    if daemon.stalled_pid is not None:
        return f"the daemon is {daemon.state}: {daemon.remedy}"
    return "the daemon has not taken it yet" if daemon.alive else "no daemon serves this root now"


def _in_words(action: str, plan: str | None, outcome: dict[str, Any]) -> str:
    words = f"{action} {plan}" if plan else action
    if outcome.get("new_plan"):
        return str(outcome["new_plan"])
    message = outcome.get("message")
    return f"{words}: {outcome.get('outcome')}" + (f" ({plain(message)})" if message else "")


def _await_outcomes(root: Root, names: Collection[str]) -> dict[str, dict[str, Any]]:
    """Wait for the orders' lines in `archive/orders.jsonl`; only what is new there is read again."""
    found: dict[str, dict[str, Any]] = {}
    deadline = time.monotonic() + PATIENCE_SECONDS
    offset = 0
    while len(found) < len(names) and time.monotonic() < deadline:
        try:
            with root.orders_log.open("rb") as log:
                log.seek(offset)
                fresh = log.read()
        except FileNotFoundError:
            fresh = b""
        whole = fresh[: fresh.rfind(b"\n") + 1]
        offset += len(whole)
        ours = (line for line in whole.splitlines() if _file_in(line) in names)
        fresh_ones = {line["file"]: dict(line) for line in map(json.loads, ours)}
        if fresh_ones:
            found |= fresh_ones
            deadline = time.monotonic() + PATIENCE_SECONDS
        else:
            time.sleep(0.05)
    return found


def _file_in(line: bytes) -> str | None:
    """Whose order a line is of: of the many that a root has had only those that are asked for are read."""
    named = _FILE.search(line)
    return named[1].decode("utf-8", "replace") if named else None
