"""The caps of the configuration, and what was spent today before this daemon started."""

from __future__ import annotations

from handoff.root import Root
from orchestrd.config import Config
from orchestrd.core.budget import Budget
from orchestrd.daemon.troubles import Trouble, Troubles
from orchestrd.record.spending import Spent, spent_on_day

SPENDING = "spending"


def budget_of(root: Root, config: Config, wall: float, troubles: Troubles) -> Budget:
    """Make the budget that is in force at `wall` (seconds since 1970).

    What cannot be found out of today's spending is told: the caps hold for what is known.
    """
    caps = config.budget
    if caps.per_day_usd is None and caps.per_project_usd is None:
        return Budget()
    try:
        spent = spent_on_day(root, wall)
    except OSError as error:
        spent = Spent(problems=(f"{error.filename or root.path}: {error.strerror}",))
    if spent.problems:
        told = "; ".join(spent.problems[:3])
        remedy = "mend that and restart; until tomorrow the caps of [budget] hold for what is known"
        troubles.raise_(Trouble(SPENDING, f"what was spent today is not all known: {told}", remedy))
    return Budget(caps.per_day_usd, caps.per_project_usd, booked_usd=spent.usd_by_project, wall=wall)
