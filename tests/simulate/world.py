"""One simulated world: a script is played to its end, with one daemon after another, and everything is watched."""

from __future__ import annotations

import random
import traceback
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from handoff.result import Reason, Status
from handoff.root import PlanId
from orchestrd.core import events as told
from orchestrd.core.budget import Budget
from orchestrd.core.commands import Command, Leave
from orchestrd.core.engine import Engine
from orchestrd.core.events import Event, StepHistory
from orchestrd.core.history import read_history
from orchestrd.core.recovering import note_of_further_start
from tests.simulate.clockwork import Clockwork
from tests.simulate.hands import Hands
from tests.simulate.kept import Kept
from tests.simulate.people import People
from tests.simulate.script import PlanScript, Script
from tests.simulate.violation import Killed, Violation
from tests.simulate.watch import Watch

EVENTS_A_LIFE = 2_000
"""So many events at most, on average of a world's plans: more is a circle."""
MOST_DAYS = 60
LOST = 0.02
"""How often a line that says that a start is followed by another one cannot be written."""


class World:
    """Plays one script. `run` raises Violation."""

    def __init__(self, script: Script, tell: Callable[[str], None] | None = None) -> None:
        self._script = script
        self._tell = tell
        self._chance = random.Random(script.seed + 1)
        self.clock = Clockwork()
        self.kept: dict[PlanId, Kept] = {}
        self.hands = Hands(script, self.kept, self.clock, self.handle, self.point)
        self.watch = Watch(script, self.kept, self.clock, self.hands)
        self.engine: Engine
        self.events = 0
        self.kills = 0
        self._kills = list(reversed(script.kills))
        self._points_left = self._kills[-1].points if self._kills else -1
        self.people = People(self)
        self.coming = {f"p{one.number}" for one in script.plans}
        """All plans that ever come."""
        self._waits: list[tuple[Callable[..., None], tuple[Any, ...]]] = []
        """What people do while no daemon is up."""
        self._left = False
        self._looks_in_vain = 0

    def run(self) -> None:
        """Play it to its end, and see that all plans have come to theirs."""
        try:
            self._play()
        except Violation:
            raise
        except Exception as error:
            last = traceback.extract_tb(error.__traceback__)[-1]
            where = f"{last.filename.rsplit('/', 1)[-1]}:{last.lineno}"
            raise Violation(where, f"{type(error).__name__} in {last.name}: {error}") from error

    def _play(self) -> None:
        for plan in self._script.plans:
            self.clock.at_time(plan.comes, self.soon, self._come, plan)
        for happening in self._script.happenings:
            self.clock.at_time(happening.time, self.soon, self.people.happen, happening)
        times = [*(one.comes for one in self._script.plans), *(one.time for one in self._script.happenings)]
        self.clock.at_time(max(times, default=0.0) + 1.0, self.soon, self.people.make_peace)
        self._start_daemon()
        most = EVENTS_A_LIFE * (len(self._script.plans) + 5)
        while self._turn():
            if self.events > most or self.clock.now > MOST_DAYS * 86_400:
                raise Violation(self._unended(), "it never ends: these are in hand")
        if len(self.kept) < len(self._script.plans) or self._unended():
            raise Violation(self._unended(), "nothing will happen any more: these are in hand")

    def _turn(self) -> bool:
        """Let the next thing happen, or the time pass until the engine wants to be told of it."""
        try:
            upcoming = self.clock.next_time()
            look = self.engine.next_look(self.clock.at) if self.hands.is_up else None
            if look is not None and (upcoming is None or self.clock.now + look < upcoming):
                self._look(look)
            elif upcoming is not None:
                self._looks_in_vain = 0
                self.clock.do_next()
            else:
                return self._drain()
        except Killed as killed:
            self._die(killed.down, is_power_cut=killed.is_power_cut)
        return True

    def _look(self, seconds: float) -> None:
        self._looks_in_vain = 0 if seconds else self._looks_in_vain + 1
        if self._looks_in_vain > 3:
            raise Violation("-", "the engine wants to be told of the time again and again, and does nothing")
        # As a sleep does, a little longer.
        self.clock.now += seconds + 0.000_01
        self.handle(told.Tick(self.clock.at))

    def _drain(self) -> bool:
        """Nothing is left to be done: a daemon that is drained now has to leave."""
        if self._left or self._unended():
            return False
        self.handle(told.DrainAsked(self.clock.at))
        if self.hands.is_up:
            raise Violation("-", "it was drained, nothing is left, and it does not leave")
        self._left = True
        return False

    def _unended(self) -> str:
        return " ".join(plan for plan, kept in self.kept.items() if kept.status is None)

    # -- the daemon -----------------------------------------------------------------------------------------------

    def handle(self, event: Event) -> None:
        """Have the engine decide, watch, and have the hands do what it orders."""
        self.point()
        self.events += 1
        if self._tell is not None:
            self._say(event)
        commands = self.engine.handle(event)
        if self._tell is not None:
            for command in commands:
                self._tell(f"        -> {command}")
        self.watch.look(self.engine, event, commands)
        for command in commands:
            self.point()
            self._carry_out(command)
        if isinstance(event, told.RunEnded):
            self._note_further_attempt(event)

    def _carry_out(self, command: Command) -> None:
        if isinstance(command, Leave):
            if any(run.is_model and not self.hands.asks(run) for run in self.hands.alive.values()):
                raise Violation("-", "it leaves while runs are alive")
            self._stop_daemon()
            if self._unended() or len(self.kept) < len(self._script.plans):
                self.clock.at_time(self.clock.now + 10.0, self._start_daemon)
        else:
            self.hands.carry_out(command)

    def _note_further_attempt(self, event: told.RunEnded) -> None:
        """If that start is followed by another one, write that down (`Daemon._note_further_attempt`)."""
        plan = self.engine.plan(event.plan)
        step = plan.steps.get(event.step) if plan is not None else None
        fields = note_of_further_start(step) if step is not None else None
        if fields is None:
            return
        self.point()
        kept = self.kept[event.plan]
        if kept.chance.random() < LOST:
            kept.has_gaps = True
            return
        kept.add("run-again", time=self.clock.wall, **fields)

    def point(self) -> None:
        """One point of a daemon's way, at which it may be killed."""
        if self._points_left < 0 or not self.hands.is_up:
            return
        self._points_left -= 1
        if self._points_left < 0:
            kill = self._kills.pop()
            self._points_left = self._kills[-1].points if self._kills else -1
            raise Killed(kill.down, is_power_cut=kill.is_power_cut)

    def _die(self, down: float, *, is_power_cut: bool) -> None:
        self.kills += 1
        if self._tell is not None:
            self._tell(f"{self.clock.now:12.2f} KILLED{' with the machine' if is_power_cut else ''}")
        self._stop_daemon()
        if is_power_cut:
            self.hands.cut_power()
            self.clock.cut_power(down)
            for kept in self.kept.values():
                if kept.status is None:
                    kept.lose_what_was_not_synced()
        self.clock.at_time(self.clock.now + down, self._start_daemon)

    def _stop_daemon(self) -> None:
        self.clock.kill_daemon()
        self.hands.forget_all()

    def _start_daemon(self) -> None:
        script, at = self._script, self.clock.at
        budget = Budget(
            script.per_day_usd,
            script.per_project_usd,
            booked_usd=self.watch.spending.journals_tell(at.wall) if script.has_caps else None,
            wall=at.wall,
        )
        self.engine = Engine(script.max_parallel, budget=budget, max_parked_seconds=script.max_parked)
        self.hands.is_up = True
        known = [
            (kept, read_history(kept.records))
            for kept in sorted(self.kept.values(), key=lambda one: one.script.number)
            if kept.status is None
        ]
        in_hand: list[tuple[PlanId, str, StepHistory]] = []
        for kept, found in known:
            if found.history.ending is None:
                steps = found.history.steps
                in_hand += [(kept.plan, step, steps[step]) for step in found.history.in_hand]
        self.watch.restart(in_hand)
        self.people.tell_again()
        for kept, found in known:
            self.handle(self._recovered(kept, found.history, found.moved))
        for plan, step, history in in_hand:
            self.clock.later(0.03, self.hands.adopt, plan, step, history)
        self.handle(told.Tick(at))
        waits, self._waits = self._waits, []
        for action, given in waits:
            self.clock.at_time(self.clock.now + 0.2, self.soon, action, *given)
        self.people.feel()

    def _recovered(self, kept: Kept, history: told.History, moved: Any) -> Event:
        if kept.facts is None:
            assert history.ending is not None
            return told.PlanRefused(self.clock.at, kept.plan, history.ending)
        # As it was accepted: what it has grown since stands in its journal.
        settled = self._settled(kept.facts.after)
        return told.PlanRecovered(self.clock.at, kept.facts, replace(history, since=moved), settled)

    # -- plans ----------------------------------------------------------------------------------------------------

    def soon(self, action: Callable[..., None], *given: Any) -> None:
        """Do something now, or when a daemon is up again: until then it lies in its lane."""
        if self.hands.is_up:
            action(*given)
        else:
            self._waits.append((action, given))

    def _come(self, script: PlanScript) -> None:
        plan = PlanId(f"p{script.number}")
        kept = Kept(script, plan, self.clock.wall, random.Random(self._script.seed * 1009 + script.number))
        self.kept[plan] = kept
        if script.is_refused:
            kept.add("taken", arrival=script.number)
            kept.add("refused", sync=True, reason="invalid")
            ending = told.Ending(Status.REJECTED, Reason.INVALID)
            self.handle(told.PlanRefused(self.clock.at, plan, ending))
            return
        record = dict(script.record)
        for name in ("not_before", "expires"):
            if name in record:
                record[name] += self.clock.set_by
        facts = kept.accept(record)
        self.handle(told.PlanAccepted(self.clock.at, facts, self._settled(facts.after)))

    def _settled(self, names: tuple[PlanId, ...]) -> dict[PlanId, Status]:
        found = {name: self.kept[name].status for name in names if name in self.kept}
        return {name: status for name, status in found.items() if status is not None}

    def _say(self, event: Event) -> None:
        assert self._tell is not None
        self._tell(f"{self.events:5} {self.clock.now:12.2f} {event}")
