"""Who is billed for each plan in hand: known before its first run, and better once Claude Code has said."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from handoff.result import Payer
from handoff.root import PlanId
from orchestrd.core.plan import PlanInHand
from orchestrd.runs.running import Running


class Payers:
    """Remembers who was billed for the runs of each plan; `foresee` says who would be for one that is started now."""

    def __init__(self, foresee: Callable[[], Payer]) -> None:
        self._foresee = foresee
        self._foreseen: str | None = None
        self._told: dict[PlanId, str] = {}

    def look(self) -> None:
        """See whether it is another one than before: somebody may have logged in."""
        try:
            self._foreseen = self._foresee().value
        except OSError:
            self._foreseen = (
                None  # whether there is a login cannot be looked at: nothing is told rather than a guess
            )

    def of(self, plan: PlanInHand, runs: Iterable[Running]) -> str | None:
        """Who is billed for a plan, of which these runs are alive; None where that is not known."""
        if all(step.is_command for step in plan.facts.steps):
            return Payer.NOBODY.value
        name = plan.facts.plan
        told = next((run.billed for run in runs if run.billed), None)
        if told is not None:
            self._told[name] = told
        return self._told.get(name, self._foreseen)

    def forget(self, plan: PlanId) -> None:
        """It is settled."""
        self._told.pop(plan, None)
