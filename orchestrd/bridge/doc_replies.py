"""The text of a reply to a docs request: one document, or several, each under a line that names its file. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from handoff.request import NOTHING_TO_DOCUMENT
from orchestrd.bridge.answers import CannotDo
from orchestrd.views.words import one_line

_WILDCARDS = frozenset("*?[")
_FILE_LINE = re.compile(r"^<!-- file: .* -->[ \t]*$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Document:
    """A document: where it goes, and all that it holds."""

    path: str
    content: str


def text_of(documents: Sequence[Document], write_to: Sequence[str]) -> str:
    """Write the reply; no documents: there is nothing to document. Raises CannotDo with what is wrong."""
    if not documents:
        return f"{NOTHING_TO_DOCUMENT}\n"
    paths = [one.path for one in documents]
    for one in documents:
        _check(one, write_to)
    if len(set(paths)) < len(paths):
        raise CannotDo("two documents have the same path: put them together")
    if is_single(write_to):
        if len(documents) > 1:
            raise CannotDo(f"this request takes one document, for {write_to[0]}: put them together")
        return _ended(documents[0].content)
    return "\n".join(f"<!-- file: {one.path} -->\n{_ended(one.content)}" for one in documents)


def is_single(write_to: Sequence[str]) -> bool:
    """Whether a request takes just one document, whose path is fixed (PROTOCOL 6.1)."""
    return len(write_to) == 1 and not _WILDCARDS & set(write_to[0]) and not write_to[0].endswith("/")


def _check(document: Document, write_to: Sequence[str]) -> None:
    path, content = document.path, document.content
    allowed = ", ".join(write_to)
    if not content.strip():
        raise CannotDo(
            f"{one_line(path, 100)}: the document is empty; nothing to write? nothing_to_document = true"
        )
    if (
        path.startswith("/")
        or ".." in path.split("/")
        or not path.isprintable()
        or path != path.strip()
        or "\\" in path
    ):
        raise CannotDo(f"{one_line(path, 100)!r} is no path inside the project; allowed are: {allowed}")
    if is_single(write_to) and path != write_to[0]:
        raise CannotDo(
            f"{one_line(path, 100)!r} may not be written; this request takes {write_to[0]} and nothing else"
        )
    # One that stands in a text would begin a document of its own.
    if not is_single(write_to) and _FILE_LINE.search(content):
        raise CannotDo(
            f"{one_line(path, 100)}: a line `<!-- file: … -->` in a document would begin another: change it, indent it"
        )


def _ended(text: str) -> str:
    return text if text.endswith("\n") else f"{text}\n"
