"""What the sweep has found, kept: each of these steps once broke a promise when it failed so."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from handoff.platform import PLATFORM
from tests.faults.steps import Fault, Kind, Step
from tests.faults.sweeping import Round, play

RUN = "handoff/active/a/runs/main.1"
FOUND = {
    "a journal's line was there, and its number given again": Fault(
        Step("fsync", "handoff/active/a/journal.jsonl", 2), Kind.EVER
    ),
    "a run was followed no further": Fault(Step("close", f"{RUN}/events.jsonl"), Kind.ONCE),
    "the daemon ended": Fault(Step("chmod", "handoff/.orchestrd/index.sqlite"), Kind.ONCE),
    "a checkout was registered twice, and never removed": Fault(
        Step("read", "project0/.git/worktrees/a/gitdir"), Kind.EVER
    ),
    "a killed runner left half a file": Fault(
        Step("open", f"{RUN}/.exit.json.tmp (new)"), Kind.CRASH_AFTER, errno.EIO, runner=True
    ),
}

pytestmark = pytest.mark.skipif(not PLATFORM.proc, reason="steps are named by /proc")


@pytest.mark.parametrize("fault", FOUND.values(), ids=FOUND.keys())
def test_a_step_that_fails_breaks_no_promise(tmp_path: Path, fault: Fault) -> None:
    outcome = play(tmp_path, Round(0, fault))

    assert outcome.fired == 1
    assert outcome.violations == []
