"""What is done for a plan in another thread: it reports by an event, and what fails is tried again later.

A trouble puts one plan off, is shown, and never leaves the loop (RELIABILITY: one plan's error puts that plan off).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from loguru import logger

from handoff.reserve import Reserve
from handoff.root import PlanId
from orchestrd.core.events import Event, Moment
from orchestrd.daemon.troubles import Trouble, Troubles
from orchestrd.daemon.workers import Workers

AGAIN_SECONDS = 5.0
"""After a trouble (a full disk, say) the same errand is run again so much later."""

Errand = Callable[[], Event | None]


@dataclass(frozen=True, slots=True)
class _PutOff:
    due: float
    plan: PlanId
    errand: Errand
    closing: bool


class Errands:
    """Runs errands. `run`, `turn` and `reports` belong to the loop's thread."""

    def __init__(
        self,
        threads: int,
        troubles: Troubles,
        reserve: Reserve,
        now: Callable[[], Moment],
        ring: Callable[[], None],
    ) -> None:
        self._troubles = troubles
        self._reserve = reserve
        self._now = now
        self._ring = ring
        self._reports: deque[Event] = deque()
        self._put_off: deque[_PutOff] = deque()
        self._workers = Workers(threads, self._crashed)

    def run(self, plan: PlanId, errand: Errand, *, closing: bool = False) -> None:
        """Have something done for a plan; its event is found in `reports`.

        `closing`: it brings a plan to its end, for which on a full disk the reserve is spent.
        """

        def go() -> None:
            word = f"plan-{plan}"
            try:
                event = self._reserve.spend(errand) if closing else errand()
            except Exception as error:  # noqa: BLE001 - the border of one plan's errand
                self._put_off.append(_PutOff(self._now().boot + AGAIN_SECONDS, plan, errand, closing))
                remedy = f"mend that; it is tried again every {AGAIN_SECONDS:g} s"
                self._troubles.raise_(Trouble(word, f"{plan}: {str(error) or type(error).__name__}", remedy))
            else:
                self._troubles.clear(word)
                if event is not None:
                    self._reports.append(event)
            self._ring()

        self._workers.submit(go)

    def reports(self) -> Iterator[Event]:
        """Take out what errands have told since the last call."""
        while self._reports:
            yield self._reports.popleft()

    def turn(self, at: Moment) -> None:
        """Run again what was put off."""
        while self._put_off and self._put_off[0].due <= at.boot:
            waiting = self._put_off.popleft()
            self.run(waiting.plan, waiting.errand, closing=waiting.closing)

    def next_look(self, at: Moment) -> float | None:
        """Seconds until there is something to do here; None: nothing unless an errand reports."""
        if self._reports:
            return 0.0
        return max(0.0, self._put_off[0].due - at.boot) if self._put_off else None

    def finish(self, seconds: float) -> bool:
        """Let what is under way come to its end, at most so long; True when all did."""
        return self._workers.finish(seconds)

    def _crashed(self, error: BaseException) -> None:
        logger.error("a worker failed: {!r}", error)
        self._ring()
