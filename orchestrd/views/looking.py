"""Finding a plan by its id, wherever it lies: offered, in work, or settled. It changes nothing."""

from __future__ import annotations

import json
import os
import stat
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any

from handoff.client import foresee
from handoff.root import PlanId, Root, kind_of
from orchestrd.views.present import read_plans
from orchestrd.views.words import plain, read_json, read_time


def plan_folder(root: Root, plan: PlanId) -> Path | None:
    """Where the plan's folder lies now: in work, or in the archive."""
    active = root.plan_folder(plan)
    if active.is_dir():
        return active
    # By month: a root of ten years has 120 of them to ask.
    return next((month / plan for month in _months(root) if (month / plan).is_dir()), None)


def read_result(root: Root, plan: PlanId) -> dict[str, Any] | None:
    """Return a plan's result as plain values: from `results/`, else (when it was consumed) from the archive."""
    places = [root.results / f"{plan}.toml", root.results / f"{plan}.json"]
    for month in _months(root):
        places += [month / plan / "result.toml", month / plan / "result.json"]
    for place in places:
        try:
            raw = place.read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            continue
        return dict(json.loads(raw) if place.suffix == ".json" else tomllib.loads(raw.decode()))
    return None


def starts(folder: Path) -> list[Path]:
    """Return the folders of a plan's starts, `runs/STEP.N`, in the order in which they began."""
    try:
        found = [entry for entry in (folder / "runs").iterdir() if entry.is_dir()]
    except FileNotFoundError:
        return []
    return sorted(found, key=lambda start: (_began(start), start.name))


def _began(start: Path) -> int:
    """When a start was made: a folder's own times are those of the last file in it."""
    for path in (start / "launch.json", start):
        with suppress(FileNotFoundError):
            return path.stat().st_mtime_ns
    return 0


def waits_for(root: Root, work: Mapping[str, Any], others: Iterable[Mapping[str, Any]]) -> str | None:
    """Say what a plan in work waits for: of other plans which, of money which cap. `others`: the plans in work.

    What stands in parentheses says more than fits into a line of many.
    """
    word = work.get("waiting_for")
    if word == "plans":
        plans = ", ".join(map(plain, _awaited(root, work)))
        return f"plans: {plans}" if plans else "plans"
    if word == "overlap":
        plans = ", ".join(map(plain, _in_its_way(root, work, others)))
        return f"overlap with {plans}" if plans else "overlap"
    if word == "budget" and work.get("why"):
        return f"budget: {plain(work['why']).removeprefix('[budget] ')}"
    return plain(word) if word else None


def asked_of(work: Mapping[str, Any]) -> list[tuple[str, datetime | None]]:
    """The requests that a plan in work waits for, with when each goes away unanswered; None: never."""
    asks = (one for run in work.get("runs") or () for one in run.get("asks") or ())
    return [(str(one.get("request")), read_time(one.get("until"))) for one in asks]


def _awaited(root: Root, work: Mapping[str, Any]) -> list[str]:
    after = list(_accepted(root, work).get("after") or ())
    return [plan for plan in after if read_result(root, PlanId(plan)) is None] or after


def _in_its_way(root: Root, work: Mapping[str, Any], others: Iterable[Mapping[str, Any]]) -> list[str]:
    """Find the plans at work in the same project that touch what this one does."""
    from orchestrd.core.overlap import overlaps

    own = _accepted(root, work).get("workspace") or {}
    found = []
    for other in others:
        plan = PlanId(str(other.get("id")))
        if other.get("project") != work.get("project") or plan == work.get("id"):
            continue
        if not (root.plan_folder(plan) / "runs").is_dir():
            continue  # it has not begun, so it holds no place
        its = _accepted(root, other).get("workspace") or {}
        in_place = own.get("mode") == its.get("mode") == "directory"
        if in_place or overlaps(own.get("touches") or (), its.get("touches") or ()):
            found.append(str(plan))
    return found


def _accepted(root: Root, work: Mapping[str, Any]) -> dict[str, Any]:
    return read_json(root.plan_folder(PlanId(str(work.get("id")))) / "accepted.json")


def unsettled_plans(root: Root) -> list[PlanId]:
    """Return the ids of all plans that are not settled: first those in the inbox, last those that run.

    Of a file in the inbox it is the id that its plan will have, unless others are handed in before.
    """
    at_work = {plan.get("id") for plan in read_plans(root) if plan.get("state") in {"running", "asking"}}
    in_hand = [PlanId(name) for name in _names(root.active) if not name.startswith(".")]
    open_ones = [plan for plan in in_hand if read_result(root, plan) is None]
    return [*_offered(root), *sorted(open_ones, key=lambda plan: (plan in at_work, plan))]


def _offered(root: Root) -> list[PlanId]:
    """Foresee the ids of what lies in the inbox, in the order in which it will be taken."""
    files = []
    for name in _names(root.inbox):
        with suppress(OSError):  # taken this moment
            seen = os.lstat(root.inbox / name)
            if kind_of(name).is_document and stat.S_ISREG(seen.st_mode):
                files.append((seen.st_mtime_ns, name))
    found: list[PlanId] = []
    for _, name in sorted(files):
        found.append(foresee(root, name, besides=found))
    return found


def _names(folder: Path) -> list[str]:
    try:
        return os.listdir(folder)
    except OSError:
        return []


def _months(root: Root) -> Iterator[Path]:
    try:
        names = sorted(os.listdir(root.archive), reverse=True)
    except OSError:
        return
    for name in names:
        if name[:4].isdigit():
            yield root.archive / name


def settled_plans(root: Root) -> list[PlanId]:
    """Return the ids of the settled plans, the last one first."""
    found = []
    for month in _months(root):
        with os.scandir(month) as entries:
            found += [(entry.stat().st_ctime_ns, entry.name) for entry in entries if entry.is_dir()]
    return [PlanId(name) for _, name in sorted(found, reverse=True)]
