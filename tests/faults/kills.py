"""T4: the daemon is killed at random moments while runs are alive, and again, and again.

Each plan's agent leaves a child that ignores SIGTERM, or one in a session of its own, or both. Two of them wait at a
gate until the last kill is over, so that there is always a run alive to be adopted; the others come and go.
"""

from __future__ import annotations

import json
import random
import signal
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.faults.campaign import Campaign, Ground, Outcome, Violation, run_rounds
from tests.faults.watching import (
    SETTINGS,
    await_adoption,
    await_none_left,
    journal_text,
    living_runs,
    result_of,
    started_once,
    succeeded,
)
from tests.faults.world import TELLING, World, a_world
from tests.waiting import wait_until

WORKERS = 3
"""Rounds at a time: each waits more than it works."""
KILLS_A_ROUND = 10
LINGERING = ("[detach 300]", "[child 300]", "[detach 300] [child 300]", "[ignore-term] [detach 300]", TELLING)


@dataclass(frozen=True, slots=True)
class Siege:
    """One world, and what is to happen in it."""

    seed: str
    kills: int
    orders: bool
    """Plans with keys, cancels, retries, pauses and orderly stops between the kills."""


def run(ground: Ground) -> Outcome:
    """Kills alone."""
    return _besiege(ground, ground.pick(30, 200, 1000), orders=False)


def run_with_orders(ground: Ground) -> Outcome:
    """Kills among all that users do."""
    return _besiege(ground, ground.pick(10, 80, 1000), orders=True)


def _besiege(ground: Ground, kills: int, *, orders: bool) -> Outcome:
    sieges = [
        Siege(f"{ground.seed}/{orders}/{number}", min(KILLS_A_ROUND, kills - first), orders)
        for number, first in enumerate(range(0, kills, KILLS_A_ROUND))
    ]
    return run_rounds(ground, sieges, one_siege, WORKERS)


def one_siege(folder: Path, siege: Siege) -> Outcome:
    """Kill one daemon after the other; then let it come to rest and ask the oracle."""
    chance = random.Random(siege.seed)
    outcome = Outcome()
    with a_world(folder, projects=2) as world:
        users = Users(world, chance, siege.orders)
        gate = folder / "gate"
        for number in range(2):
            users.submit(
                f"{chance.choice(LINGERING)} [await {gate}] [write {number}.txt x]", world.projects[number]
            )
        world.fork(**SETTINGS)
        wait_until(lambda: len(living_runs(world)) == 2, 20, "two runs")
        for number in range(siege.kills):
            if number < siege.kills - 2:
                users.submit(f"[write x.txt x] {chance.choice(LINGERING)} [sleep {chance.random():.2f}]")
            _one_end(world, chance, users, outcome)
        gate.touch()
        users.resume()
        outcome.violations += world.await_quiet()
        outcome.violations += await_none_left(world)
        outcome.violations += world.judge()
        outcome.violations += users.complaints()
        outcome.violations += world.recover_once_more()
        outcome.figures["plans"] += len(users.plans)
        outcome.figures["results"] += sum(result_of(world, plan) is not None for plan in users.plans)
    outcome.violations = [
        Violation(one.invariant, one.where, one.what, siege.seed) for one in outcome.violations
    ]
    return outcome


def _one_end(world: World, chance: random.Random, users: Users, outcome: Outcome) -> None:
    """End the daemon at a random moment of its life, and start the next one; measure how soon that one is there."""
    time.sleep(chance.choice((0.05, 0.15, 0.4)) * chance.random())
    users.act()
    alive = living_runs(world)
    if users.orderly():
        code = world.stop()
        outcome.figures["orderly stops"] += 1
        # Before it heeds signals SIGTERM ends it as any program.
        if code not in {0, -signal.SIGTERM}:
            outcome.violations.append(Violation("-", str(world.folder), f"it stopped with {code}"))
    else:
        world.kill()
        outcome.fired += bool(alive)
        outcome.figures["runs alive at a kill"] += len(alive)
    began = time.monotonic()
    alive = living_runs(world)
    _start(world, chance)
    if chance.random() < 0.5:
        outcome.add(await_adoption(world, alive, began))


def _start(world: World, chance: random.Random) -> None:
    """Start a daemon, now and then by the real command."""
    if chance.random() < 0.9:
        world.fork(**SETTINGS)
    else:
        world.launch(**SETTINGS)


class Users:
    """Those who hand plans in and give orders, and what they may expect of it."""

    def __init__(self, world: World, chance: random.Random, orders: bool) -> None:
        self._world = world
        self._chance = chance
        self._gives_orders = orders
        self.plans: list[str] = []
        self._keys: dict[str, list[str]] = {}
        self._orders: dict[str, dict[str, str]] = {}
        self._wanted: set[str] = set()
        """Plans that somebody ordered something about."""

    def submit(self, prompt: str, project: Path | None = None) -> None:
        """Hand a plan in; where there are orders, some share a key with another."""
        name = f"plan-{len(self.plans)}"
        fields = {}
        if self._gives_orders and len(self.plans) >= 2 and self._chance.random() < 0.4:
            key = f"key-{self._chance.randrange(2)}"
            self._keys.setdefault(key, []).append(name)
            fields["key"] = key
        somewhere = self._chance.choice((*self._world.projects, self._world.plain))
        self._world.submit(name, prompt, project or somewhere, **fields)
        self.plans.append(name)

    def act(self) -> None:
        """Give an order, perhaps."""
        if not self._gives_orders or self._chance.random() < 0.3:
            return
        action = self._chance.choice(("cancel", "cancel", "retry", "pause", "resume"))
        fields = {"action": action}
        if action in {"cancel", "retry"}:
            fields["plan"] = self._chance.choice(self.plans[2:] or self.plans)
            fields["key"] = f"{action}-{fields['plan']}"
            self._wanted.add(fields["plan"])
        self._give(fields)

    def orderly(self) -> bool:
        """Whether this daemon is stopped, not killed."""
        return self._gives_orders and self._chance.random() < 0.2

    def resume(self) -> None:
        """Whatever was paused goes on."""
        if self._gives_orders:
            self._give({"action": "resume"})

    def complaints(self) -> list[Violation]:
        """What did not come as they may expect."""
        twins = {plan for plans in self._keys.values() for plan in plans}
        usual = [plan for plan in self.plans if plan not in twins | self._wanted]
        return [
            *started_once(self._world, usual),
            *succeeded(self._world, usual),
            *self._without_result(),
            *self._twins(),
            *self._order_outcomes(),
        ]

    def _give(self, fields: dict[str, str]) -> None:
        name = f"order-{len(self._orders)}"
        self._orders[name] = fields
        self._world.order(name, **fields)

    def _without_result(self) -> Iterator[Violation]:
        for plan in self.plans:
            if result_of(self._world, plan) is None:
                yield Violation("I3", plan, "there is no result")

    def _twins(self) -> Iterator[Violation]:
        """Of the plans that share a key one is worked on, and the others are told of it."""
        for key, plans in self._keys.items():
            accepted = [plan for plan in plans if '"accepted"' in journal_text(self._world, plan)]
            if len(accepted) != 1:
                yield Violation("I2", key, f"of {plans}, which share a key, {accepted} were accepted")

    def _order_outcomes(self) -> Iterator[Violation]:
        log = self._world.root.orders_log
        told = [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []
        for name, fields in self._orders.items():
            outcomes = [one for one in told if one["file"] == f"{name}.toml"]
            if len(outcomes) != 1:
                yield Violation("I1", name, f"the order {fields} has {len(outcomes)} outcomes")
        done = Counter(one["key"] for one in told if one["outcome"] == "done" and one.get("key"))
        for key, count in done.items():
            if count > 1:
                yield Violation("I2", key, f"an order of this key was carried out {count} times")


CAMPAIGNS = (
    Campaign("T4", "kill -9 of the daemon while runs are alive", run),
    Campaign("T4 orders", "the same among cancels, retries, keys, pauses and orderly stops", run_with_orders),
)
