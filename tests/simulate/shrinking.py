"""A story that shows a violation, made shorter: parts are left out as long as it shows the same."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import replace

from tests.simulate.lives import play
from tests.simulate.script import Script

PARTS = ("plans", "happenings", "limits", "kills")


def shrink(script: Script, kind: str, seconds: float = 60.0) -> Script:
    """Find a shorter script that shows a violation of this kind (`Violation.kind`), within so many seconds."""
    give_up_at = time.monotonic() + seconds

    def shows(candidate: Script) -> bool:
        _, violation = play(candidate)
        return violation is not None and violation.kind == kind

    is_shorter = True
    while is_shorter and time.monotonic() < give_up_at:
        is_shorter = False
        for name in PARTS:
            shorter = _without_parts(script, name, shows, give_up_at)
            is_shorter |= shorter != script
            script = shorter
    return script


def _without_parts(script: Script, name: str, shows: Callable[[Script], bool], give_up_at: float) -> Script:
    """Leave out pieces of one part: halves first, then smaller ones."""
    size = len(getattr(script, name))
    while size:
        for piece in _pieces(len(getattr(script, name)), size):
            if time.monotonic() > give_up_at:
                return script
            parts = getattr(script, name)
            candidate = replace(script, **{name: parts[: piece.start] + parts[piece.stop :]})
            if len(getattr(candidate, name)) < len(parts) and shows(candidate):
                script = candidate
        size //= 2
    return script


def _pieces(length: int, size: int) -> Iterator[range]:
    # From behind, so that what is left out moves nothing that is tried next.
    return (range(max(0, end - size), end) for end in range(length, 0, -size))
