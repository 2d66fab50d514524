"""The caps of the configuration, and what was spent today before this daemon started."""

from __future__ import annotations

from typing import Any

from handoff.root import Root
from orchestrd.config import Config
from orchestrd.core.budget import Budget
from orchestrd.core.engine import Engine
from orchestrd.core.money import Holders
from orchestrd.core.plan import PlanInHand
from orchestrd.daemon.troubles import Trouble, Troubles
from orchestrd.record.spending import Spent, spent_on_day

SPENDING = "spending"
MOST_PROJECTS = 20
"""Projects of which it is shown what they have spent."""


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


def caps_of(config: Config) -> dict[str, float]:
    """Return the caps of a day that are set, by the name of their setting."""
    caps = {"per_day_usd": config.budget.per_day_usd, "per_project_usd": config.budget.per_project_usd}
    return {name: cap for name, cap in caps.items() if cap is not None}


def spending_of(budget: Budget, wall: float) -> dict[str, Any] | None:
    """Say what was spent on the day of `wall` and what is reserved, as `status/daemon` has it; None: no cap is set."""
    if not budget.has_caps:
        return None
    projects = sorted(budget.projects(wall), key=lambda one: (-budget.spent_usd(wall, one), one))
    return {
        **_amounts(budget, wall, None),
        "projects": [{"project": one, **_amounts(budget, wall, one)} for one in projects[:MOST_PROJECTS]],
    }


def why_it_waits(engine: Engine, plan: PlanInHand, wall: float, holders: Holders | None = None) -> str | None:
    """Say for which money a plan waits and who has it (`Budget.holders`); None: it waits for none."""
    wait, facts = engine.waits_for(plan), plan.facts
    if wait is None or wait.word != "budget":
        return None
    return engine.budget.why_it_waits(facts.plan, facts.project, facts.max_usd, plan.spent_usd, wall, holders)


def _amounts(budget: Budget, wall: float, project: str | None) -> dict[str, float]:
    return {"spent_today_usd": budget.spent_usd(wall, project), "reserved_usd": budget.reserved_usd(project)}
