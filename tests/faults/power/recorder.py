"""Writes down what is done to the file system, in order, for all processes of a story: daemon, runner, writer.

One log for all, a line of JSON an effect. Effect and line are one step under a lock, so the order of the lines is
that of the effects. Agents append their starts (`start RUN PID TIME`, the ledger's lines) to the same file. What
git and agents do to repositories and checkouts does not come by the seam: those folders are looked at as a whole
after each git and at each step of a runner (`look`). Standard library only: runners load this too.
"""

from __future__ import annotations

import fcntl
import json
import os
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from handoff.effects import Effects, StrPath, effects

ROOMS = ("handoff", "orchestrd")
FLOOR = frozenset({"effects.py", "recorder.py"})
"""Their frames tell nothing of who wanted a sync."""
MOST_FRAMES = 9


class Recorder(Effects):
    """The effects themselves, each written down when it is done."""

    def __init__(self, log: str, areas: Sequence[str] = (), look_first: bool = False) -> None:
        super().__init__()
        self._log = log
        self._areas = tuple(areas)
        """Folders that others write to as well."""
        self._look_first = look_first
        """Look at the areas before each step: in a runner, beside which an agent writes."""
        self._fd = -1
        self._pid = -1
        self._guard = threading.RLock()
        self._held = 0

    def install(self) -> None:
        """Let all effects of this process go through here."""
        put_in(self)

    # -- effects --------------------------------------------------------------------------------------------------

    def open(self, path: StrPath, flags: int, mode: int = 0o600, *, dir_fd: int | None = None) -> int:
        # What is written into a project is no state of ours, and is done again.
        if dir_fd is not None or not flags & (os.O_CREAT | os.O_TRUNC):
            return super().open(path, flags, mode, dir_fd=dir_fd)
        with self._step():
            fd = super().open(path, flags, mode)
            self._note("open", path=_absolute(path), mode=mode, cut=bool(flags & os.O_TRUNC))
            return fd

    def write(self, fd: int, content: bytes | memoryview) -> int:
        with self._step():
            appends = fcntl.fcntl(fd, fcntl.F_GETFL) & os.O_APPEND
            at = os.fstat(fd).st_size if appends else os.lseek(fd, 0, os.SEEK_CUR)
            count = super().write(fd, content)
            self._note("write", path=_path_of(fd), at=at, content=_text(bytes(content[:count])))
            return count

    def truncate(self, fd: int, size: int) -> None:
        with self._step():
            super().truncate(fd, size)
            self._note("truncate", path=_path_of(fd), size=size)

    def fsync(self, fd: int) -> None:
        with self._step():
            super().fsync(fd)
            self._note("fsync", path=_path_of(fd), by=_callers())

    def sync_dir(self, path: str) -> None:
        with self._step():
            super().sync_dir(path)
            self._note("sync_dir", path=_absolute(path), by=_callers())

    def sync_filesystem(self, path: str) -> None:
        with self._step():
            super().sync_filesystem(path)
            self._note("sync_all", path=_absolute(path), by=_callers())

    def rename(self, src: str, dst: str) -> None:
        with self._step():
            super().rename(src, dst)
            self._note("rename", path=_absolute(src), to=_absolute(dst))

    def rename_new(self, src: str, dst: str, *, ours: bool, within: int | None = None) -> None:
        with self._step():
            super().rename_new(src, dst, ours=ours, within=within)
            self._note("rename", path=_absolute(src), to=_absolute(dst))

    def unlink(self, path: str) -> None:
        with self._step():
            super().unlink(path)
            self._note("unlink", path=_absolute(path))

    def mkdir(self, path: str, mode: int = 0o700) -> None:
        with self._step():
            super().mkdir(path, mode)
            self._note("mkdir", path=_absolute(path), mode=mode)

    def rmdir(self, path: str) -> None:
        with self._step():
            super().rmdir(path)
            self._note("unlink", path=_absolute(path))

    # -- what is no effect of ours --------------------------------------------------------------------------------

    def mark(self, word: str, **fields: Any) -> None:
        """Write down that something was promised, or seen."""
        with self._step():
            self._note("mark", word=word, **fields)

    def look(self) -> None:
        """Write down how the areas stand."""
        with self._step(look=False):
            self._look()

    # -- the log --------------------------------------------------------------------------------------------------

    @contextmanager
    def _step(self, *, look: bool = True) -> Iterator[None]:
        """Hold everybody else's steps."""
        with self._guard:
            if self._pid != os.getpid():
                # A lock is that of an opened file: what a fork inherits is no lock against its parent.
                self._fd = os.open(self._log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
                self._pid, self._held = os.getpid(), 0
            if not self._held:
                fcntl.flock(self._fd, fcntl.LOCK_EX)
            self._held += 1
            try:
                if look and self._look_first:
                    self._look()
                yield
            finally:
                self._held -= 1
                if not self._held:
                    fcntl.flock(self._fd, fcntl.LOCK_UN)

    def _note(self, op: str, **fields: Any) -> None:
        line = json.dumps({"op": op, "pid": self._pid, **fields}).encode() + b"\n"
        os.write(self._fd, line)

    def _look(self) -> None:
        found: dict[str, str | None] = {}
        for area in self._areas:
            for folder, folders, names in os.walk(area):
                found.update((os.path.join(folder, name), None) for name in folders)
                for name in names:
                    path = os.path.join(folder, name)
                    try:
                        with open(path, "rb") as file:
                            found[path] = _text(file.read())
                    except OSError:
                        continue
        self._note("look", areas=self._areas, found=found)


def put_in(others: Effects) -> None:
    """Have these effects in the place of the real ones, in this process."""
    take_out()
    for name in vars(type(others)):
        if name in vars(Effects) and not name.startswith("_"):
            setattr(effects, name, getattr(others, name))


def take_out() -> None:
    """Have the real effects again."""
    vars(effects).clear()


def _callers() -> list[tuple[str, str, int]]:
    """Who wanted this: (file, function, line), innermost first."""
    found: list[tuple[str, str, int]] = []
    frame = sys._getframe(2)
    while frame is not None and len(found) < MOST_FRAMES:
        path, name = frame.f_code.co_filename, frame.f_code.co_name
        room = os.path.basename(os.path.dirname(path))
        is_ours = any(f"/{one}/" in path for one in ROOMS) and "/tests/" not in path
        if is_ours and os.path.basename(path) not in FLOOR and name not in ("<lambda>", "each", "patiently"):
            found.append((f"{room}/{os.path.basename(path)}", name, frame.f_lineno))
        frame = frame.f_back
    return found


def _absolute(path: StrPath) -> str:
    return os.path.abspath(os.fspath(path))


def _path_of(fd: int) -> str:
    return os.readlink(f"/proc/self/fd/{fd}").removesuffix(" (deleted)")


def _text(content: bytes) -> str:
    return content.decode("latin-1")
