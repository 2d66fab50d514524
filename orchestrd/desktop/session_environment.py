"""A variable as the session of the user has it, which Desktop does not hand on to what it starts.

`launchctl setenv` puts it there on macOS, `systemctl --user set-environment` where systemd keeps the session: both
hold it in memory, and it is in no file.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Mapping

from handoff.platform import system_name

_SECONDS = 5.0


def session_variable(name: str, environ: Mapping[str, str]) -> str:
    """Return a variable of our own environment, else of the session; "" where neither has it."""
    if environ.get(name):
        return environ[name]
    if shutil.which("launchctl"):
        return _ask("launchctl", "getenv", name).rstrip("\n")
    if shutil.which("systemctl"):
        for line in _ask("systemctl", "--user", "show-environment").splitlines():
            key, mark, value = line.partition("=")
            if mark and key == name:
                return _unquoted(value)
    return ""


def how_to_set(name: str) -> str:
    """Say how a variable gets into the session without lying in a file."""
    if system_name() == "darwin":
        return f"launchctl setenv {name} VALUE"
    return f"read -rs {name} && export {name} && systemctl --user import-environment {name}"


def _ask(*command: str) -> str:
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=_SECONDS, check=False).stdout
    except (OSError, subprocess.TimeoutExpired, UnicodeDecodeError):
        return ""


def _unquoted(value: str) -> str:
    """Undo what systemd does to a value that a shell would not take as it is: $'...'."""
    if value.startswith("$'") and value.endswith("'"):
        return value[2:-1].encode("latin-1", "backslashreplace").decode("unicode_escape")
    return value
