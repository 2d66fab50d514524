"""Documents of a plan that worked in place: written into the project itself, without a commit."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from handoff import looking
from handoff.beneath import InTheWay, read_beneath, replace_beneath
from handoff.docs_reply import DocumentToWrite
from handoff.document_paths import folded
from orchestrd.workspaces.error import DocumentsRefused


def write_in_place(
    project: Path,
    documents: Sequence[DocumentToWrite],
    since: float,
    seen: Mapping[str, str],
    root: Path | None = None,
) -> None:
    """Write all documents, or none. What is there as it is to be stays; so it can be repeated.

    `since`: wall seconds of the plan's end; what somebody has changed later is replaced only if it is as `seen`, by
    whose checksum whoever answers was told of it. `root` is the handoff root, which may lie in the project.

    Raises:
        DocumentsRefused: a link, a folder or somebody's later work is in the way; or it would lie in the root.
        OSError: the disk refuses; some of them may be written.

    """
    if not looking.is_folder(project):
        raise DocumentsRefused(f"{project}: the project is gone. Bring it back, then answer again")
    wanted, problems, later = _looked_at(project, documents, since)
    if root is not None:
        problems += _in_root(project, documents, root)
    known = {**seen, **later}
    changed = [path for path, checksum in later.items() if seen.get(path) != checksum]
    if changed:
        problems.append(
            f"changed in {project} since the plan ended: {', '.join(changed)}; take what stands there into the "
            "document, and answer again: the next answer replaces it"
        )
    if problems:
        raise DocumentsRefused("; ".join(problems), files=known)
    for path, content in wanted.items():
        try:
            replace_beneath(project, path, content)
        except InTheWay as error:
            raise DocumentsRefused(f"{path}: {error.what}", files=known) from error


def _in_root(project: Path, documents: Sequence[DocumentToWrite], root: Path) -> list[str]:
    """Say what would lie in the handoff root: its lanes have their writers, and all else in it is the daemon's."""
    inside, top = folded(os.path.realpath(root)), os.path.realpath(project)
    return [
        f"{document.path}: lies in {root}, where no documents are written"
        for document in documents
        if os.path.commonpath((inside, folded(os.path.join(top, document.path)))) == inside
    ]


def _looked_at(
    project: Path, documents: Sequence[DocumentToWrite], since: float
) -> tuple[dict[str, bytes], list[str], dict[str, str]]:
    """What is to be written, what is in the way, and the checksums of what somebody has changed later."""
    wanted: dict[str, bytes] = {}
    problems: list[str] = []
    later: dict[str, str] = {}
    for document in documents:
        content = document.text.encode()
        try:
            there = read_beneath(project, document.path)
        except InTheWay as error:
            problems.append(f"{document.path}: {error.what}")
            continue
        if there is not None and there[0] == content:
            continue
        wanted[document.path] = content
        if there is not None and there[1] > since:
            later[document.path] = hashlib.sha256(there[0]).hexdigest()
    return wanted, problems, later
