"""What is known of each project is kept beside the loop, in a thread of its own: no result waits for it, and no plan.

However many plans of a project are settled, it is brought up to date once in some seconds. What cannot be done is told
and tried again; it is an aid, and holds nobody up.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from loguru import logger

from handoff.context import ContextProblem, find_context, project_of, read_context, without_marks
from handoff.effects import clock
from handoff.exchanging import rescue
from handoff.result import Result
from handoff.root import PlanId, Root
from orchestrd.context.asking import Asking
from orchestrd.context.catching_up import Settled, all_is_told, of_plan, settled_since, told_until
from orchestrd.context.entries import has_entry
from orchestrd.context.handing import handed_over
from orchestrd.context.keeping import BeingWritten, Keeping, Update
from orchestrd.context.register import Register
from orchestrd.daemon.errands import AGAIN_SECONDS
from orchestrd.daemon.troubles import Trouble, Troubles
from orchestrd.outbound.publish import Published
from orchestrd.settings import Context
from orchestrd.workspaces.git import GitLock

PAUSE_SECONDS = 2.0
"""A project's context is written at most so often."""
MOST_PENDING = 500
"""Results of one project that wait to be told of: more than any context has room for."""

MOST_PREVIEWED = 20
"""Of those, so many are told to a run that starts before they are written: more than it would be handed."""


@dataclass(slots=True)
class _Waiting:
    """A project whose context is to be brought up to date."""

    due: float
    """Boot seconds."""
    results: dict[str, Result] = field(default_factory=dict)


class Contexts:
    """The contexts of a root. Any thread may call what is public here."""

    def __init__(
        self,
        root: Root,
        settings: Context,
        git_lock: GitLock,
        redact: Callable[[bytes], bytes],
        troubles: Troubles,
    ) -> None:
        self._root = root
        self._settings = settings
        self._redact = redact
        self._troubles = troubles
        self._register = Register(root)
        self._keeping = Keeping(root, self._register, Asking(root, git_lock).look, settings.max_bytes)
        self._arrived: deque[Settled | PlanId] = deque()
        """What is still to be looked up: where a project lies, or what a plan's result says now."""
        self._waiting: dict[str, _Waiting] = {}
        self._pause_ends: dict[str, float] = {}
        """Before that (boot seconds) no plan is told of again."""
        self._changed = threading.Condition()
        self._leaving = False
        self._is_new = False
        """Something was noted since all was told."""
        self._thread = threading.Thread(target=self._work, name="contexts", daemon=True)

    def start(self) -> None:
        """Begin to keep them, if that is wanted; first those that a daemon before this one did not come to."""
        if not self._settings.keep:
            return
        try:
            self._register.load()
        except OSError as error:
            logger.warning(
                "{}: {}; what contexts told before is not known", self._register.folder, error.strerror
            )
        self._thread.start()

    def settled(self, published: Published) -> None:
        """Have a plan told of that was just settled. Looks at nothing: the loop itself calls this."""
        if published.row.project is not None and self._settings.keep and has_entry(published.result):
            self._arrive(Settled(published.row.project, published.result))

    def answered(self, plan: PlanId) -> None:
        """Have a plan told of anew whose result was completed, or whose request is gone. Looks at nothing, either."""
        if self._settings.keep:
            self._arrive(plan)

    def note(self, project: str, result: Result | None = None) -> None:
        """Have a project's context brought up to date soon, with that result."""
        if not self._settings.keep or (result is not None and not has_entry(result)):
            return
        whose = project_of(project)
        with self._changed:
            now = clock.boot()
            # Where only what is open may have changed, nobody waits for it.
            pause_ends = now + PAUSE_SECONDS if result is None else self._pause_ends.get(whose, 0.0)
            waiting = self._waiting.setdefault(whose, _Waiting(max(now, pause_ends)))
            waiting.due = min(waiting.due, max(now, pause_ends))
            if result is not None:
                self._is_new = True
                waiting.results[result.plan] = result
                if len(waiting.results) > MOST_PENDING:
                    del waiting.results[next(iter(waiting.results))]
            self._changed.notify()

    def told_to(self, project: Path) -> str:
        """What a run on a project is told of it; empty where there is nothing, or that is switched off."""
        if not self._settings.hand_over:
            return ""
        try:
            words = self._words(project_of(project))
        except Exception as error:  # noqa: BLE001 - an aid: whatever is wrong with it, the run starts without it
            logger.warning("a run on {} is not told of the project's context: {}", project, error)
            return ""
        return self._redact(handed_over(words).encode("utf-8", "replace")).decode("utf-8", "replace")

    def finish(self, seconds: float) -> None:
        """Write what is still to be told, in at most so long."""
        with self._changed:
            self._leaving = True
            self._changed.notify()
        if self._thread.is_alive():
            self._thread.join(seconds)

    def _words(self, project: str) -> str:
        if not self._settings.keep:
            path = find_context(self._root, project)
            found = read_context(path) if path is not None else None
            return found.words if found is not None and found.hand_over else ""
        self._take_in()
        with self._changed:
            waiting = self._waiting.get(project)
            results = tuple(waiting.results.values())[-MOST_PREVIEWED:] if waiting is not None else ()
        # What was settled a moment ago is told, though it may not be written yet.
        text = self._keeping.preview(Update(project, results), _now())
        # A branch may have been merged: then the file is to say so, too.
        self.note(project)
        return without_marks(text or "")

    # -- the thread -----------------------------------------------------------------------------------------------

    def _work(self) -> None:
        self._catch_up()
        while True:
            self._take_in()
            with self._changed:
                project = self._next()
                if project is None:
                    if self._leaving and not self._arrived:
                        return
                    if not self._arrived:
                        self._changed.wait(self._pause())
                    continue
                results = dict(self._waiting[project].results)
            again_seconds = self._keep(project, results)
            self._kept(project, results, again_seconds)

    def _arrive(self, one: Settled | PlanId) -> None:
        self._arrived.append(one)
        with self._changed:
            self._changed.notify()

    def _take_in(self) -> None:
        with suppress(IndexError):
            while True:
                one = self._arrived.popleft()
                settled = one if isinstance(one, Settled) else self._of_plan(one)
                if settled is not None:
                    self.note(settled.project, settled.result)

    def _of_plan(self, plan: PlanId) -> Settled | None:
        try:
            return of_plan(self._root, plan)
        except (OSError, LookupError, ValueError) as error:
            logger.warning("{}: the context of its project does not tell what has changed: {}", plan, error)
            return None

    def _catch_up(self) -> None:
        try:
            self._register.tidy()
            rescue(self._root.context)
            for one in settled_since(self._root, told_until(self._root)):
                self.note(one.project, one.result)
        except Exception as error:  # noqa: BLE001 - the border of this thread: what comes from now on is told
            logger.warning("what contexts do not tell yet could not be found: {}", error)

    def _next(self) -> str | None:
        """The project whose turn it is; all of them when the daemon leaves."""
        if not self._waiting:
            return None
        project = min(self._waiting, key=lambda one: self._waiting[one].due)
        return project if self._leaving or self._waiting[project].due <= clock.boot() else None

    def _pause(self) -> float | None:
        if not self._waiting:
            return None
        return max(0.0, min(one.due for one in self._waiting.values()) - clock.boot())

    def _kept(self, project: str, results: dict[str, Result], again_seconds: float | None) -> None:
        with self._changed:
            waiting = self._waiting[project]
            if results:
                self._pause_ends[project] = clock.boot() + PAUSE_SECONDS
            if again_seconds is not None and not self._leaving:
                waiting.due = clock.boot() + again_seconds
                return
            for plan, result in results.items():
                if waiting.results.get(plan) is result:
                    del waiting.results[plan]
            if not waiting.results or again_seconds is not None:
                del self._waiting[project]
            else:
                waiting.due = clock.boot() + PAUSE_SECONDS
            all_told = self._is_new and not self._waiting and again_seconds is None
            self._is_new = self._is_new and not all_told
        if all_told:
            with suppress(OSError):  # then a few are told again, which changes nothing
                all_is_told(self._root)

    def _keep(self, project: str, results: dict[str, Result]) -> float | None:
        """Bring one up to date; None, or after how many seconds that is to be tried again."""
        word = f"context-{project}"
        try:
            aside = self._keeping.keep(Update(project, tuple(results.values())), _now())
        except BeingWritten:
            return AGAIN_SECONDS
        except ContextProblem as problem:
            self._troubles.raise_(
                Trouble(word, f"context/{problem.path.name} {problem.what}", problem.remedy)
            )
            return AGAIN_SECONDS
        except Exception as error:  # noqa: BLE001 - the border of one project
            remedy = f"mend that; it is tried again every {AGAIN_SECONDS:g} s"
            message = f"the context of {project}: {str(error) or type(error).__name__}"
            self._troubles.raise_(Trouble(word, message, remedy))
            return AGAIN_SECONDS
        self._troubles.clear(word)
        for path in aside:
            logger.warning("{}: two saved a context at once; this is the earlier of both, look at it", path)
        return None


def _now() -> datetime:
    return datetime.fromtimestamp(clock.wall(), UTC)
