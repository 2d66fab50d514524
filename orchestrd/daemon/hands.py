"""What the engine orders is done: each command becomes an errand of the runs, or a result that is published."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, assert_never

from loguru import logger

from handoff.effects import clock
from handoff.root import PlanId, Root
from orchestrd.core.commands import (
    Command,
    Gather,
    GatherStep,
    Join,
    Leave,
    Prepare,
    Settle,
    StartRun,
    StopRun,
)
from orchestrd.core.engine import Engine
from orchestrd.core.events import Event, Moment, PlanPublished, RunEnded, StepHistory
from orchestrd.core.history import fields_of_ending
from orchestrd.core.recovering import note_of_further_start
from orchestrd.daemon.errands import Errands
from orchestrd.daemon.reporting import Reporting
from orchestrd.daemon.telling import name_of_run
from orchestrd.daemon.troubles import Trouble
from orchestrd.daemon.yielded import YieldedRuns
from orchestrd.outbound.publish import Published, settle
from orchestrd.record.journal import format_time
from orchestrd.record.journals import Journals
from orchestrd.runs.execution import Executions
from orchestrd.runs.running import Key


class Hands:
    """Commands go in, errands are run. What they bring about is told by events, in the daemon's next turn."""

    def __init__(
        self,
        root: Root,
        engine: Engine,
        journals: Journals,
        runs: Executions,
        errands: Errands,
        reporting: Reporting,
        now: Callable[[], Moment],
        leave: Callable[[str], None],
    ) -> None:
        self._root = root
        self._engine = engine
        self._journals = journals
        self._runs = runs
        self._errands = errands
        self._reporting = reporting
        self._now = now
        self._leave = leave
        self._published: deque[Published] = deque()
        self._noted_endings: set[PlanId] = set()
        self._yielded = YieldedRuns()

    def carry_out(self, command: Command) -> None:
        """Have it done; it is not waited for."""
        match command:
            case Prepare(plan=plan):
                self._errands.run(plan, lambda: self._runs.prepare(command, self._project(plan)))
            case StartRun(plan=plan, step=step, number=number, attempt=attempt):
                logger.info("{}: start {}.{} (attempt {})", plan, step, number, attempt)
                self._yielded.goes_on(plan, step)
                self._errands.run(plan, lambda: self._runs.start(command, self._project(plan)))
            case StopRun(plan=plan, step=step, why=why, yields=yields):
                if yields:
                    logger.warning("{}: {} has to stop: {}", plan, name_of_run(step), why)
                    self._yielded.stop(plan, step, why)
                self._runs.followed.stop(plan, step, why)
            case GatherStep(plan=plan):
                self._errands.run(plan, lambda: self._runs.gather_step(command), closing=True)
            case Join(plan=plan):
                self._errands.run(plan, lambda: self._runs.join(command))
            case Gather(plan=plan):
                self._errands.run(plan, lambda: self._runs.gather(plan), closing=True)
            case Settle(plan=plan):
                self._errands.run(plan, lambda: self._settle(command), closing=True)
            case Leave():
                self._leave("drained")
            case _:
                assert_never(command)

    def judge(self, key: Key) -> None:
        """A run is over: find out what came of it."""
        self._errands.run(key[0], lambda: self._runs.judge(key), closing=True)

    def adopt(self, key: Key, told: StepHistory) -> None:
        """Follow a run that an earlier daemon started."""
        plan, _ = key

        def adopt() -> Event | None:
            event = self._runs.adopt(key, told, self._project(plan))
            # Who looks after a restart wants to see above all what still runs.
            self._reporting.hurry()
            return event

        self._errands.run(plan, adopt)

    def ending_is_noted(self, plans: frozenset[PlanId]) -> None:
        """How these end stands in their journals already."""
        self._noted_endings.update(plans)

    def yielded(self) -> list[Trouble]:
        """The runs that had to stop for the machine's sake and are still to go on, each with the reason."""
        return list(self._yielded)

    def published(self) -> list[Published]:
        """The results that were published since this was asked last."""
        there = [self._published.popleft() for _ in range(len(self._published))]
        for one in there:
            self._reporting.settled(one)
        return there

    def forget(self, plan: PlanId) -> None:
        """It is settled."""
        self._yielded.forget(plan)
        self._runs.forget(plan)
        self._journals.close(plan)
        self._noted_endings.discard(plan)

    def note_further_attempt(self, event: RunEnded) -> None:
        """If the start that is over is followed by another one, write that down."""
        plan = self._engine.plan(event.plan)
        step = plan.steps.get(event.step) if plan is not None else None
        self._yielded.ended(event.plan, event.step, plan.steps if plan is not None else {})
        fields = note_of_further_start(step) if step is not None else None
        if fields is None:
            return
        # Without this line the next daemon decides on that run's end once more, and alike.
        with suppress(OSError):
            self._journals.append(event.plan, "run-again", **fields)

    def _note_ending(self, command: Settle) -> None:
        if command.plan in self._noted_endings:
            return
        fields: dict[str, Any] = fields_of_ending(command.ending)
        self._journals.append(command.plan, "settling", settled=format_time(clock.wall()), **fields)
        self._noted_endings.add(command.plan)

    def _settle(self, command: Settle) -> Event:
        """Publish a result; in a worker's thread."""
        plan = command.plan
        self._note_ending(command)
        published = settle(self._root, plan, self._runs.checkout_remover(plan))
        self._published.append(published)
        return PlanPublished(self._now(), plan, published.result.status)

    def _project(self, plan: PlanId) -> Path:
        held = self._engine.plan(plan)
        return Path(held.facts.project if held else "")
