"""The command `orchestrd` as a fork of this process, in which its code is loaded already: a tenth of the time.

It is the same code from `main` on, in a process of its own with its own environment, streams and folder. What is not
tried is what comes before: Python's start and the imports. `tests/cli/test_command_line.py`, the acceptance tests of
the process and the service's start the real command; so do all with COLD_STARTS=1.
"""

from __future__ import annotations

import faulthandler
import os
import signal
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from pathlib import Path

COLD = os.environ.get("COLD_STARTS") == "1"
"""Whether the real command is started everywhere."""


def as_it_is() -> None:
    """What is called in a fork that is to be the command and nothing else."""


class Fork:
    """A forked `orchestrd`, to be waited for, asked and ended as one does with a `subprocess.Popen`."""

    def __init__(
        self,
        words: Sequence[str],
        environ: Mapping[str, str],
        folder: Path,
        streams: tuple[int, int, int],
        prepare: Callable[[], object] = as_it_is,
    ) -> None:
        """`streams` become its standard input, output and error; `prepare` is called in it before everything else."""
        _load()
        self.returncode: int | None = None
        self.pid = os.fork()
        if self.pid == 0:
            _become(words, environ, folder, streams, prepare)

    def poll(self) -> int | None:
        """Its exit code (-9: SIGKILL), or None while it is alive."""
        if self.returncode is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.returncode = os.waitstatus_to_exitcode(status)
        return self.returncode

    def wait(self, timeout: float) -> int:
        """Its exit code, once it has ended."""
        deadline = time.monotonic() + timeout
        pause = threading.Event()
        while (code := self.poll()) is None:
            if time.monotonic() > deadline:
                raise subprocess.TimeoutExpired("a forked orchestrd", timeout)
            pause.wait(0.002)
        return code

    def send_signal(self, number: int) -> None:
        """Send it a signal, while it is alive."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        """SIGKILL."""
        self.send_signal(signal.SIGKILL)


def _load() -> None:
    """Load, once, what the commands load when they run."""
    for name in ("orchestrd.cli", "orchestrd.config", "orchestrd.daemon.loop", "orchestrd.log", "rich.table"):
        import_module(name)


def _become(
    words: Sequence[str],
    environ: Mapping[str, str],
    folder: Path,
    streams: tuple[int, int, int],
    prepare: Callable[[], object],
) -> None:
    """Be the command: in the child, from which nothing returns."""
    code = 1
    try:
        _forget_the_parent(streams)
        os.environ.clear()
        os.environ.update(environ)
        os.chdir(folder)
        sys.argv = ["orchestrd", *words]
        prepare()
        from orchestrd.cli import main

        code = main()
    except SystemExit as wish:
        code = wish.code if isinstance(wish.code, int) else 1
    except BaseException:  # noqa: BLE001 - told on its stderr, as Python would
        traceback.print_exc()
    finally:
        _leave(code)


def _forget_the_parent(streams: tuple[int, int, int]) -> None:
    """No signal handler, descriptor, stream or cached answer of the tests' own process reaches the command."""
    faulthandler.disable()
    for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}:
        signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for number in (signal.SIGPIPE, signal.SIGXFSZ):
        signal.signal(number, signal.SIG_IGN)
    kept = [os.dup(stream) for stream in streams]  # whatever their numbers are, none is overwritten below
    for number, stream in enumerate(kept):
        os.dup2(stream, number)
    os.closerange(3, os.sysconf("SC_OPEN_MAX"))
    sys.stdin = os.fdopen(0, "r", encoding="utf-8", closefd=False)
    sys.stdout = os.fdopen(1, "w", encoding="utf-8", closefd=False)
    sys.stderr = os.fdopen(2, "w", 1, encoding="utf-8", errors="backslashreplace", closefd=False)
    sys.__stdin__, sys.__stdout__, sys.__stderr__ = sys.stdin, sys.stdout, sys.stderr
    for name, module in tuple(sys.modules.items()):
        if name.startswith(("orchestrd.", "handoff.")):
            for found in vars(module).values():
                if hasattr(found, "cache_clear"):
                    found.cache_clear()


def _leave(code: int) -> None:
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    finally:
        os._exit(code)
