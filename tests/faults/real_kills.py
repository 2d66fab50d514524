"""T4 and T5 with the real Claude Code and a scripted model: daemons, runners and Claude Code itself are killed.

The daemon is the real command. The model takes its time, so that there is always a run to be killed or adopted.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from orchestrd.rehearsal import Rehearsal, parse_script
from tests.faults.campaign import Campaign, Ground, Outcome, Violation, run_rounds
from tests.faults.killed_runs import Struck
from tests.faults.watching import (
    await_adoption,
    await_none_left,
    living_runs,
    result_of,
    run_folders,
    runner_of,
    succeeded,
)
from tests.faults.world import World, a_world
from tests.live.conftest import find_binary
from tests.live.real import MAY_WRITE, await_kept_turn, conversation, write
from tests.waiting import wait_until

SETTINGS = {"LIMITS__MAX_PARALLEL": "3"}
QUIET_SECONDS = 120.0
"""Twenty plans that take seconds each, a few at a time, are not settled 30 s after the last kill."""
SLOW = 'text = "Done."\nslow = { first_byte_seconds = 2.5 }'
STALLED = 'text = "Done."\nstall = { times = 1 }'


@dataclass(frozen=True, slots=True)
class Round:
    """One world with Claude Code."""

    seed: str
    plans: int
    struck: tuple[Struck, ...] = ()
    """What each run meets; empty: the daemon is killed as often as there are plans."""


def run_daemon_kills(ground: Ground) -> Outcome:
    """As many kills of the daemon as plans."""
    plans = ground.pick(3, 20, 40)
    each = min(plans, 10)
    rounds = [Round(f"{ground.seed}/real/{number}", each) for number in range(plans // each)]
    return run_rounds(ground, rounds, one_siege)


def run_run_kills(ground: Ground) -> Outcome:
    """A few runs of each kind."""
    kinds = (Struck.RUNNER, Struck.CLAUDE, Struck.BOTH)
    rounds = [Round(f"{ground.seed}/{number}", 3, kinds) for number in range(ground.pick(1, 2, 10))]
    rounds += [Round(f"{ground.seed}/all/{n}", 3, (Struck.ALL,) * 3) for n in range(ground.pick(0, 1, 5))]
    return run_rounds(ground, rounds, one_resumption)


def one_siege(folder: Path, what: Round) -> Outcome:
    """Kill one daemon after the other while Claude Code works."""
    chance = random.Random(what.seed)
    outcome = Outcome()
    with _a_world(folder, conversation("", write("new.txt"), SLOW)) as (world, model):
        plans: list[str] = []
        world.start(**SETTINGS)
        for kills in range(what.plans):
            _keep_busy(world, plans, min(what.plans, kills + 3))
            time.sleep(0.5 * chance.random())
            alive = living_runs(world)
            world.kill()
            outcome.fired += bool(alive)
            outcome.figures["runs alive at a kill"] += len(alive)
            alive, began = living_runs(world), time.monotonic()
            world.launch(**SETTINGS)
            outcome.add(await_adoption(world, alive, began))
        outcome.violations += _came_to_rest(world)
        outcome.violations += succeeded(world, plans)
        outcome.violations += _asked_once(model, plans)
        outcome.figures["plans"] += len(plans)
        outcome.figures["results"] += sum(result_of(world, plan) is not None for plan in plans)
    return _reproducible(outcome, what)


def one_resumption(folder: Path, what: Round) -> Outcome:
    """Kill runners, Claude Code, both, or everything, in the middle of an answer; each session goes on."""
    outcome = Outcome()
    with _a_world(folder, conversation("", write("new.txt"), STALLED)) as (world, model):
        plans = [f"plan-{number}" for number in range(what.plans)]
        with _sessions_watched(world) as doubles:
            for name in plans:
                world.submit(name, permissions=MAY_WRITE, model="sonnet")
            world.start(**SETTINGS)
            for name in plans:
                wait_until(lambda name=name: len(_asked(model, name)) >= 2, 60, f"{name}'s second turn")
                await_kept_turn(world.here, name)
            for name, struck in zip(plans, what.struck, strict=True):
                outcome.fired += _strike(world, name, struck)
                outcome.figures[struck] += 1
            if Struck.ALL in what.struck:
                world.kill()
                world.launch(**SETTINGS)
            outcome.violations += _came_to_rest(world)
        outcome.violations += doubles
        outcome.violations += succeeded(world, plans)
        for name in plans:
            outcome.violations += _went_on(world, model, name)
    return _reproducible(outcome, what)


@contextmanager
def _a_world(folder: Path, script: str) -> Iterator[tuple[World, Rehearsal]]:
    claude = find_binary()
    assert claude is not None
    with (
        Rehearsal(parse_script(script)) as model,
        a_world(folder, claude=claude, environ=model.environment()) as world,
    ):
        yield world, model


def _keep_busy(world: World, plans: list[str], wanted: int) -> None:
    """Hand in as many as are wanted, and more where the machine is done with them; wait until there is a run."""
    deadline = time.monotonic() + 60
    while len(plans) < wanted or not living_runs(world):
        assert time.monotonic() < deadline, f"nothing runs; the daemon said: {world.here.said()}"
        if len(plans) < wanted or sum(result_of(world, plan) is None for plan in plans) < 2:
            plans.append(f"plan-{len(plans)}")
            world.submit(plans[-1], permissions=MAY_WRITE, model="sonnet")
        time.sleep(0.01)


def _came_to_rest(world: World) -> list[Violation]:
    found = world.await_quiet(QUIET_SECONDS)
    return [*found, *await_none_left(world), *world.judge()]


def _asked(model: Rehearsal, plan: str) -> list[int]:
    """The turns of a plan's conversation that the model was asked for."""
    return [request.turn for request in model.messages if f"{plan}:" in request.prompt]


def _asked_once(model: Rehearsal, plans: list[str]) -> Iterator[Violation]:
    """The model is the ledger: whoever was started twice began its conversation twice."""
    for plan in plans:
        turns = Counter(_asked(model, plan))
        if turns[0] != 1:
            yield Violation("I2", plan, f"its conversation was begun {turns[0]} times")


def _strike(world: World, plan: str, struck: Struck) -> int:
    runner = runner_of(run_folders(world, plan)[0])
    assert runner is not None
    agents = _children(runner)
    pids = {Struck.RUNNER: [runner], Struck.CLAUDE: agents, Struck.BOTH: [runner, *agents]}.get(
        struck, [runner, *agents]
    )
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
    return 1


def _children(pid: int) -> list[int]:
    with open(f"/proc/{pid}/task/{pid}/children") as file:
        return [int(word) for word in file.read().split()]


def _went_on(world: World, model: Rehearsal, plan: str) -> Iterator[Violation]:
    """It was resumed once, under its own id, and knew what it had done."""
    intended = [one for one in world.here.journal(plan) if one["event"] == "run-intended"]
    sessions = {one["session_id"] for one in intended}
    if [one["resumes"] for one in intended] != [False, True] or len(sessions) != 1:
        yield Violation("I2", plan, f"it was not resumed once, but: {intended}")
    if _asked(model, plan) != [0, 1, 1]:
        yield Violation("-", plan, f"the model was asked for its turns {_asked(model, plan)}")


@contextmanager
def _sessions_watched(world: World) -> Iterator[list[Violation]]:
    """Look all the time for two Claude Codes on one session."""
    found: list[Violation] = []
    over = threading.Event()

    def watch() -> None:
        while not over.wait(0.02):
            # The words first: a parent is told only of a process that was there for both.
            looks = ((pid, _session_of(pid), _parent(pid)) for pid in world.here.processes())
            there = {pid: (session, parent) for pid, session, parent in looks if session and parent}
            sessions = {pid: session for pid, (session, _) in there.items()}
            # A fork that is not a shell, say, yet has its parent's words.
            apart = [one for one, parent in there.values() if sessions.get(parent) != one]
            doubles = [session for session, count in Counter(apart).items() if count > 1]
            found.extend(Violation("I2", session, "two at work on this session") for session in doubles)

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield found
    finally:
        over.set()
        thread.join()


def _session_of(pid: int) -> str | None:
    """The session that a Claude Code was started for, by its words; of anything else None."""
    with suppress(OSError):
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        for flag in (b"--session-id", b"--resume"):
            if flag in words:
                return words[words.index(flag) + 1].decode()
    return None


def _parent(pid: int) -> int:
    """Its parent; 0 where it is gone."""
    with suppress(OSError), open(f"/proc/{pid}/stat") as file:
        return int(file.read().rpartition(")")[2].split()[1])
    return 0


def _reproducible(outcome: Outcome, what: Round) -> Outcome:
    outcome.violations = [Violation(v.invariant, v.where, v.what, str(what)) for v in outcome.violations]
    return outcome


def needs() -> str | None:
    """Why there is no Claude Code."""
    claude = find_binary()
    if claude is None:
        return "there is no Claude Code"
    tried = subprocess.run([claude, "--version"], capture_output=True, check=False)
    return None if tried.returncode == 0 else "Claude Code does not start"


CAMPAIGNS = (
    Campaign("T4 real", "the same with the real Claude Code", run_daemon_kills, needs),
    Campaign("T5 real", "runner, Claude Code, both and all killed: resumed", run_run_kills, needs),
)
