"""T14: the wall clock jumps by an hour forward or back, or by ten years, while plans wait, run, or are recovered.

No run may end of it, none may happen twice, and no order may be lost; dates in plans (not_before, expires) are
compared with the clock as it stands. At the end the clock is put right again, which is a
jump too. In one row it is the daemon's clock alone, by the seam; in the other it is that of the daemon, its runners,
git and the agents alike, by a small library that is preloaded.
"""

from __future__ import annotations

import ctypes
import json
import shutil
import struct
import subprocess
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import product
from multiprocessing import sharedctypes
from pathlib import Path

from handoff.effects import clock
from tests.acceptance.stage import runs_now, waits_for
from tests.faults.campaign import Campaign, Ground, Outcome, Violation, run_rounds
from tests.faults.world import World, a_world
from tests.serving import MARK
from tests.waiting import wait_until

HOUR = 3600.0
STEPS = {"an hour on": HOUR, "an hour back": -HOUR, "ten years on": 87_660 * HOUR}
MOMENTS = ("running", "waiting", "down")
AT_A_TIME = 4
ALLOWED_SECONDS = 15.0
"""Three beats, and whatever a scan may take to find out that a date has come."""
SETTINGS = {"LIMITS__MAX_PARALLEL": "2", "LANES__SCAN_SECONDS": "1"}
LIBRARY = Path(__file__).parent / "clock_step.c"


@dataclass(frozen=True, slots=True)
class Jump:
    """One round: how far, when, and by whose hand."""

    step: str
    moment: str
    everywhere: bool
    number: int


def run_seam(ground: Ground) -> Outcome:
    """The daemon's clock alone."""
    return _run(ground, everywhere=False)


def run_everywhere(ground: Ground) -> Outcome:
    """The clock of all processes."""
    return _run(ground, everywhere=True)


def _run(ground: Ground, *, everywhere: bool) -> Outcome:
    times = ground.pick(1, 1, 12)
    todo = [
        Jump(step, moment, everywhere, number)
        for number, step, moment in product(range(times), STEPS, MOMENTS)
    ]
    # The short form: each step, each moment.
    chosen = todo if times > 1 or ground.size != "short" else todo[0::4]
    return run_rounds(ground, chosen, one_jump, workers=AT_A_TIME)


def one_jump(folder: Path, jump: Jump) -> Outcome:
    """Let the clock jump once, and back."""
    outcome = Outcome()
    with a_world(folder / "world") as world:
        hand = _Everywhere(world) if jump.everywhere else _Seam(world)
        outcome.violations += _play(world, jump, hand, outcome)
        outcome.violations += world.await_quiet()
        outcome.violations += world.judge(settled=not outcome.violations)
    outcome.violations = [
        Violation(one.invariant, one.where, one.what, repr(jump)) for one in outcome.violations
    ]
    return outcome


def _play(world: World, jump: Jump, hand: _Hand, outcome: Outcome) -> Iterator[Violation]:
    step, gate = STEPS[jump.step], world.folder / "gate"
    hand.start()
    _hand_in(world, gate)
    runs_now(world.here, "run")
    wait_until(lambda: waits_for(world.here, "later") == "time", 15, "the plan with a date to wait")
    if jump.moment == "waiting":
        # Nothing runs: what waits for a date alone is left.
        gate.touch()
        world.here.result("run")
    if jump.moment == "down":
        world.kill()
    hand.set(step)
    outcome.fired += 1
    if jump.moment == "down":
        hand.start()
    else:
        wait_until(lambda: _is_told(world), ALLOWED_SECONDS, f"the jump to be told; {world.here.said()}")
    yield from _dates_hold(world, step)
    if jump.moment != "waiting" and _has_ended(world, "run"):
        yield Violation("-", "run", "it ended of the jump")
    gate.touch()
    yield from _succeed(world, "run", "then")
    yield from _heart_beats(world, step)
    hand.set(0.0)
    outcome.fired += 1
    world.order("again", action="retry", plan="run")
    world.submit("last")
    yield from _succeed(world, "run-2", "last")
    for plan in ("later", "dated"):
        world.order(f"cancel-{plan}", action="cancel", plan=plan)


def _hand_in(world: World, gate: Path) -> None:
    now = time.time()

    def date(seconds: float) -> datetime:
        return datetime.fromtimestamp(int(now + seconds), UTC)

    world.submit("run", f"[say one] [await {gate}] [say two]")
    world.submit("then", after=["run"])
    world.submit("later", not_before=date(HOUR / 2))
    world.submit("dated", not_before=date(HOUR / 2 - 60), expires=date(HOUR / 2))


def _dates_hold(world: World, step: float) -> Iterator[Violation]:
    """What has a date is looked at by the clock as it stands."""
    if step > 0:
        for plan, wanted in (("later", "succeeded"), ("dated", "expired")):
            status = world.here.result(plan, ALLOWED_SECONDS)["status"]
            if status != wanted:
                yield Violation("-", plan, f"it is {status}, not {wanted}")
        return
    for plan in ("later", "dated"):
        if waits_for(world.here, plan) != "time":
            yield Violation("-", plan, "it does not wait any more")


def _heart_beats(world: World, step: float) -> Iterator[Violation]:
    beat = datetime.fromisoformat(world.here.status("daemon")["heartbeat"]).timestamp()
    age = time.time() + step - beat
    if abs(age) > ALLOWED_SECONDS:
        yield Violation("-", "status", f"its heartbeat is {age:.0f} s old")


def _is_told(world: World) -> bool:
    return any(one["word"] == "clock" for one in world.here.status("daemon").get("problems", []))


def _has_ended(world: World, plan: str) -> bool:
    return any(record["event"] == "run-ended" for record in world.here.journal(plan))


def _succeed(world: World, *plans: str) -> Iterator[Violation]:
    """All of them, with one attempt each."""
    for plan in plans:
        result = world.here.result(plan)
        attempts = [step["attempts"] for step in result.get("steps", [])]
        if (result["status"], attempts) != ("succeeded", [1]):
            yield Violation(
                "-", plan, f"{result['status']} after {attempts} attempts: {result.get('summary')}"
            )


# -- whose hand sets it ----------------------------------------------------------------------------------------------


class _Hand(ABC):
    """Sets the clock, and starts the daemon so that it can be set."""

    def __init__(self, world: World) -> None:
        self._world = world

    @abstractmethod
    def start(self) -> None:
        """Start the daemon, and wait until it is up."""

    @abstractmethod
    def set(self, step: float) -> None:
        """Set the clock so many seconds on."""


class _Seam(_Hand):
    """The daemon's own clock, in memory that is shared with it."""

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self._step = sharedctypes.RawValue(ctypes.c_double, 0.0)

    def start(self) -> None:
        self._world.fork(self._in_the_daemon, **SETTINGS)
        self._world.await_up()

    def set(self, step: float) -> None:
        self._step.value = step

    def _in_the_daemon(self) -> None:
        real: Callable[[], float] = clock.wall
        clock.wall = lambda: real() + self._step.value  # type: ignore[method-assign]


class _Everywhere(_Hand):
    """Every process asks a small library for the time; what only grows goes on as it is."""

    def __init__(self, world: World) -> None:
        super().__init__(world)
        library = world.folder / "clock_step.so"
        words = ["cc", "-shared", "-fPIC", "-o", str(library), str(LIBRARY), "-ldl"]
        subprocess.run(words, check=True, capture_output=True)
        self._file = world.folder / "clock_step"
        self._file.write_bytes(struct.pack("l", 0))
        passed = [MARK, "FAKE_*", "LD_PRELOAD", "CLOCK_STEP_FILE"]
        world.here.environ |= {
            "LD_PRELOAD": str(library),
            "CLOCK_STEP_FILE": str(self._file),
            "ORCHESTRD_CLAUDE__ENV_PASS": json.dumps(passed),
        }

    def start(self) -> None:
        self._world.start(**SETTINGS)

    def set(self, step: float) -> None:
        with self._file.open("r+b", buffering=0) as file:
            file.write(struct.pack("l", int(step)))


def why_no_compiler() -> str | None:
    """Why the clock of all processes cannot be set here; None: it can."""
    return None if shutil.which("cc") else "there is no C compiler for the clock of all processes"


CAMPAIGNS: tuple[Campaign, ...] = (
    Campaign("T14 daemon", "the daemon's wall clock jumps by an hour, by ten years, and back", run_seam),
    Campaign(
        "T14 everywhere",
        "the wall clock of all processes jumps alike",
        run_everywhere,
        why_no_compiler,
    ),
)
