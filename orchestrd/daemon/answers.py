"""Answers that were taken and docs requests that expire: each becomes an errand, one of all at a time.

So a hundred answers at once keep no plan from being prepared, started or settled. Lives in the loop's thread.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Callable, Iterable

from handoff import durable, looking
from handoff.effects import effects
from handoff.root import PlanId, Root
from handoff.settling import FileKind, look
from orchestrd.core.events import Moment
from orchestrd.daemon.docs_answers import Tell, deal_with, expire, expires_at
from orchestrd.daemon.errands import AGAIN_SECONDS, Errands
from orchestrd.inbound.replies import plan_of, taken_replies
from orchestrd.inbound.taken import opened
from orchestrd.record import journal
from orchestrd.record.archived import archived_folder
from orchestrd.record.replies import DOCS
from orchestrd.workspaces.git import GitLock

GRACE_SECONDS = 60.0
"""So long a request outlives its time, at most, where an answer to it lies in the lane and is not taken yet."""

ALL = PlanId("requests")
"""Stands for no plan: trouble with looking at all requests is told by that word."""

Job = Callable[[], None]


class Answers:
    """What is to be done about answers and about requests whose time is over."""

    def __init__(
        self,
        root: Root,
        lock: GitLock,
        errands: Errands,
        now: Callable[[], Moment],
        tell: Tell = lambda _plan: None,
    ) -> None:
        """`tell`: of each plan whose docs request was answered or has expired; from another thread."""
        self._root = root
        self._lock = lock
        self._errands = errands
        self._now = now
        self._tell = tell
        self._began = now().wall
        self._queue: deque[tuple[PlanId, Job]] = deque()
        self._busy: set[PlanId] = set()
        """Plans of which something is under way, or put off: their journals have one writer."""
        self._is_at_work = False
        self._expiries: list[tuple[float, PlanId]] = []
        self._found: deque[tuple[float, PlanId]] = deque()
        self._done: deque[PlanId] = deque()
        self.on_done: Callable[[PlanId], None] = lambda _plan: None
        """Told of each plan about whose request something was done, or looked up; in the loop's thread."""

    def begin(self) -> None:
        """Look when the requests expire that an earlier daemon has left open."""
        self._queue.append((ALL, self._look_at_all))

    def deal_with(self, plan: PlanId, name: str) -> None:
        """Have an answer dealt with that was taken under that name."""
        self._queue.append((plan, lambda: deal_with(self._root, plan, name, self._lock, self._tell)))

    def settled(self, plan: PlanId) -> None:
        """A plan is settled: it may have a request that expires."""
        try:
            has_request = looking.is_there(self._root.requests / f"{plan}{DOCS}")
        except OSError:
            has_request = True  # the disk does not say now; it is asked again, beside the loop
        if has_request:
            self._queue.append((plan, lambda: self._look_when_they_expire([plan])))

    def turn(self, at: Moment) -> None:
        """Begin what can be begun."""
        while self._done:
            plan = self._done.popleft()
            self._busy.discard(plan)
            if plan != ALL:
                self.on_done(plan)
        while self._found:
            heapq.heappush(self._expiries, self._found.popleft())
        while self._expiries and self._expiries[0][0] <= at.wall:
            _, plan = heapq.heappop(self._expiries)
            self._queue.append((plan, lambda plan=plan: self._expire(plan)))  # type: ignore[misc]
        if not self._is_at_work:
            self._start_next()

    def next_look(self, at: Moment) -> float | None:
        """Seconds until there is something to do here; None: nothing until something is taken."""
        if self._done or self._found:
            return 0.0
        if not self._is_at_work and any(plan not in self._busy for plan, _ in self._queue):
            return 0.0
        return max(0.0, self._expiries[0][0] - at.wall) if self._expiries else None

    def _start_next(self) -> None:
        free = (number for number, (plan, _) in enumerate(self._queue) if plan not in self._busy)
        number = next(free, None)
        if number is None:
            return
        plan, job = self._queue[number]
        del self._queue[number]
        self._busy.add(plan)
        self._is_at_work = True
        self._errands.run(plan, lambda: self._attempt(plan, job))

    def _attempt(self, plan: PlanId, job: Job) -> None:
        """Do a job, in a worker's thread; one that fails is put off by the errands, and keeps nobody else waiting."""
        try:
            job()
            self._done.append(plan)
        finally:
            self._is_at_work = False

    def _look_at_all(self) -> None:
        names = [name for name in effects.list(self._root.requests) if name.endswith(DOCS)]
        self._look_when_they_expire(plan for name in names if (plan := plan_of(name)) is not None)

    def _look_when_they_expire(self, plans: Iterable[PlanId]) -> None:
        for plan in plans:
            expires = expires_at(self._root, plan)
            if expires is not None:
                self._found.append((expires, plan))

    def _expire(self, plan: PlanId) -> None:
        folder = archived_folder(self._root, plan)
        if folder is None or not looking.is_there(self._root.requests / f"{plan}{DOCS}"):
            return
        expires = expires_at(self._root, plan)
        if expires is None:
            return
        wall = self._now().wall
        if wall < max(expires, self._began) + GRACE_SECONDS and self._is_being_answered(plan):
            self._found.append((wall + AGAIN_SECONDS, plan))
            return
        expire(self._root, plan, folder, journal.open_for_append(folder / durable.JOURNAL))
        self._tell(plan)

    def _is_being_answered(self, plan: PlanId) -> bool:
        """Whether an answer lies in the lane, or is in hand."""
        name = f"{plan}{DOCS}"
        if looking.is_there(taken_replies(self._root) / name):
            return True
        try:
            with opened(self._root.replies) as lane:
                return look(lane, name).kind is FileKind.REGULAR
        except FileNotFoundError:
            return False
