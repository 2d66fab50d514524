"""The account's usage limit: reached, near, over. While it is reached no model is asked anything. Pure.

Where it was told when the limit is over, everybody waits for that. Where not, one run tries again after a pause, and
after longer and longer ones while it is refused.
"""

from __future__ import annotations

from dataclasses import dataclass

from handoff.root import PlanId
from orchestrd.core.events import Moment

MARGIN_SECONDS = 0.5
"""After the time that was told: clocks differ."""
FIRST_GAP_SECONDS = 60.0
LONGEST_GAP_SECONDS = 1800.0

Key = tuple[PlanId, str]


@dataclass(slots=True)
class AccountLimit:
    """What is known of the account that is billed. Times are boot seconds, but for what is told to people."""

    until: float | None = None
    """Reached until then; None: it is not."""
    until_wall: float | None = None
    near_until: float | None = None
    """It is near, and counted anew then."""
    near_until_wall: float | None = None
    is_guess: bool = False
    """Nobody told when it is over."""
    _gap: float = FIRST_GAP_SECONDS
    _probe: Key | None = None
    """The one start that finds out whether it is over."""
    _must_probe: bool = False

    @property
    def is_reached(self) -> bool:
        """Nothing may start that asks a model, but for one that finds out whether it still holds."""
        return self.until is not None or self._probe is not None

    def keeps_back(self, key: Key) -> bool:
        """Whether a start must not be made whose turn it was: the one that finds out may."""
        return self.until is not None or self._probe not in {None, key}

    @property
    def is_near(self) -> bool:
        """Only what is urgent may begin."""
        return self.near_until is not None

    def reach(self, at: Moment, resets_at: float | None) -> float:
        """It is reached, until `resets_at` (wall seconds) if that was told; return the seconds until it is tried."""
        self._probe, self._must_probe = None, False
        known = max(0.0, self.until - at.boot) if self.until is not None else 0.0
        if resets_at is not None:
            # One that is told as over already, and refuses all the same, is tried again soon. Of two the later holds.
            pause = max(resets_at - at.wall, 0.0) + MARGIN_SECONDS
            pause = pause if self.is_guess else max(pause, known)
            self.is_guess, self._gap = False, FIRST_GAP_SECONDS
        elif known:
            pause = known
        else:
            pause, self._gap = self._gap, min(2 * self._gap, LONGEST_GAP_SECONDS)
            self.is_guess = True
        self.until = at.boot + pause
        self.until_wall = at.wall + pause
        return pause

    def park_again(self, at: Moment, until: float, *, is_guess: bool) -> None:
        """A step was parked until then (wall seconds) by a daemon before; `is_guess`: nobody had told it."""
        if until <= at.wall:
            # What was told is over. A guess is not: one has to find out.
            self._must_probe |= is_guess and self.until is None
            return
        known = self.until_wall
        if known is None or (self.is_guess, until) > (is_guess, known):
            self.until, self.until_wall = at.boot + until - at.wall, until
            self.is_guess, self._must_probe = is_guess, False

    @property
    def over_at(self) -> float | None:
        """When those may go on who wait for it (wall seconds), as far as anybody knows."""
        return self.until_wall if self.is_reached else self.near_until_wall

    def approach(self, at: Moment, resets_at: float | None) -> None:
        """It is near."""
        seconds = max(0.0, resets_at - at.wall) if resets_at is not None else FIRST_GAP_SECONDS
        self.near_until = at.boot + seconds
        self.near_until_wall = at.wall + seconds

    def is_allowed(self) -> None:
        """The account was told that it may go on."""
        self.until = self.until_wall = self.near_until = self._probe = None
        self._must_probe, self._gap = False, FIRST_GAP_SECONDS

    def let_time_pass(self, at: Moment) -> None:
        """See whether what was told is over."""
        if self.near_until is not None and self.near_until <= at.boot:
            self.near_until = None
        if self.until is not None and self.until <= at.boot:
            self._must_probe = self.is_guess
            self.until = self.until_wall = None

    def started(self, key: Key) -> None:
        """A start that asks a model; after a guess it is the one that finds out."""
        if self._must_probe:
            self._probe, self._must_probe = key, False

    def held(self, key: Key) -> None:
        """A start that was to find out did not: another one has to."""
        if self._probe == key:
            self._probe, self._must_probe = None, True

    def ended(self, key: Key) -> None:
        """A start is over that was answered, and not refused for the limit."""
        if self._probe == key:
            self.is_allowed()

    def next_look(self, at: Moment) -> float | None:
        """Seconds until something is over."""
        times = [time for time in (self.until, self.near_until) if time is not None]
        return max(0.0, min(times) - at.boot) if times else None
