"""Following a plan as it runs: the streams of all its starts, read on from where they were left."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from orchestrd.views.looking import plan_folder, starts
from orchestrd.views.telling import Teller
from orchestrd.views.words import plain

if TYPE_CHECKING:
    from handoff.root import PlanId, Root


class Streams:
    """All streams of a plan's starts, each read on from where it was left."""

    def __init__(self, root: Root, plan: PlanId) -> None:
        self._root = root
        self._plan = plan
        self._read: dict[str, _Stream] = {}

    def fresh(self) -> Iterator[str]:
        """Yield the lines that came since the last call."""
        folder = plan_folder(self._root, self._plan)
        for start in starts(folder) if folder else ():
            if start.name not in self._read:
                self._read[start.name] = _Stream()
                yield f"── start {start.name}"
            yield from self._read[start.name].fresh(start)


class _Stream:
    def __init__(self) -> None:
        self._teller = Teller()
        self._offset = 0
        self._ended = False

    def fresh(self, start: Path) -> Iterator[str]:
        try:
            with open(start / "events.jsonl", "rb") as stream:
                stream.seek(self._offset)
                for line in stream:
                    if not line.endswith(b"\n"):
                        break  # its rest is still being written
                    self._offset += len(line)
                    yield from self._teller.tell(line)
        except FileNotFoundError:
            pass  # not started yet, or moved to the archive just now: looked for again
        yield from self._ending(start)

    def _ending(self, start: Path) -> Iterator[str]:
        if self._ended:
            return
        try:
            ending = json.loads((start / "exit.json").read_bytes())
        except (FileNotFoundError, ValueError):
            return
        self._ended = True
        if ending.get("why") not in (None, "ended"):
            words = (ending["why"] if ending["why"] != "stopped" else None, ending.get("message"))
            yield ": ".join(["── stopped", *(plain(word) for word in words if word)])
