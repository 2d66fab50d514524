"""What all documents share: the model they derive from, and the kinds of values their fields hold.

A value that is wrong is told in the words of `problem`: what was wrong, and as a hint what was expected.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, time
from typing import Annotated, Any, ClassVar, NamedTuple

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    PlainSerializer,
    StrictBool,
    StrictFloat,
    StrictInt,
    ValidationInfo,
    WithJsonSchema,
    model_validator,
)
from pydantic_core import PydanticCustomError, core_schema

from handoff.written_values import format_instant

VERSION = 1
"""The version of the protocol that this package speaks."""

IN_DOCUMENT = {"document": True}
"""Validation context of values that come from a file: quantities must carry their unit, and what several fields
must hold together is asked separately (`Document.problems_between`), so that all errors are found at once."""

Path = tuple[str | int, ...]


class Problem(NamedTuple):
    """Something wrong with several fields taken together."""

    path: Path
    message: str
    hint: str


class Document(BaseModel):
    """Something that is handed over in a lane. Unknown fields are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    body_field: ClassVar[str | None] = None
    """The field that a Markdown file's body fills; None: such a document is no Markdown."""

    @classmethod
    def problems_between(cls, given: Mapping[str, Any]) -> list[Problem]:
        """What is wrong between fields, in `given` as it was written: values of any type, or missing."""
        del given
        return []

    @model_validator(mode="after")
    def _check_between(self, info: ValidationInfo) -> Document:
        if not info.context and "problems_between" in vars(type(self)):
            for found in self.problems_between(self.model_dump(exclude_unset=True)):
                raise PydanticCustomError("between", "{message}", {"message": _sentence(found)})
        return self


def _sentence(found: Problem) -> str:
    path = ".".join(str(part) for part in found.path)
    return f"{path}: {found.message} ({found.hint})" if path else f"{found.message} ({found.hint})"


def problem(message: str, hint: str) -> PydanticCustomError:
    """Make the error of one value: what is wrong with it, and what was expected."""
    return PydanticCustomError("field", "{message}", {"message": message, "hint": hint})


def matching(pattern: str, message: str, hint: str) -> Any:
    """Make the check of a text that must match `pattern` as a whole."""
    compiled = re.compile(pattern)

    def check(text: str) -> str:
        if compiled.fullmatch(text) is None:
            raise problem(message, hint)
        return text

    return AfterValidator(check)


def _without_nul(text: str) -> str:
    if "\0" in text:
        raise problem("holds a NUL character", "leave it out: no program can be given such text")
    return text


def _not_blank(text: str) -> str:
    if not text.strip():
        raise problem("is empty", "write something, or leave the field out")
    return text


_BREAKS = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")


def _one_line(text: str) -> str:
    # Not `isprintable`: that would refuse the wide space of Japanese and the joined signs of emoji.
    if _BREAKS.search(text):
        raise problem("holds a line break or a control character", "one line of plain text")
    return text


def _no_option(text: str) -> str:
    # What is handed to a program as an argument must not be taken for one of its options.
    if text.startswith("-"):
        raise problem("begins with a dash", "a name; options cannot be given here")
    return text


def _limit(longest: int) -> Callable[[str], str]:
    def check(text: str) -> str:
        if len(text) > longest:
            raise problem(f"is longer than {longest} characters", f"{longest} characters at most")
        return text

    return check


Prose = Annotated[
    str,
    AfterValidator(_without_nul),
    AfterValidator(_not_blank),
    WithJsonSchema({"type": "string", "minLength": 1}),
]
"""Text of any length, not blank."""

Line = Annotated[
    str,
    AfterValidator(_not_blank),
    AfterValidator(_one_line),
    AfterValidator(_limit(500)),
    WithJsonSchema({"type": "string", "minLength": 1, "maxLength": 500}),
]
"""One line of text."""

LongLine = Annotated[
    str,
    AfterValidator(_not_blank),
    AfterValidator(_one_line),
    AfterValidator(_limit(4096)),
    WithJsonSchema({"type": "string", "minLength": 1, "maxLength": 4096}),
]
"""One line that may be long: a path, a rule."""

Word = Annotated[Line, AfterValidator(_no_option)]
"""One line that is handed to a program as an argument."""

Argument = Annotated[str, AfterValidator(_without_nul)]
"""An argument of a command: any text, the empty one too."""

Id = Annotated[
    str,
    matching(
        r"[a-z0-9][a-z0-9-]{0,99}",
        "is no id",
        "an id is made of a-z, 0-9 and -, and begins with a letter or digit",
    ),
    WithJsonSchema({"type": "string", "pattern": "^[a-z0-9][a-z0-9-]{0,99}$"}),
]
"""The id of a plan or a step."""

Name = Annotated[
    str,
    matching(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}", "is no name", "letters, digits, _, . and - (64 at most)"),
    WithJsonSchema({"type": "string", "pattern": "^[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}$"}),
]
"""The name of a server, an agent, a workflow."""


class _NotEmpty:
    """A list must have an element. pydantic's own check counts the valid ones only, and would tell a second error."""

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> core_schema.CoreSchema:
        return core_schema.no_info_after_validator_function(_with_element, handler(source))

    def __get_pydantic_json_schema__(
        self, schema: core_schema.CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        return {**handler(schema), "minItems": 1}


def _with_element(items: tuple[Any, ...]) -> tuple[Any, ...]:
    if not items:
        raise problem("is empty", "at least one element")
    return items


NOT_EMPTY = _NotEmpty()
"""Marks a list that must have an element."""

Count = Annotated[StrictInt, Field(ge=0)]
Positive = Annotated[StrictInt, Field(ge=1)]
Money = Annotated[StrictFloat, Field(ge=0)]
"""US dollars."""
Number = Annotated[StrictFloat, Field(ge=0)]
Flag = StrictBool

INSTANT_HINT = "UTC in RFC 3339, with the zone: 2026-11-24T02:00:00Z (in JSON in quotes)"
_INSTANT = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d{1,6}\d*)?([Zz]|[+-]\d\d:\d\d)?", re.ASCII)


def _instant(value: Any) -> datetime:
    if isinstance(value, str):
        value = _read_instant(value)
    if isinstance(value, datetime):
        if value.tzinfo is None:
            raise problem("is a time without a zone", INSTANT_HINT)
        try:
            return value.astimezone(UTC)
        except (OverflowError, ValueError):
            raise problem("is out of range", INSTANT_HINT) from None
    if isinstance(value, date):
        raise problem("is a date without a time", INSTANT_HINT)
    raise problem("is no date-time", INSTANT_HINT)


def _read_instant(text: str) -> datetime:
    if len(text) > 64 or _INSTANT.fullmatch(text) is None:
        raise problem("is no date-time", INSTANT_HINT)
    try:
        return datetime.fromisoformat(text.upper())
    except ValueError:
        raise problem("is no date-time that exists", INSTANT_HINT) from None


Instant = Annotated[
    datetime,
    BeforeValidator(_instant),
    PlainSerializer(format_instant, return_type=str, when_used="json"),
    WithJsonSchema({"type": "string", "format": "date-time", "examples": ["2026-11-24T02:00:00Z"]}),
]
"""A point in time, UTC."""

_TAG = "$toml"


def _tag_dates(value: Any) -> Any:
    """Make JSON of what a document held: dates, which JSON does not know, are marked to be found again."""
    if isinstance(value, date | time):
        return {_TAG: value.isoformat()}
    if isinstance(value, Mapping):
        tagged = {key: _tag_dates(one) for key, one in value.items()}
        return {_TAG: [tagged]} if set(tagged) == {_TAG} else tagged
    if isinstance(value, list | tuple):
        return [_tag_dates(one) for one in value]
    return value


def _untag_dates(value: Any) -> Any:
    if isinstance(value, Mapping):
        if set(value) == {_TAG}:
            held = value[_TAG]
            return _read_date(held) if isinstance(held, str) else {_TAG: _untag_dates(held[0][_TAG])}
        return {key: _untag_dates(one) for key, one in value.items()}
    if isinstance(value, list):
        return [_untag_dates(one) for one in value]
    return value


def _read_date(text: str) -> date | time:
    kind = datetime if "T" in text else time if ":" in text else date
    return kind.fromisoformat(text)


def _from_json(value: Any, info: ValidationInfo) -> Any:
    return _untag_dates(value) if info.mode == "json" else value


Table = Annotated[
    dict[str, Any],
    BeforeValidator(_from_json),
    PlainSerializer(_tag_dates, return_type=dict[str, Any], when_used="json"),
    WithJsonSchema({"type": "object"}),
]
"""Anything, kept as it is: a table of whatever TOML, JSON or YAML can hold."""
