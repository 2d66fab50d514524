"""What Claude Desktop is told to hand plans in by: `examples/desktop-prompt.md`, with the places of this machine."""

from __future__ import annotations

from pathlib import Path

from orchestrd.carried import carried

DOCUMENTED_ROOT = "~/handoff"
"""The root as the file names it."""


def desktop_prompt(root: Path) -> str:
    """Return the text to paste, in full paths: a tool that writes files need not know what `~` is."""
    text = carried("examples/desktop-prompt.md").read_text("utf-8")
    return text.replace(DOCUMENTED_ROOT, str(root.expanduser()))
