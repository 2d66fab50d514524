"""What must hold within a workflow's file, beyond the kinds of its fields. Pure.

It works on what was written, values of any type, so that all that is wrong is told at once. At the end the workflow is
tried: with every parameter, with none that can be left out, with all but one, with one alone. What comes of it must be
a plan each time.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from typing import Any

from pydantic import TypeAdapter, ValidationError

from handoff.fields import Path, Problem
from orchestrd.library.becoming import problems_of_tree
from orchestrd.library.filling import Arguments, fill_body
from orchestrd.library.params import Kind, Param, ParamName, fault_of, is_nothing, shown
from orchestrd.library.placeholders import Place, fault_of_place, places_in

MOST_PARAMS = 32
"""A workflow is tried twice for each that may be left out; and who would fill in more of them?"""
_MOST_TOLD = 100
_NAME: TypeAdapter[str] = TypeAdapter(ParamName)
_LONGEST_SHOWN = 60


def problems_of_workflow(given: Mapping[str, Any], body: Mapping[str, Any]) -> list[Problem]:
    """Return everything that is wrong between the fields of a workflow's file; `body` are those of a plan."""
    written = given.get("params", {})
    names = set(written) if isinstance(written, dict) else set()
    if len(names) > MOST_PARAMS:
        return [Problem(("params",), f"there are {len(names)} parameters", f"{MOST_PARAMS} at most")]
    declared, problems = _declared(written)
    found = list(places_in(body))
    problems += _of_placeholders(found, names, declared)
    problems += _unused(names, found)
    if problems or len(declared) != len(names):
        return problems[:_MOST_TOLD]
    shape = list(_of_shape(body))
    return shape or _tried(declared, body)[:_MOST_TOLD]


def _declared(written: Any) -> tuple[dict[str, Param], list[Problem]]:
    """The declarations that are right by themselves, and what is wrong between the fields of one."""
    declared: dict[str, Param] = {}
    problems: list[Problem] = []
    for name, one in written.items() if isinstance(written, dict) else ():
        try:
            _NAME.validate_python(name)
            param = Param.model_validate(one)
        except ValidationError:
            continue  # told by the model
        fault = fault_of(param)
        if fault:
            problems.append(Problem(("params", name, *fault.path), fault.message, fault.hint))
        else:
            declared[name] = param
    return declared, problems


def _of_placeholders(found: list[Place], names: set[str], declared: Mapping[str, Param]) -> Iterator[Problem]:
    kinds: dict[str, Kind] = {name: param.type for name, param in declared.items()}
    for place in found:
        if place.fault:
            yield Problem(place.path, *place.fault)
            continue
        unknown = [name for name in place.names if name not in names]
        for name in unknown:
            yield Problem(place.path, f"there is no parameter {shown(name)}", _nearest(name, names))
        fault = None if unknown else fault_of_place(place, kinds)
        if fault:
            yield Problem(place.path, *fault)


def _unused(names: set[str], found: list[Place]) -> Iterator[Problem]:
    used = {name for place in found for name in place.names}
    for name in sorted(names - used):
        yield Problem(
            ("params", name),
            "nothing uses this parameter",
            f"{{{{{name}}}}} where it is wanted; or leave it out",
        )


def _nearest(name: str, names: set[str]) -> str:
    near = get_close_matches(name[:_LONGEST_SHOWN], sorted(names), n=1)
    if near:
        return f"did you mean `{near[0]}`?"
    return (
        f"declare it: [params.{name[:_LONGEST_SHOWN]}]" if name.isidentifier() else "the name of a parameter"
    )


def _of_shape(body: Mapping[str, Any]) -> Iterator[Problem]:
    """What has to be as it is for steps to be left out at all."""
    steps = body.get("steps", [])
    if not isinstance(steps, list):
        yield Problem(("steps",), "this is no list of steps", "[[steps]] before each")
        return
    for index, step in enumerate(steps):
        path: Path = ("steps", index)
        if not isinstance(step, dict):
            yield Problem(path, "this is no step", "a table")
            continue
        if not isinstance(step.get("id"), str):
            yield Problem((*path, "id"), "a step has an id, text in quotes", 'id = "test"')
        needs = step.get("needs", [])
        if not isinstance(needs, list) or not all(isinstance(one, str) for one in needs):
            yield Problem((*path, "needs"), "this is no list of ids", 'needs = ["test"]')


def _tried(declared: Mapping[str, Param], body: Mapping[str, Any]) -> list[Problem]:
    found: dict[tuple[Path, str], Problem] = {}
    for words, values in _trials(declared):
        filled = fill_body(body, Arguments.of(declared, values))
        tree = {"handoff": 1, "project": "/project", **filled.tree}
        for problem in problems_of_tree(tree):
            hint = problem.hint
            tried = [f"{name} = {shown(values.get(name))}" for name in filled.params_of(problem.path)]
            if tried and not words:
                hint = f"{hint} (tried with {', '.join(tried)}; an `example` would be taken instead)".lstrip()
            place = filled.place_of(problem.path)
            found.setdefault((place, problem.message), Problem(place, problem.message + words, hint))
    return list(found.values())


def _trials(declared: Mapping[str, Param]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Values to try a workflow with, and in words what is special about them."""
    everything = {name: _sample(param) for name, param in declared.items()}
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


def _sample(param: Param) -> Any:
    for value in (param.example, param.default):
        if not is_nothing(value):
            return value
    match param.type:
        case "boolean":
            return True
        case "integer" | "number":
            least = (
                param.min if param.min is not None else min(1.0, param.max if param.max is not None else 1.0)
            )
            return int(least) if param.type == "integer" else least
        case "choice":
            return param.values[0]
        case "list" | "command":
            return ["x"]
        case "string":
            return "x"
