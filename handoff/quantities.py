"""Durations and sizes as people write them (`"1h30m"`, `"4GiB"`) and as programs count them (seconds, bytes)."""

from __future__ import annotations

import math
import re
from decimal import Decimal
from typing import Annotated, Any

from pydantic import BeforeValidator, PlainSerializer, ValidationInfo, WithJsonSchema
from pydantic_core import PydanticCustomError

__all__ = ["Duration", "Size", "format_duration", "format_size", "parse_duration", "parse_size"]

DURATION_HINT = 'a duration is written like "90s", "45m", "1h30m" or "2d"'
SIZE_HINT = 'a size is written like "512MiB" or "4GiB"'

_UNITS = {"d": 86_400_000, "h": 3_600_000, "m": 60_000, "s": 1_000, "ms": 1}
_NUMBER = r"([0-9]{1,18}(?:\.[0-9]{1,9})?)"
DURATION_PATTERN = r"^(?=.)" + "".join(rf"({_NUMBER[1:-1]}{unit})?" for unit in _UNITS) + "$"
_DURATION = re.compile(r"\A(?=.)" + "".join(rf"(?:{_NUMBER}{unit})?" for unit in _UNITS) + r"\Z")

_SIZES = {
    "B": 1,
    "kB": 10**3,
    "KB": 10**3,
    "MB": 10**6,
    "GB": 10**9,
    "TB": 10**12,
    "KiB": 1 << 10,
    "MiB": 1 << 20,
    "GiB": 1 << 30,
    "TiB": 1 << 40,
}
_SIZE = re.compile(rf"\A{_NUMBER} ?({'|'.join(_SIZES)})\Z")
SIZE_PATTERN = rf"^{_NUMBER} ?({'|'.join(_SIZES)})$"
_LONGEST = 64


def parse_duration(text: str) -> float:
    """Return the seconds that `text` names, to the millisecond. Raises ValueError for anything else."""
    found = _DURATION.match(text) if len(text) <= _LONGEST else None
    if found is None:
        raise ValueError(f"is no duration; {DURATION_HINT}")
    parts = zip(found.groups(), _UNITS.values(), strict=True)
    return round(sum(float(number) * unit for number, unit in parts if number)) / 1000


def format_duration(seconds: float) -> str:
    """Write seconds the way `parse_duration` reads them: `5400` is `1h30m`. Exact to the millisecond."""
    left = round(seconds * 1000)
    if left <= 0:
        return "0s"
    text = ""
    for unit, size in _UNITS.items():
        count, left = divmod(left, size)
        text += f"{count}{unit}" if count else ""
    return text


def parse_size(text: str) -> int:
    """Return the bytes that `text` names. Raises ValueError for anything else."""
    found = _SIZE.match(text) if len(text) <= _LONGEST else None
    if found is None:
        raise ValueError(f"is no size; {SIZE_HINT}")
    return int(Decimal(found[1]) * _SIZES[found[2]])


def format_size(size: int) -> str:
    """Write bytes the way `parse_size` reads them, exactly: in the greatest binary unit that divides them."""
    for unit in ("TiB", "GiB", "MiB", "KiB"):
        if size and size % _SIZES[unit] == 0:
            return f"{size // _SIZES[unit]}{unit}"
    return f"{size}B"


def _seconds(value: Any, info: ValidationInfo) -> float:
    if isinstance(value, str):
        try:
            return parse_duration(value)
        except ValueError:
            raise PydanticCustomError("duration", "is no duration", {"hint": DURATION_HINT}) from None
    if _is_number(value) and not info.context:
        return round(float(value) * 1000) / 1000
    raise PydanticCustomError(
        "duration", "is no duration: a text with a unit was expected", {"hint": DURATION_HINT}
    )


def _bytes(value: Any, info: ValidationInfo) -> int:
    if isinstance(value, str):
        try:
            return parse_size(value)
        except ValueError:
            raise PydanticCustomError("size", "is no size", {"hint": SIZE_HINT}) from None
    if _is_number(value) and value == int(value) and not info.context:
        return int(value)
    raise PydanticCustomError("size", "is no size: a text with a unit was expected", {"hint": SIZE_HINT})


def _is_number(value: Any) -> bool:
    """Whether it is a number that can be counted with; TOML holds whole ones of any size, in hexadecimal."""
    if isinstance(value, int):
        return not isinstance(value, bool) and value.bit_length() <= 64
    return isinstance(value, float) and math.isfinite(value)


Duration = Annotated[
    float,
    BeforeValidator(_seconds),
    PlainSerializer(format_duration, return_type=str),
    WithJsonSchema({"type": "string", "pattern": DURATION_PATTERN, "examples": ["90s", "45m", "1h30m"]}),
]
"""Seconds in memory, `"1h30m"` in documents. Python code and configuration may give seconds as a number."""

Size = Annotated[
    int,
    BeforeValidator(_bytes),
    PlainSerializer(format_size, return_type=str),
    WithJsonSchema({"type": "string", "pattern": SIZE_PATTERN, "examples": ["512MiB", "4GiB"]}),
]
"""Bytes in memory, `"4GiB"` in documents. Python code and configuration may give bytes as a number."""
