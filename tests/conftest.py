"""How tests share the machine: `make test` runs them in several processes (pytest-xdist)."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import settings

# A busy machine is no error, and what a search found once is kept as a test of its own, not in a folder.
settings.register_profile("tests", deadline=None, database=None)
settings.load_profile("tests")

TOGETHER = (
    "tests/faults/test_oracle.py",
    "tests/live/test_daemon_endings.py",
    "tests/test_packaging.py",
    "tests/views/test_verifying.py",
)
"""Files whose tests share something dear that is made once: they go to one process."""


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Each test goes to whichever process is free; the files that stay together go first."""
    from xdist.scheduler import LoadScopeScheduling

    class Sharing(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            file = nodeid.partition("::")[0]
            return file if file in TOGETHER else nodeid

    return Sharing(config, log)
