"""A transient systemd scope for each run, where there is a user manager: the run then outlives the daemon's service."""

from __future__ import annotations

import os
import shutil
from functools import cache
from pathlib import Path

_TO_THE_MANAGER = ("XDG_RUNTIME_DIR", "DBUS_SESSION_BUS_ADDRESS")


@cache
def offers_scopes() -> bool:
    """Tell whether a user manager of systemd can be reached from here."""
    runtime = os.environ.get("XDG_RUNTIME_DIR")
    if not runtime or shutil.which("systemd-run") is None:
        return False
    return (Path(runtime) / "systemd" / "private").exists() or (Path(runtime) / "bus").exists()


def scope_prefix(description: str) -> list[str]:
    """Put together what goes before a command to have it run in a scope of its own; [] where there are none.

    `systemd-run --scope` becomes the command itself: same process, same descriptors.
    """
    if not offers_scopes():
        return []
    # What leads to the manager is not the run's: given to systemd-run, taken away again from what it becomes.
    manager = [f"{name}={os.environ[name]}" for name in _TO_THE_MANAGER if name in os.environ]
    scope = ["systemd-run", "--user", "--scope", "--collect", "--quiet", f"--description={description}", "--"]
    return ["env", *manager, *scope, "env", *(f"--unset={name}" for name in _TO_THE_MANAGER)]
