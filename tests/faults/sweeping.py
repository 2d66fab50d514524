"""T1 and T3: every step of the daemon, of a daemon that recovers, and of the runner, made to fail in every way.

SQLite's loop: a story is told once and its steps are written down; then it is told again and again, each time with
one fault at one step. Afterwards the faults are over, a daemon without any serves the root, and the oracle judges. A
step that is taken again and again (a lane is looked at) is made to fail at its first times.
"""

from __future__ import annotations

import errno
import re
import shutil
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace

from tests.faults import steps
from tests.faults.campaign import (
    Campaign,
    Ground,
    Outcome,
    PromiseBroken,
    Size,
    Violation,
    run_rounds,
    spread,
    too_few,
)
from tests.faults.oracle import contents, differences
from tests.faults.steps import PROCESSES, Fault, Kind, Step
from tests.faults.stories import STORIES, Story, Telling
from tests.faults.world import QUIET_SECONDS, World, a_world

ERRORS = tuple(
    getattr(errno, name)
    for name in (
        "EIO",
        "ENOSPC",
        "EDQUOT",
        "EACCES",
        "EROFS",
        "EMFILE",
        "EINTR",
        "ENOMEM",
        "EAGAIN",
        "ESTALE",
    )
)
HELD_SECONDS = 0.6
"""How long an error for ever lasts: three tries of whatever is tried again."""
AGAIN_SECONDS = 0.2
"""Instead of the daemon's 5: a sweep of thousands of rounds cannot wait so long."""
MOST_TIMES = 2
"""Of a question that is asked again and again, and of what is written again and again (`AGAIN_AND_AGAIN`)."""
AGAIN_AND_AGAIN = ("handoff/status/", "handoff/.orchestrd/reserve", "handoff/.orchestrd/spare")
MOST_LINES = 12
"""The log says one thing at most so often in a round; it is told once, and again when it came back."""
LOGS = ("/events.jsonl", "/stdout.log", "/stderr.log")
REACHED = 0.95
"""Of the steps that are chosen: a timer or a thread may have gone another way than when they were written down."""
AT_ONCE = 4
"""Rounds at a time: more than cores, for most of a round is waiting."""
# What is known of projects is kept by a thread of its own, whenever it comes to it: cut off in tests/context.
SETTINGS = {
    "LANES__PATIENCE_SECONDS": "0.3",
    "LANES__SCAN_SECONDS": "0.4",
    "LIMITS__MAX_PARALLEL": "2",
    "CONTEXT__KEEP": "false",
}


REFUSALS = (
    "OSError",
    "PermissionError",
    "FileNotFoundError",
    "InterruptedError",
    "BlockingIOError",
    "handoff.",
    "orchestrd.",
)
"""What the command line makes one line of: a daemon that cannot start says why, and what to do."""
_EXCEPTION = re.compile(r"[A-Za-z_][\w.]*(: .*)?\Z")


@dataclass(frozen=True, slots=True)
class Round:
    """One telling with one fault."""

    story: int
    fault: Fault | None
    before: Fault | None = None
    """What ended a daemon before: then the fault meets the one that recovers."""

    def __str__(self) -> str:
        """In words, for whoever wants to see it again."""
        after = f" after ({self.before})" if self.before else ""
        return f"{STORIES[self.story].name}{after}: {self.fault}"


class Stage:
    """Where a round is played: a world, and daemons in it whose steps are counted."""

    def __init__(self, world: World, story: Story) -> None:
        self.world = world
        self.fired = world.folder / "faults.log"
        self._armed = world.folder / "armed"
        self._armed.touch()
        self.telling = Telling(story, world)
        self.begins: list[int] = []
        """Where in the log each daemon begins."""
        self.stopped_in_order = False
        """The daemon that met the fault ended as one does that was told to stop."""

    def serve(self, fault: Fault | None = None, *, record: bool = False) -> None:
        """Start a daemon with this fault in it, or in its runners."""
        log = self.world.here.log
        self.begins.append(log.stat().st_size if log.exists() else 0)
        folder, told = str(self.world.folder), {"fired": str(self.fired), "armed": str(self._armed)}
        in_daemon = fault if fault is not None and not fault.runner else None
        in_runner = fault if fault is not None and fault.runner else None
        script = self.world.folder / "runner.py"
        if in_runner or record:
            names = {
                who: str(self.world.folder / f"{who}.steps") if record else None
                for who in ("daemon", "runner")
            }
            script.write_text(steps.script(folder, in_runner, record=names["runner"], **told))

        def prepare() -> None:
            hurry()
            if in_runner or record:
                from orchestrd.runs import start

                start.runner = SimpleNamespace(__file__=str(script))  # type: ignore[assignment]
            if in_daemon or record:
                steps.install(folder, in_daemon, record=names["daemon"] if record else None, **told)

        self.world.fork(prepare, **SETTINGS)

    def go_on(self, until: Callable[[], bool] = lambda: False, seconds: float = QUIET_SECONDS) -> bool:
        """Tell the story until all is quiet, the daemon has ended or `until` says so; False: not in time."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            told = self.telling.go_on()
            if (told and self.world.is_quiet()) or until() or self._is_over():
                return True
            time.sleep(0.004)
        return False

    def quiet(self) -> list[Violation]:
        """I8: what is handed in is settled in time, or the daemon has ended."""
        return [] if self.go_on() else self.world.await_quiet(0)

    def strikes(self) -> int:
        """How often a fault has happened."""
        return len(self.fired.read_text().splitlines()) if self.fired.exists() else 0

    def disarm(self) -> None:
        """The faults are over."""
        self._armed.unlink(missing_ok=True)

    def _is_over(self) -> bool:
        return self.world.forked is None or self.world.await_end(0) is not None


def play(folder: Path, what: Round) -> Outcome:
    """Play a round, and judge."""
    outcome = Outcome()
    with a_world(folder) as world:
        stage = Stage(world, STORIES[what.story])
        if what.before is not None:
            stage.serve(what.before)
            stage.go_on()
            if world.forked is not None:
                world.stop()
            stage.fired.unlink(missing_ok=True)
        wrong = _with_fault(stage, what.fault)
        outcome.fired = min(1, stage.strikes())
        outcome.figures["unreached"] += 1 - outcome.fired
        if not stage.stopped_in_order:
            stage.serve()
            world.await_up()
            wrong += stage.quiet()
            world.stop()
        # Of a daemon that serves, a file in `status/` may just be half written.
        wrong += world.judge()
        before = contents(world.root)
        stage.serve()
        world.await_up()
        world.stop()
        wrong += differences(before, contents(world.root))
        wrong += _noise(stage)
        outcome.violations = [replace(one, reproduce=str(what)) for one in wrong]
        outcome.figures["rounds"] += 1
    return outcome


def _with_fault(stage: Stage, fault: Fault | None) -> list[Violation]:
    """Have a daemon meet the fault; afterwards it has ended, or is as well as before."""
    wrong: list[Violation] = []
    stage.serve(fault)
    if fault is not None and fault.kind is Kind.EVER:
        stage.go_on(lambda: stage.strikes() > 0)
        if stage.strikes():  # or else it is a step of the daemon's end
            held = time.monotonic() + HELD_SECONDS
            stage.go_on(lambda: time.monotonic() > held)
            if not fault.runner:  # which is told of by the end of its run
                wrong += _silence(stage)
            stage.disarm()
    wrong += stage.quiet()
    if stage.world.forked is not None:
        # Its last steps count as well.
        stage.stopped_in_order = stage.world.stop() == 0 and not wrong
    stage.disarm()
    return wrong


def _silence(stage: Stage) -> Iterator[Violation]:
    """A daemon that is held up says by what, in its log at least."""
    said = stage.world.here.log.read_text("utf-8", "replace")
    held_up = stage.strikes() >= 3 and stage.world.forked is not None and not stage.world.is_quiet()
    if held_up and "WARNING" not in said and "ERROR" not in said:
        yield Violation(
            "-", "the log", f"{stage.strikes()} errors, and not a word of what holds it up: {said}"
        )


def _noise(stage: Stage) -> Iterator[Violation]:
    """What the daemons said: each thing once, and nothing of having broken."""
    said = stage.world.here.log.read_text("utf-8", "replace")
    for line, times in Counter(said.splitlines()).items():
        if times > MOST_LINES and line.strip():
            yield Violation("-", "the log", f"it says {times} times: {line[:200]}")
    for begin, end in pairwise([*stage.begins, len(said.encode())]):
        own = said.encode()[begin:end].decode("utf-8", "replace")
        before, broke, told = own.rpartition("Traceback (most recent call last):")
        if not broke:
            continue
        what = next((line for line in reversed(told.splitlines()) if _EXCEPTION.match(line)), "?")
        if "serving " in before or not what.startswith(REFUSALS):
            yield Violation("-", "the daemon", f"it broke: {what}; {own[-2500:]}")


def hurry() -> None:
    """In a daemon: try again soon."""
    from orchestrd.daemon import entrance, errands, indexing, loop

    for module in (entrance, errands, indexing, loop):
        module.AGAIN_SECONDS = AGAIN_SECONDS  # type: ignore[attr-defined]


def record(folder: Path, story: int, before: Fault | None = None) -> tuple[list[Step], list[Step]]:
    """The steps of the daemon (of the one that recovers after `before`) and of its runners, each once."""
    with a_world(folder) as world:
        stage = Stage(world, STORIES[story])
        if before is not None:
            stage.serve(before)
            stage.go_on()
            assert stage.strikes(), f"this did not happen: {before}"
        stage.serve(record=True)
        for broken in stage.quiet():
            raise PromiseBroken(replace(broken, reproduce=f"{STORIES[story].name}, without a fault"))
        world.stop()
        for broken in world.judge():
            raise PromiseBroken(replace(broken, reproduce=f"{STORIES[story].name}, without a fault"))
        found = [steps.recorded(str(folder / f"{who}.steps")) for who in ("daemon", "runner")]
    shutil.rmtree(folder)
    return found[0], found[1]


def points(found: Iterable[Step]) -> list[Step]:
    """The steps that are made to fail: all that write or touch a process, of the others the first times."""
    return [
        step
        for step in dict.fromkeys(found)
        if not _comes_by_chance(step)
        if step.time <= MOST_TIMES
        or ((step.writes or step.operation in PROCESSES) and not step.what.startswith(AGAIN_AND_AGAIN))
    ]


def _comes_by_chance(step: Step) -> bool:
    """In how many pieces an agent's words come is chance: of their writes the first two are there each time."""
    return step.operation == "write" and step.time > 2 and step.what.endswith(LOGS)


def of_a_step(
    step: Step, *, runner: bool = False, before: Fault | None = None, story: int = 0
) -> Iterator[Round]:
    """T1: a step in every way that it can fail."""
    kinds = [Kind.ONCE]
    if step.writes or step.operation in PROCESSES:
        kinds += [Kind.EVER, Kind.CRASH_BEFORE, Kind.CRASH_AFTER]
    elif step.time == 1:
        # From its second time on is hardly another thing.
        kinds += [Kind.EVER]
    if step.operation == "write":
        kinds += [Kind.HALF, Kind.SHORT]
    for kind in kinds:
        yield Round(story, Fault(step, kind, runner=runner), before)


CRASHES = (
    ("rename_new handoff/inbox/a.toml", "its file was taken, and not looked at yet"),
    ("rename handoff/active/a/.accepted.json.tmp", "it was looked at, and its id not written down"),
    ("start git checkout", "its checkout is being made"),
    ("mkdir handoff/active/a/runs/main.1", "its run has a folder, and no runner"),
    ("start runner", "its run is alive"),
    ("start git commit", "what its run left is being committed"),
    ("rename_new handoff/active/a/.result.toml.tmp", "its result is written, and not published"),
    ("start git worktree remove", "its result is published, its checkout is being removed"),
    ("rename_new handoff/active/a →", "it was moved to the archive"),
)
"""After which step of the first story a daemon dies, for the one that recovers to be swept; and what it finds."""


def crashes(found: list[Step]) -> list[Fault]:
    """What makes those states."""
    return [
        Fault(next(step for step in found if str(step).startswith(begin)), Kind.CRASH_AFTER)
        for begin, _ in CRASHES
    ]


def first_run(ground: Ground) -> Outcome:
    """T1: the daemon's steps, from its start to its end."""
    stories = range(ground.pick(1, 1, len(STORIES)))
    rounds = [
        one
        for story in stories
        for step in points(record(ground.folder / "told", story)[0])
        for one in of_a_step(step, story=story)
    ]
    return _swept(ground, rounds, ground.pick(80, 330, 2600))


def recovery(ground: Ground) -> Outcome:
    """T1: the steps of a daemon that finds what a crash has left."""
    daemon, _ = record(ground.folder / "told", 0)
    rounds = [
        one
        for before in crashes(daemon)
        for step in points(record(ground.folder / "told", 0, before)[0])
        for one in of_a_step(step, before=before)
    ]
    return _swept(ground, rounds, ground.pick(30, 70, 600))


def runners(ground: Ground) -> Outcome:
    """T1: the runner's steps."""
    stories = (0, 2) if ground.size is not Size.LONG else range(len(STORIES))
    rounds = [
        one
        for story in stories
        for step in points(record(ground.folder / "told", story)[1])
        for one in of_a_step(step, runner=True, story=story)
    ]
    return _swept(ground, rounds, ground.pick(25, 60, 340))


def errors(ground: Ground) -> Outcome:
    """T3: every step of daemon and runner, with every error; in the long form each step once, with one of them."""
    by_step = [
        [
            Round(story, Fault(step, kind, number, runner=who == 1))
            for kind in (Kind.ONCE, Kind.EVER)
            for number in ERRORS
        ]
        for story in range(len(STORIES))
        for who, found in enumerate(record(ground.folder / "told", story))
        for step in points(found)
    ]
    if ground.size is Size.LONG and not ground.rounds:
        rounds = one_of_each(ground, by_step)
        return _swept(ground, rounds, len(rounds))
    return _swept(ground, [one for rounds in by_step for one in rounds], ground.pick(35, 80, len(by_step)))


def one_of_each(ground: Ground, by_step: Iterable[Sequence[Round]]) -> list[Round]:
    """Exactly one round for each step, by chance."""
    chance = ground.random("one of each")
    return [chance.choice(rounds) for rounds in by_step]


def _swept(ground: Ground, rounds: list[Round], most: int) -> Outcome:
    chosen = spread(ground, rounds, most)
    total = run_rounds(ground, chosen, play, workers=AT_ONCE)
    total.figures["points"] = len(rounds)
    if not ground.until and not ground.rounds:
        # A bug that is put in may end a story before its step; and whoever asks for one round sees what it came to.
        total.violations += too_few("steps that were reached", total.fired, total.figures["rounds"], REACHED)
    return total


CAMPAIGNS = (
    Campaign("T1", "every step of a daemon: crash, error, short write", first_run),
    Campaign("T1 recovery", "every step of a daemon that recovers", recovery),
    Campaign("T1 runner", "every step of a runner", runners),
    Campaign("T3", "every step with every error, once and for ever", errors),
)
