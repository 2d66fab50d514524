"""Being told of changes in the lanes, by watchdog. A hint and no more: the scan is the truth.

What is told: that something changed (`on_change`), and which names were renamed into place. Everything may be lost
(a queue that overflowed, a watcher that died, a lane that was removed and made again); `repair`, called at each scan,
finds that out and sets new watches.
"""

from __future__ import annotations

import logging
import os
import stat
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from watchdog.events import (
    DirMovedEvent,
    FileClosedEvent,
    FileCreatedEvent,
    FileMovedEvent,
    FileSystemEvent,
    FileSystemEventHandler,
)
from watchdog.observers.api import BaseObserver, ObservedWatch

from handoff.effects import effects
from handoff.root import NameKind, kind_of

_TOLD = [FileMovedEvent, FileCreatedEvent, FileClosedEvent]

# An overflow is no more than a reason to scan, which happens anyway; watchdog would warn at each.
logging.getLogger("watchdog").addHandler(logging.NullHandler())


class WatchFailed(Exception):
    """No watch could be set: what the system said, and the remedy."""

    def __init__(self, message: str, remedy: str) -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy


class Watching:
    """Watches on some folders, by name. `on_change` is called in a thread of watchdog's."""

    def __init__(self, folders: Mapping[str, Path], on_change: Callable[[], None]) -> None:
        self._folders = dict(folders)
        self._on_change = on_change
        self._lock = threading.Lock()
        self._renamed: dict[str, set[str]] = {name: set() for name in folders}
        self._observer: BaseObserver | None = None
        self._watched: dict[str, tuple[ObservedWatch, tuple[int, int]]] = {}

    def repair(self) -> None:
        """Set the watches that are missing, dead, or on a folder that is not the lane any more. Raises WatchFailed."""
        if self._observer is not None and not _is_alive(self._observer):
            self.stop()
        if self._observer is None:
            self._observer = self._new_observer()
        for name, folder in self._folders.items():
            place = _identity(folder)
            watched = self._watched.get(name)
            if watched and watched[1] == place and _has_emitter(self._observer, watched[0]):
                continue
            if watched:
                self._unwatch(self._observer, name)
            if place is not None:
                self._watch(self._observer, name, folder, place)

    def stop(self) -> None:
        """Give all watches back; their threads have ended when this returns."""
        observer, self._observer = self._observer, None
        self._watched.clear()
        if observer is None:
            return
        observer.stop()
        if observer.is_alive():
            observer.join(timeout=5)

    def take_renamed(self, name: str) -> set[str]:
        """Hand over the file names that were renamed into a folder since the last call."""
        with self._lock:
            renamed, self._renamed[name] = self._renamed[name], set()
        return renamed

    def _new_observer(self) -> BaseObserver:
        try:
            observer = new_observer()
            observer.start()
        except (OSError, RuntimeError) as error:
            raise _failed(error) from error
        return observer

    def _watch(self, observer: BaseObserver, name: str, folder: Path, place: tuple[int, int]) -> None:
        handler = _Handler(lambda file_name, renamed: self._note(name, file_name, renamed=renamed))
        try:
            watch = observer.schedule(handler, str(folder), event_filter=list(_TOLD))
        except FileNotFoundError:
            return
        except (OSError, RuntimeError) as error:
            raise _failed(error) from error
        self._watched[name] = (watch, place)

    def _unwatch(self, observer: BaseObserver, name: str) -> None:
        watch, _ = self._watched.pop(name)
        try:
            observer.unschedule(watch)
        except (KeyError, OSError):  # it went by itself, with its folder
            return

    def _note(self, lane: str, file_name: str, *, renamed: bool) -> None:
        if kind_of(file_name) is NameKind.TEMPORARY:
            return
        if renamed:
            with self._lock:
                self._renamed[lane].add(file_name)
        self._on_change()


class _Handler(FileSystemEventHandler):
    """Turns watchdog's events into a name and whether it came by a rename."""

    def __init__(self, note: Callable[[str, bool], None]) -> None:
        self._note = note

    def dispatch(self, event: FileSystemEvent) -> None:
        """Note one event."""
        is_move = isinstance(event, (FileMovedEvent, DirMovedEvent))
        path = os.fsdecode(event.dest_path if is_move else event.src_path)
        if path:
            self._note(os.path.basename(path), is_move)


def new_observer() -> BaseObserver:
    """Make watchdog's observer for this system, so set that a rename is told of at once."""
    try:
        from watchdog.observers.inotify import InotifyFullEmitter, InotifyObserver
        from watchdog.observers.inotify_c import InotifyConstants
    except Exception:  # noqa: BLE001 - no inotify here: watchdog raises several kinds
        from watchdog.observers import Observer

        return Observer()

    class LaneEmitter(InotifyFullEmitter):
        """Asks the kernel for arrivals only.

        watchdog holds every event behind an unpaired departure back for 0.5 s, to make a pair of it. The daemon's
        takes are such departures, one a plan: so they are not asked for at all. An arrival by rename that has no
        pair is told as a move from nowhere ("full" events), not as a creation.
        """

        def get_event_mask_from_filter(self) -> Any:
            return (
                InotifyConstants.IN_MOVED_TO
                | InotifyConstants.IN_CREATE
                | InotifyConstants.IN_CLOSE_WRITE
                | InotifyConstants.IN_DELETE_SELF
                | InotifyConstants.IN_ONLYDIR
            )

    observer = InotifyObserver(generate_full_events=True)
    observer._emitter_class = LaneEmitter  # noqa: SLF001 - watchdog has no other way to name one
    return observer


def _is_alive(observer: BaseObserver) -> bool:
    reader = getattr(observer, "_inotify_fd", None)  # the thread that reads inotify; other systems have none
    return observer.is_alive() and (reader is None or reader.is_alive())


def _has_emitter(observer: BaseObserver, watch: ObservedWatch) -> bool:
    return any(emitter.watch is watch and emitter.is_alive() for emitter in observer.emitters.copy())


def _identity(folder: Path) -> tuple[int, int] | None:
    try:
        found = effects.stat(folder, follow=False)
    except OSError:
        return None
    return (found.st_dev, found.st_ino) if stat.S_ISDIR(found.st_mode) else None


def _failed(error: Exception) -> WatchFailed:
    text = str(error)
    if "limit" in text:
        return WatchFailed(
            text, "raise fs.inotify.max_user_watches and max_user_instances (sysctl), or close watchers"
        )
    return WatchFailed(text, "set [lanes] polling = true, if the file system tells of no changes")
