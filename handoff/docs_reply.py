"""The answer to a request for documentation: Markdown, read into documents with their places (PROTOCOL 6.1).

Pure, and so for both sides: a writer can look beforehand whether an answer will be taken. Everything that is wrong
with an answer is told at once. What lies on the plan's branch (a link, a folder of that name) only the daemon sees.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from handoff.document_error import DocumentError, FieldError
from handoff.document_paths import folded, is_allowed, single_path, why_no_path
from handoff.reading import BOM, text_of
from handoff.request import NOTHING_TO_DOCUMENT

__all__ = ["DocumentError", "DocumentToWrite", "read_docs_reply", "read_docs_reply_file"]

MOST_DOCUMENTS = 200

_FILE_LINE = re.compile(r"<!--[ \t]*file:(.*?)-->[ \t]*", re.IGNORECASE)
"""A whole line, from its first character: who wants to show such a line in a text sets a space before it."""
_NOTHING = re.compile(r"<!--\s*nothing to document\s*-->", re.IGNORECASE)
_BINARY = re.compile(r"[\x00-\x08\x0b\x0e-\x1f\x7f\ud800-\udfff]")
_FILE = "<!-- file: docs/x.md -->"


@dataclass(frozen=True, slots=True)
class DocumentToWrite:
    """One document of an answer."""

    path: str
    """Inside the project, with slashes."""
    text: str
    """Its whole content; it ends in a newline."""


@dataclass(frozen=True, slots=True)
class _Part:
    line: int
    """Of the reply, from 1, in which its file is named."""
    path: str
    text: str


def read_docs_reply(text: str, write_to: Sequence[str]) -> list[DocumentToWrite]:
    """Read an answer; the list is empty where it declines (`<!-- nothing to document -->` alone).

    `write_to` is that of the plan. Where it is a single path, the whole answer is that document; an answer that
    begins by naming its file in a line is read by those lines there too. Raises DocumentError with everything that
    is wrong.
    """
    plain = text.removeprefix(BOM).replace("\r\n", "\n")
    problems = list(_unreadable(plain))
    if problems:
        raise DocumentError(problems)
    if _NOTHING.fullmatch(plain.strip()):
        return []
    parts, problems = _parts_of(plain, write_to)
    problems += _wrong_with(parts, write_to)
    if problems:
        raise DocumentError(problems)
    return [DocumentToWrite(part.path, part.text.rstrip() + "\n") for part in parts]


def read_docs_reply_file(raw: bytes, write_to: Sequence[str]) -> list[DocumentToWrite]:
    """Read an answer as it lies in its file: UTF-8. Raises DocumentError."""
    return read_docs_reply(text_of(raw), write_to)


def _unreadable(text: str) -> Iterator[FieldError]:
    found = _BINARY.search(text)
    if found is not None:
        line = text.count("\n", 0, found.start()) + 1
        what = f"the character {found[0]!a} is none of a text"
        yield FieldError("", what, "Markdown: plain text, and nothing binary", line)
    elif not text.strip():
        yield FieldError("", "the answer is empty", f"a document, or the line {NOTHING_TO_DOCUMENT}", 1)


def _parts_of(text: str, write_to: Sequence[str]) -> tuple[list[_Part], list[FieldError]]:
    """Cut the answer at the lines that name files."""
    alone = single_path(write_to)
    lines = text.split("\n")
    first = next(number for number, line in enumerate(lines) if line.strip())
    if alone is not None and not _FILE_LINE.fullmatch(lines[first]):
        return [_Part(1, alone, text)], []
    marks = [
        (number, found[1].strip())
        for number, line in enumerate(lines)
        if (found := _FILE_LINE.fullmatch(line))
    ]
    if not marks:
        return [], [
            FieldError("", "no line names a file", f"each document under a line of its own: {_FILE}", 1)
        ]
    problems = []
    if marks[0][0] > first:
        what = "there is text before the first line that names a file"
        problems.append(FieldError("", what, f"the first line to be one like {_FILE}", first + 1))
    ends = [number for number, _ in marks[1:]] + [len(lines)]
    parts = [
        _Part(number + 1, path, "\n".join(lines[number + 1 : end]).strip("\n"))
        for (number, path), end in zip(marks, ends, strict=True)
    ]
    return parts, problems


def _wrong_with(parts: Sequence[_Part], write_to: Sequence[str]) -> Iterator[FieldError]:
    if len(parts) > MOST_DOCUMENTS:
        yield FieldError("", f"there are {len(parts)} documents", f"{MOST_DOCUMENTS} at most", 1)
        return
    named: dict[str, _Part] = {}
    for part in parts:
        why = why_no_path(part.path)
        if why is not None:
            yield FieldError(_shown(part.path), *why, part.line)
        elif not is_allowed(part.path, write_to):
            allowed = ", ".join(write_to)
            yield FieldError(_shown(part.path), "may not be written", f"the plan allows {allowed}", part.line)
        else:
            yield from _in_the_way(part, named)
            named.setdefault(folded(part.path), part)
        yield from _no_document(part)


def _in_the_way(part: _Part, named: dict[str, _Part]) -> Iterator[FieldError]:
    """Two documents of one answer that cannot both be written."""
    own = folded(part.path)
    for other, there in named.items():
        if other == own:
            what = f"is named already in line {there.line}"
            yield FieldError(_shown(part.path), what, "each file once", part.line)
        elif other.startswith(own + "/") or own.startswith(other + "/"):
            what = f"cannot be a file beside {there.path} (line {there.line})"
            yield FieldError(_shown(part.path), what, "a name that is not a folder of another one", part.line)


def _no_document(part: _Part) -> Iterator[FieldError]:
    if not part.text.strip():
        yield FieldError(
            _shown(part.path), "the document is empty", "its whole text, or no such line", part.line
        )
    elif _NOTHING.fullmatch(part.text.strip()):
        what = "says that there is nothing to document"
        yield FieldError(_shown(part.path), what, "that line alone in the answer, or a text", part.line)


def _shown(path: str) -> str:
    """A path fit for a terminal and a message."""
    plain = "".join(one if one.isprintable() else f"\\x{ord(one):02x}" for one in path[:200])
    return plain + ("…" if len(path) > 200 else "")
