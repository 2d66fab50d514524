"""T12: two to eight daemons are started at once on one root, one that is not there yet among them; the lock's file is
removed while they start, or while one serves. Never do two act: each plan is started once, and its journal is in order.

A daemon that is too late says so and ends. One whose lock's file was removed leaves when it finds out, whereupon a
service starts it again, as this test does.
"""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from tests.faults.campaign import Campaign, Ground, Outcome, Violation, run_rounds
from tests.faults.watching import await_none_left, living_runs, started_once, succeeded
from tests.faults.world import World, a_world
from tests.waiting import wait_until

SETTINGS = {"LIMITS__MAX_PARALLEL": "2"}
TOO_LATE = "another daemon serves this root already"
END_SECONDS = 60.0
"""Eight Pythons that start at once on a machine with two busy cores need a while until they find out."""


class Moment(StrEnum):
    """When they are started, and what is done to the lock."""

    NEW = "on a root that is not there"
    FREE = "on a root that nobody serves"
    SERVED = "on a root that is served"
    UNLINKED_BEFORE = "while the lock is removed"
    UNLINKED_SERVED = "after the lock of one that serves was removed"


@dataclass(frozen=True, slots=True)
class Rush:
    """So many daemons at one moment."""

    seed: str
    moment: Moment
    daemons: int
    is_real: bool
    """By the command, not by a fork."""


def run(ground: Ground) -> Outcome:
    """Each moment in turn."""
    chance = ground.random("rushes")
    rushes = [
        Rush(
            f"{ground.seed}/{number}",
            list(Moment)[number % len(Moment)],
            chance.randint(2, 8),
            number % 10 == 9,
        )
        for number in range(ground.pick(8, 30, 500))
    ]
    return run_rounds(ground, rushes, one_rush)


def one_rush(folder: Path, rush: Rush) -> Outcome:
    """Start them; one is left at the end, or none, and then one more is started."""
    chance = random.Random(rush.seed)
    outcome = Outcome()
    with a_world(folder) as world:
        plans = ["first", "second", "third"]
        gate = folder / "gate"
        served = rush.moment in {Moment.SERVED, Moment.UNLINKED_SERVED}
        if rush.moment is Moment.NEW:
            shutil.rmtree(world.root.path)
        else:
            _hand_in(world, plans, gate)
        crowd: list[int] = []
        commands: list[
            subprocess.Popen[bytes]
        ] = []  # held: one that is let go is waited for by the next one made
        if served:
            crowd.append(world.fork(**SETTINGS))
            wait_until(lambda: len(living_runs(world)) == 2, 20, "two runs")
        if rush.moment is Moment.UNLINKED_SERVED:
            world.root.lock.unlink()
            outcome.fired += 1
            outcome.figures["locks removed"] += 1
        crowd += [_start(world, commands if rush.is_real else None) for _ in range(rush.daemons)]
        if rush.moment is Moment.UNLINKED_BEFORE:
            removed = _remove_lock(world, chance)
            outcome.fired += removed
            outcome.figures["locks removed"] += removed
        if rush.moment is Moment.NEW:
            wait_until(world.root.inbox.is_dir, 20, "the inbox")
            _hand_in(world, plans, gate)
        # What runs ends, and the third plan is next, while it is not clear yet who serves.
        time.sleep(0.2 * chance.random())
        gate.touch()
        outcome.add(_await_one(world, crowd, rush))
        if not outcome.fired:
            outcome.violations.append(Violation("-", str(world.folder), "no daemon met another one"))
        outcome.violations += world.await_quiet()
        outcome.violations += await_none_left(world)
        outcome.violations += world.judge()
        outcome.violations += [*started_once(world, plans), *succeeded(world, plans)]
        outcome.violations += world.recover_once_more()
        outcome.figures["daemons"] += len(crowd)
    again = f"{rush}"
    outcome.violations = [Violation(v.invariant, v.where, v.what, again) for v in outcome.violations]
    return outcome


def _hand_in(world: World, plans: list[str], gate: Path) -> None:
    for name in plans:
        world.submit(name, f"[detach 300] [await {gate}] [write {name}.txt x]")


def _start(world: World, commands: list[subprocess.Popen[bytes]] | None) -> int:
    """Start one more daemon, a fork or one more of the real `commands`; its pid."""
    if commands is None:
        return world.fork(**SETTINGS)
    here = world.here
    with here.log.open("ab") as said:
        started = subprocess.Popen(
            [sys.executable, "-m", "orchestrd", "--root", str(here.root.path), "serve"],
            env={**here.environ, **{f"ORCHESTRD_{name}": value for name, value in SETTINGS.items()}},
            cwd=here.folder,
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=said,
        )
    commands.append(started)
    return started.pid


def _remove_lock(world: World, chance: random.Random) -> int:
    """Remove the lock's file again and again while daemons start; how often it was there."""
    removed, wanted = 0, chance.randint(1, 4)
    until = time.monotonic() + 5.0
    while removed < wanted and time.monotonic() < until:
        with suppress(FileNotFoundError):
            world.root.lock.unlink()
            removed += 1
        time.sleep(0.01 * chance.random())
    return removed


def _await_one(world: World, crowd: list[int], rush: Rush) -> Outcome:
    """Wait until at most one is alive; see how the others ended. Where none is left, start one."""
    outcome = Outcome()
    codes: dict[int, int] = {}
    alive = list(crowd)
    deadline = time.monotonic() + END_SECONDS
    while len(alive) > 1 or (
        alive and rush.moment.name.startswith("UNLINKED") and not _is_settled(world, alive)
    ):
        for pid in alive.copy():
            ended, status = os.waitpid(pid, os.WNOHANG)
            if ended:
                alive.remove(pid)
                codes[pid] = os.waitstatus_to_exitcode(status)
        if time.monotonic() > deadline:
            what = f"{len(alive)} daemons serve this root"
            outcome.violations.append(Violation("-", str(world.folder), what))
            break
        time.sleep(0.005)
    late = world.here.log.read_text("utf-8", "replace").count(TOO_LATE)
    left = sum(code == 0 for code in codes.values())
    # A start is no fault; that a daemon met another one is.
    outcome.fired = late
    outcome.figures["too late"] += late
    outcome.figures["left without their lock"] += left
    if late + left != len(codes):
        what = f"of those that ended, with {sorted(codes.values())}, {late} said that they were too late"
        outcome.violations.append(Violation("-", str(world.folder), what))
    if left and not rush.moment.name.startswith("UNLINKED"):
        outcome.violations.append(Violation("-", str(world.folder), "one left whose lock nobody removed"))
    for pid in alive[1:]:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    world.forked = alive[0] if alive else world.fork(**SETTINGS)
    return outcome


def _is_settled(world: World, alive: list[int]) -> bool:
    """Whether the one that is left has its lock, so that it will stay."""
    try:
        return int(world.root.lock.read_text() or 0) == alive[0]
    except (FileNotFoundError, ValueError):
        return False


CAMPAIGNS = (Campaign("T12", "2 to 8 daemons at once on one root; its lock removed", run),)
