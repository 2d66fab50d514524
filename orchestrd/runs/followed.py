"""The runs that are alive: what they say is read as they go on, a wish to stop is passed on, their end is noticed."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from contextlib import suppress

from handoff.root import PlanId
from orchestrd.core.events import Answered, Asked, CostTold, Event, LimitTold, Moment
from orchestrd.runs.running import Key, Running

TAIL_SECONDS = 1.0
"""How often what runs say is read while they go on."""
PROBE_SECONDS = 0.1
"""How often a run is asked whether it is over, where no descriptor tells."""
IDLE_SECONDS = 3600.0


class Followed:
    """Workers add runs to it and take those out that are judged; all else is done by the daemon's one thread."""

    def __init__(self, now: Callable[[], Moment]) -> None:
        self._now = now
        self._running: dict[Key, Running] = {}
        self._stops: dict[Key, str] = {}
        """Why each run that is to stop is."""
        self._told: deque[Event] = deque()
        self._expected: dict[Key, int] = {}
        """Starts that an earlier daemon made, about which nothing was found out yet."""
        self.left_alone: frozenset[PlanId] = frozenset()
        """Plans that nothing is known of: runs of theirs may be alive."""
        self._next_tail = 0.0
        self.unreadable: dict[PlanId, str] = {}
        """Why what a run says, or whether it is over, cannot be found out."""

    # -- what others look at --------------------------------------------------------------------------------------

    def alive(self) -> int:
        """How many runs are followed."""
        return len(self._running)

    def is_alive(self, plan: PlanId, step: str, number: int) -> bool:
        """Whether that start is alive, or may be: its requests, and the replies to them, are its runner's alone."""
        if plan in self.left_alone or self._expected.get((plan, step)) == number:
            return True
        run = self._running.get((plan, step))
        return run is not None and run.number == number and not run.is_judged

    def progress(self, plan: PlanId) -> list[Running]:
        """How a plan's runs are getting on."""
        # A copy: workers add to it and take out of it meanwhile.
        return [run for run in list(self._running.values()) if run.plan == plan]

    def unjudged(self) -> list[Running]:
        """The runs that are this thread's alone: no end of theirs is being written down."""
        return [run for run in list(self._running.values()) if not run.is_judged]

    def pids(self) -> dict[tuple[PlanId, str, int], int]:
        """The runner of each run that is alive, by plan, step and number."""
        found = (((*run.key, run.number), run.watch.pid) for run in list(self._running.values()))
        return {start: pid for start, pid in found if pid is not None}

    def descriptors(self) -> list[int]:
        """Descriptors that become readable when a run is over."""
        found = (run.watch.fileno() for run in list(self._running.values()) if not run.is_judged)
        return [descriptor for descriptor in found if descriptor is not None]

    def next_look(self, at: Moment) -> float:
        """Seconds until runs are to be looked at even if nothing rings."""
        if not self._running:
            return IDLE_SECONDS
        if any(run.watch.fileno() is None for run in list(self._running.values())):
            return PROBE_SECONDS
        return max(0.0, self._next_tail - at.boot)

    # -- from its start to its end --------------------------------------------------------------------------------

    def expect(self, key: Key, number: int) -> None:
        """An earlier daemon made this start: what became of it is being found out."""
        self._expected[key] = number

    def is_found_out(self, key: Key) -> None:
        """It is followed, or over."""
        self._expected.pop(key, None)

    def add(self, run: Running) -> None:
        """Follow a run that was started, or found alive."""
        # A wish to stop is passed on by `poll`: one thread alone touches what is followed until it is judged.
        self._running[run.key] = run

    def __getitem__(self, key: Key) -> Running:
        return self._running[key]

    def remove(self, key: Key) -> None:
        """It is judged."""
        del self._running[key]

    def stop(self, plan: PlanId, step: str, why: str) -> None:
        """Tell a run to stop; its end is found by `poll` like any other."""
        # Remembered first: the start may be under way in another thread, which looks here afterwards.
        self._stops[plan, step] = why
        run = self._running.get((plan, step))
        if run is not None and not run.is_judged:
            self._tell_to_stop(run)

    def is_to_stop(self, key: Key) -> bool:
        """Somebody wants its run to stop, whether or not it was started."""
        return key in self._stops

    def has_stopped(self, key: Key) -> None:
        """Whoever wanted it to stop wanted the start that is over to, and not the next one."""
        self._stops.pop(key, None)

    def forget(self, plan: PlanId) -> None:
        """The plan is settled."""
        for key in [key for key in list(self._stops) if key[0] == plan]:
            del self._stops[key]
        self.unreadable.pop(plan, None)

    def _tell_to_stop(self, run: Running) -> None:
        """Pass a wish to stop on; where the disk refuses it, `poll` tries again."""
        why = self._stops.get(run.key)
        if why is not None and not run.knows_to_stop:
            with suppress(OSError):
                run.watch.stop(why)
                run.knows_to_stop = True

    def poll(self, at: Moment) -> list[Key]:
        """Read what runs have said since the last look; name the steps whose run is over, to be judged."""
        over = []
        tail = at.boot >= self._next_tail
        for key, run in list(self._running.items()):
            if run.is_judged:
                continue
            try:
                if run.watch.is_over():
                    run.is_judged = True
                    over.append(key)
                elif tail:
                    self._tell_to_stop(run)
                    self.read(run)
            except OSError as error:
                # One run's trouble: it is shown, and the others go on.
                self.unreadable[run.plan] = (
                    f"{run.plan}: {error.filename or run.watch.run_folder}: {error.strerror}"
                )
        if tail:
            self._next_tail = at.boot + TAIL_SECONDS
        return over

    def read(self, run: Running) -> bool:
        """Take in what it has said since the last time; False: nothing."""
        lines = run.watch.read_new_lines()
        before, cost, asking = run.limit, run.cost_usd, run.asked.is_asking
        run.asked.read_new()
        for line in lines:
            run.facts.feed(line)
        if run.limit is not None and run.limit != before:
            self._told.append(LimitTold(self._now(), run.limit.status, run.limit.resets_at))
        if run.cost_usd != cost:
            self._told.append(CostTold(self._now(), *run.key, run.number, run.cost_usd))
        if run.asked.is_asking != asking:
            told = Asked if run.asked.is_asking else Answered
            self._told.append(told(self._now(), *run.key, run.number))
        return bool(lines)

    def told(self) -> list[Event]:
        """Take out what runs were told of the account, have spent and ask, since the last call."""
        events = []
        while self._told:
            events.append(self._told.popleft())
        return events
