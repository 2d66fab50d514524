"""Waiting for an event with a deadline: the tests' only way to let time pass."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def wait_until(found: Callable[[], T], seconds: float = 10.0, what: str = "the expected state") -> T:
    """Return the first truthy value of `found`; fail the test when `seconds` have passed without one."""
    deadline = time.monotonic() + seconds
    pause = threading.Event()
    while True:
        value = found()
        if value:
            return value
        if time.monotonic() > deadline:
            message = f"waited {seconds} s in vain for {what}"
            raise AssertionError(message)
        pause.wait(0.01)
