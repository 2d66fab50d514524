"""What a runner does: one Claude Code, or one command, from its start to the proof that nothing of it is left.

It outlives the daemon and talks to nobody but by files: `started.json` first, `events.jsonl` (of a command
`stdout.log`) and `stderr.log` on the way, `exit.json` last. While it lives it holds the lock that the daemon took for
it. One thread, the standard library, and few imports: each is paid at every run. It knows no policy: what a run's
ending means is judged elsewhere.
"""

from __future__ import annotations

import os
import select

from handoff import durable, looking
from handoff.effects import attempt, clock, effects, programs
from orchestrd.runs import accounts, tree
from orchestrd.runs.clocks import TERM_SECONDS, Clocks
from orchestrd.runs.kinds import CLAUDE, logs
from orchestrd.runs.light_json import parse
from orchestrd.runs.orders import Orders, StopSignal, patiently, read_orders, wish_to_stop
from orchestrd.runs.relay import MOST_LINE_BYTES, MOST_PLAIN_LINE_BYTES, Copy, Feed
from orchestrd.runs.spawning import Agent, BadLaunch, spawn
from orchestrd.runs.subreaper import become_subreaper
from orchestrd.secrets import Redactor

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from orchestrd.runs.asking.desk import Desk

_NEVER = float("inf")
DRAIN_SECONDS = 5.0
"""How long what is left in the pipes is read when nobody is left to write into them."""
_NEW_LOG = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC


def supervise(folder: str, lock: int) -> int:
    """Be the runner of the start whose folder this is. Return the exit code: 0, or 3 where it was started before."""
    # Claude Code holding the lock would make a dead runner look alive.
    os.set_inheritable(lock, False)  # noqa: FBT003 - its signature
    signal = StopSignal()
    started = os.path.join(folder, "started.json")
    if looking.is_there(started):
        return 3
    orders = read_orders(folder)
    # Plainly replaced, not published: nobody but the holder of the lock writes here, and a rename that refuses to
    # replace costs 5 ms (ctypes) before Claude Code is there. Synced for its name's sake: by that the next daemon knows
    # that this start was made. What it says is of use within this boot only.
    patiently(lambda: durable.replace(started, accounts.started(orders.argv)))
    account = accounts.Account(folder)
    if signal.is_raised or looking.is_there(os.path.join(folder, "stop.json")):
        account.why, account.message = wish_to_stop(folder)
    else:
        _run(orders, account, signal)
    _close_books(orders, account)
    return 0


def _run(orders: Orders, account: accounts.Account, signal: StopSignal) -> None:
    files = [patiently(lambda name=name: _open_log(orders.folder, name)) for name in logs(orders.kind)]  # type: ignore[misc]
    told = _open_input(orders.folder) if orders.kind == CLAUDE else None
    become_subreaper()
    account.begin()
    try:
        agent = spawn(orders.argv, orders.cwd, orders.environment, is_fed=told is not None)
    except BadLaunch as error:
        account.why, account.message = "bad-launch", str(error)
        return
    account.sample(processes=1)
    supervision = Supervision(orders, account, signal, agent, told, files)
    try:
        supervision.run()
    except OSError as error:
        # A disk that fails, say. Nobody would look after it any more, so it ends too.
        supervision.end_tree()
        account.why = "interrupted"
        account.add(f"Its runner could not go on: {error}.")
        attempt(supervision.ask_no_more)


def _open_log(folder: str, name: str) -> int:
    return effects.open(os.path.join(folder, name), _NEW_LOG, 0o600)


def _open_input(folder: str) -> int:
    return effects.open(os.path.join(folder, "input.jsonl"), os.O_RDONLY | os.O_CLOEXEC)


def _close_books(orders: Orders, account: accounts.Account) -> None:
    folder = orders.folder
    if account.status is not None:
        # What it wrote is on the disk before the word that it is done, or a power cut would leave a success with empty
        # files, which would be committed.
        unsynced = attempt(lambda: durable.sync_tree(orders.cwd))
        if unsynced is not None and not isinstance(unsynced, FileNotFoundError):
            account.add(f"What it wrote may not be on the disk: {unsynced}.")
    paths = [os.path.join(folder, name) for name in logs(orders.kind)]
    written = [path for path in paths if _holds_something(path)]
    patiently(lambda: durable.sync_files(written))
    account.sample(processes=0)
    own_log = os.path.join(folder, "runner.log")
    if not _holds_something(own_log):
        durable.remove(own_log, sync=False)
    content = account.document()
    # Nothing may be left to do after this: whoever sees it goes on from here. Plainly replaced, as `started.json` was:
    # to publish it as new would cost 6 ms of CPU (ctypes), and there is nobody else who could have written it.
    patiently(lambda: durable.replace(os.path.join(folder, "exit.json"), content))


def _holds_something(path: str) -> bool:
    try:
        return effects.stat(path).st_size > 0
    except FileNotFoundError:
        return False


class Supervision:
    """A program at work, and its end."""

    def __init__(
        self,
        orders: Orders,
        account: accounts.Account,
        signal: StopSignal,
        agent: Agent,
        told: int | None,
        files: list[int],
    ) -> None:
        redactor = Redactor(orders.secrets)
        self._orders = orders
        self._account = account
        self._signal = signal
        self._pid = agent.pid
        self._speaks_events = orders.kind == CLAUDE
        self._feed = Feed(agent.stdin, told) if agent.stdin is not None and told is not None else None
        most = MOST_LINE_BYTES if self._speaks_events else MOST_PLAIN_LINE_BYTES
        self._output = Copy(agent.stdout, files[0], redactor, most_line_bytes=most)
        self._errors = Copy(agent.stderr, files[1], redactor, most_line_bytes=MOST_PLAIN_LINE_BYTES)
        self._clocks = Clocks(**orders.limits, boot=account.began, awake=clock.awake())
        self._redactor = redactor
        self._desk: Desk | None = None
        """Made when something is asked."""
        self._kill_at: float | None = None
        self._waited_for = False

    def run(self) -> None:
        """Follow it to its end, end what it left, write down what is still in the pipes."""
        while not self._waited_for:
            self._wait(self._seconds_to_next_deadline())
            self._collect()
            if not self._waited_for:
                self._ask()
                self._hold_limits()
        self._note_who_ended_it()
        self.end_tree()
        patiently(self.ask_no_more)
        self._drain()

    def end_tree(self) -> None:
        """End all that is there of it, and prove that nothing is left."""
        ended = tree.kill_tree(self._members, reap=self._collect)
        self._account.killed_leftovers = len(ended.killed - {self._pid})
        if ended.left:
            self._account.add(f"These processes do not die: {', '.join(map(str, sorted(ended.left)))}.")
        self._account.end()

    def ask_no_more(self) -> None:
        """Take back what it still asks: nobody waits for an answer. Raises OSError; then it can be repeated."""
        if self._desk is not None:
            self._desk.close()

    # -- while it lives -------------------------------------------------------------------------------------------

    def _wait(self, seconds: float) -> None:
        """Wait until something can be done, this long at most, and move what can be moved."""
        poll = select.poll()
        poll.register(self._signal.ear, select.POLLIN)
        feed = self._feed if self._feed and self._feed.is_open else None
        if feed and not feed.is_done:
            poll.register(feed.pipe, select.POLLOUT)
        if self._desk and self._desk.ear is not None:
            poll.register(self._desk.ear, select.POLLIN)
        for copy in (self._output, self._errors):
            if copy.is_open and copy.retry_at is None:
                poll.register(copy.pipe, select.POLLIN)
        ready = {descriptor for descriptor, _ in poll.poll(self._pause(seconds) * 1000)}
        now = clock.awake()
        self._signal.hush()
        self._retry(now)
        if feed and feed.pipe in ready:
            feed.give()
        if self._errors.is_open and self._errors.pipe in ready:
            self._errors.take(now)
        if self._output.is_open and self._output.pipe in ready:
            self._listen(now)

    def _seconds_to_next_deadline(self) -> float:
        now = clock.awake()
        if self._kill_at is not None:
            return self._kill_at - now
        asked = self._desk.seconds_left(now) if self._desk else _NEVER
        return min(asked, self._clocks.seconds_left(clock.boot(), now))

    def _pause(self, seconds: float) -> float:
        now = clock.awake()
        retries = [copy.retry_at - now for copy in (self._output, self._errors) if copy.retry_at is not None]
        return max(0.001, min([seconds, *retries]))

    def _retry(self, now: float) -> None:
        for copy in (self._output, self._errors):
            if copy.retry_at is not None:
                self._clocks.deaf(now)
                if now >= copy.retry_at:
                    copy.push(now)

    def _listen(self, now: float) -> None:
        lines = self._output.take(now)
        if not lines:
            return
        self._clocks.heard(now)
        self._account.heard()
        if not self._speaks_events:
            return  # whatever a command prints, it is no event
        if self._orders.asking is not None and b'"control_' in lines and not self._account.saw_result:
            self._at_the_desk(self._orders.asking).hear(lines)
        if not self._account.saw_result and b'"result"' in lines and _holds_result(lines):
            self._account.saw_result = True
            self._clocks.result_came(now)
            # An open input would keep it alive for ever.
            self._close_input()
            if self._desk:
                self._desk.ask_no_more()

    def _at_the_desk(self, asking: dict[str, Any]) -> Desk:
        if self._desk is None:
            from orchestrd.runs.asking.desk import Desk  # with all that it needs; most runs never ask

            orders = self._orders
            self._desk = Desk(asking, orders.folder, orders.cwd, self._redactor, self._say)
        return self._desk

    def _say(self, line: bytes) -> None:
        if self._feed and self._feed.is_open:
            self._feed.say(line)

    def _ask(self) -> None:
        """Go on with what is asked; while somebody is waited for its clocks stand still."""
        if self._desk is None or self._kill_at is not None:
            return
        now = clock.awake()
        self._desk.turn(now)
        if self._desk.is_asking:
            self._clocks.stand_still(clock.boot())
        else:
            self._clocks.go_on(clock.boot(), now)

    def _collect(self) -> None:
        """Collect whoever has ended: Claude Code, and orphans that fell to us."""
        while True:
            try:
                pid, status = programs.wait(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            if pid == self._pid:
                self._waited_for = True
                self._account.status = status

    def _hold_limits(self) -> None:
        now = clock.awake()
        if self._kill_at is not None:
            if now >= self._kill_at:
                # The rest of the tree follows at once, when this one is collected.
                programs.kill(self._pid, tree.SIGKILL)
                self._kill_at = now + TERM_SECONDS
            return
        if self._signal.is_raised:
            self._stop(*wish_to_stop(self._orders.folder))
            return
        unanswered = self._desk.unanswered() if self._desk else None
        if unanswered is not None:
            self._stop("unanswered", unanswered)
            return
        over = self._clocks.overdue(clock.boot(), now)
        if over is None and self._clocks.is_look_due(now):
            held = tree.resident_bytes(tree.descendants(os.getpid()))
            self._account.peak_memory_bytes = max(self._account.peak_memory_bytes, held)
            over = self._clocks.too_much(held)
        if over is not None:
            self._stop(*over)

    def _stop(self, why: str, message: str | None) -> None:
        self._account.why, self._account.message = why, message
        self._kill_at = clock.awake() + TERM_SECONDS
        programs.kill(self._pid, tree.SIGTERM)  # not collected yet, so the number is still its own

    # -- its end --------------------------------------------------------------------------------------------------

    def _note_who_ended_it(self) -> None:
        """Tell a command that failed by itself from one that was told to stop together with us (a shutdown).

        Claude Code says so by its exit code; of a command nobody knows what its exit code means.
        """
        account = self._account
        if account.why == "ended" and account.status and self._signal.is_raised and not self._speaks_events:
            account.why, account.message = wish_to_stop(self._orders.folder)

    def _close_input(self) -> None:
        if self._feed:
            self._feed.close()

    def _members(self) -> set[int]:
        return {*tree.descendants(os.getpid()), *tree.marked(self._orders.mark)}

    def _drain(self) -> None:
        """Copy what is left in the pipes, however long a full disk makes that take."""
        self._close_input()
        give_up_at = clock.awake() + DRAIN_SECONDS
        while True:
            now = clock.awake()
            self._retry(now)
            copies = (self._output, self._errors)
            if now > give_up_at:
                # Somebody who does not die still holds the other end.
                for copy in copies:
                    if copy.is_open and copy.retry_at is None:
                        copy.give_up(now)
            waiting = [copy for copy in copies if copy.is_open or copy.retry_at is not None]
            if not waiting:
                return
            if any(copy.retry_at is not None for copy in waiting):
                give_up_at = now + DRAIN_SECONDS
            self._wait(give_up_at - now)


def _holds_result(lines: bytes) -> bool:
    for line in lines.split(b"\n"):
        if b'"result"' in line:
            try:
                event = parse(line)
            except (ValueError, RecursionError):
                continue
            if isinstance(event, dict) and event.get("type") == "result":
                return True
    return False
