"""Which Claude Code binary runs the plans, and which version it is.

It looks, it does not run plans. The binary is never started to find it: `--version` costs 0.1 s and more, so
the version is asked for when somebody wants to know it, once for each binary.
"""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from handoff.effects import effects, programs

OLDEST_VERSION = (2, 1, 59)
"""Older ones were not tried: they may end a run in ways that the verdict does not know."""

_VERSION_SECONDS = 20.0


class ClaudeMissing(Exception):
    """There is no Claude Code binary, or none where it was said to be. A condition of the machine: plans wait."""

    def __init__(self, message: str, remedy: str) -> None:
        super().__init__(f"{message} {remedy}")
        self.message = message
        self.remedy = remedy


@dataclass(frozen=True, slots=True)
class ClaudeCommand:
    """The binary that runs plans."""

    path: Path
    source: str
    """Who named it, for people: `ORCHESTRD_CLAUDE`, `claude.command`, `PATH` or `claude-agent-sdk`."""

    @property
    def argv(self) -> tuple[str, ...]:
        """The start of every run's command line."""
        return (str(self.path),)

    @property
    def version(self) -> tuple[int, ...] | None:
        """`(2, 1, 330)`; None where it does not say. Starts the binary once, then again only when it has changed."""
        try:
            seen = effects.stat(self.path)
        except OSError:
            return None
        return _version_of(str(self.path), seen.st_mtime_ns, seen.st_size)


def find_claude(configured: str | None, environ: Mapping[str, str]) -> ClaudeCommand:
    """Find the binary: ORCHESTRD_CLAUDE, then `configured`, then `claude` on PATH, then the one a wheel carries.

    What was named and is not there is an error, never a reason to take another one.

    Raises:
        ClaudeMissing: with what to do.

    """
    search_path = environ.get("PATH")
    for source, named in (
        ("ORCHESTRD_CLAUDE", environ.get("ORCHESTRD_CLAUDE")),
        ("claude.command", configured),
    ):
        if named:
            return ClaudeCommand(_named_binary(named, source, search_path), source)
    on_path = shutil.which("claude", path=search_path)
    if on_path:
        return ClaudeCommand(Path(on_path).absolute(), "PATH")
    carried = _carried_binary()
    if carried:
        return ClaudeCommand(carried, "claude-agent-sdk")
    raise ClaudeMissing(
        "Claude Code was not found: there is no `claude` on PATH.",
        "Install it (https://code.claude.com/docs/en/setup), or `pip install 'orchestrd[claude]'`, which carries it,"
        " or name it by ORCHESTRD_CLAUDE or `[claude] command`.",
    )


def _named_binary(named: str, source: str, search_path: str | None) -> Path:
    found = shutil.which(os.path.expanduser(named), path=search_path)
    if found is None:
        there = os.path.exists(os.path.expanduser(named))
        wrong = "that is not executable" if there else "there is no such program"
        raise ClaudeMissing(
            f"{source} names {named!r}, and {wrong}.",
            f"Correct {source}, or leave it out to use `claude` from PATH.",
        )
    return Path(found).absolute()


def _carried_binary() -> Path | None:
    # Only looked for, never imported: the package's own imports take half a second.
    spec = importlib.util.find_spec("claude_agent_sdk")
    for folder in (spec.submodule_search_locations or []) if spec else []:
        binary = Path(folder) / "_bundled" / "claude"
        if os.access(binary, os.X_OK) and binary.is_file():
            return binary
    return None


@lru_cache(maxsize=16)
def _version_of(path: str, _mtime_ns: int, _size: int) -> tuple[int, ...] | None:
    try:
        answer = programs.run(
            [path, "--version"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_VERSION_SECONDS,
            # Asked from inside a session of Claude Code, old versions refuse even this.
            env={name: value for name, value in os.environ.items() if not name.startswith("CLAUDE")},
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    found = re.match(rb"(\d+)\.(\d+)\.(\d+)", answer.stdout)
    return tuple(int(part) for part in found.groups()) if found else None
