"""`documents.json` in a plan's folder: what stood, at the plan's end, in the files that an answer may write.

An answer to a docs request replaces a file whole, so whoever writes one has to be shown what is there. It is kept as
it was found, since the request is made again after a cut, when the checkout is gone and the branch may have moved.
"""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from handoff import durable, looking

FILE = "documents.json"
_MOST_BYTES = 8_000_000
"""Far more than is ever written: what is longer is not ours."""


class PresentDocument(BaseModel):
    """A file that `write_to` names, and what stood in it."""

    model_config = ConfigDict(frozen=True)

    path: str
    """Inside the project."""
    text: str | None = None
    """What stood there, or how it began. None: nothing, or nothing that can be shown."""
    is_whole: bool = True
    """`text` is all of it."""
    why_not: str | None = None
    """Why something that is there is not shown."""


class PresentDocuments(BaseModel):
    """What there was of everything that `write_to` names."""

    model_config = ConfigDict(frozen=True)

    within: str = ""
    """The project's place in its repository, where that is another than the top."""
    files: tuple[PresentDocument, ...] = ()
    """Of each path without wildcards, also of one at which nothing lay."""
    names: tuple[str, ...] = ()
    """Further Markdown files that the globs allow, in order, and no more than are shown."""
    more: int = 0
    """How many others there were."""
    is_complete: bool = True
    """All folders were looked through."""


def keep(folder: Path, found: PresentDocuments | None) -> None:
    """Write the file into a plan's folder; None: nothing could be told, and none of an earlier time stays."""
    if found is None:
        durable.remove(folder / FILE)
        return
    # On the disk before the plan can have a result, whose sync of the folder takes the name along: a request that is
    # made after a power cut and shows nothing would have documents replaced that nobody had seen.
    durable.replace(folder / FILE, found.model_dump_json(exclude_defaults=True).encode(), sync=False)
    durable.sync_files([folder / FILE])


def kept(folder: Path) -> PresentDocuments | None:
    """Read it again; None: there is none, as of a plan of an earlier version. Raises OSError."""
    try:
        return PresentDocuments.model_validate_json(looking.read_file(folder / FILE, _MOST_BYTES))
    except (FileNotFoundError, ValidationError):
        return None
