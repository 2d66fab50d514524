"""How simulated runs go: how long one takes, what it costs reply by reply, and what its journal says of its end."""

from __future__ import annotations

import random
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from handoff.root import PlanId
from orchestrd.core.commands import StartRun
from orchestrd.core.facts import StepFacts, check_number
from orchestrd.core.history import fields_of_step
from tests.simulate.script import Limit

REPLY_USD = 0.2
"""What one reply costs at most."""
STOPPED = {"status": "cancelled", "reason": "cancelled", "retry": False}
INTERRUPTED = {"status": "failed", "reason": "interrupted", "retry": True}
TIMEOUT_SECONDS = 3600.0
_WRONG: Sequence[tuple[str, bool]] = (
    ("api", True),
    ("api", True),
    ("timeout", True),
    ("silence", True),
    ("interrupted", True),
    ("interrupted", True),
    ("auth", False),
    ("max-turns", False),
    ("no-output", False),
)
"""Reasons why a model's run fails, and whether it is worth trying again."""


@dataclass(slots=True)
class Run:
    """A process, from its start to its end; it outlives the daemon."""

    plan: PlanId
    step: str
    number: int
    is_model: bool
    began: float
    ends: float = 0.0
    end: dict[str, Any] = field(default_factory=dict)
    """What is written down of its end."""
    told_at: tuple[float, ...] = ()
    """When its replies come, in seconds."""
    reply_usd: float = 0.0
    """What each of them costs."""
    asks: tuple[tuple[float, float], ...] = ()
    """From when to when it waits for a person, each time."""
    is_alive: bool = True
    is_stopped: bool = False
    booked: float = 0.0
    """How much of its cost the daemon was told, by whichever there was."""

    def is_asking(self, time: float) -> bool:
        """Whether it waits for a person then."""
        return self.is_alive and any(begins <= time < ends for begins, ends in self.asks)

    def cost_at(self, time: float) -> float:
        """What it has cost until then."""
        return round(self.reply_usd * bisect_right(self.told_at, time), 6)

    def cut(self, time: float, end: dict[str, Any]) -> None:
        """It ends sooner and in another way, with what it has cost until then."""
        session = self.end.get("session_id")
        self.ends = time
        self.end = {**end, "cost_usd": self.cost_at(time)}
        if self.is_model:
            self.end["session_id"] = session or f"{self.step}.{self.number}"


def draw_run(
    chance: random.Random,
    start: StartRun,
    facts: StepFacts,
    now: float,
    flaws: float,
    further: Sequence[StepFacts],
) -> Run:
    """Draw how a start goes if nothing from outside comes in between."""
    if check_number(start.step) is not None:
        return _command(chance, start, now, max(flaws, 0.3))
    if facts.is_command:
        return _command(chance, start, now, flaws / 2)
    run = Run(start.plan, start.step, start.number, is_model=True, began=now)
    if start.session is not None and chance.random() < flaws / 4:
        run.ends = now + 1.0
        run.end = {"status": "failed", "reason": "bad-launch", "resume_refused": True}
        return run
    goes_wrong = chance.random() < flaws
    reason, retry = chance.choice(_WRONG) if goes_wrong else ("", False)
    lasts = TIMEOUT_SECONDS if reason == "timeout" else chance.expovariate(1 / 300.0) + 1.0
    if goes_wrong:
        run.end = {"status": "failed", "reason": reason, "retry": retry}
    else:
        run.end = {"status": "succeeded"}
        if facts.expands:
            run.end["further_steps"] = [fields_of_step(one) for one in further]
    if chance.random() < 0.05:
        run.end["denied"] = [{"tool": "Bash"}]
    run.end["session_id"] = start.session or f"{start.step}.{start.number}"
    _let_cost(chance, run, start, lasts)
    return run


def _command(chance: random.Random, start: StartRun, now: float, flaws: float) -> Run:
    run = Run(start.plan, start.step, start.number, is_model=False, began=now)
    run.ends = now + chance.expovariate(1 / 30.0)
    run.end = {"status": "succeeded", "cost_usd": 0.0}
    if chance.random() < flaws:
        is_cut = chance.random() < 0.2
        run.end = dict(INTERRUPTED) if is_cut else {"status": "failed", "reason": "command-failed"}
    return run


def _let_cost(chance: random.Random, run: Run, start: StartRun, lasts: float) -> None:
    replies = chance.randint(1, 5)
    run.reply_usd = round(chance.random() * REPLY_USD, 6)
    if start.budget_usd is not None and run.reply_usd * replies >= start.budget_usd:
        # It counts the cost of a reply when that has come.
        replies = next(n for n in range(1, replies + 1) if run.reply_usd * n >= start.budget_usd)
        run.end = {"status": "failed", "reason": "budget", "session_id": run.end["session_id"]}
    run.told_at = tuple(run.began + lasts * n / replies for n in range(1, replies + 1))
    run.ends = run.began + lasts
    run.end["cost_usd"] = round(run.reply_usd * replies, 6)


def let_ask(chance: random.Random, run: Run) -> None:
    """Let a run wait for a person, once or several times; perhaps in vain."""
    for _ in range(chance.randint(1, 3)):
        begins = run.began + chance.random() * (run.ends - run.began)
        lasts = chance.choice((0.01, 1.0, 60.0, 3600.0)) * (0.5 + chance.random())
        if any(start <= begins < end for start, end in run.asks):
            continue
        # All that was to come comes so much later.
        run.asks = (
            *((start, end) if end <= begins else (start + lasts, end + lasts) for start, end in run.asks),
            (begins, begins + lasts),
        )
        run.told_at = tuple(time if time <= begins else time + lasts for time in run.told_at)
        run.ends += lasts
    if chance.random() < 0.15:
        ends = max(end for _, end in run.asks)
        run.cut(ends, {"status": "failed", "reason": "unanswered", "retry": False})


def meet_limit(run: Run, limit: Limit, wall_offset: float) -> None:
    """Let a run meet the account's limit: at once if it begins while that is reached, else in the middle."""
    at = max(limit.begins, run.began) + 1.0
    if run.ends <= at:
        return
    end: dict[str, Any] = {"status": "failed", "reason": "usage-limit", "retry": False}
    if limit.is_told:
        end["limit_resets_at"] = limit.ends + wall_offset
    if limit.begins <= run.began:
        run.told_at = ()
    run.cut(at, end)
