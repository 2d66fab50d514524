"""The text of a reply to a docs request, made of documents and read as the daemon will read it. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from handoff.docs_reply import read_docs_reply
from handoff.document_error import DocumentError
from handoff.request import NOTHING_TO_DOCUMENT
from orchestrd.bridge.answers import CannotDo


@dataclass(frozen=True, slots=True)
class Document:
    """A document: where it goes, and all that it holds."""

    path: str
    content: str


def text_of(documents: Sequence[Document]) -> str:
    """Write the reply; no documents: there is nothing to document."""
    if not documents:
        return f"{NOTHING_TO_DOCUMENT}\n"
    return "\n".join(f"<!-- file: {one.path} -->\n{_ended(one.content)}" for one in documents)


def check(text: str, documents: Sequence[Document], write_to: Sequence[str]) -> None:
    """Read a reply as the daemon will. Raises CannotDo with all that is wrong."""
    try:
        found = read_docs_reply(text, write_to)
    except DocumentError as error:
        told = "; ".join(
            f"{one.path}: {one.message}" + (f" (expected: {one.hint})" if one.hint else "")
            for one in error.errors[:10]
        )
        raise CannotDo(f"the documents do not fit: {told}") from None
    if [one.path for one in found] != [one.path.strip() for one in documents]:
        raise CannotDo(
            "a line `<!-- file: … -->` within a document would begin another one: put a space before it"
        )


def _ended(text: str) -> str:
    return text if text.endswith("\n") else f"{text}\n"
