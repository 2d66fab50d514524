"""The loop: start, recover, run, drain, stop. It carries events to the engine and its commands to the hands.

It contains no rule of its own. One thread decides and writes; git and the settling of results, which block, are done
by a few others, which report by events. A plan that makes trouble is put off and shown; it never leaves the loop.
"""

from __future__ import annotations

import gc
import os
import signal
from collections.abc import Iterable, Mapping
from pathlib import Path

from loguru import logger

from handoff import platform
from handoff.effects import clock
from handoff.looking import NotRegular
from handoff.root import PlanId, Root, RootError, create_root, reserve_of
from orchestrd.config import Config
from orchestrd.core.engine import Engine
from orchestrd.core.events import Event, Moment, PauseAsked, PlanPublished, RunEnded, Tick
from orchestrd.daemon.answers import Answers
from orchestrd.daemon.bell import Bell
from orchestrd.daemon.contexts import Contexts
from orchestrd.daemon.entrance import Entrance
from orchestrd.daemon.errands import Errands
from orchestrd.daemon.found_plans import FoundPlans
from orchestrd.daemon.hands import Hands
from orchestrd.daemon.indexing import Indexing
from orchestrd.daemon.machine import Machine
from orchestrd.daemon.notifying import Notifying
from orchestrd.daemon.recovering import recover
from orchestrd.daemon.remembering import remember
from orchestrd.daemon.reporting import Reporting
from orchestrd.daemon.root_lock import RootLock
from orchestrd.daemon.spending import budget_of
from orchestrd.daemon.telling import tell, tell_of_money
from orchestrd.daemon.troubles import Trouble, Troubles
from orchestrd.inbound.accepted import read_accepted
from orchestrd.inbound.doorway import Doorway
from orchestrd.inbound.lanes import Lanes
from orchestrd.inbound.orders import Orders
from orchestrd.inbound.reception import Reception
from orchestrd.inbound.replies import Replies
from orchestrd.outbound.sd_notify import notify
from orchestrd.record.journals import Journals
from orchestrd.runs.execution import Executions
from orchestrd.runs.library import library_of
from orchestrd.secrets import Redactor, secret_names
from orchestrd.workspaces.git import GitLock

STOP_SECONDS = 4.0
"""How long what is under way in other threads may take when the daemon is told to stop."""
TELL_SECONDS = 1.0
"""Of this, at most so long for a message to a person that is under way."""
STATUS = "status"


def serve(config: Config, environ: Mapping[str, str] = os.environ) -> int:
    """Serve a root until told to stop; make it if there is none. Return the exit code: 0 after a stop or a drain.

    Raises RootError and RootIsServed, with what to do.
    """
    platform.ignore_lease_signal()
    root = create_root(config.root, allow_network=config.lanes.polling)
    lock = RootLock(root)
    lock.take()
    # Nothing of what is read at the start is garbage; with 20,000 plans the collector would take a quarter of it.
    gc.disable()
    try:
        return _daemon(config, root, lock, environ).run()
    finally:
        gc.enable()
        lock.release()


def _daemon(config: Config, root: Root, lock: RootLock, environ: Mapping[str, str]) -> Daemon:
    try:
        return Daemon(config, root, lock, environ)
    except NotRegular as error:
        place = Path(error.filename)
        remedy = f"move {place} away, or bring it back from a backup; what the folders tell of it is taken in"
        raise RootError(f"is {error.kind}", place, "a regular file that the daemon keeps", remedy) from None


class Daemon:
    """One daemon for one root."""

    def __init__(self, config: Config, root: Root, lock: RootLock, environ: Mapping[str, str]) -> None:
        self._config = config
        self._root = root
        self._lock = lock
        self._environ = environ
        self._bell = Bell()
        self._leaving = False
        self._troubles = Troubles()
        self._engine = Engine(
            config.limits.max_parallel,
            budget=budget_of(root, config, clock.wall(), self._troubles),
            max_parked_seconds=config.limits.max_parked,
            near_limit_priority=config.limits.near_limit_priority,
        )
        self._ids, orders = remember(root, self._troubles)
        self._journals = Journals(root)
        patience = config.lanes.patience_seconds
        library = library_of(environ)
        self._reception = Reception(root, self._ids, self._journals, config.limits, patience, library)
        self._orders = Orders(root, orders, self._ids, self._journals, self._reception, self._engine.plan)
        self._git_lock = GitLock(root.git_lock)
        secret = {name: environ[name] for name in secret_names(environ, config.secrets.names)}
        redact = Redactor(secret).redact
        self._contexts = Contexts(root, config.context, self._git_lock, redact, self._troubles)
        self._runs = Executions(
            root,
            config,
            self._journals,
            self._git_lock,
            environ,
            self._now,
            lambda plan: read_accepted(root, plan, config.limits, library),
            self._contexts.told_to,
        )
        self._indexing = Indexing(root.index, self._troubles)
        self._lanes = Lanes(
            root,
            self._wake,
            settle_seconds=config.lanes.settle_seconds,
            patience_seconds=patience,
            scan_seconds=config.lanes.scan_seconds,
            polling=config.lanes.polling,
        )
        self._reserve = reserve_of(root)
        self._machine = Machine(root, config, environ, self._git_lock, self._reserve, self._troubles)
        self._errands = Errands(
            config.limits.max_parallel + 1, self._troubles, self._reserve, self._now, self._bell.ring
        )
        self._answers = Answers(root, self._git_lock, self._errands, self._now, self._contexts.answered)
        self._replies = Replies(
            root, self._journals, self._engine.plan, self._answers.deal_with, self._runs.followed.is_alive
        )
        self._doorway = Doorway(self._lanes, self._reception, self._orders, self._replies)
        self._answers.on_done = self._doorway.settled
        self._entrance = Entrance(
            root,
            self._doorway,
            self._reception,
            self._orders,
            self._reserve,
            self._troubles,
            decide=self._decide,
            look_at_machine=self._look_at_machine,
            takes_plans=lambda: self._machine.may_take and not self._engine.draining,
        )
        self._reporting = Reporting(
            root,
            config,
            self._engine,
            self._runs.followed,
            self._reserve,
            clock.wall(),
            self._runs.launching.payer,
        )
        self._notifying = Notifying(root, config, environ, self._troubles, self._bell.ring)
        self._hands = Hands(
            root,
            self._engine,
            self._journals,
            self._runs,
            self._errands,
            self._reporting,
            self._now,
            self._leave,
        )
        self._found = FoundPlans(
            lambda at, before: recover(root, self._ids, self._journals, self._reception, at, before),
            self._runs.followed,
            self._hands,
            self._troubles,
            self._decide,
        )

    def run(self) -> int:
        """Serve until told to stop."""
        self._heed_signals()
        self._start()
        gc.freeze()
        gc.enable()
        while not self._leaving:
            self._bell.wait(self._pause(), self._runs.followed.descriptors())
            self._turn()
        self._stop()
        return 0

    # -- start and stop -------------------------------------------------------------------------------------------

    def _heed_signals(self) -> None:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._obey)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        self._bell.ring_on_signals()

    def _obey(self, number: int, _frame: object) -> None:
        self._leave(f"told to stop by {signal.Signals(number).name}")

    def _leave(self, why: str) -> None:
        self._reporting.why = why
        self._leaving = True

    def _start(self) -> None:
        at = self._now()
        found = self._found.look(at)
        events = self._look_at_machine(at)
        paused = self._orders.paused()
        if paused is not None:
            events.insert(0, PauseAsked(at, paused))
        self._contexts.start()
        self._found.take_up(found, at, events)
        self._runs.withdraw_forgotten([(*key, told.starts) for key, told in found.in_hand])
        self._answers.begin()
        self._lanes.start()
        logger.info("serving {} (pid {}): {} plans in hand", self._root.path, os.getpid(), len(found.events))
        self._turn()
        notify("READY=1")

    def _stop(self) -> None:
        notify("STOPPING=1")
        self._lanes.stop()
        deadline = clock.awake() + STOP_SECONDS
        if not self._errands.finish(STOP_SECONDS):
            logger.warning("left git at work; the next daemon waits for it")
        self._pass_on_what_is_settled(self._now())
        self._contexts.finish(max(0.0, deadline - clock.awake()))
        self._notifying.finish(min(TELL_SECONDS, deadline - clock.awake()), self._now)
        self._reporting.stopped(self._now())
        self._indexing.close()
        alive = self._runs.followed.alive()
        logger.info("stopped; {} runs go on", alive) if alive else logger.info("stopped")

    # -- one turn -------------------------------------------------------------------------------------------------

    def _pause(self) -> float:
        """How long nothing has to be done unless something happens, in seconds."""
        at = self._now()
        waits = [
            self._entrance.next_look(at, self._config.lanes.settle_seconds),
            self._reporting.next_look(at),
            self._runs.followed.next_look(at),
            self._engine.next_look(at),
            self._errands.next_look(at),
            self._indexing.next_look(at),
            self._machine.next_look(at),
            self._answers.next_look(at),
            self._notifying.next_look(at),
            self._found.next_look(at),
        ]
        return max(0.0, min(wait for wait in waits if wait is not None))

    def _turn(self) -> None:
        at = self._now()
        self._decide(self._errands.reports())
        for key in self._runs.followed.poll(at):
            self._hands.judge(key)
        self._decide(self._runs.followed.told())
        self._runs.note_all_asked()
        for plan, message in self._runs.followed.unreadable.items():
            self._troubles.raise_(Trouble(f"run-{plan}", message, "repair that; the run itself goes on"))
        self._errands.turn(at)
        self._found.turn(at)
        self._decide(self._machine.feel(at, self._runs.followed.alive()))
        self._entrance.turn(at)
        self._answers.turn(at)
        self._decide([Tick(self._now())])
        self._pass_on_what_is_settled(at)
        self._notifying.turn(at)
        self._report()

    def _decide(self, events: Iterable[Event]) -> None:
        """Hand events to the engine and carry out what it orders."""
        events = list(events)
        tell(events)
        for event in events:
            for command in self._engine.handle(event):
                self._hands.carry_out(command)
            if isinstance(event, RunEnded):
                self._hands.note_further_attempt(event)
                tell_of_money(self._engine, event)
            if isinstance(event, PlanPublished):
                self._forget(event.plan)

    def _pass_on_what_is_settled(self, at: Moment) -> None:
        for published in self._hands.published():
            self._indexing.add(published.row)
            self._notifying.published(published)
            self._contexts.settled(published)
        self._indexing.turn(at)

    def _forget(self, plan: PlanId) -> None:
        self._entrance.settled(plan)
        self._hands.forget(plan)
        self._answers.settled(plan)

    # -- the machine, and telling of it ---------------------------------------------------------------------------

    def _look_at_machine(self, at: Moment) -> list[Event]:
        if not self._lock.is_held():
            # Somebody removed the lock's file, so another daemon may serve this root at any moment.
            logger.error("{}: the lock of this root was removed; leaving, runs go on", self._root.lock)
            self._leave("the root's lock is gone")
        events = self._machine.look(at, self._runs.followed.alive())
        self._runs.launching.claude = self._machine.claude
        return events

    def _report(self) -> None:
        self._reporting.turn(self._now(), [*self._troubles, *self._hands.yielded()], self._doorway.ignored)
        unwritten = self._reporting.unwritten
        if unwritten is None:
            self._troubles.clear(STATUS)
        else:
            message = f"{unwritten}; what status/ shows is old"
            self._troubles.raise_(Trouble(STATUS, message, "repair that; it is written again by itself"))

    def _wake(self) -> None:
        """Called by the watcher's thread."""
        self._doorway.wake()
        self._bell.ring()

    def _now(self) -> Moment:
        return Moment(clock.wall(), clock.boot())
