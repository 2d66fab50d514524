"""The parameters of a workflow: how one is declared, and whether a value fits. Pure."""

from __future__ import annotations

import json
import math
import re
import shlex
from collections.abc import Mapping
from difflib import get_close_matches
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import AfterValidator, Field, StrictFloat

from handoff.document_error import MOST_ERRORS
from handoff.fields import Document, Flag, Problem, Prose, matching, problem

Kind = Literal["string", "integer", "number", "boolean", "list", "choice", "command"]

LONGEST_MATCHED = 10_000
"""Characters of a text that is held against a `pattern`: some patterns need very long for long texts."""
_SHOWN = 60
_SIZED = {"string": "characters", "list": "entries", "command": "words"}

ParamName = Annotated[
    str,
    matching(
        r"[a-z][a-z0-9_-]{0,39}", "is no name of a parameter", "a-z, 0-9, _ and -; it begins with a letter"
    ),
]


def _a_pattern(text: str) -> str:
    try:
        re.compile(text)
    except (re.error, OverflowError, RecursionError):
        raise problem("is no regular expression", 'a pattern as Python reads it, like "[a-z]+"') from None
    return text


class Param(Document):
    """One parameter as a workflow's file declares it."""

    type: Kind
    """What it is: string, integer, number, boolean, list (of strings), choice (one of `values`), or command (a program
    and its arguments)."""
    description: Prose
    """What it is for, in a sentence."""
    required: Flag = False
    """Whether it has to be given, and not empty."""
    default: Any = None
    """What holds where it is not given; without one the fields that need it are left out."""
    example: Any = None
    """A value that somebody might give; by it the workflow is tried when its file is read."""
    values: tuple[str, ...] = ()
    """What a choice may be."""
    min: Annotated[StrictFloat, Field(allow_inf_nan=False)] | None = None
    """The least number; of a string, a list or a command the least length."""
    max: Annotated[StrictFloat, Field(allow_inf_nan=False)] | None = None
    """The greatest number; of a string, a list or a command the greatest length."""
    pattern: Annotated[str, AfterValidator(_a_pattern)] | None = None
    """A regular expression that a whole string, or each entry of a list, must match."""


class Misfit(NamedTuple):
    """Why a value is none for its parameter, and what was expected."""

    message: str
    hint: str


def check_params(
    declared: Mapping[str, Param], given: Mapping[str, Any]
) -> tuple[dict[str, Any], list[Problem]]:
    """Return the values that hold, defaults filled in, and everything that is wrong with the given ones.

    A parameter that is not given and has no default is left out of the values.
    """
    unknown = [name for name in given if name not in declared]
    problems = [
        Problem(("params", name), f"there is no parameter {shown(name)}", _nearest(name, declared))
        for name in unknown[:MOST_ERRORS]
    ]
    if len(unknown) > MOST_ERRORS:
        more = f"and {len(unknown) - MOST_ERRORS} more parameters that are not there"
        problems.append(Problem(("params",), more, "repair these first"))
    values: dict[str, Any] = {}
    for name, param in declared.items():
        value = given.get(name)
        if value is None:
            if param.required:
                problems.append(
                    Problem(
                        ("params", name),
                        "this parameter is required, and missing",
                        f"{param.description.strip()} ({wanted(param)})",
                    )
                )
            elif param.default is not None:
                values[name] = param.default
            continue
        misfit = misfit_of(param, value)
        if misfit is None:
            values[name] = value
        else:
            problems.append(Problem(("params", name), misfit.message, misfit.hint))
    return values, problems


def misfit_of(param: Param, value: Any) -> Misfit | None:
    """Say why a value does not fit; None: it does."""
    if not is_of(param.type, value):
        return Misfit(f"{shown(value)} is {_kind_of(value)}", wanted(param))
    if param.type == "choice":
        return None if value in param.values else _no_choice(param, value)
    texts = value if isinstance(value, list) else [value] if isinstance(value, str) else []
    if any("\0" in text for text in texts):
        return Misfit("holds a NUL character", "leave it out: no program can be given such text")
    if (param.required and value in ("", [])) or (
        param.type == "string" and param.required and not value.strip()
    ):
        return Misfit("is empty", wanted(param))
    if param.type == "command" and (not value or not value[0].strip()):
        return Misfit("names no program", wanted(param))
    return _beyond(param, value) or _unmatched(param, texts)


def written(param: Param, value: Any) -> str:
    """Write a value as it stands within a text: entries of a list with commas, a command as a shell would read it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return shlex.join(value) if param.type == "command" else ", ".join(value)
    return str(value)


def wanted(param: Param) -> str:
    """Say what a value of this parameter looks like: `a whole number from 1 to 5, without quotes`."""
    match param.type:
        case "integer" | "number":
            kind = "a whole number" if param.type == "integer" else "a number"
            return f"{kind}{_span(param)}, without quotes"
        case "boolean":
            return "true or false, without quotes"
        case "choice":
            return f"one of: {', '.join(json.dumps(one, ensure_ascii=False) for one in param.values)}"
        case "list":
            return f'a list of texts{_length(param)}: ["…", "…"]{_pattern(param)}'
        case "command":
            return 'a program and its arguments: ["make", "test"]'
        case "string":
            return f"text in quotes{_length(param)}{_pattern(param)}"


def kind_in_words(param: Param) -> str:
    """Name a parameter's type with its limits, for a table: `integer from 1 to 5`."""
    if param.type == "choice":
        return " | ".join(param.values)
    return f"{param.type}{_length(param) if param.type in _SIZED else _span(param)}{_pattern(param)}"


def shown(value: Any) -> str:
    """Show a value, if it is short, else speak of it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return f'"{value}"' if len(value) <= _SHOWN and value.isprintable() else "this text"
    if isinstance(value, int | float) and len(repr(value)) <= _SHOWN:
        return str(value)
    return "this"


def fault_of(param: Param) -> Problem | None:
    """Say what is wrong with a declaration whose single fields are right; None: nothing. The path is within it."""
    if param.type == "choice" and not param.values:
        return Problem(("values",), "a choice has nothing to choose from", 'values = ["one", "another"]')
    if param.values and param.type != "choice":
        return Problem(
            ("values",), f"`values` belong to a choice, and this is a {param.type}", 'type = "choice"'
        )
    if param.required and param.default is not None:
        return Problem(("default",), "a parameter that is required needs no default", "leave one of them out")
    for name in ("min", "max"):
        if getattr(param, name) is not None and param.type in {"boolean", "choice"}:
            return Problem((name,), f"a {param.type} has no {name}", "leave it out")
    if param.min is not None and param.max is not None and param.min > param.max:
        return Problem(("max",), "`max` is less than `min`", "a greater one")
    if param.pattern is not None and param.type not in {"string", "list"}:
        return Problem(("pattern",), f"a {param.type} has no pattern", "leave it out")
    for name in ("default", "example"):
        value = getattr(param, name)
        misfit = misfit_of(param, value) if value is not None else None
        if misfit:
            return Problem((name,), misfit.message, misfit.hint)
    return None


def is_nothing(value: Any) -> bool:
    """Whether a value counts as none: left out, empty or false. Zero is a value."""
    return value is None or value is False or value in ("", [])


def sample(param: Param) -> Any:
    """Return a value that somebody might give: the example, the default, else one that is made up."""
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


def is_of(kind: Kind, value: Any) -> bool:
    """Whether a value, as a document holds it, is of a kind."""
    match kind:
        case "string" | "choice":
            return isinstance(value, str)
        case "integer":
            return isinstance(value, int) and not isinstance(value, bool)
        case "number":
            return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
        case "boolean":
            return isinstance(value, bool)
        case "list" | "command":
            return isinstance(value, list) and all(isinstance(one, str) for one in value)


def _kind_of(value: Any) -> str:
    if isinstance(value, bool):
        return "true or false"
    for kind, words in ((str, "text"), (int, "a whole number"), (float, "a number, and not a whole one")):
        if isinstance(value, kind):
            return words
    if isinstance(value, list):
        return "a list" if all(isinstance(one, str) for one in value) else "a list of other things than texts"
    return "a table" if isinstance(value, dict) else "a date or a time"


def _no_choice(param: Param, value: str) -> Misfit:
    near = get_close_matches(value[:_SHOWN], param.values, n=1)
    return Misfit(
        f"{shown(value)} is not known here", f"did you mean {shown(near[0])}?" if near else wanted(param)
    )


def _beyond(param: Param, value: Any) -> Misfit | None:
    size = len(value) if isinstance(value, str | list) else value
    if isinstance(value, bool):
        return None
    if (param.min is not None and size < param.min) or (param.max is not None and size > param.max):
        unit = f" with {size} {_SIZED[param.type]}" if param.type in _SIZED else ""
        return Misfit(f"{shown(value)}{unit} is out of range", wanted(param))
    return None


def _unmatched(param: Param, texts: list[str]) -> Misfit | None:
    if param.pattern is None:
        return None
    for text in texts:
        if len(text) > LONGEST_MATCHED:
            return Misfit(f"is longer than {LONGEST_MATCHED} characters", wanted(param))
        if re.fullmatch(param.pattern, text) is None:
            return Misfit(f"{shown(text)} does not match the pattern", wanted(param))
    return None


def _nearest(name: str, declared: Mapping[str, Param]) -> str:
    near = get_close_matches(name[:_SHOWN], declared, n=1) or get_close_matches(
        name[:_SHOWN].lower(), declared, n=1
    )
    if near:
        return f"did you mean `{near[0]}`?"
    return f"the parameters here are: {', '.join(declared)}" if declared else "it takes none; leave it out"


def _span(param: Param) -> str:
    if param.min is not None and param.max is not None:
        return f" from {param.min:g} to {param.max:g}"
    if param.min is not None:
        return f" of at least {param.min:g}"
    return f" of at most {param.max:g}" if param.max is not None else ""


def _length(param: Param) -> str:
    span = _span(param)
    return f"{span} {_SIZED[param.type]}" if span else ""


def _pattern(param: Param) -> str:
    return f", matching {param.pattern}" if param.pattern else ""
