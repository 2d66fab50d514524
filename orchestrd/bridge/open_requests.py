"""The requests that are open, found by their names (PROTOCOL 6): none is read before it is asked for."""

from __future__ import annotations

import os
import re
from contextlib import suppress
from dataclasses import dataclass

from handoff import looking
from handoff.request import parse_request_name
from handoff.root import Root
from orchestrd.bridge.answers import CannotDo
from orchestrd.outbound.news import MOST_BYTES
from orchestrd.views.requests import Document, OpenRequest, answer_lying, open_request
from orchestrd.views.words import one_line, plain

_DOCS = re.compile(r"(?P<plan>[a-z0-9][a-z0-9-]*)\.docs\.md", re.ASCII)


@dataclass(frozen=True, slots=True)
class Named:
    """A request that is open, as far as its name tells."""

    name: str
    plan: str
    kind: str
    changed: float
    """When its file was written; seconds of the wall clock."""


def open_requests(root: Root) -> list[Named]:
    """Find all that are open, the newest first."""
    found = [one for name in _names(root) if (one := _seen(root, name)) is not None]
    return sorted(found, key=lambda one: (-one.changed, one.name))


def requests_of(root: Root, plan: str) -> list[Named]:
    """Find those of one plan, by name."""
    mine = (name for name in _names(root) if name.startswith(f"{plan}."))
    return [one for name in sorted(mine) if (one := _seen(root, name)) is not None]


def request_named(root: Root, name: str) -> tuple[OpenRequest, Document]:
    """Read one by its name. Raises CannotDo for any other name, and where it cannot be read."""
    wanted = name.strip()
    found = open_request(root, wanted) if parts_of(wanted) else None
    if found is None:
        raise CannotDo(
            f"{one_line(name, 120)!r} is no open request: it was answered, is out of date, or never was; "
            "list_requests names those that are open"
        )
    if found.document is None:
        raise CannotDo(f"requests/{found.name} {plain(found.fault)}")
    return found, found.document


def raw_request(root: Root, name: str) -> bytes:
    """Read the bytes of one. Raises CannotDo."""
    found, _ = request_named(root, name)
    try:
        return looking.read_file(found.path, MOST_BYTES)
    except OSError as error:
        raise CannotDo(f"requests/{found.name}: {error.strerror}: it may just have been answered") from None


def is_answered(root: Root, name: str) -> bool:
    """Whether an answer lies there that nobody has taken yet."""
    return answer_lying(root, name) is not None


def _names(root: Root) -> list[str]:
    try:
        return os.listdir(root.requests)
    except OSError:
        return []


def _seen(root: Root, name: str) -> Named | None:
    parts = parts_of(name)
    if parts is None:
        return None
    with suppress(OSError):
        return Named(name, *parts, os.lstat(root.requests / name).st_mtime)
    return None


def parts_of(name: str) -> tuple[str, str] | None:
    """Tell a request's plan and kind by its name; None: it is none."""
    docs = _DOCS.fullmatch(name)
    if docs:
        return docs["plan"], "docs"
    asked = parse_request_name(name)
    return (asked.plan, asked.kind) if asked else None
