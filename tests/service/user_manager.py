"""A real `systemd --user` for a test, also where the machine's first process is no systemd."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import uuid
from pathlib import Path
from typing import Self

import pytest

SCRIPT = Path(__file__).with_name("user_manager.sh")


class UserManager:
    """A user manager with a home of its own; `run` calls a program as its user would."""

    def __init__(self, home: Path, environ: dict[str, str]) -> None:
        self.home = home
        self._name = f"orchestrd-test-{uuid.uuid4().hex[:8]}"
        self._environ = environ | {"HOME": str(home), "XDG_RUNTIME_DIR": f"/run/{self._name}"}
        self._process: subprocess.Popen[str] | None = None

    def __enter__(self) -> Self:
        for needed in ("unshare", "nsenter", "systemctl"):
            if not shutil.which(needed):
                pytest.skip(f"there is no {needed} here")
        if os.geteuid() != 0:
            pytest.skip("a systemd of its own needs root (unshare, mount)")
        self._process = subprocess.Popen(
            ["unshare", "--mount", "bash", str(SCRIPT), str(self.home), self._name],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout is not None
        if self._process.stdout.readline() != "ready\n":
            _, said = self._process.communicate(timeout=30)
            pytest.skip(f"no systemd --user can be started here: {said.strip()[-300:]}")
        return self

    def __exit__(self, *_error: object) -> None:
        if self._process is not None and self._process.poll() is None:
            left, _ = self._process.communicate(timeout=60)
            assert left == "", f"processes were left over: {left}"

    def run(self, *words: str, timeout: float = 120) -> subprocess.CompletedProcess[str]:
        """Run a program in the manager's world."""
        assert self._process is not None
        within = ["nsenter", f"--mount=/proc/{self._process.pid}/ns/mnt", "--"]
        return subprocess.run(
            [*within, *words], env=self._environ, capture_output=True, text=True, timeout=timeout, check=False
        )

    def orchestrd(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Call the command line there."""
        return self.run(sys.executable, "-m", "orchestrd", *words)

    def ask(self, name: str) -> str:
        """Return one property of the service."""
        return self.run(
            "systemctl", "--user", "show", "orchestrd.service", "--property", name, "--value"
        ).stdout.strip()
