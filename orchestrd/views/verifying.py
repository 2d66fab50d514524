"""Whether a root is as promised: plans in one place, journals whole, results matching, runs with their locks.

It only reads, with the daemon at work or away, and tries no lock. A root at work moves while it is looked at: what
seems wrong is looked at again, and told only if it is so at every look.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from datetime import UTC
from pathlib import Path
from typing import TypeVar

from handoff.processes import locked_inodes
from handoff.root import NameKind, PlanId, Root, kind_of
from orchestrd.record.forgotten import forgotten_orders
from orchestrd.record.ids import Ids, Orders
from orchestrd.views import verify_runs
from orchestrd.views.findings import (
    JOURNALS,
    LOCKS,
    NO_TORN_FILE,
    ONE_PLACE,
    ONE_START,
    PROMISES,
    READABLE,
    REQUESTS,
    RESULT,
    STATUS,
    TAKEN_IN,
    TWO_PLACES,
    Finding,
    Looked,
    unreadable,
)
from orchestrd.views.present import read_daemon, read_plans
from orchestrd.views.verify_plan import PlanFolder
from orchestrd.views.words import read_lines, read_time

__all__ = [
    "JOURNALS",
    "LOCKS",
    "NO_TORN_FILE",
    "ONE_PLACE",
    "ONE_START",
    "PROMISES",
    "REQUESTS",
    "RESULT",
    "STATUS",
    "Finding",
    "Looked",
    "verify",
]

AGAIN_SECONDS = (0.3, 1.0, 3.0)
"""Before each further look at what seemed wrong. Whatever a daemon does to one plan at once is shorter in sum."""
FRESH_SECONDS = 60.0
"""A temporary file that is younger may be about to be renamed."""

T = TypeVar("T")
Progress = Callable[[int, int], object]
"""Told how many plans were looked at, of how many."""


def verify(
    root: Root,
    *,
    keep_seconds: float = float("inf"),
    again_seconds: Sequence[float] = AGAIN_SECONDS,
    progress: Progress = lambda _done, _all: None,
    looked: Looked | None = None,
) -> Iterator[Finding]:
    """Look at everything, and tell what is not as it should be. Raises OSError where the root cannot be read.

    A plan that was taken less than `keep_seconds` ago must be somewhere: nothing removes it sooner (`archive.keep`).
    `looked` is told how much there was. With no `again_seconds` there is no second look, for a root that is at rest.
    """
    counts = Looked() if looked is None else looked
    found = list(_Look(root, counts, keep_seconds, progress).findings())
    for pause_seconds in again_seconds:
        if not found:
            return
        time.sleep(pause_seconds)
        plans = {one.plan for one in found if one.plan is not None}
        still = set(_Look(root, Looked(), keep_seconds, plans=plans).findings())
        found = [one for one in found if one in still]
    yield from found


class _Look:
    """One look at a root: at all of it, or, as far as plans are concerned, only at some."""

    def __init__(
        self,
        root: Root,
        looked: Looked,
        keep_seconds: float,
        progress: Progress = lambda _done, _all: None,
        plans: Collection[PlanId] | None = None,
    ) -> None:
        self._root = root
        self._looked = looked
        self._oldest_kept = time.time() - keep_seconds
        self._progress = progress
        self._plans = plans
        # The registers first, then the folders in the direction in which plans move: so a plan that moves meanwhile
        # may be seen twice, and never nowhere.
        self._unread: list[Finding] = []
        self._ids = self._loaded(root.ids_log, lambda: Ids.load(root))
        self._orders = self._loaded(root.orders_log, lambda: Orders.load(root))
        self._lines = read_lines(root.ids_log) if self._ids is not None else []
        self._locked = locked_inodes() or frozenset()
        self._active = _folders(root.active)
        self._archived: dict[PlanId, list[Path]] = {}
        for month in sorted(_folders(root.archive).values()):
            there = self._loaded(month, lambda month=month: _folders(month))  # type: ignore[misc]
            for plan, folder in (there or {}).items():
                self._archived.setdefault(plan, []).append(folder)

    def findings(self) -> Iterator[Finding]:
        """Look at everything; what cannot be looked at is told, and the rest is."""
        yield from self._unread
        yield from self._looked_at(self._root.path, self._places())
        yield from self._looked_at(self._root.archive, self._registers())
        for plan, folder, is_archived in self._chosen():
            one = PlanFolder(self._root, plan, folder, self._looked, is_archived=is_archived)
            yield from self._looked_at(folder, one.look(), plan)
            starts = verify_runs.look_at_starts(
                plan, one.starts, self._locked, is_archived=is_archived, root=self._root
            )
            yield from self._looked_at(folder, starts, plan)
        running = verify_runs.processes(self._root, self._looked)
        yield from self._looked_at(self._root.active, verify_runs.look_at_processes(self._root, running))
        yield from self._looked_at(self._root.status, verify_runs.look_at_daemon(self._root))
        yield from self._looked_at(self._root.results, self._lanes())
        yield from self._looked_at(self._root.requests, verify_runs.look_at_requests(self._root))
        yield from self._looked_at(self._root.status, self._status())
        yield from self._temporaries()

    def _loaded(self, path: Path, load: Callable[[], T]) -> T | None:
        try:
            return load()
        except OSError as error:
            self._unread.append(Finding(JOURNALS, self._short(path), unreadable(error), READABLE))
            return None

    def _looked_at(
        self, place: Path, look: Iterator[Finding], plan: PlanId | None = None
    ) -> Iterator[Finding]:
        """The border of one look: what stops it, the disk or a record that no daemon wrote, is a finding as well."""
        try:
            yield from look
        except OSError as error:
            where = (
                os.fsdecode(error.filename) if isinstance(error.filename, str | bytes) else os.fspath(place)
            )
            where = where.removeprefix(f"{self._root.path}/")
            yield Finding(JOURNALS, where, unreadable(error), READABLE, plan)
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            what = f"what it tells cannot be: {type(error).__name__}: {error!s:.200}"
            yield Finding(JOURNALS, self._short(place), what, plan=plan)

    def _chosen(self) -> Iterator[tuple[PlanId, Path, bool]]:
        everything = [(plan, folder, False) for plan, folder in self._active.items()]
        everything += [(plan, folder, True) for plan, all_ in self._archived.items() for folder in all_]
        chosen = [one for one in everything if self._plans is None or one[0] in self._plans]
        for done, one in enumerate(sorted(chosen), 1):
            yield one
            self._progress(done, len(chosen))

    # -- places and registers -------------------------------------------------------------------------------------

    def _places(self) -> Iterator[Finding]:
        self._looked.active = len(self._active)
        self._looked.archived = len(self._archived)
        self._looked.inbox = sum(
            kind_of(name) is not NameKind.TEMPORARY for name in os.listdir(self._root.inbox)
        )
        for plan, folders in sorted(self._archived.items()):
            others = [*([self._active[plan]] if plan in self._active else []), *folders[1:]]
            for other in others:
                what = f"the plan lies in {self._short(folders[0])} as well"
                yield Finding(ONE_PLACE, self._short(other), what, TWO_PLACES, plan)

    def _registers(self) -> Iterator[Finding]:
        self._looked.ids = len(self._ids) if self._ids is not None else 0
        self._looked.orders = self._orders.last if self._orders is not None else 0
        for register in (one for one in (self._ids, self._orders) if one is not None):
            yield from (
                Finding(JOURNALS, "archive", problem, "look at that line; the others hold")
                for problem in register.problems
            )
        for plan, folders in sorted(self._archived.items()):
            if self._ids is not None and not self._ids.has(plan):
                what = "the register of ids does not know this plan"
                yield Finding(ONE_PLACE, self._short(folders[0]), what, TAKEN_IN, plan)
        ids, orders = self._ids, self._orders
        lost_orders = (
            forgotten_orders(self._root, ids, orders) if ids is not None and orders is not None else ()
        )
        for lost in lost_orders:
            what = f"it does not know order {lost.order}, which made the plan {lost.new_plan}"
            yield Finding(JOURNALS, "archive/orders.jsonl", what, TAKEN_IN, lost.new_plan)
        keys: dict[str, str] = {}
        for line in self._lines:
            plan, key = PlanId(str(line.get("id"))), line.get("key")
            if not self._is_somewhere(plan) and self._is_kept(line):
                what = "the register of ids knows this plan, and it is neither in work nor in the archive"
                remedy = "if it was removed by hand, nothing; otherwise bring it back from a backup"
                yield Finding(ONE_PLACE, str(plan), what, remedy, plan)
            if isinstance(key, str) and keys.setdefault(key, plan) != plan:
                what = f"its key {key!r} was that of {keys[key]} before, so it should be a duplicate"
                yield Finding(ONE_START, "archive/ids.jsonl", what, plan=plan)

    def _is_somewhere(self, plan: PlanId) -> bool:
        return plan in self._active or plan in self._archived

    def _is_kept(self, line: dict[str, object]) -> bool:
        taken = read_time(line.get("taken"))
        return taken is not None and taken.astimezone(UTC).timestamp() > self._oldest_kept

    # -- what others see ------------------------------------------------------------------------------------------

    def _lanes(self) -> Iterator[Finding]:
        """Results and requests that belong to no plan."""
        endings = {self._root.results: (".toml", ".json", ".md"), self._root.requests: (".docs.md",)}
        for lane, wanted in endings.items():
            for name in sorted(os.listdir(lane)):
                ending = next((one for one in wanted if name.endswith(one)), None)
                if ending is None or name.startswith("."):
                    continue
                plan = PlanId(name.removesuffix(ending))
                if not self._is_somewhere(plan) and not self._root.plan_folder(plan).exists():
                    what = "no such plan is in work or in the archive"
                    remedy = "if the plan was removed by hand, remove this too"
                    yield Finding(RESULT, self._short(lane / name), what, remedy, plan)

    def _status(self) -> Iterator[Finding]:
        """Plans that a daemon shows which is at work, and that are not there."""
        if not read_daemon(self._root).alive:
            return
        for shown in read_plans(self._root):
            plan = PlanId(str(shown.get("id")))
            if not self._root.plan_folder(plan).exists():
                what = f"it shows the plan {plan}, which is not in work"
                yield Finding(STATUS, "status/plans.json", what, "restart the daemon; runs go on", plan)

    def _temporaries(self) -> Iterator[Finding]:
        """Look for half-written files where the daemon alone writes; those of writers are theirs."""
        now = time.time()
        tops = [
            self._root.results,
            self._root.requests,
            self._root.status,
            self._root.active,
            self._root.private,
        ]
        if self._plans is None:
            tops.append(self._root.archive)
        else:
            tops += [folder for plan in self._plans for folder in self._archived.get(plan, [])]
        for top in tops:
            for folder, _, names in os.walk(top):
                for name in names:
                    if name.startswith(".") and name.endswith(".tmp"):
                        yield from self._temporary(Path(folder, name), now)
        yield from self._exchanges(now)

    def _exchanges(self, now: float) -> Iterator[Finding]:
        """Look for what was cut off while a context was written: somebody's own words may be in it."""
        for path in sorted(self._root.context.glob(".*.exchange*")):
            if _age(path, now) > FRESH_SECONDS:
                what = "writing this context was cut off"
                yield Finding(NO_TORN_FILE, self._short(path), what, "start the daemon, which finishes it")

    def _temporary(self, path: Path, now: float) -> Iterator[Finding]:
        if _age(path, now) > FRESH_SECONDS:
            parts = path.relative_to(self._root.path).parts
            inside = {"active": 1, "archive": 2}.get(parts[0])
            plan = PlanId(parts[inside]) if inside and len(parts) > inside + 1 else None
            what = "a half-written file was left behind"
            yield Finding(NO_TORN_FILE, self._short(path), what, "it may be removed", plan)

    def _short(self, path: Path) -> str:
        return str(path.relative_to(self._root.path))


def _age(path: Path, now: float) -> float:
    try:
        return now - path.stat().st_mtime
    except FileNotFoundError:
        return 0.0


def _folders(place: Path) -> dict[PlanId, Path]:
    with os.scandir(place) as entries:
        return {
            PlanId(entry.name): Path(entry.path) for entry in entries if entry.is_dir(follow_symlinks=False)
        }
