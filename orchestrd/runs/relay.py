"""What goes between the pipes of a program and the files of its run, without ever blocking on the pipes.

Whole lines are written, less the values of secrets. Where a disk is full nothing is lost: reading stops, Claude Code
waits at its full pipe, and the write is tried again. Standard library only.
"""

from __future__ import annotations

import errno
import os

from handoff import durable

NO_SPACE = (errno.ENOSPC, errno.EDQUOT)
RETRY_SECONDS = 0.25
CHUNK_BYTES = 65536
MOST_LINE_BYTES = 64 << 20
"""A longer line is written in pieces; none of Claude Code's own is (its input ends at 10 MB)."""
MOST_PLAIN_LINE_BYTES = 65536
"""Of text that nobody parses: standard error, and all that a command says."""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from orchestrd.secrets import Redactor


class Copy:
    """One of Claude Code's outputs, being copied to a file."""

    def __init__(self, pipe: int, file: int, redactor: Redactor, *, most_line_bytes: int) -> None:
        os.set_blocking(pipe, False)
        self.pipe = pipe
        self.is_open = True
        """The other end may still write."""
        self.retry_at: float | None = None
        """When a write that failed for want of space is tried again; until then nothing is read."""
        self.written = 0
        self._file = file
        self._redactor = redactor
        self._most = most_line_bytes
        self._torn: list[bytes] = []
        self._torn_bytes = 0
        self._unwritten = memoryview(b"")

    def take(self, now: float) -> bytes:
        """Read once and write the lines that became whole; return them as they came, secrets and all.

        `now` is when the read happens, on the clock of `retry_at`.
        """
        try:
            chunk = os.read(self.pipe, CHUNK_BYTES)
        except BlockingIOError:
            return b""
        if not chunk:
            self.is_open = False
            os.close(self.pipe)
            whole = self._take_torn()
        else:
            whole = self._whole_lines(chunk)
        self._write(self._redactor.redact(whole), now)
        return whole

    def give_up(self, now: float) -> None:
        """Write what is there of an unfinished line; nobody is left who could finish it."""
        self.is_open = False
        os.close(self.pipe)
        self._write(self._redactor.redact(self._take_torn()), now)

    def push(self, now: float) -> None:
        """Write what could not be written before."""
        while self._unwritten:
            try:
                count = durable.effects.write(self._file, self._unwritten)
            except OSError as error:
                if error.errno not in NO_SPACE:
                    raise
                self.retry_at = now + RETRY_SECONDS
                return
            self.written += count
            self._unwritten = self._unwritten[count:]
        self.retry_at = None

    def _write(self, content: bytes, now: float) -> None:
        if content:
            self._unwritten = memoryview(content)
            self.push(now)

    def _whole_lines(self, chunk: bytes) -> bytes:
        end = chunk.rfind(b"\n") + 1
        if end:
            whole = b"".join((*self._torn, chunk[:end]))
            self._torn, self._torn_bytes = [], 0
        else:
            whole = b""
        rest = chunk[end:]
        if rest:
            self._torn.append(rest)
            self._torn_bytes += len(rest)
        return whole if self._torn_bytes <= self._most else whole + self._cut_off()

    def _cut_off(self) -> bytes:
        """Take the beginning of a line that has become too long, so that no secret is cut in two."""
        text = self._redactor.redact(b"".join(self._torn))
        # Now none is in it as a whole; one that has only begun is no longer than this.
        kept = max(self._redactor.longest - 1, 0)
        cut = len(text) - kept
        self._torn, self._torn_bytes = [text[cut:]], kept
        return text[:cut]

    def _take_torn(self) -> bytes:
        text = b"".join(self._torn)
        self._torn, self._torn_bytes = [], 0
        return text


class Feed:
    """Claude Code's standard input, being fed from a file of any size; then, line by line, with what it asks for."""

    def __init__(self, pipe: int, file: int) -> None:
        os.set_blocking(pipe, False)
        self.pipe = pipe
        self.is_open = True
        self.is_done = False
        """All is in the pipe, which stays open: Claude Code takes an end of input for the end of all."""
        self._file = file
        self._unsent = memoryview(b"")
        self._answers: list[bytes] = []

    def say(self, line: bytes) -> None:
        """Hand it a line more, behind all that it is given from the file and was told before."""
        self._answers.append(line)
        self.is_done = False

    def give(self) -> None:
        """Write as much as the pipe takes."""
        while True:
            if not self._unsent:
                self._unsent = memoryview(
                    durable.effects.read(self._file, CHUNK_BYTES) or self._next_answer()
                )
                if not self._unsent:
                    self.is_done = True
                    return
            try:
                count = os.write(self.pipe, self._unsent)
            except BlockingIOError:
                return
            except OSError:  # it does not read any more
                self.close()
                return
            self._unsent = self._unsent[count:]

    def _next_answer(self) -> bytes:
        return self._answers.pop(0) if self._answers else b""

    def close(self) -> None:
        """End Claude Code's input."""
        if self.is_open:
            self.is_open = False
            os.close(self.pipe)
