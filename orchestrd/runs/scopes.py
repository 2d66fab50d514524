"""A transient systemd scope for each run, where there is a user manager: the run then outlives the daemon's service."""

from __future__ import annotations

import os
import shutil
import subprocess
from functools import cache
from pathlib import Path

from loguru import logger

from handoff.effects import programs

PROBE_SECONDS = 5.0
_TO_THE_MANAGER = ("XDG_RUNTIME_DIR", "DBUS_SESSION_BUS_ADDRESS")
_SCOPE = ("systemd-run", "--user", "--scope", "--collect", "--quiet")


@cache
def offers_scopes() -> bool:
    """Tell whether a user manager of systemd makes scopes for us. Found out once, by having one made.

    That its sockets lie there says little: they outlive a manager that was killed, and it may refuse us.
    """
    runtime = os.environ.get("XDG_RUNTIME_DIR")
    if not runtime or shutil.which("systemd-run") is None:
        return False
    if not (Path(runtime) / "systemd" / "private").exists() and not (Path(runtime) / "bus").exists():
        return False
    trouble = _trouble_with_a_scope()
    if trouble is not None:
        logger.warning(
            "systemd-run makes no scope here, so runs are started without one: {}. Whether they outlive a restart of "
            "the service is then up to its unit (KillMode=process).",
            trouble,
        )
    return trouble is None


def _trouble_with_a_scope() -> str | None:
    """Have a scope made around nothing; what was wrong, or None."""
    try:
        done = programs.run(
            [*_SCOPE, "--", "true"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=PROBE_SECONDS,
        )
    except subprocess.TimeoutExpired:
        return f"it took longer than {PROBE_SECONDS:g} s"
    except OSError as error:
        return str(error)
    return None if done.returncode == 0 else done.stderr.strip() or f"it ended with {done.returncode}"


def scope_prefix(description: str) -> list[str]:
    """Put together what goes before a command to have it run in a scope of its own; [] where there are none.

    `systemd-run --scope` becomes the command itself: same process, same descriptors.
    """
    if not offers_scopes():
        return []
    # What leads to the manager is not the run's: given to systemd-run, taken away again from what it becomes.
    manager = [f"{name}={os.environ[name]}" for name in _TO_THE_MANAGER if name in os.environ]
    scope = [*_SCOPE, f"--description={description}", "--"]
    return ["env", *manager, *scope, "env", *(f"--unset={name}" for name in _TO_THE_MANAGER)]
