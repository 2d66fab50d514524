"""launchd: an agent of the user's own session. docs/platforms.md says what of it was tried."""

from __future__ import annotations

import os
import plistlib
import subprocess
from pathlib import Path

from handoff import durable
from orchestrd.carried import carried
from orchestrd.service.facts import Facts, ServiceError

LABEL = "orchestrd"


def agent_file() -> Path:
    """Where the user's own agent lies."""
    return Path.home() / "Library" / "LaunchAgents" / f"{LABEL}.plist"


def render(facts: Facts, error_log: Path) -> bytes:
    """Return the plist with what was found on this machine."""
    agent = plistlib.loads(carried("launchd/orchestrd.plist").read_bytes())
    agent["ProgramArguments"] = list(facts.arguments)
    agent["EnvironmentVariables"] = dict(sorted(facts.environment.items()))
    agent["StandardErrorPath"] = str(error_log)
    return plistlib.dumps(agent)


class Launchd:
    """The user's session, by `launchctl`."""

    name = "launchd"

    def install(self, facts: Facts) -> list[str]:
        """Put the agent in place and start it. Returns what was done. Raises ServiceError."""
        from orchestrd.config import log_folder

        done = []
        file = agent_file()
        content = render(facts, log_folder() / "launchd.log")
        changed = not file.is_file() or file.read_bytes() != content
        loaded = _is_loaded()
        if changed:
            log_folder().mkdir(parents=True, exist_ok=True)
            file.parent.mkdir(parents=True, exist_ok=True)
            durable.replace(file, content, mode=0o644)
            done.append(f"wrote {file}")
        if loaded and changed:
            _call("bootout", _target())
            done.append("stopped the old one; what was running goes on")
        if changed or not loaded:
            _call("bootstrap", _domain(), str(file))
            done.append("loaded it: it starts with your session")
        return done or [f"nothing to do: {file} is in place and loaded"]

    def uninstall(self) -> list[str]:
        """Stop the service and take the agent away. Runs that are under way are left alone."""
        done = []
        if _is_loaded():
            _call("bootout", _target())
            done.append("stopped the daemon; runs that were under way live on")
        if durable.remove(agent_file(), sync=False):
            done.append(f"removed {agent_file()}")
        return done or ["nothing to do: the service is not installed"]

    def status(self) -> tuple[bool, list[str]]:
        """Return whether the service runs, and what there is to say about it."""
        if not agent_file().is_file():
            return False, ["not installed; to do so: orchestrd service install"]
        answer = _launchctl("print", _target())
        wanted = ("state =", "pid =", "last exit code =")
        lines = [line.strip() for line in answer.stdout.splitlines() if line.strip().startswith(wanted)]
        return "state = running" in lines, [*lines, f"agent: {agent_file()}"]


def _domain() -> str:
    return f"gui/{os.getuid()}"


def _target() -> str:
    return f"{_domain()}/{LABEL}"


def _is_loaded() -> bool:
    return _launchctl("print", _target()).returncode == 0


def _call(*words: str) -> None:
    answer = _launchctl(*words)
    if answer.returncode:
        said = " ".join(answer.stderr.split()) or f"exit {answer.returncode}"
        raise ServiceError(f"launchctl {' '.join(words)}: {said}")


def _launchctl(*words: str) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(["launchctl", *words], capture_output=True, text=True, timeout=60, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ServiceError(f"launchctl {' '.join(words)}: {error}") from error
