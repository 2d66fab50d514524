"""Plans keep coming for minutes, in a storm of faults and then in peace: nothing is lost, and nothing grows.

*The storm*: the daemon (the real command) is killed every few seconds, runs are killed now and then, the disk fills
and empties, orders come and go. *The peace*: one daemon lives through thousands of plans. What was handed in and how
it may end is the model's of T8; what is flat is judged by `growth`.
"""

from __future__ import annotations

import json
import os
import random
import signal
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from time import monotonic

from tests.acceptance.stage import WRITTEN, entries, starts
from tests.faults.alive import runs_alive
from tests.faults.campaign import Outcome, Violation
from tests.faults.disks import Disk
from tests.faults.growth import Growth
from tests.faults.machine.expecting import Date, Does, Given, Handed, Model, as_plan
from tests.faults.machine.writing import Way, Writer
from tests.faults.world import World
from tests.serving import MARK
from tests.waiting import wait_until

MOST_IN_HAND = 10
"""Plans at a time: what is under way when the faults end has to be settled within 30 s."""
UPTIME_SECONDS = 1.5
"""At this age the daemons of the storm are compared: each starts anew."""
SETTINGS = {"LIMITS__MAX_PARALLEL": "3", "LANES__PATIENCE_SECONDS": "1", "LANES__SCAN_SECONDS": "1"}
KINDS = (*[Does.SUCCEED] * 6, Does.SLOW, Does.SLOW, Does.FAIL, Does.DIE)
WAYS = (*[Way.RENAME] * 6, Way.COPY, Way.HALF, Way.HIDDEN_HALF)


@dataclass(slots=True)
class Often:
    """Something that is done again and again, at random distances."""

    act: Callable[[], None]
    least_seconds: float
    most_seconds: float
    due: float = 0.0


@dataclass(slots=True)
class Soak:
    """One world for as long as it takes."""

    world: World
    disk: Disk | None
    """The root's own; None: it cannot be filled."""
    chance: random.Random
    say: Callable[[str], None]
    outcome: Outcome = field(default_factory=Outcome)
    model: Model = field(default_factory=Model)
    storm: Growth = field(default_factory=lambda: Growth(f"daemons {UPTIME_SECONDS} s after their start"))
    peace: Growth = field(default_factory=lambda: Growth("one daemon at work"))
    is_full: bool = False
    _is_paused: bool = False
    _up_since: float = 0.0
    _unfinished: list[Writer] = field(default_factory=list)

    # -- the two times --------------------------------------------------------------------------------------------

    def weather_a_storm(self, seconds: float) -> None:
        """Let plans come while everything fails now and then."""
        self._start()
        self._go_on(
            seconds,
            "storm",
            Often(self._hand_in, 0.0, 0.3),
            Often(self._finish, 0.1, 0.4),
            Often(self._kill_daemon, 2.0, 6.0),
            Often(self._kill_run, 0.5, 3.0),
            Often(self._order, 0.5, 3.0),
            Often(self._fill, 4.0, 15.0),
            Often(self._empty, 0.5, 3.0),
            Often(self._sample_young, 0.2, 0.2),
        )
        self._empty()
        while self._unfinished:
            self._finish()
        self._give("resume")
        self._await_quiet("the storm")

    def live_in_peace(self, seconds: float) -> None:
        """Let plans come to one daemon that nothing happens to."""
        self.world.stop()
        self._start()
        self._go_on(
            seconds,
            "peace",
            Often(self._hand_in, 0.0, 0.05),
            Often(self._finish, 0.1, 0.4),
            Often(self._sample_old, max(0.5, seconds / 200), max(0.5, seconds / 200)),
        )
        while self._unfinished:
            self._finish()
        self._await_quiet("the peace")

    def judge(self) -> None:
        """Ask everybody: the oracle, the model, and what has grown."""
        found = self.world.judge()
        found += self.model.judge(self.world.root, starts(self.world.here), entries(self.world.here, "end"))
        found += [*self.storm.judge(), *self.peace.judge()]
        self.outcome.violations += found
        self.outcome.violations += self.world.recover_once_more()

    def _go_on(self, seconds: float, word: str, *all_of: Often) -> None:
        begun = monotonic()
        for one in all_of:
            one.due = begun + self.chance.uniform(one.least_seconds, one.most_seconds)
        tell = Often(lambda: self._tell(word, monotonic() - begun), 10.0, 10.0, begun + 10.0)
        pause = threading.Event()
        while (now := monotonic()) < begun + seconds:
            for one in (*all_of, tell):
                if one.due <= now:
                    one.act()
                    one.due = monotonic() + self.chance.uniform(one.least_seconds, one.most_seconds)
            self._see_that_it_serves()
            pause.wait(0.02)

    # -- plans and orders -----------------------------------------------------------------------------------------

    def _hand_in(self) -> None:
        if self._in_hand() >= MOST_IN_HAND:
            return
        chance, number = self.chance, len(self.model.plans) + 1
        does, form = chance.choice(KINDS), chance.choice(("toml", "json", "md"))
        last = self.model.plans[-1] if self.model.plans and chance.random() < 0.1 else None
        handed = Handed(
            plan=f"p{number}",
            writer=Writer(self.world.root.inbox, f"p{number}.{form}", chance.choice(WAYS)),
            does=does,
            date=chance.choice((Date.ANY, Date.ANY, Date.FROM_PAST, Date.UNTIL_LATER)),
            after=(last.plan,) if last is not None else (),
            # Two plans in twenty have one.
            key=f"key {number // 20}" if number % 20 < 2 else None,
            priority=chance.choice((10, 50, 90)),
            attempts=2,
            # The checkout of one that fails would be kept.
            in_place=does in {Does.FAIL, Does.DIE} or chance.random() < 0.2,
        )
        project = self.world.plain if handed.in_place else chance.choice(self.world.projects)
        plan = {"title": handed.plan} | as_plan(handed, project, self.world.folder / "gate")
        handed.writer.content = WRITTEN[form](plan).encode()
        try:
            handed.writer.begin()
        except OSError:  # the disk is full: the writer is told so, and gives up
            handed.writer.give_up()
            self.outcome.figures["writers told of a full disk"] += 1
            return
        self.model.plans.append(handed)
        self._note(handed.writer)
        if handed.writer.finished is None:
            self._unfinished.append(handed.writer)

    def _finish(self) -> None:
        if self._unfinished:
            with suppress(OSError):  # the disk is full: again in a moment
                self._unfinished[0].finish()
                self._note(self._unfinished.pop(0))

    def _note(self, writer: Writer) -> None:
        if writer.sha256 is not None:
            self.world.handed_in[writer.name] = writer.sha256

    def _in_hand(self) -> int:
        root = self.world.root
        return sum(
            not name.startswith(".") for lane in (root.inbox, root.active) for name in os.listdir(lane)
        )

    def _order(self) -> None:
        if not self.model.plans or self.is_full:
            return
        action = self.chance.choice(("cancel", "cancel", "retry", "pause"))
        if self._is_paused:
            # A pause is short: what comes in between would only wait.
            action = "resume"
        if action in {"pause", "resume"}:
            self._is_paused = action == "pause"
            self._give(action)
            return
        handed = self.chance.choice(self.model.plans[-30:])
        given = self._give(action, plan=handed.plan)
        if action == "cancel":
            handed.cancels.append(given.key)

    def _give(self, action: str, **fields: str) -> Given:
        given = Given(f"o{len(self.model.orders) + 1:05}", action, fields.get("plan"))
        self.model.orders.append(given)
        self.world.order(given.key, action=action, key=given.key, **fields)
        self.outcome.figures["orders"] += 1
        return given

    # -- faults ---------------------------------------------------------------------------------------------------

    def _kill_daemon(self) -> None:
        daemon = self.world.here.daemon
        if daemon is not None and daemon.poll() is None:
            daemon.kill()
            daemon.wait(10)
            self._fired("kills of the daemon")
        self._start()

    def _kill_run(self) -> None:
        alive = runs_alive(f"{MARK}={self.world.here.mark}")
        if alive:
            one = self.chance.choice(alive)
            with suppress(ProcessLookupError):
                os.kill(one.pid, signal.SIGKILL)
                self._fired("kills of runs")
            for handed in self.model.plans:
                handed.kills += handed.plan == one.plan

    def _fill(self) -> None:
        if self.disk is not None and not self.is_full and self.disk.fill():
            self.is_full = True
            self._fired("full disks")

    def _empty(self) -> None:
        if self.disk is not None and self.is_full:
            self.disk.release()
            self.is_full = False

    def _fired(self, what: str) -> None:
        self.outcome.fired += 1
        self.outcome.figures[what] += 1

    # -- the daemon -----------------------------------------------------------------------------------------------

    def _start(self) -> None:
        """Start the real command; on a full disk it is not waited for, since it cannot say that it is up."""
        begun = monotonic()
        if self.is_full:
            self.world.here._launch(SETTINGS_OF_ENVIRONMENT)
            self._up_since = float("-inf")
        else:
            self.world.start(**SETTINGS)
            self._worst("seconds until up", monotonic() - begun)
            self._up_since = monotonic()

    def _see_that_it_serves(self) -> None:
        daemon = self.world.here.daemon
        if daemon is not None and daemon.poll() is not None:
            told = f"it ended with {daemon.returncode} by itself: {self.world.here.said()[-600:]}"
            self.outcome.violations.append(Violation("-", "daemon", told))
            self._start()

    def _sample_young(self) -> None:
        """Sample each daemon of the storm once, all at one age."""
        pid = self.world.pid
        if pid is not None and UPTIME_SECONDS <= monotonic() - self._up_since < UPTIME_SECONDS + 0.5:
            self.storm.add(pid, len(self.model.plans))
            self._up_since = float("-inf")

    def _sample_old(self) -> None:
        if self.world.pid is not None:
            self.peace.add(self.world.pid, len(self.model.plans))

    def _await_quiet(self, what: str) -> None:
        begun = monotonic()
        self.outcome.violations += self.world.await_quiet()
        self._worst(f"seconds until quiet after {what}", monotonic() - begun)
        with suppress(AssertionError):
            # Outcomes that are missing are told by the model.
            wait_until(self._learn_of_orders, 5, "what came of the orders")

    def _learn_of_orders(self) -> bool:
        path = self.world.root.orders_log
        told = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
        by_key = {one.get("key"): one["outcome"] for one in told}
        for given in self.model.orders:
            given.outcome = by_key.get(given.key)
        return all(given.outcome is not None for given in self.model.orders)

    def _worst(self, what: str, seconds: float) -> None:
        self.outcome.worst[what] = max(seconds, self.outcome.worst.get(what, 0.0))

    def _tell(self, word: str, seconds: float) -> None:
        settled = sum(1 for month in self.world.root.archive.glob("*-*") for _ in os.scandir(month))
        figures = self.outcome.figures
        last = (self.storm if word == "storm" else self.peace).samples[-1:]
        uses = "".join(
            f", {one.memory_bytes >> 20} MiB, {one.descriptors} descriptors, {one.threads} threads"
            for one in last
        )
        root = self.world.root
        paused = ", paused" if (root.private / "paused").exists() else ""
        self.say(
            f"{word} {int(seconds) // 60:02}:{int(seconds) % 60:02}: {len(self.model.plans)} plans, {settled} settled, "
            f"{len(os.listdir(root.inbox))} in the inbox, {len(os.listdir(root.active))} in work{paused}, "
            f"{figures['kills of the daemon']} daemons and {figures['kills of runs']} runs killed, "
            f"{figures['full disks']} full disks{uses}"
        )


SETTINGS_OF_ENVIRONMENT = {f"ORCHESTRD_{name}": value for name, value in SETTINGS.items()}
