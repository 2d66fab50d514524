"""The requests that are open: found by their names, read one by one.

A request's name says its plan and its kind (PROTOCOL 6): `ID.docs.md`, `ID.STEP.N.K.approval.toml`.
"""

from __future__ import annotations

import os
import re
from contextlib import suppress
from dataclasses import dataclass

from handoff import looking
from handoff.formats import DocumentError, Format, read_document
from handoff.request import Approval, DocsRequest, Question, Request
from handoff.root import Root
from orchestrd.bridge.answers import CannotDo
from orchestrd.views.words import one_line

MOST_BYTES = 4 << 20
_DOCS = re.compile(r"(?P<plan>[a-z0-9-]+)\.docs\.md")
_ASKED = re.compile(r"(?P<plan>[a-z0-9-]+)\.[A-Za-z0-9_.-]+\.(?P<kind>approval|question)\.(?:toml|json)")
_MODELS: dict[str, type[Request]] = {"docs": DocsRequest, "approval": Approval, "question": Question}


@dataclass(frozen=True, slots=True)
class Open:
    """A request that is open, by its name."""

    name: str
    plan: str
    kind: str
    changed: float
    """When its file was written; seconds of the wall clock."""


def open_requests(root: Root) -> list[Open]:
    """Find all that are open, the newest first; none is read."""
    found = [one for name in _names(root) if (one := _seen(root, name)) is not None]
    return sorted(found, key=lambda one: (-one.changed, one.name))


def requests_of(root: Root, plan: str) -> list[Open]:
    """Find those of one plan, the newest first."""
    mine = (name for name in _names(root) if name.startswith(f"{plan}."))
    return [one for name in sorted(mine) if (one := _seen(root, name)) is not None]


def request_named(root: Root, name: str) -> Open:
    """Find one by its name. Raises CannotDo for any other name."""
    found = _seen(root, name.strip()) if _parts(name.strip()) else None
    if found is None:
        raise CannotDo(
            f"{one_line(name, 120)!r} is no open request: it was answered, is out of date, or never was; "
            "list_requests names those that are open"
        )
    return found


def read_raw(root: Root, request: Open) -> bytes:
    """Read its bytes. Raises CannotDo where it is gone meanwhile."""
    try:
        return looking.read_file(root.requests / request.name, MOST_BYTES)
    except OSError as error:
        raise CannotDo(
            f"{request.name} cannot be read ({error.strerror}): it may just have been answered"
        ) from None


def read_request(root: Root, request: Open) -> Request:
    """Read what it asks. Raises CannotDo where it cannot be read."""
    raw = read_raw(root, request)
    try:
        return read_document(_MODELS[request.kind], raw, Format.of(request.name))
    except DocumentError as error:
        raise CannotDo(f"requests/{request.name} cannot be read: {one_line(error, 300)}") from None


def _names(root: Root) -> list[str]:
    try:
        return os.listdir(root.requests)
    except OSError:
        return []


def _seen(root: Root, name: str) -> Open | None:
    parts = _parts(name)
    if parts is None:
        return None
    with suppress(OSError):
        return Open(name, *parts, os.lstat(root.requests / name).st_mtime)
    return None


def _parts(name: str) -> tuple[str, str] | None:
    docs = _DOCS.fullmatch(name)
    if docs:
        return docs["plan"], "docs"
    asked = _ASKED.fullmatch(name)
    return (asked["plan"], asked["kind"]) if asked else None
