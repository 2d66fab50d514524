"""Following one run from outside: what it says, when it is over, and telling it to stop. Needs only its folder.

Of Claude Code every line counts. A command may say gigabytes, of which nothing but the last words is of use here:
where one look would be too much, it goes on near the end.
"""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

from handoff import durable, platform
from handoff.effects import effects, let_go, programs
from orchestrd.runs.kinds import CLAUDE, COMMAND, main_log
from orchestrd.runs.recovery import follow_pid, is_locked, kind_of, read_started
from orchestrd.runs.start import StartedRun

if TYPE_CHECKING:
    from orchestrd.runs.kinds import Kind

_MOST_AT_ONCE = 8 << 20
"""Bytes of the stream that one look reads: a run that says much must not hold up the others."""
_MOST_PLAIN_LINE = 65536
"""A command's line that is longer comes in pieces: it may be one that never ends."""


class RunWatch:
    """One run that is followed, of our own start or found again. For one thread."""

    def __init__(
        self,
        run_folder: Path,
        pid: int | None = None,
        process: subprocess.Popen[bytes] | None = None,
        *,
        kind: Kind = CLAUDE,
    ) -> None:
        self.run_folder = run_folder
        self.kind = kind
        """As in `kinds`."""
        self.log = main_log(kind)
        """The name of the file that is followed."""
        self.pid = pid
        """The runner's; None while it has not said (`started.json`)."""
        self._process = process
        self._pidfd = platform.pidfd_open(pid) if pid is not None else None
        self._stream: int | None = None
        self._torn = b""
        self._is_over = False
        self._is_closed = False

    @classmethod
    def of(cls, started: StartedRun) -> RunWatch:
        """Follow a run that we started."""
        return cls(started.run_folder, started.pid, started.process, kind=started.kind)

    @classmethod
    def adopt(cls, run_folder: Path) -> RunWatch:
        """Follow a run that an earlier daemon started, whose lock is held."""
        return cls(run_folder, follow_pid(run_folder), kind=kind_of(run_folder))

    def fileno(self) -> int | None:
        """Return a descriptor that becomes readable when the runner is gone; None where none can: ask `is_over`."""
        return self._pidfd

    def is_over(self) -> bool:
        """Tell whether the runner is gone. Its lock is free then, and its last word written if it had one."""
        if not self._is_over:
            self._is_over = self._ask()
        return self._is_over

    def read_new_lines(self, most_bytes: int = _MOST_AT_ONCE) -> list[bytes]:
        """Return the lines that the log has gained since the last call, whole ones only, without their ends.

        At most about `most_bytes` of a run that is alive; of one that is over all the rest, a last line without an end
        among it, and then the descriptors are given back. Of a command never more than the last `most_bytes`.
        """
        over = self.is_over()
        lines: list[bytes] = []
        if self.kind == COMMAND:
            self._skip_to_the_last(most_bytes)
        while chunk := self._read(most_bytes):
            *whole, self._torn = (self._torn + chunk).split(b"\n")
            lines += whole
            if self.kind == COMMAND and len(self._torn) > _MOST_PLAIN_LINE:
                lines.append(self._torn)
                self._torn = b""
            if not over:
                return lines
        if over:
            lines += [self._torn] if self._torn else []
            self._torn = b""
            self.close()
        return lines

    def stop(self, why: str = "stopped") -> bool:
        """Tell the run to stop, for this reason. Repeatable. False: it is gone already.

        The reason is written first: a runner that is told to stop without one takes it for an interruption. (Synced it
        need not be, and is as all that is published: after a power cut there is no runner to read it.)
        """
        try:
            durable.publish_new(self.run_folder / "stop.json", json.dumps({"why": why}).encode() + b"\n")
        except FileExistsError:
            pass  # it was told before, for another reason: that one stands
        except FileNotFoundError:
            return False
        if self.is_over():
            return False
        if self._process is not None:
            programs.kill(
                self._process.pid, signal.SIGTERM
            )  # not collected yet, so the number is still its own
            return True
        pid = follow_pid(self.run_folder)
        return pid is not None and platform.send_signal(
            pid, read_started(self.run_folder)["start_ticks"], signal.SIGTERM
        )

    def close(self) -> None:
        """Give back the descriptors; of a run that is alive, it can be adopted again."""
        self._is_closed = True
        held, self._pidfd, self._stream = (self._pidfd, self._stream), None, None
        for descriptor in held:
            if descriptor is not None:
                let_go(descriptor)

    def _ask(self) -> bool:
        if self._process is not None:
            return self._process.poll() is not None
        if self._pidfd is not None:
            poll = select.poll()
            poll.register(self._pidfd, select.POLLIN)
            return bool(poll.poll(0))
        if is_locked(self.run_folder):
            if self.pid is None:
                self._find_pid()
            return False
        return True

    def _find_pid(self) -> None:
        self.pid = follow_pid(self.run_folder)
        if self.pid is not None:
            self._pidfd = platform.pidfd_open(self.pid)

    def _skip_to_the_last(self, most_bytes: int) -> None:
        stream = self._open()
        if stream is None:
            return
        end = effects.fstat(stream).st_size
        if end - os.lseek(stream, 0, os.SEEK_CUR) > most_bytes:
            os.lseek(stream, end - most_bytes, os.SEEK_SET)
            self._torn = b""

    def _read(self, most_bytes: int) -> bytes:
        stream = self._open()
        return b"" if stream is None else effects.read(stream, most_bytes)

    def _open(self) -> int | None:
        if self._stream is None and not self._is_closed:
            try:
                self._stream = effects.open(
                    self.run_folder / self.log, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC
                )
            except FileNotFoundError:
                return None
        return self._stream
