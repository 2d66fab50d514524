"""The limits of one run: which of them is over, and when to look again. Reads no clock itself.

Two clocks are asked: *boot* seconds, which go on while the machine sleeps, for the time limit; *awake* seconds, which
do not, for silence: a machine that slept has heard nothing, and that is no one's fault.
"""

from __future__ import annotations

TERM_SECONDS = 3.0
"""From SIGTERM to SIGKILL: Claude Code needs up to 1.6 s to end its own tools."""
LINGER_SECONDS = 10.0
"""How long Claude Code may live on after its first result."""
MEMORY_SECONDS = 0.5
PEAK_SECONDS = 2.0
"""How often the tree's memory is looked at: under a limit, and for the peak alone."""
FIRST_LOOK_SECONDS = 0.3
_NEVER = float("inf")


class Clocks:
    """What a run has to keep to; None: there is no such limit."""

    def __init__(
        self,
        *,
        timeout_seconds: float,
        silence_seconds: float | None,
        first_event_seconds: float | None,
        memory_bytes: int | None,
        boot: float,
        awake: float,
    ) -> None:
        self._timeout = timeout_seconds
        self._silence = _NEVER if silence_seconds is None else silence_seconds
        self._first_event = _NEVER if first_event_seconds is None else first_event_seconds
        self._memory = memory_bytes
        self._end = boot + timeout_seconds
        self._quiet_since = awake
        self._heard = False
        self._result_at: float | None = None
        self._look_at = awake + FIRST_LOOK_SECONDS
        self._stood_since: float | None = None

    def stand_still(self, boot: float) -> None:
        """A person is asked: time and silence do not count from now on. What memory is held does."""
        if self._stood_since is None:
            self._stood_since = boot

    def go_on(self, boot: float, awake: float) -> None:
        """It was answered."""
        if self._stood_since is not None:
            self._end += boot - self._stood_since
            self._quiet_since = awake
            self._stood_since = None

    def heard(self, awake: float) -> None:
        """Something came from Claude Code."""
        self._quiet_since = awake
        self._heard = True

    def deaf(self, awake: float) -> None:
        """We could not listen (full disk): that is no silence."""
        self._quiet_since = awake

    def result_came(self, awake: float) -> None:
        """The first result: from now on it only has to go."""
        self._result_at = awake

    def overdue(self, boot: float, awake: float) -> tuple[str, str] | None:
        """Name the limit that is over, as `exit.json` does, and say it in words."""
        if self._stood_since is not None:
            return None
        if boot >= self._end:
            return "timeout", f"Stopped after {self._timeout:g} s: its time was up (limits.timeout)."
        if self._result_at is not None:
            if awake >= self._result_at + LINGER_SECONDS:
                return "lingered", f"Its result was there, but it was not gone {LINGER_SECONDS:g} s later."
            return None
        quiet = awake - self._quiet_since
        if self._heard and quiet >= self._silence:
            return "silence", f"Stopped: nothing came from Claude Code for {self._silence:g} s."
        if not self._heard and quiet >= self._first_event:
            return "first-event", f"Stopped: not one event came from Claude Code in {self._first_event:g} s."
        return None

    def is_look_due(self, awake: float) -> bool:
        """Tell whether the tree's memory is to be looked at now; if so, the next look is set."""
        if awake < self._look_at:
            return False
        self._look_at = awake + (PEAK_SECONDS if self._memory is None else MEMORY_SECONDS)
        return True

    def too_much(self, resident_bytes: int) -> tuple[str, str] | None:
        """Compare what the tree holds with what it may."""
        if self._memory is None or resident_bytes <= self._memory:
            return None
        mib = 1 << 20
        held, may = f"{resident_bytes / mib:.0f} MiB", f"{self._memory / mib:.0f} MiB"
        return "memory", f"Stopped: its processes held {held} of memory and may hold {may} (limits.memory)."

    def seconds_left(self, boot: float, awake: float) -> float:
        """How long nothing can become due."""
        if self._stood_since is not None:
            return max(0.0, self._look_at - awake)
        if self._result_at is not None:
            quiet_end = self._result_at + LINGER_SECONDS
        else:
            quiet_end = self._quiet_since + (self._silence if self._heard else self._first_event)
        return max(0.0, min(self._end - boot, quiet_end - awake, self._look_at - awake))
