"""A plan's file that was taken and not yet looked at, and how a journal's first line tells of it."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from handoff.effects import effects, let_go
from handoff.formats import Format
from handoff.root import PlanId
from orchestrd.record import journal
from orchestrd.record.ids import IdLine


@dataclass(frozen=True, slots=True)
class Taken:
    """A plan's file that lies in `active/ID/` and was not looked at yet."""

    plan: PlanId
    source: str
    file_format: Format
    taken: datetime
    arrival: int
    size: int = 0
    bad_file: str | None = None
    """Why it must not be opened; completes "the file …"."""
    retry_of: PlanId | None = None
    order: int | None = None
    """The order that made it."""

    @property
    def file_name(self) -> str:
        """What the plan's file is called in its folder."""
        return plan_file(self.file_format)

    def first_line(self) -> bytes:
        """The journal's first line, which is on the disk before the file is moved in."""
        fields = {"source": self.source, "format": self.file_format.value, "arrival": self.arrival}
        more = optional(size=self.size, bad_file=self.bad_file, retry_of=self.retry_of, order=self.order)
        return journal.first_line(fields | more, self.taken.timestamp())

    def id_line(self, sha256: str | None, key: str | None) -> IdLine:
        """Its line in the register of ids."""
        return IdLine(self.plan, self.source, key, sha256, self.taken, self.retry_of)

    @classmethod
    def from_record(cls, plan: PlanId, record: Mapping[str, Any]) -> Taken:
        """Read a journal's first line. Raises KeyError, TypeError, ValueError where it is none."""
        if not isinstance(record["arrival"], int) or not isinstance(record["source"], str):
            raise TypeError("the first line does not say where the plan came from")
        return cls(
            plan=plan,
            source=record["source"],
            file_format=Format(record["format"]),
            taken=journal.time_of(record),
            arrival=record["arrival"],
            size=record.get("size", 0),
            bad_file=record.get("bad_file"),
            retry_of=record.get("retry_of"),
            order=record.get("order"),
        )


def plan_file(file_format: Format) -> str:
    """What a plan's file is called in its folder."""
    return f"plan.{file_format.value}"


def optional(**fields: Any) -> dict[str, Any]:
    """Keep the fields that have a value."""
    return {name: value for name, value in fields.items() if value is not None}


@contextmanager
def opened(folder: Path) -> Iterator[int]:
    """Hold a folder open, so that a name in it cannot be led elsewhere by exchanging the folder."""
    fd = effects.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        yield fd
    finally:
        let_go(fd)


_OF_THE_FILE = {
    errno.EPERM: "it may be immutable, or append-only (lsattr)",
    errno.EBUSY: "something is mounted on it",
    errno.EXDEV: "it lies on another file system",
}


def why_it_stays(error: OSError, lane_file: str) -> str | None:
    """Say why this one file cannot be moved out of its lane; None: that is not what was wrong.

    Others are not kept waiting by it, as they are by a disk that refuses.
    """
    why = _OF_THE_FILE.get(error.errno or 0)
    moved = error.filename in {lane_file, os.path.basename(lane_file)}
    return f"cannot be moved: {error.strerror} ({why})" if why is not None and moved else None


def is_no_lane(error: OSError, lane: Path) -> bool:
    """Whether a lane could not be opened because something else is in its place; the look at the lanes tells of it."""
    return error.errno in {errno.ELOOP, errno.ENOTDIR, errno.ENOENT} and error.filename in {lane, str(lane)}
