"""What must hold within a workflow's file, beyond the kinds of its fields. Pure.

It works on what was written, values of any type, so that all that is wrong is told at once. At the end the workflow is
tried (`trying.py`), also where something is wrong already: that is left out of what is told of a try.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from typing import Any, get_args

from pydantic import TypeAdapter, ValidationError

from handoff.fields import Path, Problem
from orchestrd.library.params import Kind, Param, ParamName, fault_of, shown
from orchestrd.library.placeholders import Place, fault_of_place, places_in
from orchestrd.library.template import names_written
from orchestrd.library.trying import tried

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
    found = [*places_in({"title": given.get("title")}), *places_in(body)]
    problems += _of_placeholders(found, names, _kinds(written, declared))
    problems += _unused(names, found)
    problems += _of_shape(body)
    if len(problems) < _MOST_TOLD:
        out = {one.path for one in problems}
        out |= {place.path for place in found if place.fault or not declared.keys() >= set(place.names)}
        problems += tried(declared, body, found, out)
    return problems[:_MOST_TOLD]


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


def _kinds(written: Any, declared: Mapping[str, Param]) -> dict[str, Kind]:
    """The types of parameters, also of those in whose declarations something else is wrong."""
    known = get_args(Kind)
    kinds: dict[str, Kind] = {name: param.type for name, param in declared.items()}
    for name, one in written.items() if isinstance(written, dict) else ():
        if name not in kinds and isinstance(one, dict) and one.get("type") in known:
            kinds[name] = one["type"]
    return kinds


def _of_placeholders(found: list[Place], names: set[str], kinds: Mapping[str, Kind]) -> Iterator[Problem]:
    for place in found:
        if place.fault:
            yield Problem(place.path, *place.fault)
        asked = names_written(place.text, begun=False) if place.fault else place.names
        unknown = [name for name in dict.fromkeys(asked) if name not in names]
        for name in unknown:
            yield Problem(place.path, f"there is no parameter {shown(name)}", _nearest(name, names))
        fault = None if place.fault or not kinds.keys() >= set(place.names) else fault_of_place(place, kinds)
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
