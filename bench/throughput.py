"""(b) Plans a second with an agent that costs next to nothing, four at a time; beside task-spooler with the same agent.

CPU is that of the daemon and of all it started: runners, agents, git. Syncs are counted in a run of their own, under
strace.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from bench.ground import Ground, a_plan, a_project, await_so, cpu_seconds, fake_agent, ground
from bench.table import Row

PARALLEL = 4
WRITES = "Write it down. [write notes.txt done]"
SAYS = "Say hello."


@dataclass(frozen=True, slots=True)
class Way:
    """A kind of plan that is measured."""

    what: str
    mode: str
    prompt: str
    projects: int
    aim: float


WAYS = (
    Way("in a worktree, a file written and committed", "worktree", WRITES, 1, 20),
    Way("in a worktree, nothing changed", "worktree", SAYS, 1, 20),
    # In place one plan at a time works in a project.
    Way("in place, 8 projects", "directory", SAYS, 8, 40),
)


def measure(folder: Path, count: int = 160) -> list[Row]:
    agent = fake_agent(folder)
    spooler = _spooler(folder, agent, count * 2)
    rows = []
    for number, way in enumerate(WAYS):
        place = folder / f"way{number}"
        projects = [a_project(place / f"project{one}") for one in range(way.projects)]
        with ground(place / "ground", agent) as here:
            here.start(LIMITS__MAX_PARALLEL=str(PARALLEL))
            _burst(here, projects, way, "warm", 8, 0)
            before, began = cpu_seconds(here.pid), time.monotonic()
            _burst(here, projects, way, "plan", count, 8)
            seconds = time.monotonic() - began
            cpu = cpu_seconds(here.pid) - before
            syncs = _syncs(here, projects, way, 8 + count)
        speed = count / seconds
        rows.append(
            Row(
                f"plans a second, {PARALLEL} at a time: {way.what}",
                f"{speed:.1f}/s; {cpu / count * 1000:.0f} ms CPU, {syncs} syncs a plan",
                spooler,
                f"≥ {way.aim:.0f}/s",
                speed >= way.aim,
            )
        )
        shutil.rmtree(place, ignore_errors=True)
    return rows


def _burst(here: Ground, projects: list[Path], way: Way, name: str, count: int, before: int) -> None:
    for number in range(count):
        project = projects[number % len(projects)]
        here.drop(f"{name}-{number}.json", a_plan(project, way.prompt, mode=way.mode))
    here.await_archived(before + count, 300)
    status = next(here.root.archive.glob(f"*/{name}-{count - 1}/result.json")).read_text()
    assert '"succeeded"' in status, status


def _syncs(here: Ground, projects: list[Path], way: Way, before: int, count: int = 24) -> str:
    """Syncs a plan, over a few plans in the same daemon."""
    if shutil.which("strace") is None:
        return "? (no strace)"
    log = here.folder / "strace.txt"
    traced = "trace=fsync,fdatasync,syncfs,sync_file_range"
    command = ["strace", "-f", "-c", "-e", traced, "-o", str(log), "-p", str(here.pid)]
    tracer = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    try:
        assert tracer.stderr is not None
        attached = tracer.stderr.readline()
        if b"attached" not in attached:
            return "? (strace may not attach)"
        _burst(here, projects, way, "traced", count, before)
    finally:
        tracer.send_signal(signal.SIGINT)
        tracer.wait(20)
    calls = re.findall(r"^\s*[\d.]+\s+[\d.]+\s+\d+\s+(\d+)", log.read_text(), re.MULTILINE)
    total = sum(int(number) for number in calls)
    # The last line of the table is the sum of the others.
    return f"{total / 2 / count:.1f}"


def _spooler(folder: Path, agent: Path, count: int) -> str:
    """What task-spooler does with the same agent: no checkout, no record, no sync."""
    tsp = shutil.which("tsp")
    if tsp is None:
        return "tsp: not installed (apt install task-spooler)"
    outputs = folder / "tsp"
    outputs.mkdir()
    environ = {
        **os.environ,
        "TS_SOCKET": str(folder / "tsp.socket"),
        "TMPDIR": str(outputs),
        "TS_MAXFINISHED": str(2 * count),
        "TS_SLOTS": str(PARALLEL),
        "FAKE_LEDGER": str(folder / "tsp.ledger"),
    }
    subprocess.run([tsp, "true"], env=environ, check=True, capture_output=True, stdin=subprocess.DEVNULL)
    try:
        began = time.monotonic()
        for _ in range(count):
            subprocess.run(
                [tsp, str(agent)], env=environ, check=True, capture_output=True, stdin=subprocess.DEVNULL
            )

        def finished() -> bool:
            listed = subprocess.run([tsp, "-l"], env=environ, check=True, capture_output=True).stdout
            return listed.count(b" finished ") >= count + 1

        await_so(finished, 120, "task-spooler", look=0.05)
        seconds = time.monotonic() - began
    finally:
        subprocess.run([tsp, "-K"], env=environ, check=False, capture_output=True)
    return f"tsp {count / seconds:.1f}/s"
