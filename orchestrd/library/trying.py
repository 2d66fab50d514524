"""A workflow is tried when its file is read; what comes of it must be a plan each time. Pure.

It is tried with every parameter, with none that can be left out, with all but one, with one alone. Where something is
wrong with it already, once with every parameter, so that the rest is told at once: what is wrong is mended for the try
as well as can be, and nothing is told of the places where it stands.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from difflib import get_close_matches
from typing import Any

from handoff.fields import Path, Problem
from handoff.plain_errors import NO_SUCH_FIELD
from orchestrd.library.becoming import problems_of_tree
from orchestrd.library.filling import Arguments, fill_body
from orchestrd.library.params import Param, is_nothing, sample, shown
from orchestrd.library.placeholders import Place
from orchestrd.library.template import BRACES

Trial = tuple[str, dict[str, Any]]
"""In words what is special about it, and values."""
_STAND_IN = Param(type="string", description="Of one that is not declared, or not as it should be")


def tried(
    declared: Mapping[str, Param], body: Mapping[str, Any], places: Sequence[Place], out: Collection[Path]
) -> list[Problem]:
    """Tell what is wrong with the plans that come of a workflow's body.

    `places` are all that ask for parameters; `out` those, and others, with which something is wrong already.
    """
    if not out:
        return _tried(declared, body, _trials(declared))
    params = {name: _STAND_IN for place in places for name in place.names} | dict(declared)
    everything = next(_trials(params))
    found = _tried(params, _mended(body, places), [everything])
    return [
        problem for problem in found if not any(problem.path[: len(path)] == path for path in out if path)
    ]


def _mended(body: Mapping[str, Any], places: Sequence[Place]) -> dict[str, Any]:
    """A body that can be filled, whatever was written."""
    mended = dict(body)
    for place in places:
        if place.fault and place.path[0] in mended and place.text != place.path[-1]:
            mended[str(place.path[0])] = _with(mended[str(place.path[0])], place.path[1:], place.text)
    if "steps" in mended:
        written = mended["steps"]
        steps = written if isinstance(written, list) and written else [None]
        mended["steps"] = [_mended_step(step, index) for index, step in enumerate(steps)]
    return mended


def _with(value: Any, path: Path, text: str) -> Any:
    """The same value with a text, as it can be put in, at a path."""
    if not path:
        return text.replace(BRACES, "")
    copied: Any = dict(value) if isinstance(value, dict) else list(value)
    copied[path[0]] = _with(copied[path[0]], path[1:], text)
    return copied


def _mended_step(step: Any, index: int) -> dict[str, Any]:
    if not isinstance(step, dict):
        step = {"run": ["true"]}
    name, needs, when = step.get("id"), step.get("needs", []), step.get("when", "x")
    mended = {**step, "id": name if isinstance(name, str) else f"step-{index}"}
    if not isinstance(needs, list) or not all(isinstance(one, str) for one in needs):
        del mended["needs"]
    if not isinstance(when, str) or not when.strip():
        del mended["when"]
    return mended


def _tried(declared: Mapping[str, Param], body: Mapping[str, Any], trials: Iterable[Trial]) -> list[Problem]:
    found: dict[tuple[Path, str], Problem] = {}
    for words, values in trials:
        filled = fill_body(body, Arguments.of(declared, values))
        tree = {"handoff": 1, "project": "/project", **filled.tree}
        for problem in problems_of_tree(tree):
            hint = "did you mean `when`?" if _is_like_when(problem) else problem.hint
            tried = [f"{name} = {shown(values.get(name))}" for name in filled.params_of(problem.path)]
            if tried and not words:
                hint = f"{hint} (tried with {', '.join(tried)}; an `example` would be taken instead)".lstrip()
            place = filled.place_of(problem.path)
            found.setdefault((place, problem.message), Problem(place, problem.message + words, hint))
    return list(found.values())


def _is_like_when(problem: Problem) -> bool:
    """Whether it is told of the one field that a step has in workflows only."""
    path = problem.path
    if len(path) != 3 or path[0] != "steps" or problem.message != NO_SUCH_FIELD:
        return False
    return bool(get_close_matches(str(path[2])[:16].lower(), ["when"]))


def _trials(declared: Mapping[str, Param]) -> Iterator[Trial]:
    """Values to try a workflow with, and in words what is special about them."""
    everything = {name: sample(param) for name, param in declared.items()}
    yield "", everything
    optional = [name for name, param in declared.items() if _may_be_out(param)]
    for name in optional:
        yield f", where `{name}` is not given", _without(everything, declared, {name})
    if len(optional) > 1:
        yield ", where nothing is given that may be left out", _without(everything, declared, set(optional))
        for name in optional:
            out = set(optional) - {name}
            yield f", where only `{name}` is given", _without(everything, declared, out)


def _may_be_out(param: Param) -> bool:
    """Whether a parameter can be without a value, or its sections and steps can fall away."""
    return param.type == "boolean" or (not param.required and is_nothing(param.default))


def _without(everything: Mapping[str, Any], declared: Mapping[str, Param], out: set[str]) -> dict[str, Any]:
    """The samples, but those of `out` as they are where they do not hold."""
    values = dict(everything)
    for name in out:
        param = declared[name]
        if param.type == "boolean":
            values[name] = False
        elif param.default is not None:
            values[name] = param.default
        else:
            del values[name]
    return values
