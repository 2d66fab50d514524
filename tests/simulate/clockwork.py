"""The simulated clocks, and what is to happen when."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from typing import Any, NamedTuple

from orchestrd.core.events import Moment

BEGAN_WALL = 1_700_000_000.0
UP_SECONDS = 20.0
"""So long a machine has been up when its daemon starts."""


class _Entry(NamedTuple):
    time: float
    order: int
    daemon: int | None
    action: Callable[..., None]
    given: tuple[Any, ...]


class Clockwork:
    """Seconds since the beginning, as wall and boot time, and a heap of things to be done."""

    def __init__(self) -> None:
        self.now = 0.0
        self.set_by = BEGAN_WALL
        """What the wall clock shows more than `now`."""
        self._booted = -500.0
        self._heap: list[_Entry] = []
        self._order = 0
        self._daemon = 0

    @property
    def at(self) -> Moment:
        """By both clocks."""
        return Moment(self.now + self.set_by, self.now - self._booted)

    @property
    def wall(self) -> float:
        """Seconds since 1970, as far as anybody can tell."""
        return self.now + self.set_by

    def at_time(self, time: float, action: Callable[..., None], *given: Any) -> None:
        """Do something then, whoever lives."""
        self._push(time, None, action, given)

    def later(self, seconds: float, action: Callable[..., None], *given: Any) -> None:
        """Do something after so many seconds, if this daemon lives until then."""
        self._push(self.now + seconds, self._daemon, action, given)

    def next_time(self) -> float | None:
        """When the next thing is to be done."""
        while self._heap and self._heap[0].daemon not in {None, self._daemon}:
            heapq.heappop(self._heap)
        return self._heap[0].time if self._heap else None

    def do_next(self) -> None:
        """Let time pass until then, and do it."""
        entry = heapq.heappop(self._heap)
        self.now = max(self.now, entry.time)
        entry.action(*entry.given)

    def kill_daemon(self) -> None:
        """Nothing is done any more that this daemon was about to do."""
        self._daemon += 1

    def cut_power(self, down: float) -> None:
        """The machine is off for so long, and boots."""
        self._booted = self.now + down - UP_SECONDS

    def _push(
        self, time: float, daemon: int | None, action: Callable[..., None], given: tuple[Any, ...]
    ) -> None:
        self._order += 1
        heapq.heappush(self._heap, _Entry(time, self._order, daemon, action, given))
