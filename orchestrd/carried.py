"""The files that come along beside the code: units, plists, examples.

In a checkout they lie in the project's own folders, in an installed wheel inside the package.
"""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent


def carried(name: str) -> Path:
    """Return where `systemd/orchestrd.service` or `examples/...` lies. FileNotFoundError: a broken installation."""
    for place in (_PACKAGE / "_carried" / name, _PACKAGE.parent / name):
        if place.exists():
            return place
    raise FileNotFoundError(f"{name} is missing from this installation of orchestrd; install it again")
