"""What the daemon remembers of each context beside its file: which blocks it ever wrote, and which plans are open.

Its own, in `.orchestrd/context/NAME.json`. Where one is lost, only this is: blocks that somebody removed may come back
with news of their plan, and what was open before is not told any more.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from handoff import durable, looking
from handoff.context import context_name
from handoff.effects import effects
from handoff.root import CONTEXT, Root
from orchestrd.context.blocks import DONE
from orchestrd.context.state import OpenPlan

MOST_WRITTEN = 2000
"""So many names of what was done are remembered, the latest."""
_ENDING = ".json"


@dataclass(frozen=True, slots=True)
class Remembered:
    """What is remembered of one context."""

    name: str
    """Of its file, less the ending."""
    project: str
    written: tuple[str, ...] = ()
    """The blocks that were ever written, in that order."""
    dropped: int = 0
    open_plans: tuple[OpenPlan, ...] = ()


class Register:
    """All that is remembered. Reading it is once, at the start; one thread writes."""

    def __init__(self, root: Root) -> None:
        self._root = root
        self._known: dict[str, Remembered] = {}

    @property
    def folder(self) -> Path:
        """Where it lies."""
        return self._root.private / CONTEXT

    def load(self) -> None:
        """Read all of it; what cannot be read is forgotten. Raises OSError where the folder cannot be read."""
        try:
            names = effects.list(self.folder)
        except FileNotFoundError:
            return
        for name in sorted(names):
            if not name.endswith(_ENDING) or name.startswith("."):
                continue
            try:
                found = _read(name.removesuffix(_ENDING), looking.read_file(self.folder / name))
            except (OSError, ValueError, TypeError, KeyError):
                continue
            self._known[found.project] = found

    def tidy(self) -> None:
        """Remove what a cut left half-written. Raises OSError."""
        if looking.is_folder(self.folder):
            for name in effects.list(self.folder):
                if name.startswith(".") and name.endswith(".tmp"):
                    durable.remove(self.folder / name, sync=False)

    def of(self, project: str) -> Remembered | None:
        """What is remembered of a project's context; None: it has none of ours."""
        return self._known.get(project)

    def save(self, one: Remembered) -> None:
        """Remember it, durably. Raises OSError."""
        before = self._known.get(one.project)
        if before == one:
            return
        durable.make_folder(self.folder)
        durable.replace(self.folder / f"{one.name}{_ENDING}", _written(one))
        self._known[one.project] = one
        if before is not None and before.name != one.name:
            durable.remove(self.folder / f"{before.name}{_ENDING}")

    def free_name(self, project: str) -> str:
        """Find a name for a new context: that of its folder, or with -2, -3, … where another project has it."""
        wanted, number = context_name(project), 1
        taken = {one.name for one in self._known.values() if one.project != project}
        while True:
            name = wanted if number == 1 else f"{wanted}-{number}"
            if name not in taken and not looking.is_there(self._root.context / f"{name}.md"):
                return name
            number += 1


def newly_written(before: Iterable[str], now: frozenset[str]) -> tuple[str, ...]:
    """Put the names that were written into an order in which the oldest can be forgotten."""
    kept = [name for name in before if name in now]
    known = set(kept)
    names = [*kept, *sorted(name for name in now if name not in known)]
    surplus = sum(name.startswith(f"{DONE}/") for name in names) - MOST_WRITTEN
    for name in [name for name in names if name.startswith(f"{DONE}/")][: max(0, surplus)]:
        names.remove(name)
    return tuple(names)


def _written(one: Remembered) -> bytes:
    fields = {
        "project": one.project,
        "dropped": one.dropped,
        "written": list(one.written),
        "open": [plan.to_fields() for plan in one.open_plans],
    }
    return json.dumps(fields, indent=1).encode() + b"\n"


def _read(name: str, content: bytes) -> Remembered:
    fields: dict[str, Any] = json.loads(content)
    return Remembered(
        name=name,
        project=str(fields["project"]),
        written=tuple(str(one) for one in fields["written"]),
        dropped=int(fields["dropped"]),
        open_plans=tuple(OpenPlan.from_fields(one) for one in fields["open"]),
    )
