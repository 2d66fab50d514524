"""T5: runners, agents, both and everything at once are killed; daemons and runners are stopped and go on later.

Each agent waits at a gate of its own that opens after it was struck, so none can be done before. It leaves children
that ignore SIGTERM or are in sessions of their own, and holds a lock for its session (`tests/acceptance/agent.py`):
whoever resumes the session while anything of the one before is alive says so in the ledger.
"""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from tests.faults.campaign import Campaign, Ground, Outcome, Violation, run_rounds, too_few
from tests.faults.watching import (
    await_none_left,
    is_alive,
    ledger,
    result_of,
    run_folders,
    runner_of,
)
from tests.faults.world import World, a_world
from tests.waiting import wait_until

WORKERS = 3
"""Rounds at a time: each waits more than it works."""
PARALLEL = {"LIMITS__MAX_PARALLEL": "9"}
LINGERING = ("[detach 300]", "[child 300]", "[detach 300] [child 300]", "[ignore-term] [detach 300]", "")


class Struck(StrEnum):
    """What meets its end, or is stopped."""

    RUNNER = "runner killed"
    CLAUDE = "claude killed"
    BOTH = "both killed"
    ALL = "all killed at once"
    DAEMON_STOPPED = "daemon stopped"
    RUNNER_STOPPED = "runner stopped"


class Daemon(StrEnum):
    """What becomes of the daemon meanwhile."""

    STAYS = "stays"
    DIES = "is killed right after it"
    AWAY = "was killed before"


ONE_BY_ONE = (Struck.RUNNER, Struck.CLAUDE, Struck.BOTH)
KILLED = (*ONE_BY_ONE, Struck.ALL)


@dataclass(frozen=True, slots=True)
class Round:
    """One world, what each of its runs meets, and what the daemon does."""

    seed: str
    runs: tuple[Struck, ...]
    daemon: Daemon


def run(ground: Ground) -> Outcome:
    """So many of each kind."""
    each = ground.pick(6, 30, 200)
    rounds = []
    for kinds, most in (
        (ONE_BY_ONE, 3),
        ((Struck.ALL,), 6),
        ((Struck.DAEMON_STOPPED,), 3),
        ((Struck.RUNNER_STOPPED,), 6),
    ):
        for number, first in enumerate(range(0, each, most)):
            runs = tuple(kind for _ in range(min(most, each - first)) for kind in kinds)
            daemon = list(Daemon)[number % 3]
            rounds.append(Round(f"{ground.seed}/{kinds[0]}/{number}", runs, daemon))
    total = run_rounds(ground, rounds, one_round, WORKERS)
    if not total.breaks(ground.until):
        for kind in Struck:
            asked = sum(one.runs.count(kind) for one in rounds)
            total.violations += too_few(kind, total.figures[kind], asked)
    return total


def one_round(folder: Path, what: Round) -> Outcome:
    """Strike every run of a world; then let it come to rest and see what became of each."""
    chance = random.Random(what.seed)
    outcome = Outcome()
    with a_world(folder) as world:
        runs = [_Run(world, number, struck, chance) for number, struck in enumerate(what.runs)]
        world.fork(**PARALLEL)
        _strike_all(world, runs, what.daemon, chance)
        for one in runs:
            one.gate.touch()
        outcome.violations += world.await_quiet()
        outcome.violations += await_none_left(world)
        outcome.violations += world.judge()
        for one in runs:
            outcome.fired += one.fired
            outcome.figures[one.struck] += one.fired
            outcome.violations += one.complaints()
        outcome.violations += world.recover_once_more()
    outcome.violations = [Violation(v.invariant, v.where, v.what, what.seed) for v in outcome.violations]
    return outcome


class _Run:
    """A plan whose run is struck once."""

    def __init__(self, world: World, number: int, struck: Struck, chance: random.Random) -> None:
        self.world = world
        self.plan = f"plan-{number}"
        self.struck = struck
        self.gate = world.folder / f"gate-{number}"
        self.fired = 0
        self.on_interrupt = chance.choice(("resume", "resume", "restart", "stop"))
        prompt = f"[again] {chance.choice(LINGERING)} [await {self.gate}] [write {number}.txt x]"
        world.submit(self.plan, prompt, limits={"on_interrupt": self.on_interrupt})

    def pids(self) -> tuple[int, int] | None:
        """Its runner and its agent, once both are there."""
        folders = run_folders(self.world, self.plan)
        runner = runner_of(folders[0]) if folders else None
        agent = next((line.pid for line in ledger(self.world, "start") if line.plan == self.plan), None)
        return (runner, agent) if runner is not None and agent is not None else None

    def await_pids(self) -> tuple[int, int]:
        """Wait for them."""
        return wait_until(self.pids, 30, f"a run of {self.plan}; {self.world.here.said()}")

    def complaints(self) -> Iterator[Violation]:
        """What it came to that it should not have."""
        result = result_of(self.world, self.plan)
        if result is None:
            yield Violation("I3", self.plan, "there is no result")
            return
        told = (result["status"], result.get("reason"))
        numbers = [line.run for line in ledger(self.world, "start") if line.plan == self.plan]
        intended = [one for one in self.world.here.journal(self.plan) if one["event"] == "run-intended"]
        sessions = {one["session_id"] for one in intended}
        died = self.struck in KILLED
        ends_there = died and self.on_interrupt == "stop"
        if told != (("failed", "interrupted") if ends_there else ("succeeded", None)):
            yield Violation(
                "I3", self.plan, f"{self.struck}, {self.on_interrupt}: {told}, {result.get('summary')}"
            )
        wanted = ["main.1", "main.2"] if died and not ends_there else ["main.1"]
        if numbers != wanted or result["steps"][0]["attempts"] != len(wanted):
            yield Violation(
                "I2", self.plan, f"{self.struck}, {self.on_interrupt}: it was started as {numbers}"
            )
        # An agent that was killed before its first word had no session yet.
        spoke = (run_folders(self.world, self.plan)[0] / "events.jsonl").stat().st_size > 0
        if spoke and len(wanted) == 2 and len(sessions) != (1 if self.on_interrupt == "resume" else 2):
            yield Violation(
                "I2", self.plan, f"{self.struck}, {self.on_interrupt}: its sessions were {sessions}"
            )


def _strike_all(world: World, runs: list[_Run], daemon: Daemon, chance: random.Random) -> None:
    kind = runs[0].struck
    if kind is Struck.DAEMON_STOPPED:
        for one in runs:
            _stop_daemon(world, one, daemon, chance)
        return
    if kind is Struck.ALL or daemon is Daemon.AWAY:
        pids = [one.await_pids() for one in runs]
        if kind is Struck.ALL:
            _end_everything(world, runs, pids)
        else:
            world.kill()
            for one in runs:
                _strike(one, chance)
        world.fork(**PARALLEL)
    else:
        for one in runs:
            _strike(one, chance)
            if daemon is Daemon.DIES and chance.random() < 0.4:
                time.sleep(0.06 * chance.random())
                world.kill()
                world.fork(**PARALLEL)
    if kind is Struck.RUNNER_STOPPED:
        _go_on(runs)


def _strike(one: _Run, chance: random.Random) -> None:
    """Kill, or stop, what is to be, at a random moment of the run's life."""
    runner, agent = one.await_pids()
    time.sleep(0.05 * chance.random())
    signals = {
        Struck.RUNNER: ((runner, signal.SIGKILL),),
        Struck.CLAUDE: ((agent, signal.SIGKILL),),
        Struck.BOTH: tuple((pid, signal.SIGKILL) for pid in chance.sample((runner, agent), 2)),
        Struck.RUNNER_STOPPED: ((runner, signal.SIGSTOP),),
    }[one.struck]
    # Alive, for nobody has waited for them: their numbers are still their own.
    one.fired = int(all(is_alive(pid) for pid, _ in signals))
    for pid, number in signals:
        os.kill(pid, number)


def _end_everything(world: World, runs: list[_Run], pids: list[tuple[int, int]]) -> None:
    """As a reboot does: whatever there is of it, in one moment."""
    for one, both in zip(runs, pids, strict=True):
        one.fired = int(all(map(is_alive, both)))
    assert world.pid is not None
    os.kill(world.pid, signal.SIGKILL)
    while left := world.here.processes():
        for pid in left:
            if is_alive(pid):
                os.kill(pid, signal.SIGKILL)
    world.await_end()


def _stop_daemon(world: World, one: _Run, daemon: Daemon, chance: random.Random) -> None:
    """A daemon that stands still while a run ends and a plan comes; then it goes on, or is killed as it stands."""
    one.await_pids()
    assert world.pid is not None
    os.kill(world.pid, signal.SIGSTOP)
    one.gate.touch()
    wait_until(
        lambda: any(line.plan == one.plan for line in ledger(world, "end")), 20, f"the end of {one.plan}"
    )
    world.submit(f"late-{one.plan}", "[write late.txt x]")
    time.sleep(chance.random())
    one.fired = int(_state_of(world.pid) == "T")
    if daemon is Daemon.STAYS:
        os.kill(world.pid, signal.SIGCONT)
    else:
        world.kill()
        world.fork(**PARALLEL)


def _go_on(runs: list[_Run]) -> None:
    """Let stopped runners go on after their agents are done; nothing may have been decided about them before."""
    for one in runs:
        one.gate.touch()
    for one in runs:
        wait_until(
            lambda one=one: any(line.plan == one.plan for line in ledger(one.world, "end")), 20, "its end"
        )
        assert result_of(one.world, one.plan) is None, f"{one.plan} was settled while its runner was stopped"
        os.kill(one.await_pids()[0], signal.SIGCONT)


def _state_of(pid: int) -> str:
    with open(f"/proc/{pid}/stat") as file:
        return file.read().rpartition(")")[2].split()[0]


CAMPAIGNS = (
    Campaign("T5", "runner, claude, both and all killed; daemon and runner stopped for a while", run),
)
