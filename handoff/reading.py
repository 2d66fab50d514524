"""From text to a tree of values with the line of each: TOML, JSON, YAML, and Markdown with front matter.

Whatever the text holds, nothing but DocumentError is raised. What the tree means is not known here.
"""

from __future__ import annotations

import json
import math
import re
import tomllib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from handoff.document_error import DocumentError, FieldError, Lines, path_text
from handoff.json_lines import json_places
from handoff.tally import json_holds_too_much, toml_holds_too_much, toml_names_too_much
from handoff.toml_lines import MOST_KEY_PARTS, find_long_key, toml_lines
from handoff.wholesome import MOST_VALUES

BOM = "\N{ZERO WIDTH NO-BREAK SPACE}"
MOST_YAML = 64 * 1024
"""Bytes of YAML front matter: its reader is slow, and a hostile file must not keep the daemon."""

_PLACE = re.compile(r" \(at (?:line (\d+), column \d+|end of document)\)\Z")
_TOO_LARGE = 20
# Only where a run of digits begins: from each of its digits anew it would take minutes.
_LONG_NUMBER = re.compile(r"(?<![\d_])[\d_]{4000}")


@dataclass(slots=True)
class Reading:
    """A document's values as they were written."""

    tree: dict[str, Any]
    find_lines: Callable[[], Lines]
    """Asked only where there is an error to be placed."""
    faults: list[FieldError] = field(default_factory=list)
    """What is wrong with how it was written."""


def text_of(raw: bytes) -> str:
    """Decode a file: UTF-8, with or without a byte order mark."""
    try:
        return raw.decode("utf-8").removeprefix(BOM)
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        fault = FieldError("", f"byte {error.start + 1} is not UTF-8", "save the file as UTF-8", line)
        raise DocumentError([fault]) from None


def read_toml(text: str) -> Reading:
    """Read a TOML document."""
    if toml_holds_too_much(text):
        raise too_many_values()
    long_key = find_long_key(text)
    if long_key:
        raise _cannot("a key has too many parts", f"{MOST_KEY_PARTS} at most", long_key)
    if toml_names_too_much(text):
        raise _cannot("the keys have too many parts", "fewer dotted keys; tables have names of their own", 1)
    try:
        tree = tomllib.loads(text)
    except RecursionError:
        raise _too_deep() from None
    except tomllib.TOMLDecodeError as error:
        raise _toml_error(text, str(error)) from None
    except ValueError:
        # Python refuses to read whole numbers of more than 4,300 digits, and tomllib lets that through.
        found = _LONG_NUMBER.search(text)
        raise _cannot(
            "a number is too large", "64 bits at most", _line(text, found.start()) if found else 1
        ) from None
    return Reading(tree, lambda: toml_lines(text))


def _toml_error(text: str, message: str) -> DocumentError:
    place = _PLACE.search(message)
    last = max(1, text.count("\n") + (not text.endswith("\n")))
    line = int(place[1]) if place and place[1] else last
    what = _PLACE.sub("", message)
    return _cannot(
        f"this is not TOML: {what[:1].lower()}{what[1:200]}",
        "TOML 1.0; text stands in quotes",
        min(line, last),
    )


def read_json(text: str) -> Reading:
    """Read a JSON document, which must be a table."""
    if json_holds_too_much(text):
        raise too_many_values()
    doubled = False

    def table(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        nonlocal doubled
        made = dict(pairs)
        doubled = doubled or len(made) != len(pairs)
        return made

    try:
        tree = json.loads(text, object_pairs_hook=table, parse_int=_whole, parse_constant=_no_number)
    except RecursionError:
        raise _too_deep() from None
    except json.JSONDecodeError as error:
        raise _cannot(
            f"this is not JSON: {error.msg[:1].lower()}{error.msg[1:]}", "JSON (RFC 8259)", error.lineno
        ) from None
    if not isinstance(tree, dict):
        raise _cannot("the document is not a table", 'an object: { "handoff": 1, … }', 1)
    reading = Reading(tree, lambda: json_places(text).lines)
    if doubled:
        reading.faults += [
            FieldError(path_text(path), "this field stands here twice", "each field once", line)
            for path, line in json_places(text).doubles
        ]
    return reading


def _whole(digits: str) -> float:
    # Too large for any document: infinite, which is refused with its place like other numbers that are none.
    return int(digits) if len(digits) <= _TOO_LARGE else math.inf


def _no_number(_name: str) -> float:
    return math.nan


_FENCES = {"+++": "TOML", "---": "YAML"}


def read_markdown(text: str, body_field: str | None) -> Reading:
    """Read the front matter of a Markdown document; its body becomes the field `body_field`."""
    if body_field is None:
        raise _cannot("this kind of document is no Markdown", "TOML or JSON", 1)
    text = text.replace("\r\n", "\n")
    fence, _, rest = text.partition("\n")
    fence = fence.rstrip()
    if fence not in _FENCES:
        raise _cannot(
            "there is no front matter", 'a first line "+++", then the fields in TOML, then a line "+++"', 1
        )
    closing = re.compile(rf"^{re.escape(fence)}[ \t]*$", re.MULTILINE).search(rest)
    if closing is None:
        raise _cannot("the front matter does not end", f'a line "{fence}" after the fields', 1)
    try:
        reading = _front_matter(fence, rest[: closing.start()])
    except DocumentError as error:
        raise DocumentError(_moved(one) for one in error.errors) from None
    return _with_body(reading, rest, closing.end(), body_field)


def _front_matter(fence: str, matter: str) -> Reading:
    if fence == "+++":
        return read_toml(matter)
    if len(matter) > MOST_YAML:
        raise _cannot(
            "the YAML front matter is too long", f"{MOST_YAML // 1024} KiB at most; TOML may be longer", 1
        )
    from handoff.yaml_tree import read_yaml  # only few documents need it

    found = read_yaml(matter)
    return Reading(found.tree, lambda: found.lines, found.faults)


def _with_body(inner: Reading, rest: str, end: int, body_field: str) -> Reading:
    body = rest[end:]
    prompt = body_of(body)
    line = _line(rest, end + len(body) - len(body.lstrip())) + 1
    faults = [_moved(one) for one in inner.faults]
    tree = dict(inner.tree)
    if prompt and body_field in tree:
        hint = "leave it out of the front matter, or leave the body empty"
        faults.append(
            FieldError(
                body_field, f"`{body_field}` is given twice: in the front matter and as the body", hint, line
            )
        )
    elif prompt:
        tree[body_field] = prompt

    def find_lines() -> Lines:
        moved = {path: place + 1 for path, place in inner.find_lines().items()}
        return {(body_field,): line, **moved} if prompt else moved

    return Reading(tree, find_lines, faults)


def body_of(text: str) -> str:
    """Take blank lines at the beginning and white space at the end away: they are not part of a body."""
    return re.sub(r"\A(?:[ \t]*\n)+", "", text).rstrip()


def _moved(error: FieldError) -> FieldError:
    """Count an error's line in the whole file: the front matter begins in its second line."""
    return FieldError(error.path, error.message, error.hint, error.line + 1 if error.line else None)


def _line(text: str, at: int) -> int:
    return text.count("\n", 0, at) + 1


def _cannot(message: str, hint: str, line: int) -> DocumentError:
    return DocumentError([FieldError("", message, hint, line)])


def too_many_values() -> DocumentError:
    """Refuse a document for its mere number of values."""
    return _cannot("the document holds too many values", f"{MOST_VALUES:,} at most", 1)


def _too_deep() -> DocumentError:
    return _cannot("lists and tables stand inside one another too deeply", "64 levels at most", 1)
