"""Many worlds, one after another and in several processes: plan lives, violations, figures."""

from __future__ import annotations

import multiprocessing
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, field

from tests.simulate.script import Script, draw_script
from tests.simulate.violation import Violation
from tests.simulate.world import World

LIVES_A_WORLD = 40
WORLDS_AT_A_TIME = 50
"""So many are played between two reports of progress."""
MOST_VIOLATIONS = 10
"""After so many it is known that something is wrong."""


@dataclass(frozen=True, slots=True)
class Found:
    """A violation, and the world that shows it."""

    world: int
    where: str
    what: str
    kind: str


@dataclass(slots=True)
class Played:
    """What came of some worlds."""

    lives: int = 0
    violations: list[Found] = field(default_factory=list)
    figures: Counter[str] = field(default_factory=Counter)

    def add(self, other: Played) -> None:
        """Add what came of others."""
        self.lives += other.lives
        self.violations += other.violations
        self.figures.update(other.figures)


def script_of(seed: int, world: int) -> Script:
    """The script of one world of a seed."""
    return draw_script(seed * 1_000_003 + world, LIVES_A_WORLD)


def play(script: Script, tell: Callable[[str], None] | None = None) -> tuple[World, Violation | None]:
    """Play one world; the violation that it shows, if it does."""
    world = World(script, tell)
    try:
        world.run()
    except Violation as violation:
        return world, violation
    return world, None


def play_some(seed: int, worlds: range) -> Played:
    """Play some worlds of a seed."""
    played = Played()
    for number in worlds:
        script = script_of(seed, number)
        world, violation = play(script)
        played.lives += len(script.plans)
        played.figures.update(events=world.events, kills=world.kills, worlds=1)
        played.figures.update(f"ended {kept.status.value}" for kept in world.kept.values() if kept.status)
        if violation is not None:
            played.violations.append(Found(number, violation.where, violation.what, violation.kind))
    return played


def play_all(seed: int, lives: int, processes: int, progress: Callable[[Played, float], None]) -> Played:
    """Play as many lives, or until too much is wrong; tell of it as it goes on: what came of all, and seconds."""
    began, sum_of_all = time.monotonic(), Played()
    for played in _parts(seed, lives, processes):
        sum_of_all.add(played)
        progress(sum_of_all, time.monotonic() - began)
        if len(sum_of_all.violations) >= MOST_VIOLATIONS:
            break
    return sum_of_all


def _parts(seed: int, lives: int, processes: int) -> Iterator[Played]:
    worlds = -(-lives // LIVES_A_WORLD)
    parts = [
        range(first, min(first + WORLDS_AT_A_TIME, worlds)) for first in range(0, worlds, WORLDS_AT_A_TIME)
    ]
    if processes == 1:
        yield from (play_some(seed, part) for part in parts)
        return
    with ProcessPoolExecutor(processes, mp_context=multiprocessing.get_context("spawn")) as pool:
        futures = [pool.submit(play_some, seed, part) for part in parts]
        try:
            for future in as_completed(futures):
                yield future.result()
        finally:
            pool.shutdown(wait=True, cancel_futures=True)
