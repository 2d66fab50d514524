"""Calls the command line as a user would: a process of its own, or (quicker) in this one."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Said:
    code: int
    out: str
    err: str


class CommandLine:
    """`orchestrd` with a root and a home of its own."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.root = home / "handoff"
        passed = ("PATH", "ORCHESTRD_PORTABLE", "LANG", "TMPDIR")
        self.environ = {name: os.environ[name] for name in passed if name in os.environ} | {"HOME": str(home)}

    def __call__(self, *words: str, stdin: str | bytes = b"", timeout: float = 60) -> Said:
        given = stdin.encode() if isinstance(stdin, str) else stdin
        done = subprocess.run(
            [sys.executable, "-m", "orchestrd", *words],
            env=self.environ,
            input=given,
            capture_output=True,
            timeout=timeout,
            check=False,
        )
        return Said(done.returncode, done.stdout.decode(), done.stderr.decode())
