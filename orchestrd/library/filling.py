"""A workflow's body with values put in. It happens within values that are read already, so text stays text. Pure.

A string that is one placeholder becomes the parameter's own value, a list or a number too. A string that needs a
parameter which is not given is left out, as a field or as an element of a list; so is a step whose `when` does not
hold.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from handoff.fields import Path
from orchestrd.library.params import Kind, Param, is_nothing, written
from orchestrd.library.template import fill, names_in, parse, whole

_LEFT_OUT = object()


@dataclass(frozen=True, slots=True)
class Arguments:
    """What the parameters of a workflow are, once."""

    values: Mapping[str, Any]
    texts: Mapping[str, str]
    given: frozenset[str]
    """Those that are neither left out nor empty or false: their sections and steps stand."""
    kinds: Mapping[str, Kind]

    @classmethod
    def of(cls, declared: Mapping[str, Param], values: Mapping[str, Any]) -> Arguments:
        """Take the values of `check_params`."""
        return cls(
            values,
            {name: written(declared[name], value) for name, value in values.items()},
            frozenset(name for name, value in values.items() if not is_nothing(value)),
            {name: param.type for name, param in declared.items()},
        )

    def hold(self, when: str) -> bool:
        """Whether a step with this `when` stands: `test`, or `not test`."""
        wanted, name = condition(when)
        return (name in self.given) is wanted


@dataclass(slots=True)
class Filled:
    """A body with values put in, and where each part of it is from."""

    tree: dict[str, Any] = field(default_factory=dict)
    places: dict[Path, Path] = field(default_factory=dict)
    """From a path in `tree` to the path in the workflow's file."""
    params: dict[Path, tuple[str, ...]] = field(default_factory=dict)
    """The parameters that made what stands at a path of `tree`."""

    def place_of(self, path: Path) -> Path:
        """Where in the workflow's file that is made which stands at `path`, or would stand there."""
        for length in range(len(path), 0, -1):
            if path[:length] in self.places:
                return (*self.places[path[:length]], *path[length:])
        return path

    def params_of(self, path: Path) -> tuple[str, ...]:
        """The parameters that made what stands at `path`, or what it is a part of."""
        for length in range(len(path), 0, -1):
            if path[:length] in self.params:
                return self.params[path[:length]]
        return ()


def condition(when: str) -> tuple[bool, str]:
    """Read a step's `when`: whether the parameter has to be given, and its name."""
    words = when.split()
    return (False, words[1]) if len(words) == 2 and words[0] == "not" else (True, when.strip())


def fill_body(body: Mapping[str, Any], arguments: Arguments) -> Filled:
    """Put values into the body of a workflow that was checked."""
    filled = Filled()
    _Filling(arguments, filled).table(body, (), (), filled.tree)
    return filled


def standing(steps: Sequence[Mapping[str, Any]], arguments: Arguments) -> list[tuple[int, dict[str, Any]]]:
    """The steps that stand, with their indexes in the file. Who needs one that does not needs what that one needed.

    Two steps may share an id, as long as never both of them stand.
    """
    stands = [arguments.hold(step["when"]) if "when" in step else True for step in steps]
    there = {step["id"] for step, is_there in zip(steps, stands, strict=True) if is_there}
    out = {step["id"]: step.get("needs", []) for step in steps if step["id"] not in there}
    kept = []
    for index, step in enumerate(steps):
        if not stands[index]:
            continue
        rest = {name: value for name, value in step.items() if name != "when"}
        if "needs" in rest:
            rest["needs"] = _bridged(rest["needs"], out)
        kept.append((index, rest))
    return kept


def _bridged(needs: Sequence[str], out: Mapping[str, Sequence[str]]) -> list[str]:
    """Replace steps that do not stand by what they needed. Each is looked at once: a circle ends."""
    found: dict[str, None] = {}
    seen: set[str] = set()
    todo = list(reversed(needs))
    while todo:
        name = todo.pop()
        if name not in out:
            found.setdefault(name)
        elif name not in seen:
            seen.add(name)
            todo.extend(reversed(out[name]))
    return list(found)


class _Filling:
    """One walk through a body."""

    def __init__(self, arguments: Arguments, filled: Filled) -> None:
        self._arguments = arguments
        self._filled = filled

    def table(self, table: Mapping[str, Any], new: Path, old: Path, into: dict[str, Any]) -> None:
        for name, value in table.items():
            if not new and name == "steps":
                into[name] = self._steps(value)
                continue
            made = self._value(value, (*new, name), (*old, name))
            if made is not _LEFT_OUT:
                into[name] = made

    def _steps(self, steps: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        self._filled.places["steps",] = ("steps",)
        made: list[dict[str, Any]] = []
        for index, step in standing(steps, self._arguments):
            made.append({})
            new, old = ("steps", len(made) - 1), ("steps", index)
            self._filled.places[new] = old
            self.table(step, new, old, made[-1])
        return made

    def _value(self, value: Any, new: Path, old: Path) -> Any:
        self._filled.places[new] = old
        if isinstance(value, str):
            return self._text(value, new)
        if isinstance(value, dict):
            made: dict[str, Any] = {}
            self.table(value, new, old, made)
            return made
        if isinstance(value, list):
            return self._list(value, new, old)
        return value

    def _list(self, elements: list[Any], new: Path, old: Path) -> list[Any]:
        made: list[Any] = []
        for index, element in enumerate(elements):
            one = self._value(element, (*new, len(made)), (*old, index))
            if one is not _LEFT_OUT:
                made.append(one)
        return made

    def _text(self, text: str, new: Path) -> Any:
        parts = parse(text)
        names = tuple(dict.fromkeys(names_in(parts)))
        if names:
            self._filled.params[new] = names
        one = whole(parts)
        made: Any
        if one is not None:
            value = self._arguments.values.get(one, _LEFT_OUT)
            made = list(value) if isinstance(value, list) else value
        else:
            made = fill(parts, self._arguments.texts, self._arguments.given)
            made = _LEFT_OUT if made is None else made
        if made is _LEFT_OUT:
            # Its place in a list is the next one's.
            self._filled.params.pop(new, None)
            self._filled.places.pop(new, None)
        return made
