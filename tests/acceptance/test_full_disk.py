"""A disk that is full: nothing is lost, and all goes on by itself when there is space again."""

from __future__ import annotations

import errno
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import pytest

from handoff.root import create_root
from tests.acceptance.stage import drop_plan, give, is_alive, runs_now, starts
from tests.serving import Serving
from tests.waiting import wait_until


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 96 MiB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    words = ["mount", "-t", "tmpfs", "-o", "size=96m,mode=700", "tmpfs", str(disk)]
    try:
        mounted = subprocess.run(words, check=False, capture_output=True)
    except FileNotFoundError:
        pytest.skip("there is no mount here")
    if mounted.returncode != 0:
        pytest.skip(f"no small disk can be mounted here: {mounted.stderr.decode().strip()}")
    yield disk
    subprocess.run(["umount", "-l", str(disk)], check=True)


def fill(path: Path) -> None:
    """Write until nothing more goes in."""
    with path.open("ab", buffering=0) as filler:
        for size in (1 << 20, 4096):
            while _goes_in(filler, size):
                pass


def _goes_in(filler: BinaryIO, size: int) -> bool:
    try:
        return filler.write(b"x" * size) > 0
    except OSError as error:
        return error.errno != errno.ENOSPC


def test_a_full_disk_loses_no_plan_and_the_results_come_when_there_is_space_again(
    here: Serving, project: Path, tmp_path: Path, small_disk: Path
) -> None:
    here.root = create_root(small_disk / "handoff")
    gate = tmp_path / "gate"
    here.start(LIMITS__MAX_PARALLEL="2", LANES__SCAN_SECONDS="1")
    drop_plan(here, "running", project, f"[write a.txt a] [await {gate}] [say done] [say done]")
    run = runs_now(here, "running")
    drop_plan(here, "cut", project, "[block]")
    runs_now(here, "cut")
    (here.root.inbox / ".late.toml.tmp").write_text(f'handoff = 1\nproject = "{project}"\nprompt = "hi"\n')
    (here.root.control / ".end.toml.tmp").write_text('action = "cancel"\nplan = "cut"\n')

    fill(small_disk / "filler")
    (here.root.inbox / ".late.toml.tmp").rename(here.root.inbox / "late.toml")
    (here.root.control / ".end.toml.tmp").rename(here.root.control / "end.toml")
    gate.touch()
    wait_until(lambda: "space" in words_of_problems(here), 10, "the trouble to be shown")
    wait_until(lambda: not is_alive(run.pid), 10, "the agent to end")
    assert (here.root.inbox / "late.toml").exists()
    here.kill()
    here.start(LIMITS__MAX_PARALLEL="2", LANES__SCAN_SECONDS="1")
    assert "space" in words_of_problems(here)
    assert (here.root.inbox / "late.toml").exists()
    (small_disk / "filler").unlink()

    result = here.result("running", 20)
    assert (result["status"], result["steps"][0]["attempts"]) == ("succeeded", 1)
    assert here.result("late")["status"] == "succeeded"
    assert here.result("cut")["status"] == "cancelled"
    assert [len(starts(here, plan)) for plan in ("running", "late", "cut")] == [1, 1, 1]
    wait_until(lambda: not here.status("daemon").get("problems"), 10, "the trouble to be over")
    assert give(here, "go-on", action="resume")["outcome"] == "nothing"
    wait_until(lambda: not here.processes(), 10, "every process to be gone")


def words_of_problems(here: Serving) -> set[str]:
    """What is wrong, as status tells it."""
    return {problem["word"] for problem in here.status("daemon").get("problems", [])}
