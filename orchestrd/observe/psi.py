"""What Linux tells of waiting (pressure stall information): of the machine, and of each cgroup."""

from __future__ import annotations

import os
from typing import NamedTuple


class Psi(NamedTuple):
    """In so many per cent of the last 10 s something waited, or everything did; None where that is not told."""

    some: float | None = None
    full: float | None = None


def read_psi(path: str | os.PathLike[str]) -> Psi:
    """Read a file of the form `some avg10=0.00 avg60=…`; one that is not there, or cannot be read, tells nothing."""
    try:
        with open(path, "rb", buffering=0) as file:
            lines = file.read(512).splitlines()
    except OSError:  # no such kernel, or switched off at boot (psi=0): the files are there and cannot be read
        return Psi()
    found = {line.partition(b" ")[0]: _avg10(line) for line in lines}
    return Psi(found.get(b"some"), found.get(b"full"))


def _avg10(line: bytes) -> float | None:
    for word in line.split():
        if word.startswith(b"avg10="):
            try:
                return float(word[6:])
            except ValueError:
                return None
    return None
