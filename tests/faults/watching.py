"""What is going on in a world, seen from outside: which runs live, whom the daemon follows, what agents wrote."""

from __future__ import annotations

import json
import os
import time
from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from handoff.platform import lock_holders
from tests.acceptance.stage import LEDGER
from tests.faults.campaign import Outcome, PromiseBroken, Violation
from tests.faults.world import World

ADOPTION_SECONDS = 2.0
"""From the start of a daemon's process until it shows that it follows what runs."""
SETTINGS = {"LIMITS__MAX_PARALLEL": "4"}


@dataclass(frozen=True, slots=True)
class Line:
    """A line of the agents' ledger."""

    word: str
    plan: str
    run: str
    """The start: `main.2`."""
    pid: int


def ledger(world: World, word: str | None = None) -> list[Line]:
    """All that the agents of a world wrote, or of one word."""
    path = world.folder / LEDGER
    lines = [line.split() for line in path.read_text().splitlines()] if path.exists() else []
    told = [Line(words[0], *words[1].rsplit("/", 2)[1:], int(words[2])) for words in lines if "/" in words[1]]
    return [line for line in told if word in {None, line.word}]


def living_runs(world: World) -> list[str]:
    """The plans of which a start holds its lock."""
    return sorted(
        lock.parent.parent.parent.name
        for lock in world.root.active.glob("*/runs/*/lock")
        if lock_holders(lock)
    )


def await_adoption(world: World, alive: Collection[str], began: float) -> Outcome:
    """Wait until the daemon that began then shows that it follows all those; tell how long that took."""
    while not _follows(world, alive):
        if world.pid is None:
            raise _nobody_follows(world, f"the daemon ended; it said: {world.here.said()}")
        if time.monotonic() - began > 20:
            said = f"nobody follows {sorted(alive)} after 20 s; the daemon said: {world.here.said()}"
            raise _nobody_follows(world, said)
        time.sleep(0.005)
    seconds = time.monotonic() - began
    outcome = Outcome(worst={"seconds until adopted": seconds})
    outcome.figures["adoptions measured"] += 1
    # What the machine had it wait for is not its own: other tests run beside this one.
    own = seconds - _starved_seconds(world.pid)
    outcome.worst["without waiting for a core"] = own
    if own > ADOPTION_SECONDS:
        outcome.violations.append(
            Violation("-", str(world.folder), f"what ran was followed only after {own:.2f} s ({seconds:.2f})")
        )
    return outcome


def _nobody_follows(world: World, what: str) -> PromiseBroken:
    return PromiseBroken(Violation("I8", str(world.folder), what))


def started_once(world: World, plans: Collection[str]) -> Iterator[Violation]:
    """Each of these plans, which nobody cancelled and whose runs nobody hurt, was started exactly once."""
    counted = Counter(line.plan for line in ledger(world, "start"))
    for plan in plans:
        if counted[plan] != 1:
            yield Violation("I2", plan, f"it was started {counted[plan]} times, not once")


def succeeded(world: World, plans: Collection[str]) -> Iterator[Violation]:
    """Each of these plans has a result that says so."""
    for plan in plans:
        result = result_of(world, plan)
        if result is None:
            yield Violation("I3", plan, "there is no result")
        elif result["status"] != "succeeded":
            yield Violation(
                "I3", plan, f"{result['status']}, {result.get('reason')}: {result.get('summary')}"
            )


def result_of(world: World, plan: str) -> dict[str, Any] | None:
    """A plan's result, if it is there."""
    try:
        return world.here.result(plan, 0)
    except AssertionError:
        return None


def journal_text(world: World, plan: str) -> str:
    """A plan's journal, wherever it lies; empty while it lies nowhere."""
    try:
        return (world.here.plan_folder(plan) / "journal.jsonl").read_text()
    except (OSError, StopIteration):
        return ""


def run_folders(world: World, plan: str) -> list[Path]:
    """The folders of a plan's starts, in their order."""
    try:
        found = (world.here.plan_folder(plan) / "runs").glob("main.*")
    except StopIteration:
        return []
    return sorted(found, key=lambda folder: int(folder.suffix[1:]))


def runner_of(run_folder: Path) -> int | None:
    """The pid of a start's runner, if it has said."""
    try:
        return int(json.loads((run_folder / "started.json").read_text())["pid"])
    except (OSError, ValueError, KeyError):
        return None


def is_alive(pid: int) -> bool:
    """Whether a process is there and no zombie."""
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def await_none_left(world: World, seconds: float = 10.0) -> list[Violation]:
    """Wait until nothing but the daemon is alive of all that was started in a world."""
    deadline = time.monotonic() + seconds
    while left := [pid for pid in world.here.processes() if pid != world.pid]:
        if time.monotonic() > deadline:
            return [Violation("I5", f"pid {pid}", "it is alive, and nothing of its run is") for pid in left]
        time.sleep(0.01)
    return []


def _starved_seconds(pid: int | None) -> float:
    """How long a process' main thread could have gone on and was given no core."""
    try:
        with open(f"/proc/{pid}/schedstat") as file:
            return int(file.read().split()[1]) / 1e9
    except (OSError, IndexError, ValueError):
        return 0.0


def _follows(world: World, alive: Collection[str]) -> bool:
    try:
        # A daemon writes its beat last: whoever sees it finds the plans as new.
        if world.here.status("daemon").get("pid") != world.pid:
            return False
        plans = world.here.status("plans")["plans"]
    except (OSError, ValueError):
        return False
    shown = {plan["id"] for plan in plans if plan["runs"]}
    return all(plan in shown or _is_over(world, plan) for plan in alive)


def _is_over(world: World, plan: str) -> bool:
    if not os.path.isdir(world.root.active / plan):
        return True
    journal = journal_text(world, plan)
    return journal.rfind('"run-ended"') > journal.rfind('"run-intended"')
