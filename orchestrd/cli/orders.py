"""Orders to the daemon: cancel, retry, pause, resume, drain. Each is a file in `control/`; its outcome is read back."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Annotated, Any

import typer

from orchestrd.cli.calling import Call, Complaint, note, plan_named, show_json
from orchestrd.views.present import read_daemon
from orchestrd.views.words import plain

if TYPE_CHECKING:
    from handoff.root import Root

PATIENCE_SECONDS = 10.0
"""How long the outcome of an order is waited for; the daemon takes one within a fraction of a second."""

Why = Annotated[str | None, typer.Option("--why", help="Noted with the order.", show_default=False)]
AsJson = Annotated[bool, typer.Option("--json", help="The order's line as JSON.")]
Plan = Annotated[str, typer.Argument(metavar="ID", help="The plan's id.", show_default=False)]


def add_to(app: typer.Typer) -> None:
    """Register the commands."""
    for command in (cancel, retry, pause, resume, drain):
        app.command()(command)


def cancel(context: typer.Context, plan: Plan, why: Why = None, as_json: AsJson = False) -> None:
    """Stop a plan, wherever it is. The work done so far stays on its branch."""
    _give(context.obj, "cancel", plan, why, as_json=as_json)


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
    alive = read_daemon(root).alive
    name = order(root, action, plan=plan, why=why)
    outcome = _await_outcome(root, name) if alive else None
    if as_json:
        show_json(outcome or {"file": name, "action": action, "plan": plan, "outcome": "waiting"})
    elif outcome:
        print(_in_words(action, plan, outcome))
    else:
        because = "no daemon serves this root now" if not alive else "the daemon has not taken it yet"
        note(f"{action}: the order lies in control/{name}; {because}")
    if outcome and outcome.get("outcome") == "refused":
        raise Complaint(plain(outcome.get("message") or f"{action} was refused"), 1)


def _in_words(action: str, plan: str | None, outcome: dict[str, Any]) -> str:
    words = f"{action} {plan}" if plan else action
    if outcome.get("new_plan"):
        return str(outcome["new_plan"])
    message = outcome.get("message")
    return f"{words}: {outcome.get('outcome')}" + (f" ({plain(message)})" if message else "")


def _await_outcome(root: Root, name: str) -> dict[str, Any] | None:
    """Wait for the order's line in `archive/orders.jsonl`; only what is new there is read again."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    offset = 0
    while time.monotonic() < deadline:
        try:
            with root.orders_log.open("rb") as log:
                log.seek(offset)
                fresh = log.read()
        except FileNotFoundError:
            fresh = b""
        whole = fresh[: fresh.rfind(b"\n") + 1]
        offset += len(whole)
        for line in reversed(whole.splitlines()):
            if name.encode() in line:
                found = json.loads(line)
                if found.get("file") == name:
                    return dict(found)
        time.sleep(0.05)
    return None
