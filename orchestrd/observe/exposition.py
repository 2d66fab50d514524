"""The Prometheus text format, version 0.0.4: families of samples with their help, type and labels."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

Labels = Mapping[str, str]
Value = float | int | None

_IN_LABELS = str.maketrans({"\\": r"\\", '"': r"\"", "\n": r"\n"})
_IN_HELP = str.maketrans({"\\": r"\\", "\n": r"\n"})


@dataclass(frozen=True, slots=True)
class Family:
    """A metric with all its samples; those without a value are left out."""

    name: str
    kind: Literal["counter", "gauge"]
    help: str
    samples: tuple[tuple[Labels, Value], ...]


def gauge(name: str, help: str, *samples: tuple[Labels, Value]) -> Family:  # noqa: A002 - the format's word
    """Make a family of values that rise and fall."""
    return Family(name, "gauge", help, samples)


def counter(name: str, help: str, *samples: tuple[Labels, Value]) -> Family:  # noqa: A002 - the format's word
    """Make a family of values that only rise, until the daemon is started anew."""
    return Family(name, "counter", help, samples)


def expose(families: Iterable[Family]) -> str:
    """Write them out; a family without a value is left out."""
    return "".join(_family(family) for family in families)


def _family(family: Family) -> str:
    lines = [_line(family.name, labels, value) for labels, value in family.samples if value is not None]
    if not lines:
        return ""
    head = f"# HELP {family.name} {family.help.translate(_IN_HELP)}\n# TYPE {family.name} {family.kind}\n"
    return head + "".join(lines)


def _line(name: str, labels: Labels, value: float) -> str:
    inside = ",".join(f'{label}="{_readable(text)}"' for label, text in labels.items())
    return f"{name}{{{inside}}} {_number(value)}\n" if inside else f"{name} {_number(value)}\n"


def _readable(text: str) -> str:
    # What is no Unicode (a file's name may hold any byte) cannot be written as UTF-8: it becomes `\udcff`.
    return text.encode("utf-8", "backslashreplace").decode().translate(_IN_LABELS)


def _number(value: float) -> str:
    if isinstance(value, int):
        return str(int(value))
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    return "NaN" if math.isnan(value) else repr(value)
