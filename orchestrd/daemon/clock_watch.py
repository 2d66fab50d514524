"""Whether somebody set the clock: told, for dates in plans are compared with it as it stands. Runs do not mind."""

from __future__ import annotations

from orchestrd.core.events import Moment
from orchestrd.daemon.troubles import Trouble, Troubles

CLOCK = "clock"
JUMP_SECONDS = 60.0
"""A smaller step is what time services do every day."""
SHOWN_SECONDS = 300.0
"""A jump is over at once; so long it is shown in status."""


class ClockWatch:
    """Compares the wall clock with the one that only grows."""

    def __init__(self, troubles: Troubles) -> None:
        self._troubles = troubles
        self._offset: float | None = None
        self._shown_until = float("-inf")

    def look(self, at: Moment) -> None:
        """Find out whether the wall clock went on as the other did since the last look."""
        offset = at.wall - at.boot
        before, self._offset = self._offset, offset
        step = 0.0 if before is None else offset - before
        if abs(step) >= JUMP_SECONDS:
            self._shown_until = at.boot + SHOWN_SECONDS
            self._troubles.raise_(_jumped(step))
        elif at.boot >= self._shown_until:
            self._troubles.clear(CLOCK)


def _jumped(step: float) -> Trouble:
    way = "forward" if step > 0 else "back"
    message = (
        f"the clock was set {way} by {abs(step):.0f} s; runs go on as before; dates in plans (not_before, "
        "expires) are compared with the clock as it stands now"
    )
    return Trouble(
        CLOCK, message, "nothing, if that was right; otherwise see to the time service (timedatectl)"
    )
