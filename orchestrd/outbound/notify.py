"""Somebody is told that a plan asks something (or has ended), once, by each channel that is configured.

It looks into `requests/` when that folder has changed, whoever wrote into it: runners do while the daemon is away.
Lives in the loop's thread, of which it takes the time to look at one folder's date; all else is done by others, who
ring.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

from handoff.effects import effects
from handoff.formats import DocumentError, Format, read_document
from handoff.looking import read_file
from handoff.result import Result
from handoff.root import Root, kind_of
from orchestrd.outbound.courier import Courier, Failure, Hand
from orchestrd.outbound.news import (
    MOST_BYTES,
    REQUEST,
    RESULT,
    News,
    news_of_request,
    news_of_result,
    request_kind,
)
from orchestrd.outbound.notified import BACK_SECONDS, Notified
from orchestrd.settings import ToldOf

FRESH_SECONDS = 1.0
"""A folder that changed so shortly before it was looked into is looked into once more: a further change at the same
tick of the disk's clock would not be seen by its date."""
AGAIN_SECONDS = 5.0
"""So much later is tried again what the disk refused."""
REQUESTS: frozenset[str] = frozenset(("approval", "question", "docs"))
_IN_REQUESTS, _IN_RESULTS = f"{REQUEST}/", f"{RESULT}/"


@dataclass(frozen=True, slots=True)
class _Seen:
    """What a look has found. `present` None: the folder could not be listed, or it was another one."""

    present: frozenset[str] | None
    news: tuple[News, ...] = ()


class Notifier:
    """Finds what there is to tell, and gives it to the couriers.

    `hand` has something done in another thread, one after the other; `ring` wakes the loop. Any thread may ring.
    """

    def __init__(
        self,
        root: Root,
        on: Collection[ToldOf],
        couriers: Sequence[Courier],
        notified: Notified,
        hand: Hand,
        ring: Callable[[], None],
    ) -> None:
        self._root = root
        self._on = frozenset(on)
        self._couriers = couriers
        self._notified = notified
        self._hand = hand
        self._ring = ring
        self._known: frozenset[str] = frozenset()
        """The requests that were there at the last look; each is read once."""
        self._seen: deque[_Seen] = deque()
        self._is_looking = False
        self._looked_at: int | None = None
        """The folder's date at the last look."""
        self._look_due: float | None = None
        self._saves: deque[OSError | None] = deque()
        self._is_saving = False
        self._save_due = float("-inf")
        self._unsaved: Failure | None = None
        self._has_caught_up = self._on <= REQUESTS

    @property
    def failures(self) -> list[Failure]:
        """Why somebody could not be told; [] while all is well."""
        found = [courier.failure for courier in self._couriers if courier.failure is not None]
        return [*found, self._unsaved] if self._unsaved is not None else found

    @property
    def is_busy(self) -> bool:
        """Whether something is being told, or is still to be written down."""
        return self._is_saving or self._notified.is_new or any(one.is_busy for one in self._couriers)

    def close(self) -> None:
        """Begin nothing more; what is under way is still to be remembered."""
        for courier in self._couriers:
            courier.close()

    def published(self, result: Result) -> None:
        """A plan has ended."""
        if result.status.value in self._on:
            self._add(news_of_result(result, self._root.results / f"{result.plan}.md"))

    def turn(self, wall: float, boot: float) -> None:
        """Look where something has changed, have told what is new, and remember what was told."""
        if not self._couriers:
            return
        if not self._has_caught_up:
            self._has_caught_up = True
            self._catch_up(wall)
        if not self._is_looking and self._has_changed(wall, boot):
            self._is_looking = True
            known = self._known
            self._hand(lambda: self._look(known))
        while self._seen:
            self._take_in(self._seen.popleft(), boot)
        for courier in self._couriers:
            self._notified.note(courier.turn(boot), courier.name, wall)
        self._keep_notified(wall, boot)

    def next_look(self, boot: float) -> float | None:
        """Seconds until there is something to do here; None: nothing unless somebody rings or the folder changes."""
        if self._seen or self._saves:
            return 0.0
        dues = [self._look_due] if self._look_due is not None else []
        dues += [self._save_due] if self._notified.is_new and not self._is_saving else []
        waits = [max(0.0, due - boot) for due in dues]
        waits += [wait for one in self._couriers if (wait := one.next_look(boot)) is not None]
        return min(waits, default=None)

    # -- requests -------------------------------------------------------------------------------------------------

    def _has_changed(self, wall: float, boot: float) -> bool:
        try:
            changed_ns = effects.stat(self._root.requests).st_mtime_ns
        except OSError:
            self._look_due = boot + AGAIN_SECONDS
            return False
        is_due = self._look_due is not None and boot >= self._look_due
        if changed_ns == self._looked_at and not is_due:
            return False
        self._looked_at = changed_ns
        is_fresh = abs(wall - changed_ns / 1e9) < FRESH_SECONDS
        self._look_due = boot + FRESH_SECONDS if is_fresh else None
        return True

    def _look(self, known: frozenset[str]) -> None:
        """In another thread: list the requests, and read those that are new."""
        try:
            names = effects.list(self._root.requests)
            present = frozenset(name for name in names if kind_of(name).is_document)
            fresh = sorted(name for name in present - known if request_kind(name) in self._on)
            news = tuple(one for name in fresh if (one := news_of_request(self._root, name)) is not None)
            self._seen.append(_Seen(present, news))
        except OSError:
            self._seen.append(_Seen(None))
        self._ring()

    def _take_in(self, seen: _Seen, boot: float) -> None:
        if seen.present is not None:
            self._is_looking = False
            self._known = seen.present
            present = {f"{_IN_REQUESTS}{name}" for name in seen.present}
            for courier in self._couriers:
                courier.keep(_IN_REQUESTS, present)
            self._notified.forget_gone(_IN_REQUESTS, present)
        elif not seen.news:
            self._is_looking = False
            self._looked_at = None
            self._look_due = boot + AGAIN_SECONDS
        for one in seen.news:
            self._add(one)

    def _add(self, news: News) -> None:
        for courier in self._couriers:
            if not self._notified.was_told(news.id, courier.name):
                courier.add(news)

    # -- results --------------------------------------------------------------------------------------------------

    def _catch_up(self, wall: float) -> None:
        """Have those told that were published, and not told, before this daemon. At the first start: none."""
        since = self._notified.results_since
        if since is None:
            self._notified.results_until(wall, _IN_RESULTS)
        else:
            self._hand(lambda: self._look_at_results(since))

    def _look_at_results(self, since: float) -> None:
        """In another thread."""
        news = []
        for name in sorted(self._names_of_results()):
            path = self._root.results / name
            try:
                if effects.stat(path, follow=False).st_mtime < since:
                    continue
                result = read_document(Result, read_file(path, MOST_BYTES), Format.of(name))
            except (OSError, DocumentError):
                continue  # consumed meanwhile, or none that we wrote
            if result.status.value in self._on:
                news.append(news_of_result(result, self._root.results / f"{result.plan}.md"))
        if news:
            self._seen.append(_Seen(None, tuple(news)))
            self._ring()

    def _names_of_results(self) -> list[str]:
        try:
            names = effects.list(self._root.results)
        except OSError:
            return []
        return [name for name in names if name.endswith((".toml", ".json")) and not name.startswith(".")]

    # -- what was told --------------------------------------------------------------------------------------------

    def _keep_notified(self, wall: float, boot: float) -> None:
        while self._saves:
            error = self._saves.popleft()
            self._is_saving = False
            if error is None:
                self._unsaved = None
                continue
            self._notified.is_new = True
            self._save_due = boot + AGAIN_SECONDS
            remedy = "repair that; until then a restart tells the same once more"
            self._unsaved = Failure(f"{self._notified.path}: {error.strerror}", remedy)
        if not self._notified.is_new or self._is_saving or boot < self._save_due:
            return
        if not self._on <= REQUESTS and not any(one.waits(_IN_RESULTS) for one in self._couriers):
            self._notified.results_until(wall - BACK_SECONDS, _IN_RESULTS)
        content = self._notified.content()
        self._is_saving = True
        self._hand(lambda: self._save(content))

    def _save(self, content: bytes) -> None:
        """In another thread."""
        error: OSError | None = None
        try:
            self._notified.save(content)
        except OSError as failed:
            error = failed
        self._saves.append(error)
        self._ring()
