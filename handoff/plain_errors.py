"""What a value is refused for, in words that somebody who knows neither Python nor this program understands."""

from __future__ import annotations

import types
from collections.abc import Callable, Iterator, Mapping
from datetime import date, time
from difflib import get_close_matches
from enum import Enum
from functools import cache, partial
from typing import Any, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError

from handoff.document_error import MOST_ERRORS, FieldError, Lines, Path, line_at, path_text

NO_SUCH_FIELD = "there is no such field"
_SHOWN = 60
_MOST_BITS = 128
_LONGEST_NAME = 64

_WANTED = {
    "string": "text in quotes",
    "int": "a whole number, without quotes",
    "float": "a number, without quotes",
    "bool": "true or false, without quotes",
    "model": "a table",
    "dict": "a table",
    "tuple": 'a list: ["…", "…"]',
    "list": 'a list: ["…", "…"]',
}
_KINDS: tuple[tuple[type, str], ...] = (
    (str, "text"),
    (int, "a number"),
    (float, "a number, and not a whole one"),
    (dict, "a table"),
    (list, "a list"),
    (date, "a date"),
    (time, "a time"),
)
_BOUNDS = {
    "greater_than": ("gt", "greater than"),
    "greater_than_equal": ("ge", "at least"),
    "less_than": ("lt", "less than"),
    "less_than_equal": ("le", "at most"),
}


MOST_EXPLAINED = 1000
"""Errors that are put into words; of those that come after, only their number matters."""


def explain(model: type[BaseModel], error: ValidationError, lines: Lines) -> list[FieldError]:
    """Put the errors of a document, MOST_EXPLAINED at most, into plain words, each with its place in the document."""
    found = error.errors(include_url=False)[:MOST_EXPLAINED]
    # Of a thousand steps without an id each lacks the same: looked up once.
    described = cache(partial(_description, model))
    told = [
        _explain(model, one, lines, described, with_names=index < MOST_ERRORS)
        for index, one in enumerate(found)
    ]
    first: dict[str, FieldError] = {}
    for one in told:
        first.setdefault(one.path, one)
    return list(first.values())


def _explain(
    model: type[BaseModel],
    error: Mapping[str, Any],
    lines: Lines,
    described: Callable[[Path], str | None],
    *,
    with_names: bool,
) -> FieldError:
    path: Path = tuple(part for part in error["loc"] if part != "[key]")
    message, hint = _words(error)
    if error["type"] == "extra_forbidden":
        hint = _nearest(model, path) if with_names else None
    elif error["type"] == "missing":
        hint = described(tuple(0 if isinstance(part, int) else part for part in path))
    return FieldError(path_text(path), message, hint, line_at(lines, path))


def _words(error: Mapping[str, Any]) -> tuple[str, str | None]:
    kind, value, context = error["type"], error["input"], error.get("ctx", {})
    if kind == "missing":
        return "this field is required, and missing", None
    if kind == "extra_forbidden":
        return NO_SUCH_FIELD, None
    if "hint" in context:
        # The place is a key where "[key]" ends the path: then the key itself is what was refused.
        return f"{_shown(value)} {error['msg']}", str(context["hint"])
    if kind in {"literal_error", "enum"}:
        return f"{_shown(value)} is not known here", f"one of: {_options(str(context['expected']))}"
    if kind in _BOUNDS:
        name, words = _BOUNDS[kind]
        return f"{_shown(value)} is out of range", f"{words} {context[name]:g}"
    wanted = next((words for start, words in _WANTED.items() if kind.startswith(start)), None)
    if wanted:
        subject = "this" if isinstance(value, dict | list) else _shown(value)
        return f"{subject} is {_kind(value)}", wanted
    return f"{_shown(value)} cannot be used: {error['msg']}", None


def _options(expected: str) -> str:
    return expected.replace(" or ", ", ").replace("'", '"')


def _kind(value: Any) -> str:
    if isinstance(value, bool):
        return "true or false"
    return next((words for kind, words in _KINDS if isinstance(value, kind)), "nothing")


def _shown(value: Any) -> str:
    """Show what was written, if it is short, else speak of it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return f'"{value}"' if len(value) <= _SHOWN and value.isprintable() else "this text"
    if isinstance(value, int) and value.bit_length() > _MOST_BITS:
        # Python writes no whole number of more than 4,300 digits, and TOML holds such in hexadecimal.
        return "this number"
    if isinstance(value, int | float):
        return str(value)
    if isinstance(value, date | time):
        return str(value)
    if isinstance(value, dict | list):
        return "this table" if isinstance(value, dict) else "this list"
    return "this"


def _nearest(model: type[BaseModel], path: Path) -> str:
    """Name the field that was meant: one of the same table with a similar name, else one of that name elsewhere."""
    known = _fields_at(model, path[:-1])
    name = str(path[-1])
    if not known:
        return "leave it out"
    if len(name) <= _LONGEST_NAME:
        near = get_close_matches(name, known, n=1) or get_close_matches(name.lower(), known, n=1)
        if near:
            return f"did you mean `{near[0]}`?"
        elsewhere = [place for place in _places(model) if place[-1] == name]
        if elsewhere:
            return f"did you mean `{path_text(elsewhere[0])}`?"
    return "the fields here are: " + ", ".join(known)


def _places(model: type[BaseModel]) -> Iterator[Path]:
    """Yield the path of every field that stands in a table of its own (not in a list or under a free name)."""
    for name, field in model.model_fields.items():
        yield (name,)
        kind = field.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            yield from ((name, *rest) for rest in _places(kind))


def _fields_at(model: type[BaseModel], path: Path) -> list[str]:
    found = _model_at(model, path)
    return list(found.model_fields) if found else []


def _description(model: type[BaseModel], path: Path) -> str | None:
    found = _model_at(model, path[:-1])
    field = found.model_fields.get(str(path[-1])) if found else None
    if field is None or not field.description:
        return None
    kind = _without_none(field.annotation)
    if isinstance(kind, type) and issubclass(kind, Enum):
        words = ", ".join(f'"{one.value}"' for one in kind)
        return f"{field.description.rstrip('.')}; one of: {words}"
    return field.description


def _model_at(model: type[BaseModel], path: Path) -> type[BaseModel] | None:
    here: Any = model
    for part in path:
        if isinstance(here, type) and issubclass(here, BaseModel):
            field = here.model_fields.get(str(part))
            here = _without_none(field.annotation) if field else None
        elif get_origin(here) in {dict, tuple, list}:
            inner = get_args(here)
            here = _without_none(inner[1] if get_origin(here) is dict else inner[0])
        else:
            return None
    return here if isinstance(here, type) and issubclass(here, BaseModel) else None


def _without_none(kind: Any) -> Any:
    if get_origin(kind) in {Union, types.UnionType}:
        return next(one for one in get_args(kind) if one is not type(None))
    return kind
