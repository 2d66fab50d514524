"""What the loop waits on: a bell that any thread or signal may ring, and descriptors that become readable."""

from __future__ import annotations

import math
import os
import select
import signal
from collections.abc import Iterable
from contextlib import suppress


class Bell:
    """One waiting for everything. Ringing twice before it is heard is ringing once."""

    def __init__(self) -> None:
        self._ear, self._clapper = os.pipe()
        for end in (self._ear, self._clapper):
            os.set_blocking(end, False)

    def ring(self) -> None:
        """Wake the loop. From any thread, and from a signal handler."""
        # Full: it was rung often enough. Closed: the loop has ended.
        with suppress(OSError):
            os.write(self._clapper, b"!")

    def ring_on_signals(self) -> None:
        """Let every handled signal wake the loop, also one that comes just before it begins to wait."""
        signal.set_wakeup_fd(self._clapper, warn_on_full_buffer=False)

    def wait(self, seconds: float, descriptors: Iterable[int] = ()) -> None:
        """Wait until rung, until one of the descriptors is readable, or until the time is over."""
        # Made anew each time: a descriptor that was closed and opened again is another one under the same number.
        poll = select.poll()
        for descriptor in (self._ear, *descriptors):
            poll.register(descriptor, select.POLLIN)
        for descriptor, _ in poll.poll(math.ceil(max(0.0, seconds) * 1000)):
            if descriptor == self._ear:
                self._hush()

    def close(self) -> None:
        """Give the descriptors back."""
        signal.set_wakeup_fd(-1)
        os.close(self._ear)
        os.close(self._clapper)

    def _hush(self) -> None:
        try:
            while os.read(self._ear, 4096):
                pass
        except BlockingIOError:
            pass
