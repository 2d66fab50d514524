"""How it stands with our server in Claude Desktop's configuration, for people and for programs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from orchestrd.desktop.backups import backups_of
from orchestrd.desktop.config_file import ConfigFile, read_config
from orchestrd.desktop.entries import SERVER_NAME, Proxied, is_server, read_proxy
from orchestrd.desktop.section import read_text, servers_of
from orchestrd.desktop.starting import Started, try_entry
from orchestrd.views.words import plain


@dataclass(frozen=True, slots=True)
class Standing:
    """What was found."""

    file: ConfigFile
    entry: Any
    """What stands under our name; None: nothing."""
    started: Started | None
    """What came of starting it, where it is ours."""
    proxies: dict[str, Proxied]
    backups: list[Path]

    @property
    def is_in_order(self) -> bool:
        """Desktop can have our server."""
        return self.started is not None and self.started.is_server

    @property
    def command(self) -> list[str]:
        """What our entry starts."""
        if not is_server(self.entry):
            return []
        return [plain(one) for one in (self.entry["command"], *self.entry.get("args", []))]

    @property
    def root(self) -> str | None:
        """The root that our entry names."""
        env = self.entry.get("env") if is_server(self.entry) else None
        root = env.get("ORCHESTRD_ROOT") if isinstance(env, dict) else None
        return None if root is None else plain(root)

    def lines(self) -> list[str]:
        """Say it to a person."""
        there = "" if self.file.content is not None else " (there is none yet)"
        said = [f"configuration: {self.file.name}{there}", f"server: {self._server()}"]
        if self.command:
            said += [f"starts: {' '.join(self.command)}", f"root: {self.root or 'that of its settings'}"]
        for name, one in self.proxies.items():
            token = f", token from {one.token_variable}" if one.token_variable else ""
            said.append(f"proxy: {name}, for {one.shown} ({one.transport}{token})")
        latest = f", the latest {self.backups[0].name}" if self.backups else ""
        return [*said, f"backups: {len(self.backups)}{latest}"]

    def as_json(self) -> dict[str, Any]:
        """Say it to a program."""
        return {
            "configuration": self.file.named,
            "exists": self.file.content is not None,
            "installed": bool(self.command),
            "command": self.command,
            "root": self.root,
            "starts": self.is_in_order,
            "said": plain(self.started.said) if self.started else None,
            "proxies": [
                {
                    "name": name,
                    "url": one.shown,
                    "transport": one.transport,
                    "token_env": one.token_variable or None,
                }
                for name, one in self.proxies.items()
            ],
            "backups": [str(one) for one in self.backups],
        }

    def _server(self) -> str:
        if self.entry is None:
            return "not there; to put it there: orchestrd desktop install"
        if self.started is None:
            return f"what is called {SERVER_NAME} is not ours; ours in its place: orchestrd desktop install --replace"
        if self.started.is_server:
            return f"there, and answers ({self.started.said})"
        return f"there, but does not start: {self.started.said}"


def look(named: Path, environ: Mapping[str, str], deadline_seconds: float) -> Standing:
    """Look at a configuration, and start our server once as Desktop does. Raises DesktopError."""
    file = read_config(named)
    servers = servers_of(read_text(file.content, str(named))) if file.content is not None else {}
    entry = servers.get(SERVER_NAME)
    started = try_entry(entry, environ, deadline_seconds) if entry and is_server(entry) else None
    proxies = {plain(name): read for name, value in servers.items() if (read := read_proxy(value))}
    return Standing(file, entry, started, proxies, backups_of(named))
