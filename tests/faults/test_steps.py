"""The ground of the sweeps: a fault happens at the step that was named, as often as its kind says, and is noted."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.faults import steps
from tests.faults.steps import Fault, Kind, Step

HERE = Path(__file__).parents[2]
WRITES = """
import sys
sys.path.append({here!r})
from handoff import durable
from tests.faults import steps
steps.install({folder!r}, {fault}, fired={fired!r}, armed={armed!r}, record={record!r})
from tests.faults.steps import *
for number in range(3):
    try:
        durable.append_line("{folder}/x", b"0123456789\\n", sync=False)
    except OSError as error:
        print("failed", error.errno, flush=True)
"""


def written(folder: Path, fault: Fault | None) -> tuple[int, str]:
    """Have three lines appended by a process with that fault: its end, and what it says."""
    (folder / "armed").touch()
    names = {name: str(folder / name) for name in ("fired", "armed", "record")}
    text = WRITES.format(
        here=str(HERE), folder=str(folder), fault="None" if fault is None else _spelt(fault), **names
    )
    done = subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, check=False)
    assert done.stderr == ""
    return done.returncode, done.stdout


def _spelt(fault: Fault) -> str:
    kind = f"steps.Kind({fault.kind.value!r})"
    step = f"steps.Step({fault.step.operation!r}, {fault.step.what!r}, {fault.step.time})"
    return f"steps.Fault({step}, {kind}, {fault.number})"


def lines(folder: Path) -> list[str]:
    return (folder / "x").read_text().splitlines() if (folder / "x").exists() else []


def fired(folder: Path) -> int:
    return len((folder / "fired").read_text().splitlines())


def test_steps_are_named_by_what_is_done_to_what(tmp_path: Path) -> None:
    written(tmp_path, None)

    assert [str(step) for step in steps.recorded(str(tmp_path / "record"))] == [
        "open x",
        "open x (new)",
        "fstat x",
        "write x",
        "close x",
        "open x, time 2",
        "fstat x, time 2",
        "write x, time 2",
        "close x, time 2",
        "open x, time 3",
        "fstat x, time 3",
        "write x, time 3",
        "close x, time 3",
    ]


@pytest.mark.parametrize("kind, there", [(Kind.CRASH_BEFORE, 1), (Kind.CRASH_AFTER, 2)])
def test_a_crash_is_one(tmp_path: Path, kind: Kind, there: int) -> None:
    code, _ = written(tmp_path, Fault(Step("write", "x", 2), kind))

    assert code == -signal.SIGKILL
    assert len(lines(tmp_path)) == there
    assert fired(tmp_path) == 1


def test_an_error_once_is_one(tmp_path: Path) -> None:
    _, said = written(tmp_path, Fault(Step("write", "x", 2), Kind.ONCE, errno.ESTALE))

    assert said == f"failed {errno.ESTALE}\n"
    assert len(lines(tmp_path)) == 2
    assert fired(tmp_path) == 1


def test_an_error_for_ever_stays(tmp_path: Path) -> None:
    _, said = written(tmp_path, Fault(Step("write", "x", 2), Kind.EVER))

    assert said == f"failed {errno.EIO}\n" * 2
    assert lines(tmp_path) == ["0123456789"]


def test_of_a_write_cut_in_half_nothing_stays(tmp_path: Path) -> None:
    _, said = written(tmp_path, Fault(Step("write", "x", 2), Kind.HALF))

    assert said == f"failed {errno.ENOSPC}\n"
    assert lines(tmp_path) == ["0123456789"] * 2


def test_a_write_that_takes_less_goes_on(tmp_path: Path) -> None:
    _, said = written(tmp_path, Fault(Step("write", "x", 2), Kind.SHORT))

    assert said == ""
    assert lines(tmp_path) == ["0123456789"] * 3
    assert fired(tmp_path) == 1


def test_nothing_happens_once_the_faults_are_over(tmp_path: Path) -> None:
    fault = Fault(Step("write", "x"), Kind.EVER)
    written(tmp_path, fault)
    os.unlink(tmp_path / "armed")
    counted = steps.Steps(str(tmp_path), fault, str(tmp_path / "fired"), str(tmp_path / "armed"), None)

    assert counted.act("write", lambda *_: 7, (1, b"x"), {}) == 7
