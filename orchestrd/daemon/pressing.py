"""How hard the machine is pressed, looked at once a second, and what is said of it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from orchestrd.core.events import Moment
from orchestrd.core.pressure import PRESSURE, Level, Pressure, Thresholds, follow
from orchestrd.daemon.troubles import Trouble
from orchestrd.observe.pressure import PressureReader, cgroups_of, has_limit
from orchestrd.runs.scopes import offers_scopes
from orchestrd.settings import Pressure as Settings

EVERY_SECONDS = 1.0
_REMEDY = (
    "nothing, it is over by itself; if it comes often, close what else is at work here, lower [limits] max_parallel,"
    " or see [pressure]"
)


class Pressing:
    """Reads what the machine says, when it is due, and keeps what follows from it."""

    def __init__(self, settings: Settings, environ: Mapping[str, str]) -> None:
        self.pressure = Pressure()
        self._thresholds = Thresholds(
            memory_some=settings.memory_some,
            memory_full=settings.memory_full,
            memory_available=settings.memory_available,
            cpu_some=settings.cpu_some,
            cpu_load=settings.cpu_load,
            enter_seconds=settings.enter_seconds,
            leave_seconds=settings.leave_seconds,
        )
        self._reader = (
            PressureReader(settings.procfs, _cgroups_of_runs(environ)) if settings.enabled else None
        )
        self._due = float("-inf")

    @property
    def trouble(self) -> Trouble | None:
        """What is to be shown while no run is started."""
        if self.pressure.level is Level.CALM:
            return None
        stopped = ", and one at a time is stopped" if self.pressure.level is Level.DYING else ""
        return Trouble(PRESSURE, f"{self.pressure.words}; no run is started{stopped}", _REMEDY)

    def next_look(self, at: Moment) -> float | None:
        """Seconds until the next look; None while nothing depends on it: whoever comes by may look."""
        gauges = (self.pressure.memory, self.pressure.cpu)
        if all(gauge.level is Level.CALM and not gauge.moving for gauge in gauges):
            return None
        return max(0.0, self._due - at.boot)

    def look(self, at: Moment, runs: int) -> None:
        """Read the machine if that is due, while `runs` of ours are alive."""
        # That what others do with the cores holds up nobody while no run is alive, holds at once.
        is_freed = not runs and self.pressure.cpu.level is not Level.CALM
        if self._reader is None or (at.boot < self._due and not is_freed):
            return
        self._due = at.boot + EVERY_SECONDS
        self.pressure = follow(self.pressure, self._reader.read(), self._thresholds, at.boot, runs=runs)


def _cgroups_of_runs(environ: Mapping[str, str]) -> tuple[Path, ...]:
    """Name the cgroups whose limits hold for runs: the daemon's, but not a service's own where runs get scopes."""
    cgroups = cgroups_of()
    is_service = "INVOCATION_ID" in environ and "NOTIFY_SOCKET" in environ
    # Asked last: it may take a while to be answered.
    if cgroups and has_limit(cgroups[0]) and is_service and offers_scopes():
        return cgroups[1:]
    return cgroups
