"""Values as the writer of TOML leaves them as they are. Standard library only: runners write requests by this.

What `tomli_w` would change on its way: the line ends of a text in several lines, and the form of a date-time. Half of a
surrogate pair is no text at all, and is replaced.
"""

from __future__ import annotations

from datetime import UTC, datetime

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def format_instant(value: datetime) -> str:
    """Write a date-time as documents hold it: UTC, RFC 3339, ending in Z.

    One that is outside the calendar in UTC (in the first or last hours of it, in a zone of its own) keeps its zone.
    """
    try:
        return value.astimezone(UTC).isoformat().removesuffix("+00:00") + "Z"
    except OverflowError:
        return value.isoformat()


def to_write(value: Any) -> Any:
    """The same tree of tables and lists, as it can be handed to `tomli_w`."""
    if isinstance(value, str):
        text = str(value) if value.isascii() else value.encode("utf-8", "replace").decode()
        return _Exact(text) if "\r" in text else text
    if isinstance(value, dict):
        return {to_write(key): to_write(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [to_write(one) for one in value]
    if isinstance(value, datetime):
        return _Rfc3339.fromisoformat(value.isoformat())
    return value


class _Rfc3339(datetime):
    """A date-time that writes itself as the protocol wants it; the TOML writer asks for `str`."""

    def __str__(self) -> str:
        return format_instant(self) if self.tzinfo else self.isoformat()


class _Exact(str):
    """Text whose line ends the TOML writer leaves as they are: it would make LF of CR LF."""

    __slots__ = ()

    def replace(self, *_anything: Any) -> str:
        return self
