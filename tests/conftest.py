"""How tests share the machine: `make test` runs them in several processes (pytest-xdist)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

# A busy machine is no error, and what a search found once is kept as a test of its own, not in a folder.
settings.register_profile("tests", deadline=None, database=None)
settings.load_profile("tests")

FOLDER = Path(__file__).parent


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Each test goes to whichever process is free; those that share something dear of their module stay together.

    What stays together goes first: the scheduler begins with the largest.
    """
    from xdist.scheduler import LoadScopeScheduling

    texts = {str(file.relative_to(FOLDER.parent)): file.read_text() for file in FOLDER.rglob("test_*.py")}
    together = {file for file, text in texts.items() if 'scope="module"' in text}

    class Sharing(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            file = nodeid.partition("::")[0]
            return file if file in together else nodeid

    return Sharing(config, log)
