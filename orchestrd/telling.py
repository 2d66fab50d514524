"""What the daemon's log says of plans: a line for each station of each, a few for a burst."""

from __future__ import annotations

from collections.abc import Sequence

from loguru import logger

from orchestrd.core import events as told
from orchestrd.core.events import Event

MOST_ONE_BY_ONE = 20
"""Of more plans that come in together, only their number is told."""


def tell(events: Sequence[Event]) -> None:
    """Log what has happened. Whoever looks at a terminal, or follows the log, sees each plan come, run and go."""
    newcomers = [event for event in events if isinstance(event, told.PlanAccepted)]
    if len(newcomers) > MOST_ONE_BY_ONE:
        logger.info("{} plans taken in", len(newcomers))
    for event in events:
        match event:
            case told.PlanAccepted(facts=facts) if len(newcomers) <= MOST_ONE_BY_ONE:
                logger.info("{}: taken in: {}", facts.plan, facts.title)
            case told.PlanRefused(plan=plan, ending=ending):
                logger.info(
                    "{}: {}{}",
                    plan,
                    ending.status.value,
                    f" ({ending.reason.value})" if ending.reason else "",
                )
            case told.WorkspaceFailed(plan=plan, message=message):
                logger.info("{}: no workspace: {}", plan, message)
            case told.RunEnded(plan=plan, outcome=outcome):
                reason = f"failed ({outcome.reason.value})" if outcome.reason else "succeeded"
                logger.info("{}: the run has ended: {}, ${:.4f}", plan, reason, outcome.cost_usd)
            case told.PlanPublished(plan=plan, status=status):
                logger.info("{}: settled: {}", plan, status.value)
            case told.PauseAsked(why=why):
                logger.info("paused{}", f": {why}" if why else "")
            case told.ResumeAsked():
                logger.info("resumed")
            case told.DrainAsked():
                logger.info("draining: no plan is taken or started")
            case _:
                pass
