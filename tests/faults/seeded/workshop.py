"""A copy of the packages and their tests, with an interpreter of its own, into which a bug can be put and taken out."""

from __future__ import annotations

import itertools
import os
import shutil
import sys
import sysconfig
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.faults.seeded.bug import Bug

PROJECT = Path(__file__).resolve().parents[3]
COPIED = ("handoff", "orchestrd", "tests", "pyproject.toml")
LINKED = ("examples", "systemd", "launchd", "bench", "docs")


class Workshop:
    """One copy."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "copy"
        self.folder.mkdir(parents=True)
        for name in COPIED:
            place = PROJECT / name
            if place.is_dir():
                shutil.copytree(place, self.folder / name)
            else:
                shutil.copy(place, self.folder / name)
        for name in LINKED:
            (self.folder / name).symlink_to(PROJECT / name)
        self.python = self._interpreter(folder / "env")
        self._times = itertools.count(1)

    @contextmanager
    def with_bug(self, bug: Bug) -> Iterator[None]:
        """Put a bug in; afterwards it is out again."""
        before = {path: (self.folder / path).read_text() for path in bug.paths}
        try:
            for path, text in before.items():
                self._write(path, bug.applied(path, text))
            yield
        finally:
            for path, text in before.items():
                self._write(path, text)

    def _write(self, path: str, text: str) -> None:
        file = self.folder / path
        file.write_text(text)
        # Compiled code is taken for that of a file by its time in whole seconds and its size: no two are alike.
        second = int(file.stat().st_mtime) + 10 * next(self._times)
        os.utime(file, (second, second))

    def _interpreter(self, env: Path) -> Path:
        """Make an environment that finds the copy first, then whatever else is installed here.

        Whatever a test or a daemon starts by `sys.executable` runs what was copied, a runner without site-packages too.
        """
        (env / "bin").mkdir(parents=True)
        python = env / "bin" / "python"
        python.symlink_to(os.path.realpath(sys.executable))
        home = os.path.dirname(os.path.realpath(sys.executable))
        (env / "pyvenv.cfg").write_text(f"home = {home}\ninclude-system-site-packages = false\n")
        version = f"python{sys.version_info.major}.{sys.version_info.minor}"
        packages = env / "lib" / version / "site-packages"
        packages.mkdir(parents=True)
        (packages / "copy.pth").write_text(f"{self.folder}\n{sysconfig.get_path('purelib')}\n")
        return python
