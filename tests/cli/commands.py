"""Calls the command line as a user would: as a process of its own, the real command or (quicker) a fork of this one."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryFile

from tests.warm import COLD, Fork


@dataclass(frozen=True)
class Said:
    code: int
    out: str
    err: str


class CommandLine:
    """`orchestrd` with a root and a home of its own."""

    def __init__(self, home: Path, *, real: bool = False) -> None:
        self.home = home
        self.real = real
        self.root = home / "handoff"
        passed = ("PATH", "ORCHESTRD_PORTABLE", "LANG", "TMPDIR")
        self.environ = {name: os.environ[name] for name in passed if name in os.environ} | {"HOME": str(home)}

    def __call__(self, *words: str, stdin: str | bytes = b"", timeout: float = 60) -> Said:
        given = stdin.encode() if isinstance(stdin, str) else stdin
        if COLD or self.real:
            command = [sys.executable, "-m", "orchestrd", *words]
            done = subprocess.run(
                command, env=self.environ, input=given, capture_output=True, timeout=timeout, check=False
            )
            return Said(done.returncode, done.stdout.decode(), done.stderr.decode())
        with TemporaryFile() as reads, TemporaryFile() as out, TemporaryFile() as err:
            reads.write(given)
            reads.seek(0)
            streams = (reads.fileno(), out.fileno(), err.fileno())
            code = Fork(words, self.environ, Path.cwd(), streams).wait(timeout)
            out.seek(0)
            err.seek(0)
            return Said(code, out.read().decode(), err.read().decode())
