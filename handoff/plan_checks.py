"""What must hold between the fields of a plan.

It works on what was written, not on what was validated: a plan with a mistyped limit and a cycle has two errors, and
both are told. So any value here may have any type, and one of the wrong type is left to its field's own check.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from difflib import get_close_matches
from typing import Any

from pydantic import TypeAdapter, ValidationError

from handoff.fields import Instant, Problem

_MOST_GUESSED = 10
"""Unknown needs of which it is found out which step was meant; of more, all that there are is told."""
_MOST_COMPARED = 100
"""Steps among which that is looked for."""
_LONGEST_COMPARED = 64

ONE_OF = "give exactly one of `prompt`, `[[steps]]` and `workflow`"


def problems_of_plan(given: Mapping[str, Any]) -> list[Problem]:
    """Return everything that is wrong between the fields of a plan."""
    return [*_work(given), *_times(given), *_steps(given)]


def _work(given: Mapping[str, Any]) -> Iterator[Problem]:
    kinds = [name for name in ("prompt", "steps", "workflow") if given.get(name) not in (None, (), [])]
    if not kinds:
        yield Problem((), "there is nothing to do: no `prompt`, no `steps`, no `workflow`", ONE_OF)
    for extra in kinds[1:]:
        yield Problem((extra,), f"`{extra}` stands beside `{kinds[0]}`", ONE_OF)
    if given.get("params") and "workflow" not in kinds:
        yield Problem(
            ("params",),
            "`params` belong to a workflow, and there is none",
            "leave it out, or name a `workflow`",
        )


def _times(given: Mapping[str, Any]) -> Iterator[Problem]:
    start, end = (_instant(given.get(name)) for name in ("not_before", "expires"))
    if start and end and end <= start:
        yield Problem(("expires",), "`expires` is not later than `not_before`", "a time after `not_before`")


_INSTANT: TypeAdapter[datetime] = TypeAdapter(Instant)


def _instant(value: Any) -> datetime | None:
    try:
        return _INSTANT.validate_python(value)
    except ValidationError:
        return None


def _steps(given: Mapping[str, Any]) -> Iterator[Problem]:
    written = given.get("steps")
    if not isinstance(written, Sequence) or isinstance(written, str):
        return
    steps = [step if isinstance(step, Mapping) else {} for step in written]
    first: dict[str, int] = {}
    for index, step in enumerate(steps):
        yield from _step(step, ("steps", index))
        name = step.get("id")
        if isinstance(name, str) and first.setdefault(name, index) != index:
            yield Problem(
                ("steps", index, "id"),
                f"steps[{first[name]}] has this id too",
                "an id of its own for each step",
            )
    yield from _needs(steps, first)


def _step(step: Mapping[str, Any], path: tuple[str | int, ...]) -> Iterator[Problem]:
    has = [name for name in ("prompt", "run") if step.get(name) is not None]
    if not has:
        yield Problem(
            path, "this step has neither `prompt` nor `run`", "give exactly one of `prompt` and `run`"
        )
    if len(has) > 1:
        yield Problem(
            (*path, "run"), "`run` stands beside `prompt`", "give exactly one of `prompt` and `run`"
        )
    if has == ["run"]:
        for name in _OF_A_MODEL:
            if step.get(name):
                yield Problem(
                    (*path, name),
                    f"`{name}` belongs to a step with a `prompt`",
                    "leave it out of a `run` step",
                )
    if step.get("expands") and step.get("output_schema") is not None:
        yield Problem(
            (*path, "output_schema"),
            "the output of a step that `expands` is further steps, which have a schema of their own",
            "leave out one of `output_schema` and `expands`",
        )


_OF_A_MODEL = (
    "agent",
    "output_schema",
    "expands",
    "model",
    "fallback_model",
    "effort",
    "system_prompt_append",
    "permissions",
    "mcp",
)
"""What a command could only ignore."""


def _needs(steps: list[Mapping[str, Any]], first: Mapping[str, int]) -> Iterator[Problem]:
    graph: dict[int, list[int]] = {}
    unknown = 0
    for index, step in enumerate(steps):
        needs = step.get("needs")
        graph[index] = []
        for at, name in enumerate(needs if isinstance(needs, list | tuple) else ()):
            if not isinstance(name, str):
                continue
            if name in first:
                graph[index].append(first[name])
            else:
                unknown += 1
                hint = _nearest(name, first) if unknown <= _MOST_GUESSED else _known(first)
                yield Problem(("steps", index, "needs", at), f"there is no step {name[:80]!r}", hint)
    cycle = _cycle(graph)
    if cycle:
        names = " → ".join(_shown(str(steps[index].get("id"))) for index in [*cycle, cycle[0]][:12])
        yield Problem(
            ("steps", cycle[0], "needs"),
            f"these steps need one another in a circle: {names}",
            "leave one of them out: such steps never start",
        )


def _nearest(name: str, first: Mapping[str, int]) -> str:
    names = [one for one in first if len(one) <= _LONGEST_COMPARED][:_MOST_COMPARED]
    wanted = name[:_LONGEST_COMPARED]
    near = get_close_matches(wanted, names, n=1) or get_close_matches(wanted.lower(), names, n=1)
    return f"did you mean `{_shown(near[0])}`?" if near else _known(first)


def _known(first: Mapping[str, int]) -> str:
    names = list(first)
    return (
        "the steps here are: "
        + ", ".join(_shown(name) for name in names[:10])
        + (", …" if len(names) > 10 else "")
    )


def _shown(name: str) -> str:
    """A name in the words of an error, which are text: half a surrogate pair is none, and is told by its number."""
    return name[:80].encode("utf-8", "backslashreplace").decode()


def _cycle(graph: Mapping[int, list[int]]) -> list[int]:
    """Return the steps of one cycle in its order, or nothing. Without recursion: a chain may be long."""
    done: set[int] = set()
    for start in graph:
        way: list[int] = []
        place: dict[int, int] = {}
        todo = [(start, False)]
        while todo:
            node, leaving = todo.pop()
            if leaving:
                way.pop()
                del place[node]
                done.add(node)
            elif node in place:
                return way[place[node] :]
            elif node not in done:
                place[node] = len(way)
                way.append(node)
                todo.append((node, True))
                todo.extend((need, False) for need in graph[node])
    return []
