"""When what is measured: every run once a second while one is alive, daemon and machine with the heartbeat otherwise.

Each sample goes to the plan's series, the present to `status/`. What is lost of it is lost: it is never worth a
sync, nor a run.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from handoff.result import Result
from handoff.root import PlanId, Root
from orchestrd.core.events import Moment
from orchestrd.observe.metrics import Totals
from orchestrd.observe.sampler import Sampler
from orchestrd.observe.series import append_sample
from orchestrd.observe.usage import DaemonUsage, MachineUsage, TreeUsage
from orchestrd.outbound.status import BEAT_SECONDS
from orchestrd.runs.followed import Followed

RunKey = tuple[PlanId, str, int]
"""Plan, step, and number of the start."""


@dataclass(frozen=True, slots=True)
class Sample:
    """What was measured at one time."""

    at: Moment
    daemon: DaemonUsage
    machine: MachineUsage
    runs: dict[RunKey, TreeUsage] = field(default_factory=dict)

    def fields(self) -> dict[str, Any]:
        """As `status/usage` shows it."""
        return {
            "time": datetime.fromtimestamp(int(self.at.wall), UTC),
            "daemon": self.daemon.fields(),
            "machine": self.machine.fields(),
            "runs": [
                {"plan": plan, "step": step, **usage.fields()} for (plan, step, _), usage in self.runs.items()
            ],
        }


class Measuring:
    """Samples when it is due."""

    def __init__(self, root: Root, interval_seconds: float, runs: Followed) -> None:
        self._root = root
        self._interval = interval_seconds
        self._runs = runs
        self._sampler: Sampler[RunKey] = Sampler()
        self._due = 0.0

    def next_look(self, at: Moment) -> float:
        """Seconds until the next sample."""
        if self._runs.alive():
            self._due = min(self._due, at.boot + self._interval)
        return max(0.0, self._due - at.boot)

    def sample(self, at: Moment) -> Sample | None:
        """Sample if it is due."""
        if at.boot < self._due:
            return None
        pids = self._runs.pids()
        self._due = at.boot + (self._interval if pids else BEAT_SECONDS)
        try:
            return self._sampled(pids, at)
        except OSError:
            # No descriptor left to read /proc with, say: told elsewhere, and no reason to end.
            return None

    def _sampled(self, pids: Mapping[RunKey, int], at: Moment) -> Sample:
        usages = self._sampler.sample(pids, at.boot)
        for (plan, step, number), usage in usages.items():
            # A full disk, or a plan that was settled meanwhile: the runs go on, and so do we.
            with suppress(OSError):
                append_sample(self._root.plan_folder(plan), usage, step=step, number=number, wall=at.wall)
        return Sample(at, self._sampler.daemon(at.boot), self._sampler.machine(at.boot), usages)


def add_result(totals: Totals, result: Result) -> Totals:
    """Add what a settled plan used."""
    usage = result.usage
    if usage is None:
        return totals
    return replace(
        totals,
        runs=totals.runs + sum(step.attempts or 0 for step in result.steps),
        cost_usd=totals.cost_usd + usage.cost_usd,
        turns=totals.turns + usage.turns,
        input_tokens=totals.input_tokens + usage.input_tokens,
        output_tokens=totals.output_tokens + usage.output_tokens,
        cache_read_tokens=totals.cache_read_tokens + usage.cache_read_tokens,
        cache_write_tokens=totals.cache_write_tokens + usage.cache_write_tokens,
        cpu_seconds=totals.cpu_seconds + usage.cpu_seconds,
    )
