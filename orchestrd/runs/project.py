"""What a project brings along for Claude Code: its memory (CLAUDE.md), its settings, its MCP servers.

Files that others wrote: each is read as far as it makes sense and otherwise left out, as Claude Code does in `-p`.
Whether any of it may act is not decided here (`trust.py`).
"""

from __future__ import annotations

import errno
import json
import os
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from handoff import looking
from handoff.effects import effects, let_go
from orchestrd.runs import trust

MEMORY_FILES = ("CLAUDE.md", ".claude/CLAUDE.md", "CLAUDE.local.md")
"""What Claude Code itself loads from a project's root; `@imports` in them are not followed here."""

SETTINGS_FILES = (".claude/settings.json", ".claude/settings.local.json")
"""The later one wins."""

_MOST_BYTES = 1 << 20
_OF_THE_MACHINE = (
    errno.EIO,
    errno.EMFILE,
    errno.ENFILE,
    errno.ENOMEM,
    errno.ESTALE,
    errno.EAGAIN,
    errno.EINTR,
)
"""What says nothing of the file: a start that meets one of these is put off, not made without the project's memory."""


def memory_text(checkout: Path) -> str:
    """The project's memory as one text, with where each part is from; empty where there is none."""
    parts = []
    for name in MEMORY_FILES:
        content = _read_within(checkout, name)
        text = content.decode("utf-8", "replace").strip() if content else ""
        if text:
            parts.append(f"Contents of {name} (project instructions):\n\n{text}\n")
    return "\n".join(parts)


def merged_settings(project: Path) -> dict[str, Any]:
    """The settings of the project's folder, shared and local, as one document; lists are joined."""
    merged: dict[str, Any] = {}
    for name in SETTINGS_FILES:
        merged = merge(merged, _read_object(project, name))
    return merged


def merge(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Lay one settings document over another: lists are joined, of plain values the upper one counts."""
    merged = dict(below)
    for name, value in above.items():
        there = merged.get(name)
        if isinstance(there, dict) and isinstance(value, dict):
            merged[name] = merge(there, value)
        elif isinstance(there, list) and isinstance(value, list):
            merged[name] = there + [entry for entry in value if entry not in there]
        else:
            merged[name] = value
    return merged


def own_servers(project: Path, environ: Mapping[str, str]) -> dict[str, Any]:
    """The project's MCP servers: its `.mcp.json`, less what the user switched off.

    What the user added in Claude Code for this project alone is left out: such entries hold keys in plain text, and
    what is handed to a run is written into its folder.
    """
    listed = _read_object(project, ".mcp.json").get("mcpServers")
    servers = dict(listed) if isinstance(listed, dict) else {}
    switched_off = merged_settings(project).get("disabledMcpjsonServers")
    names = set(switched_off) if isinstance(switched_off, list) else set()
    names |= trust.servers_switched_off_for(project, environ)
    return {name: server for name, server in servers.items() if name not in names}


def _read_object(folder: Path, name: str) -> dict[str, Any]:
    content = _read_within(folder, name)
    if content is None:
        return {}
    try:
        document = json.loads(content)
    except (ValueError, RecursionError):
        return {}
    return document if isinstance(document, dict) else {}


def _read_within(folder: Path, name: str) -> bytes | None:
    """Read a file of the project. A link may point elsewhere within the project (CLAUDE.md → AGENTS.md), not out of it.

    A repository could otherwise have any file of the user's handed to the model.
    """
    root = os.path.realpath(folder)
    path = os.path.realpath(os.path.join(root, name))
    if os.path.commonpath((root, path)) != root:
        return None
    try:
        # Non-blocking: a FIFO of that name must not hold up a start.
        descriptor = effects.open(
            path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NOCTTY
        )
    except OSError as error:
        if error.errno in _OF_THE_MACHINE:
            raise
        return None
    try:
        if not stat.S_ISREG(effects.fstat(descriptor).st_mode):
            return None
        content = looking.read_open(descriptor, _MOST_BYTES + 1)
    finally:
        let_go(descriptor)
    return content if len(content) <= _MOST_BYTES else None
