"""What has to hold at each step, told from outside: from what the engine orders and from what the journals say.

It asks the engine what state its plans are in, and as little as can be of why.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence

from handoff.root import PlanId
from orchestrd.core import events as told
from orchestrd.core.commands import Command, Gather, GatherStep, Join, Prepare, Settle, StartRun, StopRun
from orchestrd.core.engine import Engine
from orchestrd.core.events import Event, StepHistory
from orchestrd.core.facts import check_number
from tests.simulate.clockwork import Clockwork
from tests.simulate.endings import hold_ending
from tests.simulate.hands import Hands
from tests.simulate.kept import Kept
from tests.simulate.places import Places
from tests.simulate.script import Script
from tests.simulate.spending import Spending
from tests.simulate.starts import Starts
from tests.simulate.turns import Turns
from tests.simulate.violation import Violation
from tests.simulate.waits import hold_waits

WHOLE = ""
"""Where what is open for a plan as a whole is noted, instead of a step: joining, checks, gathering."""
SETTLING = "settling"
LOOK_EVERY = 8
"""Whether a slot is free that could be used is looked at after so many events."""


class Watch:
    """Looks at every event and what the engine makes of it."""

    def __init__(self, script: Script, kept: dict[PlanId, Kept], clock: Clockwork, hands: Hands) -> None:
        self._script = script
        self._kept = kept
        self._clock = clock
        self._hands = hands
        self._open: defaultdict[tuple[PlanId, str], set[str]] = defaultdict(set)
        """What is under way and holds a slot: by plan, and by step or for the whole plan."""
        self._asking: set[tuple[PlanId, str]] = set()
        """The steps whose run waits for a person: it is under way and holds none."""
        self._settling: set[PlanId] = set()
        self._looked = 0
        self._is_recovering = False
        self.spending = Spending(script, kept)
        self.places = Places(kept)
        self.starts = Starts(script, kept, clock, self.is_open)
        self.turns = Turns(script, clock, self.places)

    def restart(self, in_hand: Sequence[tuple[PlanId, str, StepHistory]]) -> None:
        """A new daemon knows what the journals tell, and no more."""
        self._open.clear()
        self._asking.clear()
        self._settling.clear()
        self._is_recovering = True
        for plan, step, _ in in_hand:
            self._open[plan, _where(step)].add(step)
        self.places.restart()
        self.starts.restart(in_hand)
        self.turns.restart()

    def is_open(self, plan: PlanId, step: str) -> bool:
        """Whether something is under way for a step."""
        return bool(self._open.get((plan, step))) or (plan, step) in self._asking

    def look(self, engine: Engine, event: Event, commands: Sequence[Command]) -> None:
        """Hold an event, and what the engine has ordered, against all that has to be."""
        if self._script.asks:
            handed = sum(len(kept.handed) for kept in self._kept.values())
            self.spending.most_handed = max(self.spending.most_handed, handed)
        self.turns.follow(event)
        self.starts.follow(event)
        self._close(event)
        for command in commands:
            self._open_for(engine, command)
        self._book(engine, event)
        if self._is_recovering and not isinstance(event, told.Tick):
            return  # not all are told yet
        self._is_recovering = False
        slots = sum(1 for items in self._open.values() if items)
        if slots != engine.running():
            raise Violation(
                "-", f"slots are lost or made up: {engine.running()} are held, {slots} are in use"
            )
        # One that was answered goes on, whoever has been given its slot meanwhile; and so do its plan's checks.
        has_asked = self._script.asks > 0
        alive = sum(
            not (run.asks or (has_asked and check_number(run.step))) for run in self._hands.alive.values()
        )
        if alive > self._script.max_parallel:
            raise Violation("-", f"more runs are alive than may be: {alive}")
        if any(isinstance(command, Prepare) for command in commands):
            self.turns.hold_order(engine, commands)
        self._looked += 1
        if self._looked % LOOK_EVERY == 0:
            self.turns.hold_nobody_idle(engine)
        if self._looked % (4 * LOOK_EVERY) == 0:
            hold_waits(engine)

    def _close(self, event: Event) -> None:
        match event:
            case told.Asked(plan=plan, step=step):
                self._open[plan, _where(step)].discard(step)
                self._asking.add((plan, step))
            case told.Answered(plan=plan, step=step):
                self._asking.discard((plan, step))
                self._open[plan, _where(step)].add(step)
            case told.RunEnded(plan=plan, step=step) if (plan, step) in self._asking:
                self._asking.discard((plan, step))
            case told.WorkspaceMade() | told.WorkspaceFailed() | told.RunEnded() | told.StepGathered():
                self._open[event.plan, _where(event.step)].discard(event.step)
            case told.Joined(plan=plan):
                self._open[plan, WHOLE].discard("join")
            case told.EvidenceGathered(plan=plan):
                self._open[plan, WHOLE].discard("gather")
                self.places.leave(plan)
            case told.PlanPublished(plan=plan):
                self._settling.discard(plan)
            case _:
                pass

    def _open_for(self, engine: Engine, command: Command) -> None:
        match command:
            case Prepare() | StartRun():
                self._open_start(engine, command)
            case GatherStep(plan=plan, step=step):
                self._begin(plan, step, step)
            case Join(plan=plan):
                self._begin(plan, WHOLE, "join")
            case Gather(plan=plan):
                self._begin(plan, WHOLE, "gather")
            case Settle():
                self._settle(command)
            case StopRun(plan=plan, step=step):
                if step not in self._open[plan, _where(step)] and (plan, step) not in self._asking:
                    raise Violation(plan, "it is to stop, and does not run")
            case _:
                pass

    def _open_start(self, engine: Engine, command: Prepare | StartRun) -> None:
        plan, step = command.plan, command.step
        self._begin(plan, _where(step), step)
        if isinstance(command, StartRun):
            self.starts.hold_start(engine, command)
            self.places.write(plan, step, self.is_open)
            return
        if sum(1 for items in self._open.values() if items) > self._script.max_parallel:
            raise Violation(plan, "it is given a slot, and there is none")
        self.starts.hold_prepare(engine, command)
        self.places.enter(plan, step)

    def _settle(self, command: Settle) -> None:
        plan = command.plan
        if plan in self._settling:
            raise Violation(plan, "it is to be settled a second time")
        self._settling.add(plan)
        self.places.leave(plan)
        hold_ending(self._kept[plan], self._kept, command)

    def _begin(self, plan: PlanId, where: str, what: str) -> None:
        if self._kept[plan].status is not None or plan in self._settling:
            raise Violation(plan, f"it is settled, and something is ordered for it: {what}")
        items = self._open[plan, where]
        if what in items or (where != WHOLE and items):
            raise Violation(plan, f"another errand of it is under way: {what}")
        if where != WHOLE and self.is_open(plan, WHOLE):
            raise Violation(plan, f"a step is begun while the whole plan is at work: {what}")
        items.add(what)

    def _book(self, engine: Engine, event: Event) -> None:
        match event:
            case told.CostTold(plan=plan, step=step, number=number, cost_usd=cost):
                self.spending.tell(plan, step, number, cost, event.at.wall)
            case told.RunEnded(plan=plan, step=step, outcome=outcome):
                kept = self._kept[plan]
                number = max(n for name, n in _starts(kept) if name == step)
                self.spending.tell(plan, step, number, outcome.cost_usd, event.at.wall)
                kept.told[step, number] = outcome.cost_usd
                kept.handed.discard((step, number))
                self.spending.hold_plan(kept)
                self.starts.hold_parked(engine, plan, step)
            case _:
                return
        if self._script.has_caps and not self._script.is_clock_set:
            self.spending.hold_books(engine.budget.spent_usd(event.at.wall), event.at.wall)


def _where(step: str) -> str:
    return WHOLE if check_number(step) is not None else step


def _starts(kept: Kept) -> Iterator[tuple[str, int]]:
    return ((one["step"], one["n"]) for one in kept.records if one["event"] == "run-intended")
