"""Real process trees whose processes do what a test tells them, and whose ends are proved."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

# Each line on stdin is a statement; what it prints is read back. `spawn` starts a child that is told what to do too.
_PROGRAM = """
import os, subprocess, sys, threading, time
def spawn(program=sys.argv[1], **more):
    child = subprocess.Popen([sys.executable, "-I", "-S", "-c", program, program], stdin=subprocess.PIPE,
                             stdout=subprocess.PIPE, text=True, bufsize=1, **more)
    return child
def tell(child, line):
    child.stdin.write(line + "\\n")
    return child.stdout.readline().strip()
def burn(seconds):
    end = time.process_time() + seconds
    while time.process_time() < end:
        pass
for line in sys.stdin:
    exec(line)
    print("done", flush=True)
"""


# What a runner is to Claude Code: the root of its tree, and no part of what it uses.
_RUNNER = (
    "import subprocess, sys; sys.exit(subprocess.call([sys.executable, '-I', '-S', '-c', *sys.argv[1:]]))"
)


class Process:
    """A process below a runner, which is the root of the tree; or the root itself."""

    def __init__(self, *, is_root: bool = False) -> None:
        programs = [_PROGRAM, _PROGRAM] if is_root else [_RUNNER, _PROGRAM, _PROGRAM]
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-S", "-c", *programs],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            bufsize=1,
        )
        self.pid = self._process.pid
        """The root's."""

    def tell(self, statement: str) -> None:
        """Have a statement executed; returns when it was."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(statement + "\n")
        assert self._process.stdout.readline() == "done\n", statement

    def end(self) -> None:
        """End it: each process below loses its stdin, and ends too."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(10)


@contextmanager
def a_process(*, is_root: bool = False) -> Iterator[Process]:
    process = Process(is_root=is_root)
    try:
        process.tell("pass")
        yield process
    finally:
        process.end()
