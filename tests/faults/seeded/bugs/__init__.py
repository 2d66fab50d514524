"""The bugs, by what they are about. Each is one that somebody could write on a tired evening."""

from __future__ import annotations

from tests.faults.seeded.bug import Bug
from tests.faults.seeded.bugs import asking, decisions, disk, lanes, plans, runs

BUGS: tuple[Bug, ...] = (*disk.BUGS, *runs.BUGS, *lanes.BUGS, *plans.BUGS, *decisions.BUGS, *asking.BUGS)
