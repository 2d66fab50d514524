"""Making single effects of this process fail, for tests of what a room does then."""

from __future__ import annotations

import os
from typing import Any

import pytest

from handoff.effects import Effects


def fail(patch: pytest.MonkeyPatch, operation: str, number: int, part: str = "", times: int = 10**9) -> None:
    """Have an operation fail on every file whose path ends in `part`, so many times."""
    original = getattr(Effects, operation)
    left = [times]

    def act(self: Effects, what: Any, *args: Any, **options: Any) -> Any:
        path = os.readlink(f"/proc/self/fd/{what}") if isinstance(what, int) else os.fspath(what)
        if path.endswith(part) and left[0]:
            left[0] -= 1
            raise OSError(number, os.strerror(number), path)
        return original(self, what, *args, **options)

    patch.setattr(Effects, operation, act)
