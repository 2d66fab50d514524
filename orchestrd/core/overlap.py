"""Which plans of one project must not run at the same time: whether the globs they touch can name a common path.

Theory of operation
-------------------
A rule names paths inside the project. It is cut at its slashes; a part `**` stands for any number of folders, none
among them, every other part for one name, in the words of `fnmatch`: `*` any characters, `?` one, `[a-c]` and
`[!a-c]` one of these or none of them, and all else itself, upper and lower case apart. A rule that ends in a slash
names a folder and all below it. (Not every rule can: `**/*.py` and `**/*.js` would overlap, for there may be a folder
`a.py`. Whoever knows the disk puts the slash behind what is a folder there: `inbound/touches.py`.)

Rules are compared as languages, not by looking at files: those of a plan that runs may not be there yet. Both a rule
and a name in it are a sequence of symbols and stars, so one walk (`_can_meet`) does for both: along the first sequence,
with all places of the second that may have been reached so far.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TypeVar

from handoff.root import PlanId

MOST_WORK = 1_000_000
"""Characters of one list of rules times those of the other. Beyond, they are taken to overlap: a second of the loop's
time would hold up everybody else."""

_Ranges = tuple[tuple[int, int], ...]
"""One character: the first and last code points of what it may be, in order. Never a slash."""
_Name = tuple[_Ranges | None, ...]
"""One part of a path: its characters; None is a star."""
_Path = tuple[_Name | None, ...]
"""A rule: its parts; None is `**`."""
_Symbol = TypeVar("_Symbol")

_LAST = 0x10FFFF
_ANY: _Ranges = ((0, ord("/") - 1), (ord("/") + 1, _LAST))


def overlaps(a: Sequence[str], b: Sequence[str]) -> bool:
    """Whether a rule of `a` and one of `b` (`workspace.touches`, PROTOCOL 4) can name a common path.

    Exact, but for lists of more than `MOST_WORK`, which are said to. An empty list overlaps with nothing.
    """
    return _lists_overlap(tuple(a), tuple(b))


@dataclass(frozen=True, slots=True)
class _Touch:
    project: str
    in_place: bool
    touches: tuple[str, ...]

    def excludes(self, other: _Touch) -> bool:
        """Whether the two must run one after the other."""
        if self.project != other.project:
            return False
        # What each of two in one place did could not be told apart afterwards, whatever they said they would touch.
        return (self.in_place and other.in_place) or overlaps(self.touches, other.touches)


@dataclass(slots=True)
class Touched:
    """What the plans that run touch. A plan is looked at beside the running ones of its own project alone."""

    _by_project: dict[str, dict[PlanId, _Touch]] = field(default_factory=dict)
    _project_of: dict[PlanId, str] = field(default_factory=dict)

    def begin(self, plan: PlanId, project: str, *, in_place: bool, touches: Sequence[str]) -> None:
        """A plan works from now on. Said again, what is said last holds."""
        self.end(plan)
        self._by_project.setdefault(project, {})[plan] = _Touch(project, in_place, tuple(touches))
        self._project_of[plan] = project

    def end(self, plan: PlanId) -> None:
        """It works no more; nothing happens if it did not."""
        project = self._project_of.pop(plan, None)
        if project is None:
            return
        here = self._by_project[project]
        del here[plan]
        if not here:
            del self._by_project[project]

    def in_the_way(self, project: str, *, in_place: bool, touches: Sequence[str]) -> PlanId | None:
        """Which running plan keeps one like this from starting, of several the one that began first; None: it may.

        Plans with worktrees of which one says nothing about what it touches run side by side; plans in place never do.
        """
        wanted = _Touch(project, in_place, tuple(touches))
        running = self._by_project.get(project, {})
        return next((plan for plan, touch in running.items() if wanted.excludes(touch)), None)


@lru_cache(maxsize=4096)
def _lists_overlap(a: tuple[str, ...], b: tuple[str, ...]) -> bool:
    # An empty rule has none of the characters by which the work is reckoned, and is one all the same.
    if (sum(map(len, a)) + len(a)) * (sum(map(len, b)) + len(b)) > MOST_WORK:
        return True
    ours = [path for path in map(_path_of, a) if path is not None]
    theirs = [path for path in map(_path_of, b) if path is not None]
    return any(_can_meet(one, other, _names_meet) for one in ours for other in theirs)


def _can_meet(
    one: Sequence[_Symbol | None],
    other: Sequence[_Symbol | None],
    meet: Callable[[_Symbol, _Symbol], bool],
) -> bool:
    """Whether two sequences of symbols and stars (None) can stand for the same; `meet`: whether two symbols can."""
    end = len(other)
    reached = _past_stars({0}, other)
    for symbol in one:
        if symbol is None:
            # A star takes whatever of the other comes next, and as much of it.
            reached = set(range(min(reached), end + 1))
            continue
        on: set[int] = set()
        for place in reached:
            if place == end:
                continue
            opposite = other[place]
            if opposite is None:
                on.add(place)
            elif meet(symbol, opposite):
                on.add(place + 1)
        if not on:
            return False
        reached = _past_stars(on, other)
    return end in reached


def _past_stars(places: set[int], sequence: Sequence[object | None]) -> set[int]:
    """Add the places behind stars: a star may stand for nothing."""
    found = set(places)
    for place in places:
        while place < len(sequence) and sequence[place] is None:
            place += 1  # noqa: PLW2901 - the walk is over this place
            found.add(place)
    return found


@lru_cache(maxsize=4096)
def _path_of(rule: str) -> _Path | None:
    """Read a rule; None where no path can be like that (`[z-a]`)."""
    parts: list[_Name | None] = []
    for part in rule.split("/"):
        if part == "**":
            parts.append(None)
        elif part:
            name = _name_of(part)
            if () in name:
                return None
            parts.append(name)
    return (*parts, None) if rule.endswith("/") else tuple(parts)


def _name_of(part: str) -> _Name:
    """Read one part of a rule, as `fnmatch` does: a bracket that is never closed is just that."""
    name: list[_Ranges | None] = []
    place = 0
    while place < len(part):
        letter, place = part[place], place + 1
        if letter == "*":
            if not name or name[-1] is not None:
                name.append(None)
        elif letter == "?":
            name.append(_ANY)
        elif letter == "[" and (end := _closing(part, place)) is not None:
            name.append(_class_of(part[place:end]))
            place = end + 1
        else:
            name.append(((ord(letter), ord(letter)),))
    return tuple(name)


def _closing(part: str, place: int) -> int | None:
    """Where a class that begins there is closed. A bracket that comes first in it belongs to it."""
    first = place + part.startswith("!", place)
    found = part.find("]", first + part.startswith("]", first))
    return None if found < 0 else found


def _class_of(inside: str) -> _Ranges:
    """Read what stands between brackets; empty where no character is like that."""
    is_negated = inside.startswith("!")
    letters = inside[is_negated:]
    ranges: list[tuple[int, int]] = []
    place = 0
    while place < len(letters):
        has_range = letters[place + 1 : place + 2] == "-" and place + 2 < len(letters)
        first, last = letters[place], letters[place + 2 * has_range]
        if first <= last:
            ranges.append((ord(first), ord(last)))
        place += 1 + 2 * has_range
    return _both(_ANY, _others(ranges) if is_negated else tuple(sorted(ranges)))


def _others(ranges: Sequence[tuple[int, int]]) -> _Ranges:
    """What is in none of them."""
    left: list[tuple[int, int]] = []
    begin = 0
    for first, last in sorted(ranges):
        if begin < first:
            left.append((begin, first - 1))
        begin = max(begin, last + 1)
    return (*left, (begin, _LAST)) if begin <= _LAST else tuple(left)


def _both(a: _Ranges, b: _Ranges) -> _Ranges:
    """What is in both."""
    common = ((max(a_first, b_first), min(a_last, b_last)) for a_first, a_last in a for b_first, b_last in b)
    return tuple((first, last) for first, last in common if first <= last)


def _names_meet(one: _Name, other: _Name) -> bool:
    return one == other or _can_meet(one, other, _characters_meet)


def _characters_meet(one: _Ranges, other: _Ranges) -> bool:
    return any(
        first <= other_last and other_first <= last
        for first, last in one
        for other_first, other_last in other
    )
