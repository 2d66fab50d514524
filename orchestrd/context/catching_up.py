"""The plans that were settled and of which no context may tell yet: a daemon before this one was ended too early.

Bounded: a file whose time says up to when all was told keeps it to few, and without one only the latest are looked at.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from handoff import durable, looking
from handoff.effects import effects
from handoff.formats import Format
from handoff.result import Result
from handoff.root import CONTEXT, PlanId, Root
from orchestrd.outbound.publish import result_in
from orchestrd.record.archived import archived_folder
from orchestrd.record.index import row_on_disk

SLACK_SECONDS = 60.0
"""A plan is in the archive a moment before it is told of; a clock may be set back a little."""
MOST_PLANS = 200


@dataclass(frozen=True, slots=True)
class Settled:
    """A plan that was settled, and whose project it was."""

    project: str
    result: Result


def told_until(root: Root) -> float | None:
    """Up to when all that was settled is told of (wall seconds); None: nobody knows."""
    try:
        return effects.stat(_mark(root)).st_mtime
    except OSError:
        return None


def all_is_told(root: Root) -> None:
    """Note that all that was settled up to now is told of. Raises OSError."""
    durable.make_folder(_mark(root).parent)
    durable.replace(_mark(root), b"", sync=False)


def settled_since(root: Root, since: float | None) -> list[Settled]:
    """The plans that were settled after that (wall seconds), the oldest first. Raises OSError."""
    found: list[tuple[float, Path]] = []
    months = sorted((name for name in effects.list(root.archive) if "." not in name), reverse=True)
    first = datetime.fromtimestamp(since - SLACK_SECONDS, UTC).strftime("%Y-%m") if since is not None else ""
    for month in months:
        if month < first or (len(found) >= MOST_PLANS and since is None):
            break
        found += _folders(root.archive / month, since)
    found.sort()
    settled = (of_folder(root, folder) for _, folder in found[-MOST_PLANS:])
    return [one for one in settled if one is not None]


def of_plan(root: Root, plan: PlanId) -> Settled | None:
    """A plan as it lies in the archive; None: it does not, or cannot be read."""
    folder = archived_folder(root, plan)
    return of_folder(root, folder) if folder is not None else None


def of_folder(root: Root, folder: Path) -> Settled | None:
    """What a folder in the archive tells; None where it tells nothing."""
    row = row_on_disk(root, str(folder.relative_to(root.path)), [])
    if row is None or row.project is None or row.result is None:
        return None
    with suppress(OSError, ValueError):
        content = looking.read_file(root.path / row.result)
        return Settled(row.project, result_in(content, Format(row.result.rpartition(".")[2])))
    return None


def _folders(month: Path, since: float | None) -> Iterator[tuple[float, Path]]:
    for name in looking.folders_in(month):
        folder = month / name
        with suppress(OSError):
            # A plan's last event is that it is settled.
            time = effects.stat(folder / durable.JOURNAL).st_mtime
            if since is None or time >= since - SLACK_SECONDS:
                yield time, folder


def _mark(root: Root) -> Path:
    return root.private / CONTEXT / "told"
