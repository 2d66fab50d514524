"""TOML, JSON and Markdown to documents and back. A document that is wrong is told everything that is wrong with it.

Reading a good document is quick; where the lines of its values are is found out only when there is an error to place.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import date, datetime, time
from enum import StrEnum
from functools import cache
from typing import Any, TypeVar

import tomli_w
from pydantic import BaseModel, ValidationError

from handoff.document_error import DocumentError, FieldError, Lines, line_at, path_parts, path_text
from handoff.fields import IN_DOCUMENT, Document
from handoff.plain_errors import MOST_EXPLAINED, explain
from handoff.reading import Reading, body_of, read_json, read_markdown, read_toml, text_of, too_many_values
from handoff.wholesome import faults_in, holds_too_much, is_wholesome
from handoff.written_values import to_write

__all__ = [
    "DocumentError",
    "FieldError",
    "Format",
    "as_written",
    "dump",
    "line_finder",
    "line_of",
    "read_document",
]

D = TypeVar("D", bound=Document)


class Format(StrEnum):
    """The languages in which documents are written."""

    TOML = "toml"
    JSON = "json"
    MARKDOWN = "md"

    @classmethod
    def of(cls, name: str) -> Format:
        """Tell a file's format by its name's ending, in any case. Raises ValueError for any other ending."""
        return cls(name.rpartition(".")[2].lower())


def read_document(model: type[D], raw: bytes, format: Format) -> D:  # noqa: A002 - the protocol's word
    """Read a document. Raises DocumentError, and nothing else whatever `raw` holds, with every error at once."""
    reading = _read(raw, format, model.body_field)
    if holds_too_much(reading.tree):
        raise too_many_values()
    if not reading.faults and is_wholesome(reading.tree):
        try:
            found = model.model_validate(reading.tree, context=IN_DOCUMENT)
        except ValidationError as error:
            raise _all_faults(model, reading, error) from None
        if not model.problems_between(reading.tree):
            return found
    raise _all_faults(model, reading, _validation_error(model, reading))


def line_of(raw: bytes, format: Format, path: str) -> int | None:  # noqa: A002 - the protocol's word
    """Tell the line of a field (`steps[1].needs`), or of what encloses it. None: the document cannot be read."""
    return line_finder(raw, format)(path)


def line_finder(raw: bytes, format: Format) -> Callable[[str], int | None]:  # noqa: A002 - the protocol's word
    """Make a function that tells lines as `line_of` does. The document is read once, and only if one is asked for."""

    @cache
    def lines() -> Lines | None:
        try:
            return _read(raw, format, "prompt").find_lines()
        except DocumentError:
            return None

    def find(path: str) -> int | None:
        found = lines()
        return None if found is None else line_at(found, path_parts(path))

    return find


def as_written(raw: bytes, format: Format, body_field: str | None = "prompt") -> dict[str, Any]:  # noqa: A002
    """The values of a document as they were written, checked by nobody; none where it cannot be read at all."""
    try:
        return _read(raw, format, body_field).tree
    except DocumentError:
        return {}


def dump(model: BaseModel, format: Format) -> bytes:  # noqa: A002 - the protocol's word
    """Write a document. What has no value is left out; long text is written in several lines (TOML).

    Markdown is for documents that have a body: TOML front matter, and the body as it is.
    """
    tree = to_write(_without_empty(model, model.model_dump()))
    if format is Format.JSON:
        return (json.dumps(tree, ensure_ascii=False, indent=2, default=_json_default) + "\n").encode()
    if format is Format.TOML:
        return tomli_w.dumps(_without_none(tree), multiline_strings=True).encode()
    body_field = model.body_field if isinstance(model, Document) else None
    if body_field is None:
        raise ValueError(f"{type(model).__name__} has no body and is not written as Markdown")
    # Blank lines around a body are not part of it; text that has some stands in the front matter.
    body = str(tree.pop(body_field)) if body_of(str(tree.get(body_field, ""))) == tree.get(body_field) else ""
    # A line of +++ in a text would end the front matter: no text has several lines here.
    return f"+++\n{tomli_w.dumps(_without_none(tree))}+++\n\n{body}\n".encode()


def _read(raw: bytes, format: Format, body_field: str | None) -> Reading:  # noqa: A002
    text = text_of(raw)
    if format is Format.JSON:
        return read_json(text)
    if format is Format.TOML:
        return read_toml(text)
    return read_markdown(text, body_field)


def _validation_error(model: type[Document], reading: Reading) -> ValidationError | None:
    try:
        model.model_validate(reading.tree, context=IN_DOCUMENT)
    except ValidationError as error:
        return error
    except RecursionError:
        # Nested more deeply than anything may be; that is among the faults already.
        return None
    return None


def _all_faults(model: type[Document], reading: Reading, error: ValidationError | None) -> DocumentError:
    lines = reading.find_lines()
    told = list(reading.faults)
    told += [
        FieldError(path_text(path), message, hint, line_at(lines, path))
        for path, message, hint in faults_in(reading.tree)
    ]
    seen = {one.path for one in told}
    told += [one for one in explain(model, error, lines) if one.path not in seen] if error else []
    between = model.problems_between(reading.tree)
    told += [
        FieldError(path_text(path), message, hint, line_at(lines, path))
        for path, message, hint in between[:MOST_EXPLAINED]
    ]
    unnamed = max(0, error.error_count() - MOST_EXPLAINED) if error else 0
    return DocumentError(told, unnamed + max(0, len(between) - MOST_EXPLAINED))


def _without_empty(model: BaseModel, dumped: dict[str, Any]) -> dict[str, Any]:
    """Leave out what has no value: None, and the lists and tables that are empty unless something is in them.

    What stands in free tables (metadata) is not touched: an empty list or a null there was somebody's wish.
    """
    kept = {}
    for name, field in type(model).model_fields.items():
        value = getattr(model, name)
        if value is None or (
            value in ((), {})
            and not field.is_required()
            and value == field.get_default(call_default_factory=True)
        ):
            continue
        kept[name] = _inside(value, dumped[name])
    return kept


def _inside(value: Any, dumped: Any) -> Any:
    if isinstance(value, BaseModel):
        return _without_empty(value, dumped)
    if isinstance(value, tuple):
        return [_inside(one, written) for one, written in zip(value, dumped, strict=True)]
    if isinstance(value, dict):
        return {key: _inside(one, dumped[key]) for key, one in value.items()}
    return dumped


def _without_none(value: Any) -> Any:
    """TOML knows no null: what is null in free tables is left out."""
    if isinstance(value, dict):
        return {key: _without_none(one) for key, one in value.items() if one is not None}
    if isinstance(value, list):
        return [_without_none(one) for one in value if one is not None]
    return value


def _json_default(value: Any) -> str:
    if isinstance(value, date | time):
        return str(value) if isinstance(value, datetime) else value.isoformat()
    raise TypeError(type(value).__name__)
