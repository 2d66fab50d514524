"""A program of somebody else's that is told something and has only so long: whatever it does, it is over then.

Nothing of it can hold us up: not that it does not read, not that it writes without end, not that what it started
keeps its pipes open.
"""

from __future__ import annotations

import os
import selectors
import signal
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

from handoff.effects import clock, effects, programs

MOST_HEARD = 4096
"""Bytes of the end of its standard error that are kept."""
LOOK_SECONDS = 0.1
"""How soon it is noticed that it has ended while its offspring keeps a pipe open."""
CHUNK = 1 << 16

_under_way: set[subprocess.Popen[bytes]] = set()


@dataclass(frozen=True, slots=True)
class Ended:
    """How a program ended."""

    code: int | None
    """Its exit code, -N by signal N; None: it was ended for its time was over."""
    said: str
    """The end of what it wrote on standard error."""


def run_bounded(command: Sequence[str], told: bytes, environ: Mapping[str, str], seconds: float) -> Ended:
    """Start a program, give it `told` on standard input, and see how it ends. Raises OSError: it cannot be started."""
    child = programs.start(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        env=dict(environ),
        start_new_session=True,
    )
    deadline = clock.awake() + seconds
    _under_way.add(child)
    try:
        said = _converse(child, told, deadline)
        with suppress(subprocess.TimeoutExpired):
            child.wait(max(0.0, deadline - clock.awake()))
        code = child.returncode
    finally:
        _under_way.discard(child)
        if child.poll() is None:
            _end(child)
        for pipe in (child.stdin, child.stderr):
            if pipe is not None:
                with suppress(OSError):
                    pipe.close()
    return Ended(code, said.decode("utf-8", "replace"))


def end_all() -> None:
    """End every program that is under way in any thread: nobody is going to see to it that its time is over."""
    for child in list(_under_way):
        if child.poll() is None:
            _end(child)


def _converse(child: subprocess.Popen[bytes], told: bytes, deadline: float) -> bytes:
    """Write and listen until both pipes are closed, it has ended, or its time is over. Return what it said last."""
    assert child.stdin is not None and child.stderr is not None  # noqa: S101, PT018 - as it was started
    left, said = memoryview(told), b""
    ear, mouth = child.stderr.fileno(), child.stdin.fileno()
    with selectors.DefaultSelector() as selector:
        for end, what in ((ear, selectors.EVENT_READ), (mouth, selectors.EVENT_WRITE)):
            os.set_blocking(end, False)
            selector.register(end, what)
        while selector.get_map() and clock.awake() < deadline:
            ready = selector.select(LOOK_SECONDS)
            if not ready and child.poll() is not None:
                break
            for key, _ in ready:
                if key.fd == mouth:
                    left = _written(mouth, left)
                    if not left:
                        selector.unregister(mouth)
                        child.stdin.close()
                    continue
                heard = effects.read(ear, CHUNK)
                said = (said + heard)[-MOST_HEARD:]
                if not heard:
                    selector.unregister(ear)
    return said


def _written(mouth: int, left: memoryview) -> memoryview:
    """Write some; nothing is left where nobody reads any more."""
    try:
        return left[effects.write(mouth, left) :]
    except BlockingIOError:
        return left
    except BrokenPipeError:
        return memoryview(b"")


def _end(child: subprocess.Popen[bytes]) -> None:
    with suppress(ProcessLookupError):
        programs.kill_group(child.pid, signal.SIGKILL)
    # One that the kernel does not let go is not waited for.
    with suppress(subprocess.TimeoutExpired):
        child.wait(5)
