"""Finding a settled plan in the archive, by its folder alone: the index may be missing, the folders never lie."""

from __future__ import annotations

import json
import os
import tomllib
from pathlib import Path

from handoff import looking
from handoff.effects import effects
from handoff.result import Status
from handoff.root import PlanId, Root

PLAN_FILES = frozenset({"plan.toml", "plan.json", "plan.md"})


def archived_folder(root: Root, plan: PlanId) -> Path | None:
    """Where a settled plan lies; None where it is not settled, unknown, or pruned."""
    for month in sorted(effects.list(root.archive), reverse=True):
        folder = root.archive / month / plan
        if looking.is_folder(folder):
            return folder
    return None


def lies_somewhere(root: Root, plan: PlanId) -> bool:
    """Whether a plan of that id lies in `active/` or in the archive. Raises OSError where the disk does not say.

    A folder in `active/` without a plan's file is a start that was cut, and holds no id (PROTOCOL 3).
    """
    # Asked of every plan that is taken, so of plain texts.
    name = f"{os.fspath(root.active)}/{plan}"
    if looking.is_there(name) and any(looking.is_there(f"{name}/{file}") for file in PLAN_FILES):
        return True
    archive = os.fspath(root.archive)
    return any(
        looking.is_there(f"{archive}/{month}/{plan}") for month in effects.list(archive) if "." not in month
    )


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
