"""The machine: what users, writers, kills and disks do to a daemon, step by step, in any order that hypothesis finds.

Each example is a world of its own. After each step what can be seen is looked at; in the end the faults are over, it
has to be quiet in time, the oracle and the model are asked, and one more recovery has to change nothing.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
import tomllib
from collections import Counter
from contextlib import ExitStack, suppress
from pathlib import Path
from time import monotonic
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from tests.acceptance.stage import WRITTEN, entries, starts
from tests.faults.alive import runs_alive
from tests.faults.campaign import Violation
from tests.faults.machine.board import Board
from tests.faults.machine.expecting import HOUR, PATIENCE_SECONDS, Date, Does, Given, Handed, Model, as_plan
from tests.faults.machine.writing import UNFINISHED, Way, Writer
from tests.faults.world import QUIET_SECONDS, World, a_world
from tests.serving import MARK
from tests.waiting import wait_until

SETTINGS = {
    "LANES__SETTLE_SECONDS": "0.05",
    "LANES__PATIENCE_SECONDS": str(PATIENCE_SECONDS),
    "LANES__SCAN_SECONDS": "0.5",
}
ANY = st.integers(0, 999)
"""Which of those that there are."""
MOST_PLANS = 14
"""In one example: all of them have to be settled within 30 s of its end, also by one after another."""
FORMS = ("toml", "json", "md")
FORWARD, BACK, FAR = HOUR, -HOUR, 10 * 365 * 24 * HOUR


class Broken(AssertionError):
    """Promises that were seen broken."""

    def __init__(self, violations: list[Violation]) -> None:
        super().__init__("\n".join(f"{one.invariant} {one.where}: {one.what}" for one in violations))
        self.violations = violations


class Machine(RuleBasedStateMachine):
    """One world, from its first plan to the last word of the oracle."""

    def __init__(
        self,
        folder: Path,
        counted: Counter[str],
        broken: list[tuple[list[Violation], list[str]]],
        said: list[str],
    ) -> None:
        super().__init__()
        said.clear()
        self.counted = counted
        self.broken = broken
        """What was found, each with its steps."""
        self.said = said
        """The steps of this example, as hypothesis tells them."""
        self.is_broken = False
        self.life = 0
        """Which daemon of this world it is."""
        self.folder = folder
        self.board = Board.shared()
        self.model = Model()
        self.parallel = 2
        self._ended = ExitStack()
        self._seen: set[str] = set()
        self._orders_read = 0
        self._may_leave = False
        """The daemon was told to drain, or to die, or had a disk on which none can start."""
        self._drained_before: list[Handed] | None = None
        self._paused_at: float | None = None
        shutil.rmtree(folder, ignore_errors=True)
        self.world: World = self._ended.enter_context(a_world(folder))
        self.gate = folder / "gate"

    # -- the daemon -----------------------------------------------------------------------------------------------

    @initialize(
        parallel=st.sampled_from((1, 2, 4)),
        form=st.sampled_from(FORMS),
        does=st.sampled_from(Does),
        way=st.sampled_from(UNFINISHED),
        in_place=st.booleans(),
    )
    def begin(self, parallel: int, form: str, does: Does, way: Way, in_place: bool) -> None:
        """Begin with a little of everything, so that whatever follows meets it."""
        self.parallel = parallel
        self._start()
        self._submit(does=does, form=form, in_place=in_place)
        self._submit(key="k0", does=Does.SLOW, priority=10)
        self._submit(key="k0", form=form)
        self._submit(after=("p1",))
        self._submit(after=("p2",), in_place=in_place)
        self._submit(way=way, form=form)

    @rule(back=st.booleans())
    def kill(self, back: bool) -> None:
        if self._is_alive():
            os.kill(self.world.forked, signal.SIGKILL)
            self._await_end("it was killed")
            self.counted["kills of the daemon"] += 1
        if back:
            self._start()

    @rule(effects=st.one_of(st.integers(1, 60), st.integers(1, 600)), anew=st.booleans())
    def doom(self, effects: int, anew: bool) -> None:
        """It dies before one of its next effects, perhaps while it recovers."""
        if anew and self._is_alive():
            self._stop()
        self.board.dies_in = effects
        if not self._is_alive():
            self._start(wait=False)

    @rule(stop=st.booleans())
    def restart(self, stop: bool) -> None:
        if stop and self._is_alive():
            self._stop()
        if not self._is_alive():
            self._start()

    @rule()
    def second(self) -> None:
        """Another daemon on the same root: one of the two serves."""
        if not self._is_alive():
            self._start(wait=False)
        self._look_at_drained()
        first = self.world.forked
        second = self.world.fork(self.board.rule, **self._settings())
        self.world.forked = first
        ended = wait_until(lambda: _reap(first, second), 20, "one of two daemons to end")
        if ended[0] == first:
            self.world.forked = second
            self.life += 1
            # The one that was there before may not have come as far as the lock.
            if "another daemon serves" not in self.world.here.said()[-600:]:
                self._note_end(ended[1])
            # It may have been refused, just before the first one died.
            self._may_leave = True
        elif ended[1] == 0 and not self._may_leave:
            self._break("-", "daemon", "a second one served, and ended well, while the first was there")
        self.counted["second daemons"] += 1

    def _start(self, *, wait: bool = True) -> None:
        self._orders_are_seen()
        self._look_at_drained()
        self.life += 1
        drains = any(one.action == "drain" and one.outcome is None for one in self.model.orders)
        self._may_leave = drains or bool(self.board.is_full)
        self.world.fork(self.board.rule, **self._settings())
        if wait:
            self._await_up()

    def _settings(self) -> dict[str, str]:
        return {**SETTINGS, "LIMITS__MAX_PARALLEL": str(self.parallel)}

    def _await_up(self) -> None:
        """Wait until it shows itself, or has ended, or cannot show anything."""

        def is_up() -> bool:
            if not self._is_alive():
                return True
            with suppress(OSError, ValueError, KeyError):
                return bool(self.world.here.status("daemon")["pid"] == self.world.forked)
            return False

        try:
            wait_until(is_up, 1 if self.board.is_full else 20, "the daemon to be up")
        except AssertionError:
            if not self.board.is_full:
                raise

    def _stop(self) -> None:
        self.board.dies_in = 0
        os.kill(self.world.forked, signal.SIGTERM)
        self._await_end("it was told to stop")
        self.counted["stops"] += 1

    def _await_end(self, why: str) -> None:
        code = self.world.await_end(20)
        if code is None:
            self._break("-", "daemon", f"{why}, and is still there after 20 s")
        elif code not in {0, -signal.SIGKILL, -signal.SIGTERM} and not self._may_leave:
            self._break("-", "daemon", f"{why}, and ended with {code}: {self.world.here.said()}")

    def _is_alive(self) -> bool:
        """Whether it is; one that ended without a reason is a broken promise."""
        if self.world.forked is None:
            return False
        code = self.world.await_end(-1)
        if code is None and self.world.forked is not None:
            return True
        self._note_end(code)
        return False

    def _note_end(self, code: int | None) -> None:
        if code == -signal.SIGKILL and self.board.died:
            self.counted["deaths at an effect"] += self.board.died
            self.board.died = 0
        elif not self._may_leave:
            self._break("-", "daemon", f"it ended with {code} by itself: {self.world.here.said()}")

    # -- plans ----------------------------------------------------------------------------------------------------

    @rule(
        way=st.sampled_from(Way),
        form=st.sampled_from(FORMS),
        does=st.sampled_from((*[Does.SUCCEED] * 3, *Does)),
        attempts=st.sampled_from((1, 2)),
        key=st.sampled_from((None, None, "k1", "k2")),
    )
    def write(self, **wanted: Any) -> None:
        """Hand a plan in, in whatever way and language."""
        self._submit(**wanted)

    @rule(
        does=st.sampled_from(Does),
        date=st.sampled_from(Date),
        after=ANY,
        in_place=st.booleans(),
        attempts=st.sampled_from((1, 2)),
    )
    def hand_in_to_wait(self, after: int, **wanted: Any) -> None:
        """Hand in a plan that has to wait: for another, for a date, for its place."""
        before = self._one(after)
        self._submit(after=(before.plan,) if before is not None and after % 2 else (), **wanted)

    @rule(priority=st.sampled_from((10, 30, 50, 70, 90)))
    def hand_in(self, priority: int = 50) -> None:
        self._submit(priority=priority)

    def _submit(self, way: Way = Way.RENAME, form: str = "toml", **fields: Any) -> None:
        if len(self.model.plans) >= MOST_PLANS:
            return
        name = f"p{len(self.model.plans) + 1}"
        writer = Writer(self.world.root.inbox, f"{name}.{form}", way)
        handed = Handed(name, writer, **fields)
        handed.paused = self._paused_at is not None
        self.model.plans.append(handed)
        project = self.world.plain if handed.in_place else self.world.projects[0]
        for part in ("content", "other"):
            # First of all what no other plan has: no half of one is a half of another.
            plan = {"title": f"{name}, {part}"} | as_plan(handed, project, self.gate)
            setattr(writer, part, WRITTEN[form](plan).encode())
        writer.begin()
        self._note(writer)
        self.counted["plans"] += 1

    @precondition(lambda self: self._unfinished())
    @rule(which=ANY)
    def finish(self, which: int) -> None:
        """A writer that was in the middle of it goes on."""
        writers = self._unfinished()
        writer = writers[which % len(writers)]
        writer.finish()
        self._note(writer)
        self.counted[f"writers: {writer.way}"] += 1

    def _unfinished(self) -> list[Writer]:
        writers = [one.writer for one in self.model.plans]
        return [one for one in writers if one.way in UNFINISHED and one.finished is None]

    @rule(which=st.integers(0, 2))
    def take_back(self, which: int) -> None:
        """Remove one of the last plans from the inbox, if it lies there yet."""
        for handed in self.model.plans[-1 - which :][:1]:
            if handed.writer.take_back():
                self._note(handed.writer)
                self.counted["taken back"] += 1

    @rule(which=ANY)
    def consume(self, which: int) -> None:
        """Remove a result that was read."""
        results = sorted(
            path for path in self.world.root.results.iterdir() if path.suffix in {".toml", ".json"}
        )
        settled = [path for path in results if any(self.world.root.archive.glob(f"*/{path.stem}"))]
        if settled:
            path = settled[which % len(settled)]
            path.unlink()
            self.world.consumed.add(path.name)
            self.counted["results consumed"] += 1

    def _note(self, writer: Writer) -> None:
        """Tell the oracle what lies there."""
        if writer.sha256 is not None and not writer.gone:
            self.world.handed_in[writer.name] = writer.sha256
        else:
            self.world.handed_in.pop(writer.name, None)

    def _one(self, which: int) -> Handed | None:
        return self.model.plans[which % len(self.model.plans)] if self.model.plans else None

    # -- orders ---------------------------------------------------------------------------------------------------

    @rule(which=ANY)
    def cancel(self, which: int) -> None:
        handed = self._one(which)
        if handed is not None:
            handed.cancels.append(self._order("cancel", plan=handed.plan).key)

    @rule(which=ANY)
    def retry(self, which: int) -> None:
        handed = self._one(which)
        if handed is not None:
            self._order("retry", plan=handed.plan)

    @rule(kill=st.booleans())
    def pause(self, kill: bool) -> None:
        """Pause, and hand in a plan that must not start, with this daemon or the next."""
        self._await_outcome(self._order("pause"))
        self.hand_in()
        if kill:
            self.kill(back=True)
            self.let_it_work(milliseconds=200)

    @rule()
    def resume(self) -> None:
        self._look_at_paused()
        self._paused_at = None
        self._order("resume")

    @rule()
    def drain(self) -> None:
        """Drain, and hand in a plan that must not be taken."""
        self._may_leave = True
        self._await_outcome(self._order("drain"))
        self.hand_in()

    def _await_outcome(self, given: Given) -> None:
        """Wait a moment for what comes of an order, if there is a daemon to carry it out."""

        def is_seen() -> bool:
            self._orders_are_seen()
            return given.outcome is not None or not self._is_alive()

        with suppress(AssertionError):
            wait_until(is_seen, 1.0)

    @precondition(lambda self: any(one.plan for one in self.model.orders))
    @rule(which=ANY)
    def order_again(self, which: int) -> None:
        """Give an order with a key that was there before."""
        there = [one for one in self.model.orders if one.plan]
        given = there[which % len(there)]
        self.world.order(
            f"again-{self._orders_given():04}", action=given.action, plan=given.plan, key=given.key
        )
        self.counted["orders given again"] += 1

    def _order(self, action: str, **fields: str) -> Given:
        given = Given(f"o{self._orders_given():04}", action, fields.get("plan"), self.life)
        self.model.orders.append(given)
        self.world.order(given.key, action=action, key=given.key, **fields)
        self.counted["orders"] += 1
        return given

    def _orders_given(self) -> int:
        self._number = getattr(self, "_number", 0) + 1
        return self._number

    # -- the machine ----------------------------------------------------------------------------------------------

    @rule(by=st.sampled_from((FORWARD, BACK, FAR, 0.0)))
    def jump(self, by: float) -> None:
        if self.board.clock != by:
            self.model.jumps.append(by - self.board.clock)
            self.board.clock = by
            self.counted["clock jumps"] += 1

    @rule()
    def fill_or_empty(self) -> None:
        """The disk takes nothing any more, or has space again."""
        if self.board.is_full:
            self._count_full_disk()
        else:
            self.board.is_full = 1
            self._may_leave = True

    def _count_full_disk(self) -> None:
        self.board.is_full = 0
        if self.board.refused:
            self.counted["full disks met"] += 1
            self.counted["errors raised"] += self.board.refused
            self.board.refused = 0

    @rule(which=ANY, runner=st.booleans(), both=st.booleans())
    def kill_run(self, which: int, runner: bool, both: bool) -> None:
        """End a run's processes by SIGKILL: its runner, its agent, or both."""
        alive = runs_alive(f"{MARK}={self.world.here.mark}")
        if not alive:
            return
        plan = alive[which % len(alive)].plan
        for handed in self.model.plans:
            if plan == handed.plan:
                handed.kills += 1
        for one in alive:
            if one.plan == plan and (both or one.is_runner is runner):
                with suppress(ProcessLookupError):
                    os.kill(one.pid, signal.SIGKILL)
                    self.counted["kills of runs"] += 1

    @rule(lane=st.sampled_from(("inbox", "control", "results")))
    def make_lane_anew(self, lane: str) -> None:
        """Remove a lane's folder, make it again, and put back what lay there."""
        path = self.world.root.path / lane
        aside = self.world.folder / f"aside-{lane}"
        path.rename(aside)
        path.mkdir(0o700)
        for file in sorted(aside.iterdir()):
            with suppress(FileExistsError):
                os.link(file, path / file.name)
            file.unlink()
        aside.rmdir()
        self.counted["lanes made anew"] += 1

    @rule(milliseconds=st.integers(1, 300))
    def let_it_work(self, milliseconds: int) -> None:
        """Go on when something was settled, or after so long."""
        before = self.world.root.results.stat().st_mtime_ns
        with suppress(AssertionError):
            wait_until(lambda: self.world.root.results.stat().st_mtime_ns != before, milliseconds / 1000)

    # -- what is looked at after each step ------------------------------------------------------------------------

    @invariant()
    def what_can_be_seen_is_as_promised(self) -> None:
        self._is_alive()
        self._orders_are_seen()
        self._every_plan_is_somewhere()
        self._every_result_is_whole()

    def _every_plan_is_somewhere(self) -> None:
        root = self.world.root
        for handed in self.model.plans:
            writer = handed.writer
            if writer.lies is None or writer.gone:
                continue
            # In the order in which a plan goes: what was not seen in one place can be seen in the next.
            here = writer.path.exists()
            active = any(True for _ in root.active.glob(f"{handed.plan}/plan.*"))
            settled = any(True for _ in root.archive.glob(f"*/{handed.plan}/plan.*"))
            if not here and not active and not settled:
                self._break("I1", writer.name, "it is nowhere")
            if settled and (
                writer.path.exists() or any(True for _ in root.active.glob(f"{handed.plan}/plan.*"))
            ):
                self._break("I1", writer.name, "it is in the archive and elsewhere")

    def _every_result_is_whole(self) -> None:
        for name in os.listdir(self.world.root.results):
            plan, _, ending = name.rpartition(".")
            if ending not in {"toml", "json"}:
                continue
            if name in self.world.consumed:
                self._break("I3", name, "it was consumed, of a plan in the archive, and came back")
            if name in self._seen:
                continue
            text = (self.world.root.results / name).read_text("utf-8")
            try:
                told = json.loads(text) if ending == "json" else tomllib.loads(text)
            except ValueError as error:
                self._break("I3", name, f"it is not whole: {error}")
            if told["plan"] != plan:
                self._break("I3", name, f"it is that of {told['plan']}")
            self._seen.add(name)

    def _orders_are_seen(self) -> None:
        """Learn what came of orders."""
        try:
            lines = self.world.root.orders_log.read_text().splitlines()
        except FileNotFoundError:
            return
        by_key = {one.key: one for one in self.model.orders}
        for line in lines[self._orders_read :]:
            told = json.loads(line)
            self._orders_read += 1
            given = by_key.get(told.get("key"))
            if given is not None and given.outcome is None:
                given.outcome, given.seen = told["outcome"], monotonic()
                if given.action == "pause" and given is self._last("pause", "resume"):
                    self._paused_at = given.seen
                if given.action == "drain" and self._drained_before is None and given.life == self.life:
                    self._drained_before = list(self.model.plans)

    def _last(self, *actions: str) -> Given | None:
        return next((one for one in reversed(self.model.orders) if one.action in actions), None)

    def _look_at_paused(self) -> None:
        """None of the plans that were handed in while it was paused was begun with."""
        for handed in self.model.plans:
            if handed.paused and "workspace-intended" in self._events_of(handed.plan):
                self._break("-", handed.plan, "it was handed in during a pause, and was begun with")
            handed.paused = False

    def _events_of(self, plan: str) -> set[str]:
        for folder in (self.world.root.active / plan, *self.world.root.archive.glob(f"*/{plan}")):
            with suppress(OSError):
                lines = (folder / "journal.jsonl").read_text().splitlines()
                return {json.loads(line)["event"] for line in lines if line.endswith("}")}
        return set()

    def _look_at_drained(self) -> None:
        """None of the plans that were handed in after the drain was taken."""
        before, self._drained_before = self._drained_before, None
        if before is None:
            return
        cancelled = {one.plan for one in self.model.orders if one.action == "cancel"}
        for handed in self.model.plans[len(before) :]:
            writer = handed.writer
            is_there = writer.lies is None or writer.gone or writer.path.exists()
            if not is_there and handed.plan not in cancelled:
                self._break("-", handed.plan, "it was handed in to a daemon that drains, and was taken")

    def _break(self, invariant_: str, where: str, what: str) -> None:
        self._fail([Violation(invariant_, where, what)])

    def _fail(self, found: list[Violation]) -> None:
        self.is_broken = True
        self.broken.append((found, self._steps()))
        raise Broken(found)

    def _steps(self) -> list[str]:
        """The rules that were followed, as hypothesis told them."""
        told = [line.removeprefix("state.") for line in self.said if line.startswith("state.")]
        return [line for line in told if not line.startswith(("what_can_be_seen", "teardown"))]

    # -- the end --------------------------------------------------------------------------------------------------

    def teardown(self) -> None:
        try:
            if sys.exc_info()[0] is None:
                self._come_to_an_end()
        finally:
            for handed in self.model.plans:
                handed.writer.leave()
            self._ended.close()
            # The first one that broke is kept to be looked at.
            kept = self.folder.with_name("broken")
            if self.is_broken and not kept.exists():
                self.folder.rename(kept)
            shutil.rmtree(self.folder, ignore_errors=True)

    def _come_to_an_end(self) -> None:
        """The faults are over: it has to become quiet by itself, and all has to be as promised."""
        self.counted["examples"] += 1
        self.counted["steps"] += len(self._steps())
        self.resume()
        if self.board.is_full:
            self._count_full_disk()
        self.board.clock, self.board.dies_in = 0.0, 0
        self.gate.touch()
        for handed in self.model.plans:
            self._abandon(handed)
        if self._is_alive() and self._may_leave:
            self._stop()  # it may be draining, and would let nothing in
        if not self._is_alive():
            self._start()
        self._cancel_what_would_wait()
        found = self._await_quiet()
        self._orders_are_seen()
        found += self.world.recover_once_more()
        # Nobody is at work any more, so nothing is half-written for a moment.
        found += self.world.judge()
        found += self.model.judge(self.world.root, starts(self.world.here), entries(self.world.here, "end"))
        if found:
            self._fail(found)

    def _await_quiet(self) -> list[Violation]:
        """Wait until it is quiet, in the time that is promised; a daemon that had still to drain is replaced."""
        deadline = monotonic() + QUIET_SECONDS
        while not self.world.is_quiet() and monotonic() < deadline:
            if not self._is_alive():
                self._start()
            self._every_result_is_whole()
            self.world.await_quiet(0.01)
        return self.world.await_quiet(0)  # which tells what is left

    def _abandon(self, handed: Handed) -> None:
        """Of those who have not finished by now every other one never does."""
        writer = handed.writer
        if writer.finished is None and self.model.plans.index(handed) % 2:
            writer.finish()
            self._note(writer)
        elif writer.finished is None:
            writer.leave()
            self.counted[f"writers: {writer.way}, never finished"] += 1
            if writer.way is Way.LINK:
                writer.finish()

    def _cancel_what_would_wait(self) -> None:
        """Cancel the plans that wait for what will never come."""
        there = {one.plan for one in self.model.plans if one.writer.lies is not None and not one.writer.gone}
        for handed in self.model.plans:
            in_vain = handed.date is Date.FROM_LATER or not there.issuperset(handed.after)
            if in_vain and handed.plan in there:
                handed.cancels.append(self._order("cancel", plan=handed.plan).key)


def _reap(*pids: int) -> tuple[int, int] | None:
    """Take leave of whichever of the children has ended: its pid and exit code."""
    for pid in pids:
        found, status = os.waitpid(pid, os.WNOHANG)
        if found:
            return found, os.waitstatus_to_exitcode(status)
    return None
