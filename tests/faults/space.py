"""T6: the disk is full, or has no inode left, at random moments; when there is room again all goes on by itself.

A world whose root (or whose checkouts) lie on a small disk works on plans. Again and again that disk is filled to the
last byte at a moment that chance chooses, stays full for a while, during which the daemon may be killed and started
anew, and is emptied. In the end every plan has to have succeeded, with one start each, within 30 s of the last
emptying, and nobody has done a thing.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from handoff.root import create_root
from tests.faults.campaign import Campaign, Ground, Outcome, Violation, run_rounds
from tests.faults.disks import Disk, small_disk, why_no_disks
from tests.faults.world import World, a_world

DISK_BYTES = 80 << 20
INODES = 2500
AT_A_TIME = 8
"""Worlds side by side: they wait most of the time."""
PROMPTS = (
    "[say one] [sleep 0.1] [say two]",
    "[flood 300 1500] [sleep 0.2] [flood 100 500]",
    "[sleep 0.6]",
    "[flood 40 9000]",
    "[child 30] [sleep 0.3]",
)
SETTINGS = {"LIMITS__MAX_PARALLEL": "3", "LANES__SCAN_SECONDS": "1"}


@dataclass(frozen=True, slots=True)
class Round:
    """A world, and how often its disk is filled."""

    what: str
    """`space` or `inodes`."""
    place: str
    """What lies on the disk: `root` or `checkouts`."""
    fills: int
    seed: str


def run(what: str, place: str, ground: Ground) -> Outcome:
    """Fill the disk of several worlds, several times each."""
    # The full disk of the root is what is most likely: of the others half as much in the middle form.
    rounds = ground.pick(2, 10 if (what, place) == ("space", "root") else 5, 40)
    fills = ground.pick(2, 5, 5)
    todo = [Round(what, place, fills, f"{ground.seed}/{what}/{place}/{number}") for number in range(rounds)]
    return run_rounds(ground, todo, one_world, workers=AT_A_TIME)


def one_world(folder: Path, todo: Round) -> Outcome:
    """Let one world work while its disk is filled and emptied."""
    chance = random.Random(todo.seed)
    outcome = Outcome()
    inodes = INODES if todo.what == "inodes" else None
    with small_disk_under(folder, todo.place, inodes) as disk, a_world(folder / "world") as world:
        if todo.place == "root":
            world.here.root = create_root(disk.path / "handoff")
        else:
            world.here.environ["XDG_STATE_HOME"] = str(disk.path)
        world.fork(**SETTINGS)
        world.await_up()
        for number in range(todo.fills):
            _fill_once(world, disk, number, todo, chance, outcome)
        outcome.violations += world.await_quiet()
        outcome.violations += world.judge(settled=not outcome.violations)
        outcome.violations += _all_succeeded(world)
        outcome.figures["plans"] = len(world.handed_in)
        if not outcome.violations:
            outcome.violations += world.recover_once_more()
    outcome.violations = [
        Violation(one.invariant, one.where, one.what, todo.seed) for one in outcome.violations
    ]
    return outcome


@contextmanager
def small_disk_under(folder: Path, place: str, inodes: int | None) -> Iterator[Disk]:
    """Mount the disk on which that place of the world is to lie."""
    with small_disk(folder / place, DISK_BYTES, inodes) as disk:
        yield disk


def _fill_once(
    world: World, disk: Disk, number: int, todo: Round, chance: random.Random, outcome: Outcome
) -> None:
    """Hand plans in, fill the disk at some moment, hand in another, empty it at another moment."""
    for plan in range(3):
        world.submit(f"p{number}-{plan}", chance.choice(PROMPTS))
    _let_pass(chance.uniform(0, 0.9))
    late = f"p{number}-late"
    # A writer on a full disk is told so by the system; what it could write before, it can put into place.
    temporary = world.root.inbox / f".{late}.toml.tmp"
    text = world.text_of(late, chance.choice(PROMPTS))
    temporary.write_text(text)
    is_full = disk.fill() if todo.what == "space" else disk.use_up_inodes()
    outcome.fired += is_full
    temporary.rename(world.root.inbox / f"{late}.toml")
    if chance.random() < 0.3:
        outcome.figures["kills"] += 1
        world.kill()
        world.fork(**SETTINGS)
    _let_pass(chance.choice((0.05, 0.3, 1.0, 2.5)))
    if not is_alive(world):
        code = world.await_end(0)
        outcome.violations.append(
            Violation("-", "daemon", f"it ended with {code} on a full disk: {world.here.said()}")
        )
        world.fork(**SETTINGS)
    disk.release()
    if chance.random() < 0.5:
        outcome.violations += world.await_quiet()


def is_alive(world: World) -> bool:
    """Whether the daemon goes on."""
    assert world.forked is not None
    return Path(f"/proc/{world.forked}/stat").read_text().rpartition(")")[2].split()[0] != "Z"


def _all_succeeded(world: World) -> Iterator[Violation]:
    for file in world.handed_in:
        plan = file.removesuffix(".toml")
        try:
            result = world.here.result(plan, 0)
        except AssertionError:
            yield Violation("-", plan, "there is no result")
            continue
        attempts = [step["attempts"] for step in result.get("steps", [])]
        if (result["status"], attempts) != ("succeeded", [1]):
            told = f"{result['status']} after {attempts} attempts: {result.get('reason')}, {result.get('summary')}"
            yield Violation("-", plan, told)


def _let_pass(seconds: float) -> None:
    """Chance chooses the moment of a fault: here nothing is waited for."""
    threading.Event().wait(seconds)


CAMPAIGNS: tuple[Campaign, ...] = (
    Campaign(
        "T6 space",
        "the root's disk full to the last byte, at random moments",
        partial(run, "space", "root"),
        why_no_disks,
    ),
    Campaign(
        "T6 inodes",
        "the root's disk without an inode, at random moments",
        partial(run, "inodes", "root"),
        why_no_disks,
    ),
    Campaign(
        "T6 checkouts",
        "the disk of checkouts and logs full, at random moments",
        partial(run, "space", "checkouts"),
        why_no_disks,
    ),
)
