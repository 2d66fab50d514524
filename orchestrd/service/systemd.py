"""systemd: a unit of the user's own manager. Every call says what it did; doing it twice does nothing more."""

from __future__ import annotations

import getpass
import os
import subprocess
from pathlib import Path

from handoff import durable
from orchestrd.carried import carried
from orchestrd.service.facts import Facts, ServiceError

UNIT = "orchestrd.service"
_GROWING_PAUSES = 254
"""The first version of systemd in which the pause between restarts can grow."""


def unit_folder() -> Path:
    """Where the user's own units lie."""
    return Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config") / "systemd" / "user"


def render(facts: Facts, version: int) -> str:
    """Return the unit with what was found on this machine."""
    template = carried(f"systemd/{UNIT}").read_text("utf-8")
    values = {
        "@COMMAND@": " ".join(_argument(part) for part in facts.command),
        "@ENVIRONMENT@": "\n".join(
            _variable(name, value) for name, value in sorted(facts.environment.items())
        ),
        "@BACKOFF@": "RestartSec=1s\nRestartSteps=6\nRestartMaxDelaySec=60s"
        if version >= _GROWING_PAUSES
        else "# This systemd does not know growing pauses.\nRestartSec=5s",
    }
    lines = []
    for line in template.splitlines():
        if line.startswith("#") and "@ signs" in line:
            continue
        root = (
            _argument(str(facts.root))
            if line.startswith("ExecStart=")
            else str(facts.root).replace("%", "%%")
        )
        for mark, value in (*values.items(), ("@ROOT@", root)):
            line = line.replace(mark, value)  # noqa: PLW2901 - filled in step by step
        lines.append(line)
    return "\n".join(lines) + "\n"


class Systemd:
    """The user's manager, by `systemctl --user`."""

    name = "systemd"

    def install(self, facts: Facts) -> list[str]:
        """Put the unit in place, enable and start it. Returns what was done. Raises ServiceError."""
        self._demand_manager()
        done = []
        file = unit_folder() / UNIT
        content = render(facts, self._version()).encode()
        changed = not file.is_file() or file.read_bytes() != content
        if changed:
            file.parent.mkdir(parents=True, exist_ok=True)
            durable.replace(file, content, mode=0o644)
            self._call("daemon-reload")
            done.append(f"wrote {file}")
        if self._ask("is-enabled", UNIT) != "enabled":
            self._call("enable", "--quiet", UNIT)
            done.append("enabled it: it starts with your session")
        if self._ask("is-active", UNIT) != "active":
            self._start("start")
            done.append("started it; it is ready")
        elif changed:
            self._start("restart")
            done.append("restarted it; what was running goes on")
        return done or [f"nothing to do: {file} is in place, enabled and running"]

    def uninstall(self) -> list[str]:
        """Stop the service and take the unit away. Runs that are under way are left alone."""
        done = []
        file = unit_folder() / UNIT
        if self._has_manager():
            if self._ask("is-active", UNIT) in ("active", "activating", "reloading", "deactivating"):
                self._call("stop", UNIT)
                done.append("stopped the daemon; runs that were under way live on")
            if self._ask("is-enabled", UNIT) == "enabled":
                self._call("disable", "--quiet", UNIT)
                done.append("disabled it")
        if durable.remove(file, sync=False):
            done.append(f"removed {file}")
        _remove_link(unit_folder() / "default.target.wants" / UNIT)
        drop_ins = unit_folder() / f"{UNIT}.d"
        if drop_ins.is_dir():
            done.append(f"left {drop_ins}, which you made yourself")
        if done and self._has_manager():
            self._call("daemon-reload")
            self._ask("reset-failed", UNIT)
        return done or ["nothing to do: the service is not installed"]

    def status(self) -> tuple[bool, list[str]]:
        """Return whether the service runs, and what there is to say about it."""
        file = unit_folder() / UNIT
        if not file.is_file():
            return False, ["not installed; to do so: orchestrd service install"]
        self._demand_manager()
        shown = self._ask("show", UNIT, "--property", "ActiveState,SubState,StatusText,MainPID,NRestarts")
        found = dict(line.partition("=")[::2] for line in shown.splitlines())
        lines = [
            f"{found.get('ActiveState')} ({found.get('SubState')}), pid {found.get('MainPID')}",
            f"says: {found.get('StatusText') or 'nothing'}",
            f"restarted by itself: {found.get('NRestarts')} times",
            f"unit: {file}",
            lingering(),
        ]
        return found.get("ActiveState") == "active", lines

    def _start(self, verb: str) -> None:
        try:
            self._call(verb, UNIT)
        except ServiceError as error:
            raise ServiceError(
                f"{error}; see why: orchestrd service logs, or journalctl --user -u {UNIT}"
            ) from error

    def _version(self) -> int:
        words = self._ask("--version").split()
        return int(words[1]) if len(words) > 1 and words[1].isdigit() else 0

    def _has_manager(self) -> bool:
        # `degraded` and its kin are managers too; no answer, or "offline", is none.
        return self._ask("is-system-running") not in ("", "offline", "unknown")

    def _demand_manager(self) -> None:
        if not self._has_manager():
            raise ServiceError(
                "no systemd manager of yours is running (systemctl --user does not answer); "
                "log in properly instead of by su, or: sudo loginctl enable-linger " + getpass.getuser()
            )

    def _ask(self, *words: str) -> str:
        return _systemctl(*words).stdout.strip()

    def _call(self, *words: str) -> None:
        answer = _systemctl(*words)
        if answer.returncode:
            said = " ".join(answer.stderr.split()) or f"exit {answer.returncode}"
            raise ServiceError(f"systemctl --user {' '.join(words)}: {said}")


def lingering() -> str:
    """Say what happens when the user logs out."""
    user = getpass.getuser()
    if Path("/var/lib/systemd/linger", user).exists():
        return "goes on when you log out, starts with the machine"
    return f"ends when you log out; to have it run on: loginctl enable-linger {user}"


def _systemctl(*words: str) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(
            ["systemctl", "--user", "--no-pager", *words],
            capture_output=True,
            text=True,
            timeout=150,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ServiceError(f"systemctl --user {' '.join(words)}: {error}") from error


def _remove_link(link: Path) -> None:
    """Remove what `disable` leaves where no manager runs; the folder too when we were the only ones in it."""
    durable.remove(link, sync=False)
    try:
        link.parent.rmdir()
    except OSError:
        return


def _argument(text: str) -> str:
    escaped = _escaped(text).replace("$", "$$")
    return f'"{escaped}"' if any(one in text for one in " \t'\"\\;") else escaped


def _variable(name: str, value: str) -> str:
    return f'Environment="{name}={_escaped(value)}"'


def _escaped(text: str) -> str:
    if "\n" in text:
        raise ServiceError(f"a unit cannot hold a value with a line break: {text!r}")
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%")
