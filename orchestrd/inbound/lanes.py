"""The lanes that others write: what lies in them, and what of it may be taken.

`Lanes.scan` is the truth: it looks at everything, in the loop's thread. Watches only make it happen sooner and tell
which files came by a rename. Nothing in a lane is opened here but to ask whether somebody writes it, nothing is
moved, and nothing that lies there can make a scan fail: a lane that cannot be read is a problem, shown in `status/`.
"""

from __future__ import annotations

import errno
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from functools import partial
from pathlib import Path

from handoff import settling
from handoff.effects import effects
from handoff.open_lane import open_lane
from handoff.platform import PLATFORM, Platform
from handoff.root import NameKind, Root, kind_of, network_filesystem
from handoff.settling import Seen, Settling, Verdict, shown
from orchestrd.inbound.watching import WatchFailed, Watching

POLL_SECONDS = 0.5


class Lane(StrEnum):
    """The lanes that the daemon reads."""

    INBOX = "inbox"
    REPLIES = "replies"
    CONTROL = "control"


@dataclass(frozen=True, slots=True)
class LaneFile:
    """A file in a lane, as it was seen by a scan."""

    lane: Lane
    name: str
    """May hold any byte (`os.fsdecode`); for people: `shown`."""
    seen: Seen
    renamed: bool = False
    """It came by a rename that was seen: its writer is done."""
    final: bool = True
    """If it turns out invalid it is refused now; otherwise its writer may still be at it: `Lanes.hold`."""

    @property
    def shown(self) -> str:
        """Where it lies, fit to be shown."""
        return f"{self.lane}/{shown(self.name)}"


@dataclass(frozen=True, slots=True)
class LaneProblem:
    """What is wrong with a lane and what to do, as `status/daemon` shows it."""

    word: str
    message: str
    remedy: str


@dataclass(slots=True)
class LaneFindings:
    """What a scan found. The lists are in the order in which files are taken: by modification time, then name."""

    ready: list[LaneFile] = field(default_factory=list)
    bad: list[tuple[LaneFile, str]] = field(default_factory=list)
    """To be taken unread and settled as `bad-file`; `why` completes "the file …"."""
    ignored: list[tuple[LaneFile, str]] = field(default_factory=list)
    problems: list[LaneProblem] = field(default_factory=list)
    next_look: float = 0.0
    """When to scan again, by the clock of `now`, unless woken before."""


class Lanes:
    """Inbox, replies and control of one root.

    `on_wake` is called, from another thread, when a scan is worth while: once, until the next scan has begun.
    """

    def __init__(  # noqa: PLR0913 - one for each setting of [lanes]
        self,
        root: Root,
        on_wake: Callable[[], None],
        *,
        settle_seconds: float = 0.25,
        patience_seconds: float = 10.0,
        scan_seconds: float = 5.0,
        polling: bool = False,
        max_bytes: int = settling.MAX_DOCUMENT_BYTES,
        platform: Platform = PLATFORM,
        unproved_seconds: float | None = None,
    ) -> None:
        if unproved_seconds is None:
            network = network_filesystem(root.path) is not None
            unproved_seconds = settling.UNPROVED_NETWORK_SECONDS if network else settling.UNPROVED_SECONDS
        self._folders = {lane: root.path / lane.value for lane in Lane}
        self._root = root
        self._settling = {
            lane: Settling(
                settle_seconds, patience_seconds, unproved_seconds=unproved_seconds, max_bytes=max_bytes
            )
            for lane in Lane
        }
        self._platform = platform
        self._scan_seconds = scan_seconds
        self._wake = on_wake
        self._is_woken = False
        self._watching: Watching | None = None
        if platform.inotify and not polling:
            self._watching = Watching(
                {lane.value: path for lane, path in self._folders.items()}, self._on_change
            )

    def start(self) -> list[LaneProblem]:
        """Begin to watch. Scan after this, never before: what came in between would be seen by neither."""
        return self._repair()

    def stop(self) -> None:
        """Stop watching."""
        if self._watching is not None:
            self._watching.stop()

    def scan(self, now: float) -> LaneFindings:
        """Look at every file of the three lanes; `now` by a clock that only grows. Raises nothing."""
        # Before looking: a change from here on wakes anew.
        self._is_woken = False
        found = LaneFindings()
        found.problems += self._repair()
        polls = self._watching is None or bool(found.problems)
        found.next_look = now + (min(POLL_SECONDS, self._scan_seconds) if polls else self._scan_seconds)
        for lane in Lane:
            try:
                with open_lane(self._folders[lane]) as fd:
                    self._scan_lane(lane, fd, now, found)
            except OSError as error:
                found.problems.append(_unreadable(self._folders[lane], error))
        return found

    def hold(self, file: LaneFile) -> None:
        """Leave an invalid file alone until it changes or its patience is over; then it is `ready` and `final`."""
        self._settling[file.lane].hold(file.name)

    def _scan_lane(self, lane: Lane, fd: int, now: float, found: LaneFindings) -> None:
        watched = self._settling[lane]
        renamed = self._watching.take_renamed(lane.value) if self._watching else set()
        here = _look_at_all(fd)
        is_held_up = False
        for name, seen in here:
            proof = partial(settling.nobody_writes_in, fd, name, self._platform)
            judgement = watched.consider(name, seen, now, renamed=name in renamed, proof=proof)
            if judgement.verdict is Verdict.WAIT:
                if judgement.look_again_at is not None:
                    found.next_look = min(found.next_look, judgement.look_again_at)
                # Orders are carried out in the order of their times: a resume that was seen to come must not overtake
                # the pause that lay there before we watched.
                is_held_up = is_held_up or (lane is Lane.CONTROL and judgement.is_moment_away)
                continue
            if is_held_up:
                continue
            is_renamed = watched.is_renamed(name)
            file = LaneFile(lane, name, seen, is_renamed, is_renamed or watched.patience_over(name, now))
            if judgement.verdict is Verdict.READY:
                found.ready.append(file)
            elif judgement.verdict is Verdict.BAD:
                found.bad.append((file, judgement.why))
            else:
                found.ignored.append((file, judgement.why))
        watched.keep_only({name for name, _ in here})

    def _repair(self) -> list[LaneProblem]:
        if self._watching is None:
            return []
        try:
            self._watching.repair()
        except WatchFailed as error:
            return [
                LaneProblem(
                    "lane-unwatched", f"looking every {POLL_SECONDS} s: {error.message}", error.remedy
                )
            ]
        return []

    def _on_change(self) -> None:
        # Two threads may both find it unset: one wake too many, never one too few.
        if not self._is_woken:
            self._is_woken = True
            self._wake()


def _look_at_all(fd: int) -> list[tuple[str, Seen]]:
    """Look at every name that is not a temporary one; in the order of taking."""
    here = []
    for name in effects.list(fd):
        if kind_of(name) is NameKind.TEMPORARY:
            continue
        try:
            here.append((name, settling.look(fd, name)))
        except OSError:  # gone between the two
            continue
    here.sort(key=lambda one: (one[1].mtime_ns, one[0]))
    return here


def _unreadable(folder: Path, error: OSError) -> LaneProblem:
    if isinstance(error, FileNotFoundError):
        remedy = f"mkdir -m 700 {folder}"
    elif error.errno == errno.EPERM:
        remedy = f"chmod go-w {folder}"
    elif isinstance(error, NotADirectoryError) or error.errno == errno.ELOOP:
        remedy = f"move it away, then: mkdir -m 700 {folder}"
    elif error.errno in {errno.EMFILE, errno.ENFILE}:
        remedy = "raise the limit on open files"
    else:
        remedy = f"chmod u+rwx {folder}, or repair the disk"
    return LaneProblem("lane-unreadable", f"{folder}: {error.strerror}", remedy)
