"""What the sweep has found, kept: each of these steps once broke a promise when it failed so."""

from __future__ import annotations

from pathlib import Path

import pytest

from handoff.platform import PLATFORM
from tests.faults.campaign import Ground, Size
from tests.faults.steps import Fault, Kind, Step
from tests.faults.sweeping import ERRORS, Round, one_of_each, play

ACCEPTED = Step("rename", "handoff/active/a/.accepted.json.tmp → handoff/active/a/accepted.json")
RUN = "handoff/active/a/runs/main.1"
FOUND = {
    "a journal's line was there, and its number given again": Round(
        0, Fault(Step("fsync", "handoff/active/a/journal.jsonl", 2), Kind.EVER)
    ),
    "a run was followed no further": Round(0, Fault(Step("close", f"{RUN}/events.jsonl"), Kind.ONCE)),
    "the daemon ended": Round(0, Fault(Step("chmod", "handoff/.orchestrd/index.sqlite"), Kind.ONCE)),
    "a checkout was registered twice, and never removed": Round(
        0, Fault(Step("read", "project0/.git/worktrees/a/gitdir"), Kind.EVER)
    ),
    "a killed runner left half a file": Round(
        0, Fault(Step("open", f"{RUN}/.exit.json.tmp (new)"), Kind.CRASH_AFTER, runner=True)
    ),
    "a plan was left alone until the next start": Round(
        0,
        Fault(Step("read", "handoff/active/a/journal.jsonl"), Kind.EVER),
        before=Fault(ACCEPTED, Kind.CRASH_AFTER),
    ),
}

pytestmark = pytest.mark.skipif(not PLATFORM.proc, reason="steps are named by /proc")


@pytest.mark.parametrize("told", FOUND.values(), ids=FOUND.keys())
def test_a_step_that_fails_breaks_no_promise(tmp_path: Path, told: Round) -> None:
    outcome = play(tmp_path, told)

    assert outcome.fired == 1
    assert outcome.violations == []


def test_the_long_form_of_the_errors_meets_every_step_once(tmp_path: Path) -> None:
    steps = [Step("write", f"file-{number}") for number in range(200)]
    kinds = (Kind.ONCE, Kind.EVER)
    by_step = [[Round(0, Fault(step, kind, error)) for kind in kinds for error in ERRORS] for step in steps]

    chosen = one_of_each(Ground(Size.LONG, 7, tmp_path), by_step)

    faults = [one.fault for one in chosen if one.fault]
    assert [fault.step for fault in faults] == steps
    assert {(fault.kind, fault.number) for fault in faults} == {
        (kind, error) for kind in kinds for error in ERRORS
    }
