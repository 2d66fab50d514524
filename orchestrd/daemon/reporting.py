"""What is happening now, gathered for `status/`: the engine's plans, the runs' progress, what they use.

It reads from everywhere and decides nothing. Called once a turn; the board writes at most once a second.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from importlib.metadata import version
from typing import Any

from handoff import durable
from handoff.reserve import Reserve
from handoff.result import Payer
from handoff.root import PlanId, Root
from orchestrd.config import Config
from orchestrd.core.engine import Engine
from orchestrd.core.events import Moment
from orchestrd.core.money import Holders
from orchestrd.core.plan import PlanInHand
from orchestrd.core.plan_life import SHOWN_AS, State
from orchestrd.daemon.measuring import Measuring, Sample, add_result
from orchestrd.daemon.payers import Payers
from orchestrd.daemon.spending import caps_of, spending_of, why_it_waits
from orchestrd.daemon.troubles import Trouble
from orchestrd.observe.metrics import Present, Totals, render
from orchestrd.outbound.publish import Published
from orchestrd.outbound.sd_notify import notify, watchdog_seconds
from orchestrd.outbound.status import BEAT_SECONDS, MOST_PLANS, StatusBoard
from orchestrd.runs.followed import Followed
from orchestrd.runs.running import Running

PLANS_SECONDS = 1.0
"""How often the plans are gone through at most: with 20,000 waiting that is not free."""

MOST_IGNORED = 1000
"""So many files that are ignored are shown, as of the plans."""


class Reporting:
    """Keeps `status/` true. `why` says why the daemon is in its state."""

    def __init__(
        self,
        root: Root,
        config: Config,
        engine: Engine,
        runs: Followed,
        reserve: Reserve,
        wall: float,
        foresee_payer: Callable[[], Payer],
    ) -> None:
        self.why: str | None = None
        self._config = config
        self._engine = engine
        self._runs = runs
        self._payers = Payers(foresee_payer)
        self._board = StatusBoard(
            root, version("orchestrd"), wall, spend=partial(reserve.spend, to_the_last=True)
        )
        self._metrics = root.status / "metrics.prom"
        self._started = wall
        self._version = version("orchestrd")
        self._settled: Counter[str] = Counter()
        self._totals = Totals()
        self._plans_due = float("-inf")
        self._is_hurried = False
        self._next = 0.0
        self._measuring = Measuring(root, config.sampling.interval_seconds, runs)
        self._since: dict[str, datetime] = {}
        self._said = ""
        self._watchdog_due = 0.0

    @property
    def unwritten(self) -> str | None:
        """Why `status/` is not current; None: it is."""
        return self._board.trouble

    def settled(self, published: Published) -> None:
        """Count a plan that is settled."""
        self._payers.forget(PlanId(published.result.plan))
        self._totals = add_result(self._totals, published.result)
        self._settled[published.result.status.value] += 1

    def hurry(self) -> None:
        """Show the plans in the next turn, whatever was shown just before. Any thread may say so."""
        self._is_hurried = True

    def next_look(self, at: Moment) -> float:
        """Seconds until there is something to write."""
        return min(max(0.0, self._next - at.boot), self._measuring.next_look(at))

    def turn(self, at: Moment, troubles: Sequence[Trouble], ignored: Sequence[tuple[str, str]]) -> None:
        """Write what is due."""
        state = (
            "draining"
            if self._engine.draining
            else "paused"
            if self._engine.paused is not None
            else "running"
        )
        self._tell(state, at, troubles, ignored)
        if self._is_hurried:
            self._is_hurried = False
            self._plans_due = at.boot
            self._board.hurry()
        if at.boot >= self._plans_due:
            self._plans_due = at.boot + PLANS_SECONDS
            self._board.set_plans(*self._plans(at.wall))
        sample = self._measuring.sample(at)
        if sample is not None:
            self._board.set_usage(sample.fields())
            self._write_metrics(sample, state, troubles, ignored)
        self._next = at.boot + self._board.write(at.wall, at.boot)

    def stopped(self, at: Moment) -> None:
        """The last words: they stay for as long as no other daemon comes, so all of it is told as it is now."""
        self._tell("stopped", at, (), ())
        self._board.set_plans(*self._plans(at.wall))
        self._board.write(at.wall, at.boot, at_once=True)

    def _tell(
        self, state: str, at: Moment, troubles: Sequence[Trouble], ignored: Sequence[tuple[str, str]]
    ) -> None:
        counts = self._counts()
        now = datetime.fromtimestamp(int(at.wall), UTC)
        self._since = {one.word: self._since.get(one.word, now) for one in troubles}
        self._board.set_daemon(
            state,
            why=self.why or self._engine.paused or None,
            counts=counts,
            limits={"max_parallel": self._config.limits.max_parallel, **caps_of(self._config)},
            budget=spending_of(self._engine.budget, at.wall),
            ignored=_shown(ignored),
            problems=[
                {
                    "word": one.word,
                    "message": one.message,
                    "remedy": one.remedy,
                    "since": self._since[one.word],
                }
                for one in troubles
            ],
        )
        self._tell_service(state, counts, at.boot)

    def _tell_service(self, state: str, counts: dict[str, int], boot: float) -> None:
        asking = f", {counts['asking']} asking" if counts["asking"] else ""
        line = f"{state}: {counts['running']} running, {counts['waiting']} waiting{asking}"
        lines = [] if line == self._said else [f"STATUS={line}"]
        if watchdog_seconds() is not None and boot >= self._watchdog_due:
            self._watchdog_due = boot + BEAT_SECONDS
            lines.append("WATCHDOG=1")
        if lines:
            notify(*lines)
        self._said = line

    def _write_metrics(
        self, sample: Sample, state: str, troubles: Sequence[Trouble], ignored: Sequence[tuple[str, str]]
    ) -> None:
        engine = self._engine
        counts = {"waiting": engine.waiting(), "running": engine.running(), "asking": engine.asking()}
        present = Present(
            version=self._version,
            state=state,
            started=self._started,
            heartbeat=sample.at.wall,
            plans=counts,
            settled=self._settled,
            max_parallel=self._config.limits.max_parallel,
            problems=[one.word for one in troubles],
            ignored=len(ignored),
            totals=self._totals,
            daemon=sample.daemon,
            machine=sample.machine,
            runs={(plan, step): usage for (plan, step, _), usage in sample.runs.items()},
        )
        # A full disk is told of by the board; the next sample is written when there is space again.
        with suppress(OSError):
            durable.replace(self._metrics, render(present).encode(), sync=False)

    def _counts(self) -> dict[str, int]:
        engine = self._engine
        now = {"waiting": engine.waiting(), "running": engine.running(), "asking": engine.asking()}
        return {**now, **self._settled}

    def _plans(self, wall: float) -> tuple[list[dict[str, Any]], int]:
        plans = list(self._engine.plans())
        if plans:
            self._payers.look()
        busy = [plan for plan in plans if plan.state not in {State.WAITING, State.READY}]
        rest = [plan for plan in plans if plan.state in {State.WAITING, State.READY}]
        shown_plans = [*busy, *rest][:MOST_PLANS]
        holders = self._engine.budget.holders()
        return [self._plan(plan, wall, holders) for plan in shown_plans], len(plans) - len(shown_plans)

    def _plan(self, plan: PlanInHand, wall: float, holders: Holders) -> dict[str, Any]:
        wait = self._engine.waits_for(plan)
        runs = self._runs.progress(plan.facts.plan)
        return {
            "id": plan.facts.plan,
            "title": plan.facts.title or None,
            "project": plan.facts.project or None,
            "state": SHOWN_AS.get(plan.state, plan.state).value,
            "waiting_for": wait.word if wait else None,
            "until": _date(wait.until) if wait and wait.until else _asked_until(runs),
            "why": why_it_waits(self._engine, plan, wall, holders),
            "since": _date(plan.since),
            "priority": plan.facts.priority,
            "payer": self._payers.of(plan, runs),
            "cost_usd": round(plan.spent_usd + sum(run.cost_usd for run in runs), 6),
            "runs": [run.fields() for run in runs],
        }


def _asked_until(runs: Sequence[Running]) -> datetime | None:
    """When the first of the requests goes away that a plan's runs wait for."""
    return min((one["until"] for run in runs for one in run.asked.fields() if one["until"]), default=None)


def _date(seconds: float) -> datetime:
    return datetime.fromtimestamp(int(seconds), UTC)


def _shown(ignored: Sequence[tuple[str, str]]) -> list[dict[str, str]]:
    """The files that are ignored, MOST_IGNORED at most: ten thousand of them would be written out at every beat."""
    shown = [{"file": file, "why": why} for file, why in ignored[:MOST_IGNORED]]
    more = len(ignored) - MOST_IGNORED
    return [*shown, {"file": f"{more} more", "why": "are ignored, too"}] if more > 0 else shown
