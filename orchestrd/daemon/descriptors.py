"""Whether enough files can be opened. Some are set aside, so that what was begun can be finished without any."""

from __future__ import annotations

import errno
import os

from orchestrd.daemon.troubles import Trouble

DESCRIPTORS = "descriptors"
LEAST = 24
"""What the ending of a run, a git, a scan and a few workers' files need at one time."""


class Descriptors:
    """Descriptors that are set aside, and given up as soon as no more can be had."""

    def __init__(self) -> None:
        self._held: list[int] = []

    def look(self) -> Trouble | None:
        """Try to open some more. Tried, not reckoned: limits differ, and lie in several places."""
        wanted = LEAST if self._held else 2 * LEAST
        tried: list[int] = []
        try:
            while len(tried) < wanted:
                tried.append(os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC))
        except OSError as error:
            self.give()
            return _too_few(error)
        else:
            if not self._held:
                self._held, tried = tried[:LEAST], tried[LEAST:]
            return None
        finally:
            _close(tried)

    def give(self) -> None:
        """Give up what is set aside."""
        held, self._held = self._held, []
        _close(held)


def _too_few(error: OSError) -> Trouble:
    whose = "the machine has" if error.errno == errno.ENFILE else "the daemon has"
    message = f"too many open files: {whose} next to none left; no run is started"
    remedy = "raise the limit (LimitNOFILE= of the service, or `ulimit -n`), or lower [limits] max_parallel"
    return Trouble(DESCRIPTORS, message, remedy)


def _close(descriptors: list[int]) -> None:
    for descriptor in descriptors:
        os.close(descriptor)
