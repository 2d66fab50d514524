"""What fails in the daemons that are forked, and when: memory that they share with the test.

The test turns the faults on and off while a daemon is at work. They come through the seam (`handoff/effects.py`).
Runners and agents are programs of their own: they meet none of it.
"""

from __future__ import annotations

import ctypes
import errno
import mmap
import os
import signal
from collections.abc import Callable
from typing import Any

from handoff.effects import Clock, Effects, Programs

NEEDS_SPACE = ("write", "mkdir", "allocate")
"""Effects that a full disk refuses; and `open`, where it makes a file."""


class Board(ctypes.Structure):
    """The switches, and how often what they do was done."""

    _fields_ = (
        ("is_full", ctypes.c_int64),
        ("refused", ctypes.c_int64),
        ("dies_in", ctypes.c_int64),
        ("died", ctypes.c_int64),
        ("clock", ctypes.c_double),
    )

    is_full: int
    """The disk takes nothing."""
    refused: int
    """So many effects failed for that."""
    dies_in: int
    """SIGKILL before that many-th effect from now; 0: never."""
    died: int
    """So many daemons died of that."""
    clock: float
    """Seconds by which the wall clock is wrong."""

    @classmethod
    def shared(cls) -> Board:
        """Make one that children share."""
        return cls.from_buffer(mmap.mmap(-1, mmap.PAGESIZE))

    def rule(self) -> None:
        """Put the faults into this process: the daemon's, just forked."""
        # What the test holds open for writing (half a plan) is not the daemon's.
        os.closerange(3, 256)
        daemon = os.getpid()
        for kind in (Effects, Programs):
            for name in [name for name in vars(kind) if not name.startswith("_")]:
                setattr(kind, name, self._guarded(daemon, name, getattr(kind, name)))
        true_time = Clock.wall
        Clock.wall = lambda clock: true_time(clock) + self.clock
        _shorten_pauses()

    def _guarded(self, daemon: int, name: str, effect: Callable[..., Any]) -> Callable[..., Any]:
        def act(kind: Any, *args: Any, **options: Any) -> Any:
            # What it forks is another program, before it becomes it as well.
            if self.dies_in and os.getpid() == daemon:
                self.dies_in -= 1
                if not self.dies_in:
                    self.died += 1
                    os.kill(daemon, signal.SIGKILL)
            if self.is_full and (name in NEEDS_SPACE or (name == "open" and args[1] & os.O_CREAT)):
                self.refused += 1
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), args[0])
            return effect(kind, *args, **options)

        return act


def _shorten_pauses() -> None:
    """Let a daemon try again soon: thousands of rounds must not wait for what is only politeness."""
    from orchestrd.core import after_run
    from orchestrd.daemon import entrance, errands, indexing, loop

    after_run.PAUSES_SECONDS = (0.05, 0.1, 0.2)
    for room in (entrance, errands, loop, indexing):
        room.AGAIN_SECONDS = 0.2
