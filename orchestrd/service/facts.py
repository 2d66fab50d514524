"""What the service has to be told because its manager starts it from nothing: program, root, PATH, Claude Code."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from orchestrd.config import PREFIX, READ_FIRST, Config
from orchestrd.runs.claude import find_claude

_PLACES = ("CLAUDE_CONFIG_DIR", "XDG_CONFIG_HOME", "XDG_STATE_HOME", "TMPDIR")
"""Where things lie: a service that looked elsewhere than the command line would be a second installation."""

_WEBHOOK = "ORCHESTRD_NOTIFY__WEBHOOK"
"""A setting whose value is a secret where it is set in this way: it goes into no file."""


class ServiceError(Exception):
    """The service cannot be put in place or taken away: one line, with what to do."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What was found when the service was installed."""

    command: tuple[str, ...]
    """The program that `serve` is given to."""
    root: Path
    environment: dict[str, str]

    @property
    def arguments(self) -> tuple[str, ...]:
        """Return the whole command line of the daemon."""
        return (*self.command, "--root", str(self.root), "serve")


def find_facts(config: Config, environ: Mapping[str, str] = os.environ) -> Facts:
    """Look at this machine and this shell. Raises ClaudeMissing; secrets are not taken along."""
    claude = find_claude(config.claude.command, environ)
    kept = {name: environ[name] for name in _PLACES if environ.get(name)}
    # Settings made by variables hold for the service too, or `orchestrd config` would lie about it.
    kept |= {
        name: value
        for name, value in environ.items()
        if name.startswith(PREFIX) and name not in READ_FIRST and name != _WEBHOOK
    }
    if environ.get("ORCHESTRD_CONFIG"):
        kept["ORCHESTRD_CONFIG"] = os.path.abspath(os.path.expanduser(environ["ORCHESTRD_CONFIG"]))
    if environ.get("ORCHESTRD_PORTABLE"):
        kept["ORCHESTRD_PORTABLE"] = environ["ORCHESTRD_PORTABLE"]
    search = _search_path(environ.get("PATH", os.defpath))
    environment = {"PATH": search, "ORCHESTRD_CLAUDE": str(claude.path), **kept}
    return Facts(program(), config.root, environment)


def left_behind(environ: Mapping[str, str] = os.environ) -> list[str]:
    """Name the credentials of this shell that the service will not have."""
    wanted = (
        "ANTHROPIC_API_KEY",
        "ANTHROPIC_AUTH_TOKEN",
        "CLAUDE_CODE_OAUTH_TOKEN",
        "ANTHROPIC_BASE_URL",
        _WEBHOOK,
    )
    return [name for name in wanted if environ.get(name)]


def program() -> tuple[str, ...]:
    """Return how this installation is started from anywhere."""
    script = Path(sys.executable).parent / "orchestrd"
    return (str(script),) if os.access(script, os.X_OK) else (sys.executable, "-m", "orchestrd")


def _search_path(path: str) -> str:
    """Keep what leads somewhere from anywhere, once."""
    folders = (folder for folder in path.split(os.pathsep) if os.path.isabs(folder) and os.path.isdir(folder))
    return os.pathsep.join(dict.fromkeys(folders)) or os.defpath
