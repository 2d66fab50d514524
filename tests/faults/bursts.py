"""T13: plans come in bursts, and the watcher is slow, deaf, blind or not there: every one of them is taken, once.

The daemon is told to pause first, so that plans are taken in and do not run; meanwhile its heartbeat must go on. A
fault is a plan that was taken though no event had told of it.
"""

from __future__ import annotations

import json
import mmap
import os
import struct
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Self

from handoff.root import Root
from tests.acceptance.stage import as_toml
from tests.faults.campaign import (
    Campaign,
    Ground,
    Outcome,
    PromiseBroken,
    Size,
    Violation,
    run_rounds,
    too_few,
)
from tests.faults.disks import be_own_user
from tests.faults.world import World, a_world
from tests.waiting import wait_until

STALL_SECONDS = 5.0
SCAN_SECONDS = 0.5
DEAF_SECONDS = 3.0
"""Longer than a thousand plans are handed in on a busy machine: what comes after them would tell of them all."""
BEATS_SECONDS = 15.0
"""Three beats: PROTOCOL 8 takes a daemon that is silent for longer for gone or stuck."""
PER_SECOND = 200
"""So many plans have to be taken in a second, at the very least."""


@dataclass(frozen=True, slots=True)
class Burst:
    """So many plans at once."""

    count: int
    polling: bool
    stall_seconds: float = 0.0
    deaf_seconds: float = 0.0


# -- bursts ----------------------------------------------------------------------------------------------------------


def run_stalled(ground: Ground) -> Outcome:
    """A burst while the watcher's thread stands still, so that the kernel's queue overflows.

    A burst that is too small for that: what the watcher is told at the beginning is lost, as an overflow would lose it.
    """
    if ground.size is Size.SHORT:
        return run_rounds(ground, [Burst(1000, polling=False, deaf_seconds=DEAF_SECONDS)], one_burst, 1)
    bursts = [Burst(50_000, polling=False, stall_seconds=STALL_SECONDS)] * ground.pick(0, 1, 2)
    return run_rounds(ground, bursts, one_burst, 1)


def run_polling(ground: Ground) -> Outcome:
    """A burst without any watcher."""
    bursts, count = ground.pick(1, 1, 2), ground.pick(500, 10_000, 50_000)
    return run_rounds(ground, [Burst(count, polling=True)] * bursts, one_burst, 1)


def one_burst(folder: Path, burst: Burst) -> Outcome:
    """Hand them in as fast as one writer can, and wait until all are taken."""
    outcome = Outcome(figures=Counter(plans=burst.count))
    with a_world(folder / "world") as world, Told() as told:
        world.fork(
            partial(_slow_watcher, told, burst.stall_seconds, burst.deaf_seconds),
            LANES__POLLING=str(burst.polling).lower(),
            LANES__SCAN_SECONDS=str(SCAN_SECONDS) if burst.deaf_seconds else "5",
        )
        world.await_up()
        world.order("pause", action="pause", why="a burst")
        wait_until(lambda: world.here.status("daemon")["state"] == "paused", 10, "the pause")
        if burst.deaf_seconds:
            # It is idle: the last look, too, found nothing.
            idle = time.monotonic() + 2 * SCAN_SECONDS
            wait_until(lambda: time.monotonic() > idle, what="a look at lanes in which nothing lies")
        told.forget()
        began = time.monotonic()
        writer = threading.Thread(target=_hand_in, args=(world, burst.count))
        writer.start()
        beats = _await_taken(world, burst.count, began + 30 + burst.count / PER_SECOND)
        writer.join()
        outcome.worst["seconds until all were taken"] = time.monotonic() - began
        outcome.worst["seconds between beats"] = beats
        outcome.fired = burst.count - told.count
        if beats > BEATS_SECONDS:
            outcome.violations.append(Violation("-", "status", f"no beat for {beats:.1f} s"))
        outcome.violations += _all_taken_once(world.root, burst.count)
        if world.stop() != 0:
            outcome.violations.append(Violation("-", "daemon", f"it did not stop: {world.here.said()}"))
        outcome.violations += world.judge(settled=False)
    return outcome


class Told:
    """How many files the daemon's watcher told of: counted in memory that is shared with it."""

    def __enter__(self) -> Self:
        """Share it."""
        self._memory = mmap.mmap(-1, 8)
        return self

    def __exit__(self, *_: object) -> None:
        """Give it back."""
        self._memory.close()

    @property
    def count(self) -> int:
        """So many."""
        return int(struct.unpack("q", self._memory[:8])[0])

    def one_more(self) -> None:
        """Called in the watcher's one thread for events."""
        self._memory[:8] = struct.pack("q", self.count + 1)

    def forget(self) -> None:
        """Begin to count."""
        self._memory[:8] = struct.pack("q", 0)


def _slow_watcher(told: Told, stall_seconds: float, deaf_seconds: float) -> None:
    """In the daemon: count what is told of plans; stand still at the first of them, before anything more is read."""
    from watchdog.observers import inotify_c

    from orchestrd.inbound import watching

    original, read = watching.Watching._note, inotify_c.InotifyFD.read_events
    stalled = threading.Event()
    hears_from: list[float] = []

    def note(self: watching.Watching, lane: str, file_name: str, *, renamed: bool) -> None:
        if lane == "inbox" and renamed:
            hears_from.append(time.monotonic() + deaf_seconds)
            if time.monotonic() < hears_from[0]:
                return
            told.one_more()
        original(self, lane, file_name, renamed=renamed)

    def read_late(self: inotify_c.InotifyFD, **how: int) -> list[inotify_c.InotifyEvent]:
        found = read(self, **how)
        # The first that tells of a plan; what comes after it stays in the kernel's queue meanwhile.
        if not stalled.is_set() and any(b"burst" in event.name for event in found):
            stalled.set()
            threading.Event().wait(stall_seconds)
        return found

    watching.Watching._note = note  # type: ignore[method-assign]
    inotify_c.InotifyFD.read_events = read_late  # type: ignore[method-assign]


def _hand_in(world: World, count: int) -> None:
    plan = {"handoff": 1, "project": str(world.projects[0]), "prompt": "NUMBER"}
    text = as_toml(plan)
    for number in range(count):
        temporary = f"{world.root.inbox}/.burst-{number}.tmp"
        with open(temporary, "w") as file:
            file.write(text.replace("NUMBER", f"This is number {number}."))
        os.rename(temporary, f"{world.root.inbox}/burst-{number}.toml")


def _await_taken(world: World, count: int, deadline: float) -> float:
    """Wait until all are taken in, as status tells; tell the longest time between two beats."""
    beat, since, longest = "", time.monotonic(), 0.0
    while (status := world.here.status("daemon"))["counts"]["waiting"] < count:
        now = time.monotonic()
        if status["heartbeat"] != beat:
            beat, since = status["heartbeat"], now
        longest = max(longest, now - since)
        if now > deadline:
            break
        threading.Event().wait(0.1)
    return longest


def _all_taken_once(root: Root, count: int) -> Iterator[Violation]:
    wanted = {f"burst-{number}" for number in range(count)}
    there = set(os.listdir(root.active))
    if there != wanted:
        lost, strange = wanted - there, there - wanted
        yield Violation(
            "I1", "active", f"{len(lost)} are missing ({sorted(lost)[:3]}), and {sorted(strange)[:3]}"
        )
    told = root.ids_log.read_text() if root.ids_log.exists() else ""
    lines = Counter(json.loads(line)["id"] for line in told.splitlines())
    if lines != Counter(wanted):
        yield Violation(
            "I1", "ids.jsonl", f"it names {len(lines)} plans in {lines.total()} lines, not {count}"
        )


# -- watchers --------------------------------------------------------------------------------------------------------


def run_lanes(ground: Ground) -> Outcome:
    """Lanes and watches come and go; whatever is handed in runs."""
    times = ground.pick(1, 3, 20)
    todo = [(kind, f"{ground.seed}/{kind}/{number}") for kind in LANES for number in range(times)]
    total = run_rounds(ground, todo, one_of_lanes, workers=4)
    if not total.breaks(ground.until):
        for kind in TROUBLED:
            skipped = sum(
                total.figures[name] for name in total.figures if name.startswith(f"skipped: {kind} ")
            )
            total.violations += too_few(kind, total.figures[f"faults: {kind}"], times - skipped)
    return total


def one_of_lanes(folder: Path, todo: tuple[str, str]) -> Outcome:
    """One world with that kind of trouble."""
    kind, seed = todo
    outcome = Outcome()
    with a_world(folder / "world") as world:
        LANES[kind](world, outcome)
        outcome.violations += world.await_quiet()
        outcome.violations += world.judge(settled=not outcome.violations)
        outcome.figures["plans"] = len(world.handed_in)
        outcome.figures[f"faults: {kind}"] = outcome.fired
        for file in world.handed_in:
            if world.here.result(file.removesuffix(".toml"))["status"] != "succeeded":
                outcome.violations.append(Violation("-", file, "it did not succeed"))
    outcome.violations = [Violation(one.invariant, one.where, one.what, seed) for one in outcome.violations]
    return outcome


def _made_again(world: World, outcome: Outcome) -> None:
    """The inbox is removed and made again, twice; plans come whenever it is there."""
    world.fork(LANES__SCAN_SECONDS="1")
    world.await_up()
    for number in range(2):
        world.submit(f"before-{number}")
        _until_empty(world)
        world.root.inbox.rmdir()
        outcome.fired += 1
        _await_trouble(world, "lane-unreadable")
        world.root.inbox.mkdir(mode=0o700)
        world.submit(f"after-{number}")


def _moved_away(world: World, outcome: Outcome) -> None:
    """The inbox is moved away with plans in it, and put back."""
    world.fork(LANES__SCAN_SECONDS="1")
    world.await_up()
    away = world.folder / "away"
    for number in range(2):
        world.root.inbox.rename(away)
        outcome.fired += 1
        name = f"moved-{number}"
        (away / f"{name}.toml").write_text(world.text_of(name))
        _await_trouble(world, "lane-unreadable")
        away.rename(world.root.inbox)
        world.submit(f"after-{number}")
        _until_empty(world)


def _without(kind: str, limit: str, allowed: int, world: World, outcome: Outcome) -> None:
    """The system allows that many watches, or instances, and no more."""
    why = without_user_namespaces()
    if why is not None:
        outcome.figures[f"skipped: {kind} ({why})"] += 1
        return
    world.fork(partial(limit_watches, limit, allowed), LANES__SCAN_SECONDS="1")
    world.await_up()
    _await_trouble(world, "lane-unwatched")
    outcome.fired += 1
    for number in range(3):
        world.submit(f"unwatched-{number}")
        _until_empty(world, 5.0)


def _polling(world: World, outcome: Outcome) -> None:
    """There are no watches by choice, which is no fault: here the plans alone are looked at."""
    world.fork(LANES__POLLING="true", LANES__SCAN_SECONDS="1")
    world.await_up()
    for number in range(3):
        world.submit(f"polled-{number}")
        outcome.figures["plans by polling"] += 1
        _until_empty(world, 5.0)


LANES: dict[str, Callable[[World, Outcome], None]] = {
    "made again": _made_again,
    "moved away": _moved_away,
    "no instance": partial(_without, "no instance", "max_inotify_instances", 0),
    "one watch": partial(_without, "one watch", "max_inotify_watches", 1),
    "polling": _polling,
}
TROUBLED = tuple(kind for kind in LANES if kind != "polling")
"""Those with a fault in each round."""


def limit_watches(limit: str, allowed: int) -> None:
    """Allow so many in a namespace of our own; for this process and its children alone."""
    be_own_user(os.geteuid(), os.getegid())
    Path("/proc/sys/user", limit).write_text(str(allowed))


def without_user_namespaces() -> str | None:
    """Why watches cannot be limited for one process here; None: they can. Tried in a child."""
    if not Path("/proc/sys/user/max_inotify_instances").exists():
        return "the limits on watches are not by user namespace here"
    child = os.fork()
    if child == 0:
        code = 1
        try:
            limit_watches("max_inotify_instances", 1)
            code = 0
        finally:
            os._exit(code)
    return None if os.waitpid(child, 0)[1] == 0 else "there are no user namespaces here"


def problems(world: World) -> set[str]:
    """The words of what is wrong, as status tells it."""
    return {one["word"] for one in world.here.status("daemon").get("problems", [])}


def _await_trouble(world: World, word: str) -> None:
    try:
        wait_until(lambda: word in problems(world), 15)
    except AssertionError:
        raise PromiseBroken(Violation("-", "status", f"it does not tell of {word}")) from None


def _until_empty(world: World, seconds: float = 10.0) -> None:
    try:
        wait_until(lambda: not os.listdir(world.root.inbox), seconds)
    except AssertionError:
        what = f"a plan was not taken within {seconds:g} s; {world.here.said()}"
        raise PromiseBroken(Violation("I8", "inbox", what)) from None


CAMPAIGNS: tuple[Campaign, ...] = (
    Campaign("T13 stalled", "a burst of plans while the watcher stands still", run_stalled),
    Campaign("T13 polling", "a burst of plans without a watcher", run_polling),
    Campaign("T13 lanes", "lanes removed and made again, watches used up, none wanted", run_lanes),
)
