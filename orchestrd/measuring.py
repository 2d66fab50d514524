"""When what is measured: every run once a second while one is alive, daemon and machine with the heartbeat otherwise.

Each sample goes to the plan's series (`usage.jsonl`); the present goes to `status/`. What is lost of it is lost: it
is never worth a sync, nor a run.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from handoff import durable
from handoff.root import PlanId, Root
from orchestrd.core.events import Moment
from orchestrd.observe.sampler import Sampler
from orchestrd.observe.usage import TreeUsage
from orchestrd.outbound.status import BEAT_SECONDS
from orchestrd.record.journal import format_time
from orchestrd.runs.execution import Executions

RunKey = tuple[PlanId, str, int]


class Measuring:
    """Samples when it is due. `now` is what `status/usage` says."""

    def __init__(self, root: Root, interval_seconds: float, runs: Executions) -> None:
        self._root = root
        self._interval = interval_seconds
        self._runs = runs
        self._sampler: Sampler[RunKey] = Sampler()
        self._due = 0.0
        self.now: dict[str, Any] = {}

    def next_look(self, at: Moment) -> float:
        """Seconds until the next sample."""
        if self._runs.alive():
            self._due = min(self._due, at.boot + self._interval)
        return max(0.0, self._due - at.boot)

    def turn(self, at: Moment) -> bool:
        """Sample if it is due; tell whether it was."""
        if at.boot < self._due:
            return False
        pids = self._runs.pids()
        self._due = at.boot + (self._interval if pids else BEAT_SECONDS)
        usages = self._sampler.sample(pids, at.boot)
        for key, usage in usages.items():
            self._append(key, usage, at)
        self.now = {
            "time": datetime.fromtimestamp(int(at.wall), UTC),
            "daemon": self._sampler.daemon(at.boot).fields(),
            "machine": self._sampler.machine(at.boot).fields(),
            "runs": [
                {"plan": plan, "step": step, **usage.fields()} for (plan, step, _), usage in usages.items()
            ],
        }
        return True

    def _append(self, key: RunKey, usage: TreeUsage, at: Moment) -> None:
        plan, step, number = key
        sample = {
            "time": format_time(at.wall),
            "step": step,
            "n": number,
            "cpu_seconds": round(usage.cpu_seconds, 3),
            "rss_bytes": usage.memory_bytes,
            "pss_bytes": usage.pss_bytes,
            "processes": usage.processes,
            "read_bytes": usage.read_bytes,
            "write_bytes": usage.written_bytes,
        }
        line = json.dumps({name: value for name, value in sample.items() if value is not None}) + "\n"
        try:
            durable.append_line(self._root.plan_folder(plan) / "usage.jsonl", line.encode(), sync=False)
        except OSError:
            return  # a full disk: the runs go on, and so do we
