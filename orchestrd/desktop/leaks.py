"""Whether a token lies in a file: by its value where we have it, else by the shape of what starts mcp-proxy."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from handoff.looking import read_end
from orchestrd.desktop.entries import TOKEN_VARIABLE, read_proxy
from orchestrd.desktop.error import DesktopError
from orchestrd.desktop.section import read_text, servers_of
from orchestrd.secrets import LEAST_BYTES, Redactor

_MOST_BYTES = 8 << 20
_OF_A_SHELL = (
    ".profile",
    ".bash_profile",
    ".bashrc",
    ".zprofile",
    ".zshenv",
    ".zshrc",
    ".config/fish/config.fish",
    ".pam_environment",
)
_OF_A_PROJECT = (".mcp.json", ".env", ".envrc", ".claude/settings.json", ".claude/settings.local.json")
_SECRET_SWITCHES = ("-H", "--headers", "--password", "--client-secret")


@dataclass(frozen=True, slots=True)
class Leak:
    """A file in which a token lies, or seems to; never the token."""

    file: Path
    why: str


def find_by_value(token: str, files: Iterator[Path] | list[Path]) -> list[Leak]:
    """Look for the value itself, also as JSON would write it. A value of under four bytes is in every file."""
    if len(token.encode()) < LEAST_BYTES:
        return []
    redactor = Redactor({"TOKEN": token})
    found = []
    for file in files:
        try:
            content = read_end(file, _MOST_BYTES)
        except OSError:  # not there, or not to be read: then it is not known to hold anything
            continue
        if redactor.redact(content) != content:
            found.append(Leak(file, "holds the token"))
    return found


def find_by_shape(files: list[Path]) -> list[Leak]:
    """Look into what configurations say of mcp-proxy: a variable or a header with its value there."""
    found = []
    for file in files:
        try:
            servers = servers_of(read_text(read_end(file, _MOST_BYTES), str(file)))
        except (OSError, DesktopError):
            continue
        found += [
            Leak(file, f"the entry {name} {why}")
            for name, value in servers.items()
            if read_proxy(value) and (why := _shape_of(value))
        ]
    return found


def files_of(home: Path) -> Iterator[Path]:
    """Name the files from which a person's shells and sessions take their variables."""
    yield from (home / name for name in _OF_A_SHELL)
    yield from sorted((home / ".config" / "environment.d").glob("*.conf"))


def files_of_project(project: Path) -> list[Path]:
    """Name the files of a project that others read settings and variables from."""
    return [project / name for name in _OF_A_PROJECT]


def _shape_of(value: Mapping[str, Any]) -> str:
    """Say what of an entry holds a token by the looks of it; "" where nothing does."""
    env = value.get("env")
    proxied = read_proxy(value)
    variables = {TOKEN_VARIABLE, proxied.token_variable if proxied else ""}
    for name, held in env.items() if isinstance(env, dict) else ():
        if name in variables and held and not _is_reference(str(held)):
            return f"gives {name} its value"
    words = [str(one) for one in value.get("args", [])]
    for word in words:
        if word.partition("=")[0] in _SECRET_SWITCHES or "bearer " in word.lower():
            return (
                f"gives it after {word.partition('=')[0]}" if word.startswith("-") else "gives it in a header"
            )
    return ""


def _is_reference(text: str) -> bool:
    return text.startswith(("${", "$")) or (text.startswith("%") and text.endswith("%"))
