"""The part of YAML that front matter needs: tables, lists, text, numbers, true and false, dates.

Anchors, aliases and tags are refused, so nothing can be multiplied or constructed. Plain words are read as YAML 1.2
does: `no`, `on` and `1:30` are text, whatever YAML 1.1 makes of them.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

import yaml

from handoff.document_error import DocumentError, FieldError, Path, path_text
from handoff.wholesome import MOST_VALUES

# The C reader is twenty times as fast; where PyYAML was built without it, the one in Python tells the same.
_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

_WHOLE = re.compile(r"[-+]?\d+", re.ASCII)
_REAL = re.compile(r"[-+]?(\.\d+|\d+(\.\d*)?)([eE][-+]?\d+)?", re.ASCII)
_NO_NUMBER = re.compile(r"[-+]?\.(inf|Inf|INF|nan|NaN|NAN)")
_DATE = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_INSTANT = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)?", re.ASCII)
_WORDS: dict[str, Any] = {
    "": None,
    "~": None,
    **dict.fromkeys(("null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
_DEEPEST = 64


@dataclass(slots=True)
class YamlTree:
    """What was read, the line of each value, and what is wrong with how it was written."""

    tree: dict[str, Any]
    lines: dict[Path, int] = field(default_factory=dict)
    faults: list[FieldError] = field(default_factory=list)


@dataclass(slots=True)
class _Open:
    """A list or table that is being filled."""

    value: dict[str, Any] | list[Any]
    path: Path
    name: str | None = None


def read_yaml(text: str) -> YamlTree:
    """Read one YAML document, which must be a table. Raises DocumentError where it is none."""
    builder = _Builder()
    try:
        for event in yaml.parse(text, _Loader):
            builder.take(event)
    except yaml.YAMLError as error:
        raise DocumentError([_yaml_error(error)]) from None
    except RecursionError:
        raise _cannot("lists and tables stand inside one another too deeply", 1) from None
    if not isinstance(builder.root, dict):
        raise _cannot("the front matter is not a table", 1)
    return YamlTree(builder.root, builder.lines, builder.faults)


class _Builder:
    """Makes the tree of the reader's events."""

    def __init__(self) -> None:
        self.root: Any = None
        self.lines: dict[Path, int] = {}
        self.faults: list[FieldError] = []
        self.inside: list[_Open] = []
        self.documents = 0
        self.values = 0

    def take(self, event: Any) -> None:
        line = event.start_mark.line + 1
        match event:
            case yaml.DocumentStartEvent():
                self.documents += 1
                if self.documents > 1:
                    raise _cannot("there is a second document", line)
            case yaml.ScalarEvent():
                self._refuse_marks(event, line)
                self._scalar(event, line)
            case yaml.MappingStartEvent() | yaml.SequenceStartEvent():
                self._refuse_marks(event, line)
                self._open({} if isinstance(event, yaml.MappingStartEvent) else [], line)
            case yaml.MappingEndEvent() | yaml.SequenceEndEvent():
                self.inside.pop()
            case yaml.AliasEvent():
                raise _cannot("aliases (*name) are not read", line, "write the value out")
            case _:
                return

    def _refuse_marks(self, event: Any, line: int) -> None:
        if event.anchor is not None:
            raise _cannot("anchors (&name) are not read", line, "write the value out where it is needed")
        if event.tag is not None and event.tag != "!":
            raise _cannot("tags (!name) are not read", line, "leave the tag out")

    def _scalar(self, event: Any, line: int) -> None:
        here = self.inside[-1] if self.inside else None
        if here is not None and isinstance(here.value, dict) and here.name is None:
            self._name(here, event.value, line)
        else:
            self._put(event.value if event.style else _plain(event.value), line)

    def _name(self, here: _Open, name: str, line: int) -> None:
        path = (*here.path, name)
        if name in here.value:
            self.faults.append(
                FieldError(path_text(path), "this field stands here twice", "each field once", line)
            )
        here.name = name
        self.lines.setdefault(path, line)

    def _open(self, value: dict[str, Any] | list[Any], line: int) -> None:
        here = self.inside[-1] if self.inside else None
        if here is not None and isinstance(here.value, dict) and here.name is None:
            raise _cannot("a field's name must be text", line, "a word before the colon")
        if len(self.inside) >= _DEEPEST:
            raise _cannot(
                "lists and tables stand inside one another too deeply", line, f"{_DEEPEST} levels at most"
            )
        self.inside.append(_Open(value, self._put(value, line)))

    def _put(self, value: Any, line: int) -> Path:
        self.values += 1
        if self.values > MOST_VALUES:
            raise _cannot("the document holds too many values", 1, f"{MOST_VALUES:,} at most")
        here = self.inside[-1] if self.inside else None
        path: Path = ()
        if here is None:
            self.root = value
        elif isinstance(here.value, list):
            path = (*here.path, len(here.value))
            here.value.append(value)
        else:
            assert here.name is not None  # noqa: S101 - `_scalar` and `_open` have seen to it
            path = (*here.path, here.name)
            here.value[here.name] = value
            here.name = None
        self.lines.setdefault(path, line)
        return path


def _plain(word: str) -> Any:
    """Read a word without quotes by the core schema of YAML 1.2, and dates as TOML does."""
    if word in _WORDS:
        return _WORDS[word]
    if _WHOLE.fullmatch(word):
        return int(word) if len(word) <= 20 else math.inf
    if _REAL.fullmatch(word):
        return float(word)
    if _NO_NUMBER.fullmatch(word):
        return math.nan
    try:
        if _DATE.fullmatch(word):
            return date.fromisoformat(word)
        if _INSTANT.fullmatch(word):
            return datetime.fromisoformat(word.upper())
    except ValueError:
        return word
    return word


def _yaml_error(error: yaml.YAMLError) -> FieldError:
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    what = getattr(error, "problem", None) or getattr(error, "reason", None) or "it cannot be read"
    hint = "YAML; text with a colon or a bracket stands in quotes"
    return FieldError("", f"this is not YAML: {what}", hint, mark.line + 1 if mark else 1)


def _cannot(message: str, line: int, hint: str = "a table of fields: `name: value`") -> DocumentError:
    return DocumentError([FieldError("", message, hint, line)])
