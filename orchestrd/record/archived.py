"""Finding a settled plan in the archive, by its folder alone: the index may be missing, the folders never lie."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

from handoff import looking
from handoff.effects import effects
from handoff.result import Status
from handoff.root import PlanId, Root


def archived_folder(root: Root, plan: PlanId) -> Path | None:
    """Where a settled plan lies; None where it is not settled, unknown, or pruned."""
    for month in sorted(effects.list(root.archive), reverse=True):
        folder = root.archive / month / plan
        if looking.is_folder(folder):
            return folder
    return None


def status_of(root: Root, plan: PlanId) -> Status | None:
    """How a settled plan ended; None where that cannot be told any more."""
    folder = archived_folder(root, plan)
    if folder is None:
        return None
    for name, read in (("result.toml", tomllib.loads), ("result.json", json.loads)):
        try:
            return Status(read(looking.read_file(folder / name).decode())["status"])
        except (OSError, ValueError, KeyError, TypeError):
            continue
    return None
