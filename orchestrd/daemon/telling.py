"""What the daemon's log says of plans: a line for each station of each, a few for a burst."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from loguru import logger

from handoff.result import Reason
from orchestrd.core import events as told
from orchestrd.core.engine import Engine
from orchestrd.core.events import Event
from orchestrd.core.facts import MAIN, check_number
from orchestrd.daemon.spending import why_it_waits

MOST_ONE_BY_ONE = 20
"""Of more plans that come in together, only their number is told."""


def tell(events: Sequence[Event]) -> None:
    """Log what has happened. Whoever looks at a terminal, or follows the log, sees each plan come, run and go."""
    newcomers = [event for event in events if isinstance(event, told.PlanAccepted)]
    if len(newcomers) > MOST_ONE_BY_ONE:
        logger.info("{} plans taken in", len(newcomers))
    for event in events:
        if isinstance(event, told.PlanAccepted) and len(newcomers) > MOST_ONE_BY_ONE:
            continue
        line = _line(event)
        if line is not None:
            logger.info("{}", line)


def tell_of_money(engine: Engine, event: told.RunEnded) -> None:
    """Log when a plan goes on whose run was ended by a cap of the day: that is no failure of the plan."""
    plan = engine.plan(event.plan)
    wait = engine.waits_for(plan) if plan is not None and event.outcome.reason is Reason.BUDGET else None
    why = why_it_waits(engine, plan, event.at.wall) if plan is not None and wait is not None else None
    if why is None or wait is None:
        return
    when = (
        f" at {datetime.fromtimestamp(wait.until, UTC):%H:%M} UTC at the latest"
        if wait.until
        else " by itself"
    )
    logger.info("{}: waits for money and goes on{}: {}", event.plan, when, why)


def _line(event: Event) -> str | None:
    match event:
        case told.PlanAccepted(facts=facts):
            return f"{facts.plan}: taken in: {facts.title}"
        case told.PlanRefused(plan=plan, ending=ending):
            return f"{plan}: {ending.status.value}" + (f" ({ending.reason.value})" if ending.reason else "")
        case told.WorkspaceFailed(plan=plan, message=message):
            return f"{plan}: no workspace: {message}"
        case told.RunEnded(plan=plan, step=step, outcome=outcome):
            how = f"failed ({outcome.reason.value})" if outcome.reason else "succeeded"
            return f"{plan}: {name_of_run(step)} has ended: {how}, ${outcome.cost_usd:.4f}"
        case told.PlanPublished(plan=plan, status=status):
            return f"{plan}: settled: {status.value}"
        case told.PauseAsked(why=why):
            return "paused" + (f": {why}" if why else "")
        case told.ResumeAsked():
            return "resumed"
        case told.DrainAsked():
            return "draining: no plan is taken or started"
        case _:
            return None


def name_of_run(step: str) -> str:
    """Call a run what people call it: by its step, or by the number of the check."""
    number = check_number(step)
    if number is not None:
        return f"check {number}"
    return "the run" if step == MAIN else f"step {step}"
