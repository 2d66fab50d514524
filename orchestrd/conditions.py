"""What the machine must offer before any plan starts: Claude Code, and space on the disk.

Troubles are states with a word, a message and a remedy; each is told once when it comes and once when it goes.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass

from handoff.root import Root
from orchestrd.runs.claude import ClaudeCommand, ClaudeMissing, find_claude

LEAST_INODES = 1000


@dataclass(frozen=True, slots=True)
class Trouble:
    """One thing that is wrong with the machine."""

    word: str
    message: str
    remedy: str


def look_for_claude(command: str | None, environ: Mapping[str, str]) -> ClaudeCommand | Trouble:
    """Find the Claude Code binary, or say what to do."""
    try:
        return find_claude(command, environ)
    except ClaudeMissing as error:
        return Trouble("claude", error.message, error.remedy)


def look_for_space(root: Root) -> Trouble | None:
    """Demand max(64 MiB, min(2 %, 1 GiB)) free, and 1,000 inodes where the file system counts them."""
    there = os.statvfs(root.path)
    free = there.f_bavail * there.f_frsize
    wanted = least_free_bytes(there.f_blocks * there.f_frsize)
    if free < wanted:
        message = (
            f"{root.path}: {free >> 20} MiB are free on its disk; {wanted >> 20} MiB are needed to take plans"
        )
        return Trouble("space", message, "free some space: `orchestrd clean --dry-run` shows what can go")
    if there.f_files and there.f_favail < LEAST_INODES:
        message = f"{root.path}: {there.f_favail} inodes are free on its disk; {LEAST_INODES} are needed to take plans"
        return Trouble("space", message, "remove files: `orchestrd clean --dry-run` shows what can go")
    return None


def least_free_bytes(disk_bytes: int) -> int:
    """What must be free on a disk of that size."""
    return max(64 << 20, min(disk_bytes // 50, 1 << 30))
