"""What one process showed in one moment, and who can be asked for it."""

from __future__ import annotations

from typing import NamedTuple, Protocol


class Reading(NamedTuple):
    """One process in one moment. A tuple, not a dataclass: a hundred are made every second."""

    started: bytes
    """Tells it from a later process with the same pid."""
    alive: bool
    """Not a zombie."""
    cpu_seconds: float
    inherited_seconds: float
    """Those of them that ended children used; 0 where that is not told."""
    memory_bytes: int
    read_bytes: int | None
    written_bytes: int | None
    threads: int


class Trees(Protocol):
    """A way to read process trees."""

    inherits: bool
    """Whether a reading holds what ended children of the process used."""

    def begin(self) -> None:
        """Begin a round: what is read once for all trees is read now."""

    def read(self, root: int) -> dict[int, Reading]:
        """Read every process of a tree; empty where its root is gone."""

    def pss_bytes(self, pid: int) -> int | None:
        """Proportional memory of one process; None where it is not told."""
