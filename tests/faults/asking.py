"""T4 asking: daemons and runners are killed while runs ask, among answers that fit and answers that do not.

Each plan's agent asks twice; its session, gone on with, asks anew. Whoever answers does so by a rename or in place, at
any time, whether a daemon is there or not. A plan's runner is killed once: the pause before a third attempt is long.
"""

from __future__ import annotations

import json
import os
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
    await_none_left,
    journal_text,
    living_runs,
    run_folders,
    runner_of,
    succeeded,
)
from tests.faults.world import QUIET_SECONDS, World, a_world
from tests.waiting import wait_until

WORKERS = 3
"""Rounds at a time: each waits more than it works."""
KILLS_A_ROUND = 8
PLANS = 6
ANSWERS = (
    b'decision = "allow"\n',
    b'decision = "allow"\nscope = "plan"\n',
    b'decision = "deny"\nmessage = "Not like this."\n',
    b'decision = "perhaps"\n',
    b"decision = ",
    b"\xff",
)


@dataclass(frozen=True, slots=True)
class Siege:
    """One world, and how often something is killed in it."""

    seed: str
    kills: int


def run(ground: Ground) -> Outcome:
    """Kills of daemons and runners, half and half."""
    kills = ground.pick(4, 80, 400)
    sieges = [
        Siege(f"{ground.seed}/{number}", min(KILLS_A_ROUND, kills - first))
        for number, first in enumerate(range(0, kills, KILLS_A_ROUND))
    ]
    return run_rounds(ground, sieges, one_siege, WORKERS)


def one_siege(folder: Path, siege: Siege) -> Outcome:
    """Kill while runs ask; then answer all, let it come to rest, and ask the oracle."""
    chance = random.Random(siege.seed)
    outcome = Outcome()
    settings = {**SETTINGS, "LANES__PATIENCE_SECONDS": "0.5"}
    with a_world(folder) as world:
        plans = [_submit(world, number) for number in range(PLANS)]
        world.fork(**settings)
        struck: set[str] = set()
        for number in range(siege.kills):
            wait_until(lambda: _open(world) or _are_over(world), 30, "something that is asked")
            time.sleep(0.2 * chance.random())
            if number % 2 and _kill_a_runner(world, chance, struck):
                outcome.figures["runners killed"] += 1
                outcome.fired += 1
            else:
                outcome.fired += bool(_open(world))
                world.kill()
                _answer(world, chance, 0.3)
                world.fork(**settings)
            _answer(world, chance, 0.3)
        deadline = time.monotonic() + 60
        while not _are_over(world) and time.monotonic() < deadline:
            _answer(world, chance, 1.0)
            time.sleep(0.05)
        outcome.violations += world.await_quiet()
        # One that came a moment too late is dealt with like any other.
        deadline = time.monotonic() + QUIET_SECONDS
        while os.listdir(world.root.replies) and time.monotonic() < deadline:
            time.sleep(0.05)
        outcome.violations += await_none_left(world)
        outcome.violations += world.judge()
        outcome.violations += succeeded(world, plans)
        outcome.violations += _complaints(world, plans, outcome)
        outcome.violations += world.recover_once_more()
    outcome.violations = [
        Violation(one.invariant, one.where, one.what, siege.seed) for one in outcome.violations
    ]
    return outcome


def _submit(world: World, number: int) -> str:
    asks = []
    for nth in (1, 2):
        suggested = [
            {
                "type": "addRules",
                "behavior": "allow",
                "rules": [{"toolName": "Bash", "ruleContent": f"make {nth}"}],
            }
        ]
        request = {
            "subtype": "can_use_tool",
            "tool_name": "Bash",
            "input": {"command": f"make {nth}"},
            "permission_suggestions": suggested,
        }
        asks.append(world.folder / f"ask-{number}-{nth}")
        asks[-1].write_text(
            json.dumps({"type": "control_request", "request_id": f"r{nth}", "request": request}) + "\n"
        )
    prompt = f"[again] [send {asks[0]}] [hear 1] [write {number}.txt x] [send {asks[1]}] [hear 1]"
    world.submit(f"plan-{number}", prompt, permissions={"ask": "request"}, limits={"attempts": 9})
    return f"plan-{number}"


def _are_over(world: World) -> bool:
    return len(list(world.root.results.glob("*.toml"))) == PLANS


def _open(world: World) -> list[str]:
    return [name for name in sorted(os.listdir(world.root.requests)) if not name.startswith(".")]


def _answer(world: World, chance: random.Random, share: float) -> None:
    """Answer some of what is asked, in one way or another."""
    for name in _open(world):
        place = world.root.replies / name
        if chance.random() >= share or place.exists():
            continue
        content = chance.choice(ANSWERS)
        if chance.random() < 0.5:
            temporary = world.root.replies / f".{name}.part"
            temporary.write_bytes(content)
            temporary.rename(place)
        else:
            place.write_bytes(content)


def _kill_a_runner(world: World, chance: random.Random, struck: set[str]) -> bool:
    """Kill one that was not killed before, if there is any."""
    alive = [plan for plan in living_runs(world) if plan not in struck]
    if not alive:
        return False
    plan = chance.choice(alive)
    folders = run_folders(world, plan)
    pid = runner_of(folders[-1]) if folders else None
    if pid is None:
        return False
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return False
    struck.add(plan)
    return True


def _complaints(world: World, plans: list[str], outcome: Outcome) -> Iterator[Violation]:
    """Nothing is asked any more, no answer lies about, and each line of what was asked stands in a journal once."""
    for lane in (world.root.requests, world.root.replies):
        for name in os.listdir(lane):
            yield Violation("I8", f"{lane.name}/{name}", "it is left over")
    for plan in plans:
        records = [json.loads(line) for line in journal_text(world, plan).splitlines()]
        noted = Counter((one["step"], one["n"], one["line"]) for one in records if "line" in one)
        outcome.figures["asked"] += sum(one["event"] == "asked" for one in records)
        outcome.figures["answers refused"] += sum(one["event"] == "reply-refused" for one in records)
        for line, count in noted.items():
            if count > 1:
                yield Violation(
                    "I7", plan, f"its journal tells {count} times of line {line} of what it asked"
                )
        for folder in run_folders(world, plan):
            yield from _untold(plan, folder, noted)


def _untold(plan: str, folder: Path, noted: Counter[tuple[str, int, int]]) -> Iterator[Violation]:
    path = folder / "asked.jsonl"
    lines = path.read_bytes().count(b"\n") if path.exists() else 0
    for line in range(1, lines + 1):
        if ("main", int(folder.suffix[1:]), line) not in noted:
            yield Violation(
                "I7", plan, f"its journal does not tell of line {line} of {folder.name}/asked.jsonl"
            )


CAMPAIGNS = (Campaign("T4 asking", "kill -9 of daemons and runners while runs wait for a person", run),)
