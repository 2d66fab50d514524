"""The simulated hands: they carry out what the engine orders, and keep journals with the records of the real ones.

As in the daemon (`daemon/loop.py`, `runs/execution.py`, `workspaces/step_work.py`) each errand takes a while, writes
down what it is about to do before it does it, and reports by an event. Between any two of these the daemon may die.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

from handoff.result import Status
from handoff.root import PlanId
from orchestrd.core import events as told
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
from orchestrd.core.events import Event, StepHistory
from orchestrd.core.history import fields_of_ending, outcome_of
from tests.simulate.clockwork import Clockwork
from tests.simulate.fates import INTERRUPTED, STOPPED, Run, draw_run, let_ask, meet_limit
from tests.simulate.kept import Kept, Record
from tests.simulate.script import Script
from tests.simulate.violation import Violation

Key = tuple[PlanId, str]


class Hands:
    """What one daemon after another does for its engine."""

    def __init__(
        self,
        script: Script,
        kept: dict[PlanId, Kept],
        clock: Clockwork,
        report: Callable[[Event], None],
        point: Callable[[], None],
    ) -> None:
        self._script = script
        self._kept = kept
        self._clock = clock
        self._report = report
        self._point = point
        """Here the daemon may be killed."""
        self.is_up = False
        self.alive: dict[tuple[PlanId, str, int], Run] = {}
        """The processes that are alive."""
        self._followed: dict[Key, Run] = {}
        self._stops: set[Key] = set()
        self._asking: set[Key] = set()
        """Of which this daemon was told that they ask."""

    def forget_all(self) -> None:
        """The daemon is gone; what it started is not."""
        self.is_up = False
        self._followed.clear()
        self._stops.clear()
        self._asking.clear()

    def asks(self, run: Run) -> bool:
        """Whether this daemon was told that it waits for a person."""
        return (run.plan, run.step) in self._asking

    def carry_out(self, command: Command) -> None:
        """Do what the engine orders, or begin to; that it may leave is the world's business."""
        if isinstance(command, StopRun):
            self._stop(command.plan, command.step)
        elif not isinstance(command, Leave):
            self._clock.later(self._delay(command.plan), self._finish, command)

    def _delay(self, plan: PlanId) -> float:
        """How long an errand takes: mostly little, sometimes as long as a trouble of the disk holds it up."""
        chance = self._kept[plan].chance.random()
        return 0.05 + chance if chance < 0.95 else 5.0 + 10.0 * chance

    def _finish(self, command: Command) -> None:
        match command:
            case Prepare(plan=plan):
                self._prepare(self._kept[plan], command)
            case StartRun(plan=plan):
                self._start(self._kept[plan], command)
            case GatherStep(plan=plan):
                self._gather_step(self._kept[plan], command)
            case Join(plan=plan):
                self._join(self._kept[plan], command)
            case Gather(plan=plan):
                changed = self._kept[plan].chance.choice((True, True, True, False, None))
                self._report(told.EvidenceGathered(self._clock.at, plan, changed))
            case Settle(plan=plan):
                self._settle(self._kept[plan], command)

    # -- workspaces, results --------------------------------------------------------------------------------------

    def _prepare(self, kept: Kept, command: Prepare) -> None:
        plan, step = kept.plan, command.step
        if kept.chance.random() * 40 < self._script.flaws:
            is_conflict = len(command.needs) > 1
            self._report(told.WorkspaceFailed(self._clock.at, plan, "no branch", step, is_conflict))
        else:
            self._report(told.WorkspaceMade(self._clock.at, plan, step))

    def _gather_step(self, kept: Kept, command: GatherStep) -> None:
        problem = "no room" if kept.chance.random() * 20 < self._script.flaws else None
        if problem is None:
            ended = fields_of_ending(command.ending) if command.ending is not None else {}
            self._add(kept, "step-gathered", step=command.step, **ended)
        self._report(told.StepGathered(self._clock.at, kept.plan, command.step, problem))

    def _join(self, kept: Kept, command: Join) -> None:
        is_conflict = len(command.steps) > 1 and kept.chance.random() * 4 < self._script.flaws
        self._report(told.Joined(self._clock.at, kept.plan, "a.py" if is_conflict else None, is_conflict))

    def _settle(self, kept: Kept, command: Settle) -> None:
        ending = command.ending
        if not any(one["event"] == "settling" for one in kept.records):
            reason = ending.reason.value if ending.reason else None
            self._add(kept, "settling", sync=False, status=ending.status.value, reason=reason)
        if kept.status is not None:
            raise Violation(kept.plan, "it is settled twice")
        kept.status = Status(next(one["status"] for one in kept.records if one["event"] == "settling"))
        self._point()
        self._report(told.PlanPublished(self._clock.at, kept.plan, kept.status))

    # -- runs -----------------------------------------------------------------------------------------------------

    def _start(self, kept: Kept, start: StartRun) -> None:
        if kept.intended(start.step, start.number) is not None:
            raise Violation(kept.plan, f"it is ordered twice: {start.step}.{start.number}")
        is_model = not kept.step(start.step).is_command
        session = start.session or (f"{start.step}.{start.number}" if is_model else None)
        given: dict[str, Any] = {"budget_usd": start.budget_usd, "round": start.round or None}
        self._add(
            kept,
            "run-intended",
            step=start.step,
            n=start.number,
            attempt=start.attempt,
            session_id=session,
            resumes=start.session is not None,
            **{name: value for name, value in given.items() if value is not None},
        )
        self._launch_or_not(kept, start)

    def _launch_or_not(self, kept: Kept, start: StartRun) -> None:
        if (start.plan, start.step) in self._stops:
            self._stops.discard((start.plan, start.step))
            record = self._note_end(kept, start.step, start.number, {**STOPPED, "cost_usd": 0.0})
            self._report(told.RunEnded(self._clock.at, kept.plan, outcome_of(record), start.step))
            return
        if (start.step, start.number) in kept.runs:
            raise Violation(kept.plan, f"it is made twice: {start.step}.{start.number}")
        run = self._drawn(kept, start)
        kept.runs[start.step, start.number] = run
        self.alive[run.plan, run.step, run.number] = run
        self._clock.at_time(run.ends, self._process_ends, run)
        self._follow(run)
        self._point()

    def _drawn(self, kept: Kept, start: StartRun) -> Run:
        now, script = self._clock.now, self._script
        further = kept.script.further.get(start.step, ())
        run = draw_run(kept.chance, start, kept.step(start.step), now, script.flaws, further)
        chance = random.Random(f"{script.seed} {start.plan} {start.step}.{start.number}")
        if run.is_model and chance.random() < script.asks:
            let_ask(chance, run)
        for limit in script.limits:
            if run.is_model and limit.begins < run.ends and limit.ends > now:
                meet_limit(run, limit, self._clock.set_by)
        return run

    def _follow(self, run: Run) -> None:
        """Look after a run: what it says of the account and of its cost is told while it runs."""
        self._followed[run.plan, run.step] = run
        if not run.is_model:
            return
        for limit in self._script.limits:
            if limit.begins - limit.warned <= run.began < limit.begins:
                self._tell(run, 0.5, "allowed_warning", limit.ends)
            elif limit.begins <= run.began < limit.ends:
                self._tell(run, 0.5, "rejected", limit.ends if limit.is_told else None)
            elif limit.ends <= run.began < limit.ends + 60.0:
                self._tell(run, 0.5, "allowed", None)
        for time in (moment for times in run.asks for moment in times):
            # What it asks is read once a second; of a run that is found, at once.
            self._clock.later(max(time - self._clock.now, 0.0) + 0.9, self._tell_asking, run)
        if self._script.has_caps:
            for time in run.told_at[:-1]:
                self._clock.later(max(time - self._clock.now, 0.0) + 0.1, self._tell_cost, run)

    def _tell(self, run: Run, seconds: float, status: str, resets: float | None) -> None:
        resets_at = None if resets is None else resets + self._clock.set_by
        self._clock.later(seconds, self._tell_limit, run, status, resets_at)

    def _tell_limit(self, run: Run, status: str, resets_at: float | None) -> None:
        if run.is_alive:
            self._report(told.LimitTold(self._clock.at, status, resets_at))

    def _tell_cost(self, run: Run) -> None:
        if run.is_alive:
            cost = run.cost_at(self._clock.now)
            self._report(told.CostTold(self._clock.at, run.plan, run.step, run.number, cost))

    def _tell_asking(self, run: Run) -> None:
        key, asks = (run.plan, run.step), run.is_asking(self._clock.now)
        if not run.is_alive or self._followed.get(key) is not run or asks == (key in self._asking):
            return
        (self._asking.add if asks else self._asking.discard)(key)
        # The engine first, then the journal, as the daemon does; whichever is lost is told again by the next one.
        event = told.Asked if asks else told.Answered
        self._report(event(self._clock.at, run.plan, run.step, run.number))
        self._add(
            self._kept[run.plan], "asked" if asks else "reply-taken", sync=False, step=run.step, n=run.number
        )

    def _process_ends(self, run: Run) -> None:
        if not run.is_alive or self._clock.now < run.ends:
            return  # it was stopped, or has died
        self._die(run)
        if self.is_up and self._followed.get((run.plan, run.step)) is run:
            self._clock.later(0.02, self._judge, run)

    def _die(self, run: Run) -> None:
        run.is_alive = False
        del self.alive[run.plan, run.step, run.number]

    def _judge(self, run: Run) -> None:
        kept = self._kept[run.plan]
        record = self._note_end(kept, run.step, run.number, run.end)
        del self._followed[run.plan, run.step]
        self._stops.discard((run.plan, run.step))
        self._asking.discard((run.plan, run.step))
        self._report(told.RunEnded(self._clock.at, run.plan, outcome_of(record), run.step))

    def _stop(self, plan: PlanId, step: str) -> None:
        self._stops.add((plan, step))
        run = self._followed.get((plan, step))
        if run is not None and run.is_alive:
            self._clock.later(1.0, self._stop_process, run)

    def _stop_process(self, run: Run) -> None:
        # It may just be about to end by itself.
        if run.is_alive and run.ends > self._clock.now + 0.5:
            run.cut(self._clock.now, STOPPED)
            self._process_ends(run)

    def cut_power(self) -> None:
        """Every process dies."""
        for run in list(self.alive.values()):
            run.cut(self._clock.now, INTERRUPTED)
            self._die(run)

    # -- after a restart ------------------------------------------------------------------------------------------

    def adopt(self, plan: PlanId, step: str, history: StepHistory) -> None:
        """Go on with a start about whose end nothing was decided, by the table of recovery."""
        kept = self._kept[plan]
        if history.outcome is not None:
            self._report(told.RunEnded(self._clock.at, plan, history.outcome, step))
            return
        run = kept.runs.get((step, history.starts))
        if run is None:
            intended = kept.intended(step, history.starts)
            if intended is None:
                raise Violation(plan, f"the journal does not know it: {step}.{history.starts}")
            self._launch_or_not(kept, _start_of(plan, intended))
        elif run.is_alive:
            self._follow(run)
            if (plan, step) in self._stops:
                self._stop(plan, step)
        else:
            self._followed[plan, step] = run
            self._judge(run)

    # -- the journal ----------------------------------------------------------------------------------------------

    def _note_end(self, kept: Kept, step: str, number: int, end: dict[str, Any]) -> Record:
        return self._add(kept, "run-ended", sync=False, step=step, n=number, **end)

    def _add(self, kept: Kept, event: str, *, sync: bool = True, **fields: Any) -> Record:
        record = kept.add(event, sync=sync, time=self._clock.wall, **fields)
        self._point()
        return record


def _start_of(plan: PlanId, intended: Record) -> StartRun:
    return StartRun(
        plan,
        intended["n"],
        intended["attempt"],
        intended["session_id"] if intended["resumes"] else None,
        intended.get("budget_usd"),
        intended["step"],
        intended.get("round") or 0,
    )
