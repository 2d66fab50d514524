"""The campaigns there are, by number. A row is imported when it is run."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module

from tests.faults.campaign import Campaign

MODULES: tuple[str, ...] = (
    "tests.faults.sweeping",
    "tests.faults.syscalls",
    "tests.faults.kills",
    "tests.faults.asking",
    "tests.faults.killed_runs",
    "tests.faults.second_daemons",
    "tests.faults.real_kills",
    "tests.faults.space",
    "tests.faults.bursts",
    "tests.faults.clocks",
    "tests.faults.machine",
    "tests.faults.decisions",
    "tests.faults.power.campaign",
    "tests.faults.fuzz",
    "tests.faults.hostile",
    "tests.faults.swaps",
)
"""Each holds its rows in `CAMPAIGNS`."""


def campaigns(only: tuple[str, ...] = ()) -> Iterator[Campaign]:
    """All rows, or those of some tests: `T4` names every row of T4, `T4 real` that one, `=T4` the one of that name."""
    for module in MODULES:
        for campaign in import_module(module).CAMPAIGNS:
            names = {campaign.test, campaign.test.split()[0], f"={campaign.test}"}
            if not only or not names.isdisjoint(only):
                yield campaign
