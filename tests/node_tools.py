"""Programs that run on node and are tried together with ours; `make node-tools` installs what their lock names."""

from __future__ import annotations

import re
import shutil
import subprocess
from functools import cache
from pathlib import Path

import pytest

BINARIES = Path(__file__).parent / "node" / "node_modules" / ".bin"
OLDEST_NODE = 18


def node_tool(name: str) -> str:
    """Return the path of a program: `mcp-inspector-cli`, `mcpb`, `mcp-server-filesystem`; or skip, and say why."""
    node()
    found = BINARIES / name
    if not found.exists():
        pytest.skip(f"{name} is not installed: make node-tools")
    return str(found)


@cache
def _node() -> tuple[str | None, str]:
    found = shutil.which("node")
    if found is None:
        return None, "node is not installed"
    said = subprocess.run(
        [found, "--version"], capture_output=True, text=True, check=False, timeout=30
    ).stdout
    version = re.match(r"v(\d+)", said)
    if version is None or int(version[1]) < OLDEST_NODE:
        return (
            None,
            f"node {OLDEST_NODE} or newer is needed (found: {said.strip() or 'one that does not start'})",
        )
    return found, ""


def node() -> str:
    """Return the path of node itself; or skip, and say why."""
    found, why = _node()
    if found is None:
        pytest.skip(why)
    return found
