"""What people and the machine do to a simulated daemon: cancels, pauses, drains, troubles, clocks that are set."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from handoff.root import PlanId
from orchestrd.core import events as told
from orchestrd.core.plan_life import State
from orchestrd.core.pressure import DYING
from tests.simulate.script import NEVER, Happening
from tests.simulate.violation import Killed

if TYPE_CHECKING:
    from tests.simulate.world import World


class People:
    """Does to the world what its script says. A pause and the machine's troubles outlive daemons."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.is_paused = False
        self.troubles: set[str] = set()
        self._ways: dict[str, Callable[[Happening], None]] = {
            "cancel": lambda one: self._cancel(PlanId(f"p{one.plan}")),
            "cancel-all": self._cancel_all,
            "look-again": lambda one: self._look_again(PlanId(f"p{one.plan}")),
            "pause": self._pause,
            "resume": self._resume,
            "drain": lambda _: self._tell(told.DrainAsked(world.clock.at)),
            "trouble": self._trouble,
            "over": self._over,
            "kill": self._kill,
            "clock": self._set_clock,
        }

    def happen(self, one: Happening) -> None:
        """Do what is to happen now."""
        self._ways[one.kind](one)

    def tell_again(self) -> None:
        """A new daemon finds the machine as it is, and the file that says that it is paused."""
        at = self._world.clock.at
        if self.is_paused:
            self._tell(told.PauseAsked(at))
        for word in sorted(self.troubles):
            self._tell(told.ConditionChanged(at, word, holds=True))

    def feel(self) -> None:
        """While the machine is dying it is looked at once a second."""
        if DYING in self.troubles:
            self._world.clock.later(1.0, self.feel)
            self._tell(told.Tick(self._world.clock.at))

    def make_peace(self) -> None:
        """Everything that troubles is over, and nobody waits for what never comes."""
        last = [Happening(0.0, "over", word=word) for word in sorted(self.troubles)]
        if self.is_paused:
            last.append(Happening(0.0, "resume"))
        for kept in self._world.kept.values():
            after = kept.facts.after if kept.facts is not None else ()
            if not self._world.coming.issuperset(after) or f"p{NEVER}" in after:
                last.append(Happening(0.0, "cancel", plan=kept.script.number))
        for one in last:
            # Each for itself: the daemon may be killed in the middle.
            self._world.clock.at_time(self._world.clock.now, self._world.soon, self.happen, one)

    # -- the ways -------------------------------------------------------------------------------------------------

    def _tell(self, event: told.Event) -> None:
        self._world.handle(event)

    def _cancel(self, plan: PlanId) -> None:
        held = self._world.engine.plan(plan)
        if held is None or held.state in {State.SETTLING, State.GATHERING}:
            return
        self._world.kept[plan].add("cancel-asked", sync=True, why="")
        self._world.point()
        self._tell(told.CancelAsked(self._world.clock.at, plan))

    def _cancel_all(self, _one: Happening) -> None:
        for plan in list(self._world.kept):
            self._cancel(plan)

    def _look_again(self, plan: PlanId) -> None:
        held = self._world.engine.plan(plan)
        if held is not None and held.state is State.WAITING:
            self._tell(told.LookAgain(self._world.clock.at, plan))

    def _pause(self, _one: Happening) -> None:
        self.is_paused = True
        self._tell(told.PauseAsked(self._world.clock.at))

    def _resume(self, _one: Happening) -> None:
        self.is_paused = False
        self._tell(told.ResumeAsked(self._world.clock.at))

    def _trouble(self, one: Happening) -> None:
        self.troubles.add(one.word)
        self._tell(told.ConditionChanged(self._world.clock.at, one.word, holds=True))
        if one.word == DYING:
            self.feel()

    def _over(self, one: Happening) -> None:
        self.troubles.discard(one.word)
        self._tell(told.ConditionChanged(self._world.clock.at, one.word, holds=False))

    def _kill(self, one: Happening) -> None:
        raise Killed(one.seconds, is_power_cut=False)

    def _set_clock(self, one: Happening) -> None:
        self._world.clock.set_by += one.seconds
        self._tell(told.Tick(self._world.clock.at))
