"""What stands in the files that an answer to a docs request replaces whole: its section in the request."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator

from orchestrd.outbound.markdown import block, code
from orchestrd.record.account import printable
from orchestrd.record.present_documents import PresentDocument, PresentDocuments

HEADING = "What stands there now"


def present_section(found: PresentDocuments | None, project: str, commit: str | None) -> Iterator[str]:
    """Show the files and name the others. `commit`: the branch or commit that they lie in; None: in the project.

    Nothing where nothing is known.
    """
    if found is None or not (found.files or found.names or not found.is_complete):
        return

    def reached(path: str) -> str:
        if commit is None:
            return f"{project}/{path}"
        within = f"{found.within}{path}"
        return f"git -C {shlex.quote(project)} show {shlex.quote(f'{commit}:{within}')}"

    where = f"in {code(commit)}" if commit else "in the project"
    opening = (
        f"## {HEADING}\n\nAn answer replaces a file whole: what it leaves out is gone. So it stood {where} when the "
        "plan had ended, as data:\n"
    )
    yield "".join([opening, *(_file(one, reached) for one in found.files), *_names(found, reached)])


def _file(one: PresentDocument, reached: Callable[[str], str]) -> str:
    path = code(printable(one.path))
    if one.why_not is not None:
        return f"\n{path} is not shown: {code(one.why_not)}. To look at it: {code(reached(one.path))}\n"
    if one.text is None:
        return f"\n{path} is not there yet.\n"
    if not one.text:
        return f"\n{path} is there, and empty.\n"
    if one.is_whole:
        return f"\n{path}, whole:\n\n{block(one.text, 'markdown')}"
    return (
        f"\n{path}: THIS IS NOT THE WHOLE, only its first {len(one.text):,} characters. Read the rest before it is "
        f"replaced: {code(reached(one.path))}\n\n{block(one.text, 'markdown')}"
    )


def _names(found: PresentDocuments, reached: Callable[[str], str]) -> Iterator[str]:
    if found.names:
        beside = " other" if found.files else ""
        yield (
            f"\nThese{beside} Markdown files are there and may be written; to read one: "
            f"{code(reached('PATH'))}\n\n"
        )
        yield from (f"- {code(printable(name))}\n" for name in found.names)
        if found.more:
            yield f"- and {found.more} more\n"
    if not found.is_complete:
        yield "\nThere may be others: not all folders of the project were looked through.\n"
