"""Keeping an answer short: of long lists the beginning, of long texts the beginning, and a note of what is not there.

Pure. What a field means is not known here; but what stands at the top of an answer may be longer than what lies deeper.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

CAPS = (1_000_000, 100, 30, 10, 3, 1)
"""Entries that are left of each list, tried in this order."""
WIDTHS = (8000, 3000, 1000, 300)
"""Characters that are left of each text, tried in this order; at the top of an answer three times as many."""
LAST_WIDTH = 20
"""If nothing else helps."""
MOST_FIELDS = 60
"""A table with more fields than any answer has is a list of a kind."""
MOST_NOTES = 20
_ROOM_FOR_NOTES = 2000
_MARK = "… [{} more characters]"

Tree = dict[str, Any]


def as_json(tree: Tree) -> str:
    """Write an answer as it is sent."""
    return json.dumps(tree, ensure_ascii=False, separators=(",", ":"))


def fit(tree: Tree, most_chars: int) -> Tree:
    """Return an answer that is at most so long as JSON; what was done to it stands in its `cut`."""
    if len(as_json(tree)) <= most_chars:
        return tree
    room = max(most_chars - _ROOM_FOR_NOTES, most_chars // 2)
    # Whatever is longer than the whole may be goes at once: what comes after is then quick.
    begun = _Cutting(most_chars, CAPS[0]).cut(tree)
    for cap in CAPS:
        found = _fitting(begun, room, cap, WIDTHS[-1])
        if found is None:
            continue
        for width in WIDTHS[:-1]:
            better = _fitting(begun, room, cap, width)
            if better is not None:
                return _noted(better, tree)
        return _noted(found, tree)
    return _noted(_Cutting(LAST_WIDTH, 1).cut(begun), tree)


def _fitting(tree: Tree, room: int, cap: int, width: int) -> Tree | None:
    found = _Cutting(width, cap).cut(tree)
    return found if len(as_json(found)) <= room else None


@dataclass(slots=True)
class _Cutting:
    width: int
    cap: int

    def cut(self, tree: Tree) -> Tree:
        """Cut everything; at the top no field is left out."""
        return {name: self._of(value, 3 * self.width) for name, value in tree.items()}

    def _of(self, value: Any, width: int) -> Any:
        if isinstance(value, str):
            return value if len(value) <= width else _shortened(value, width)
        if isinstance(value, list):
            return [self._of(one, self.width) for one in value[: self.cap]]
        if isinstance(value, dict):
            cap = self.cap if len(value) > MOST_FIELDS else MOST_FIELDS
            return {name: self._of(one, self.width) for name, one in list(value.items())[:cap]}
        return value


def _shortened(text: str, width: int) -> str:
    kept = max(1, width - len(_MARK) - 6)
    return text[:kept] + _MARK.format(len(text) - kept)


def _noted(short: Tree, whole: Tree) -> Tree:
    """Say what is not there."""
    notes = _Notes(list(whole.get("cut") or ()))
    for name, value in whole.items():
        if name != "cut":
            notes.compare(name, value, short.get(name))
    more = notes.count - len(notes.told)
    return {**short, "cut": [*notes.told, *([f"and {more} more"] if more > 0 else ())]}


@dataclass(slots=True)
class _Notes:
    told: list[str]
    count: int = field(default=0)

    def compare(self, path: str, whole: Any, short: Any) -> None:
        """Note each text and each list that is shorter than it was."""
        if isinstance(whole, str) and whole != short:
            self._note(f"{path}: {len(whole)} characters")
        elif isinstance(whole, list) and isinstance(short, list):
            if len(short) < len(whole):
                self._note(f"{path}: {len(short)} of {len(whole)} entries")
            for at, (one, other) in enumerate(zip(whole, short, strict=False)):
                self.compare(f"{path}[{at}]", one, other)
        elif isinstance(whole, dict) and isinstance(short, dict):
            if len(short) < len(whole):
                self._note(f"{path}: {len(short)} of {len(whole)} fields")
            for name, one in whole.items():
                if name in short:
                    self.compare(f"{path}.{name}", one, short[name])

    def _note(self, text: str) -> None:
        self.count += 1
        if len(self.told) < MOST_NOTES:
            self.told.append(text if len(text) <= 80 else f"{text[:79]}…")
