"""What a tree has used since its beginning, although its processes come and go. A total never falls."""

from __future__ import annotations

from collections.abc import Mapping

Process = tuple[int, bytes]
"""A pid, and when it started."""


class InheritedTotal:
    """Where each reading holds what ended children used: the sum over those that are there is the total.

    A child that ends while the tree is walked may be missing from its own reading and from its parent's. The next
    sample has it again, so a sum that is too small is passed over rather than made good.
    """

    def __init__(self) -> None:
        self.value: float | None = None
        """None: nothing was told."""

    def take(self, readings: Mapping[Process, float | None]) -> None:
        """Take the readings of a moment."""
        known = [value for value in readings.values() if value is not None]
        if known:
            self.value = max(self.value or 0, sum(known))


class RememberedTotal:
    """Where a reading is of the process alone: what an ended one showed last is remembered."""

    def __init__(self) -> None:
        self.value: float | None = None
        """None: nothing was told."""
        self._ended = 0.0
        self._last: dict[Process, float] = {}

    def take(self, readings: Mapping[Process, float | None]) -> None:
        """Take the readings of a moment."""
        self._ended += sum(value for process, value in self._last.items() if process not in readings)
        # A zombie shows nothing any more.
        shown = {process: max(value or 0, self._last.get(process, 0)) for process, value in readings.items()}
        if self.value is not None or any(value is not None for value in readings.values()):
            self.value = self._ended + sum(shown.values())
        self._last = shown
