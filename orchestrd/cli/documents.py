"""An answer to a docs request, put together: of files, of standard input, or written in an editor."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from orchestrd.cli.calling import Complaint
from orchestrd.cli.refusing import MAX_PLAN_BYTES
from orchestrd.views.words import one_line, plain

if TYPE_CHECKING:
    from handoff.request import DocsRequest
    from orchestrd.views.requests import OpenRequest

_FILE_LINE = re.compile("<!-- *file:", re.IGNORECASE)
_NAMES_ITSELF = re.compile(r"\s*<!--\s*(file:|nothing to document)", re.IGNORECASE)
_HINT_END = "(All above and this line is taken off.) -->"


@dataclass(frozen=True, slots=True)
class Documents:
    """A whole answer, and what it is in words."""

    text: str
    in_words: str


def gathered(asked: DocsRequest, files: Sequence[str], placed: Sequence[str]) -> Documents:
    """Make the answer of files: one as it is where one path is asked for, else each under the path it is to have.

    One file that names its documents by itself is a whole answer, too.
    """
    from handoff.document_paths import single_path

    named = [_placed(one) for one in placed]
    if len(files) == 1 and not named:
        text = _read(files[0])
        if single_path(asked.write_to) is not None or _NAMES_ITSELF.match(text):
            return _checked(asked, text)
        return _joined(asked, [(_path_of(asked, files[0]), files[0], text)])
    named += [(_path_of(asked, file), file) for file in files]
    return _joined(asked, [(path, file, _read(file)) for path, file in named])


def edited(request: OpenRequest, asked: DocsRequest) -> Documents:
    """Have the answer written in the user's editor. What was written and does not fit is kept, and it is told where."""
    has_editor = bool(os.environ.get("VISUAL") or os.environ.get("EDITOR"))
    if not has_editor and not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise Complaint("--edit needs a terminal, or an editor named by VISUAL or EDITOR")
    template = _template(request, asked)
    descriptor, place = tempfile.mkstemp(prefix=f"{request.plan}-", suffix=".md")
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(template)
    _edit(place)
    written = Path(place).read_text("utf-8", "replace")
    text = written.partition(_HINT_END)[2] if _HINT_END in written else written
    if not text.strip() or written == template:
        os.unlink(place)
        raise Complaint("nothing was written, so nothing is answered", 1)
    text = text.lstrip("\n")
    try:
        found = _checked(asked, text)
    except Complaint as complaint:
        Path(place).write_text(text, "utf-8")
        how = f"what you wrote is in {place}: mend it, then orchestrd document {request.name} {place}"
        raise Complaint(f"{complaint}; {how}") from None
    os.unlink(place)
    return found


def _joined(asked: DocsRequest, named: Sequence[tuple[str, str, str]]) -> Documents:
    """Put documents under lines with their paths: path, file and text of each."""
    parts = []
    for path, file, text in named:
        if not text.strip():
            raise Complaint(f"{plain(file)}: is empty; --nothing says that there is nothing to document")
        if any(_FILE_LINE.match(line) for line in text.splitlines()):
            raise Complaint(
                f"{plain(file)}: a line of it would begin another document; set a space before `<!-- file:`"
            )
        parts.append(f"<!-- file: {path} -->\n{text.strip(chr(10))}\n")
    return _checked(asked, "\n".join(parts))


def _checked(asked: DocsRequest, text: str) -> Documents:
    """Check a whole answer as the daemon will."""
    from handoff.docs_reply import DocumentError, read_docs_reply

    if len(text.encode()) > MAX_PLAN_BYTES:
        raise Complaint("the documentation is larger than 1 MiB, which is more than an answer may be")
    try:
        documents = read_docs_reply(text, asked.write_to)
    except DocumentError as error:
        raise Complaint(plain("; ".join(map(str, error.errors[:3])))) from None
    paths = ", ".join(plain(one.path) for one in documents)
    return Documents(text, f"documented in {paths}" if documents else "nothing to document")


def _placed(text: str) -> tuple[str, str]:
    path, equals, file = text.partition("=")
    if not equals or not path or not file:
        raise Complaint(f"--as {plain(text)}: expected PATH=FILE, as in --as docs/x.md=notes.md")
    return path, file


def _path_of(asked: DocsRequest, file: str) -> str:
    """What a file is called in the project: where it lies in it, else the relative path that was typed."""
    if file == "-":
        raise Complaint(
            f"what standard input holds needs a name in the project: --as docs/x.md=- ({_allowed(asked)})"
        )
    where = Path(os.path.abspath(file))
    project = Path(asked.project)
    if where.is_relative_to(project):
        return str(where.relative_to(project))
    typed = os.path.normpath(file)
    if os.path.isabs(typed) or typed.startswith(".."):
        raise Complaint(
            f"{plain(file)} lies outside the project: say what it is to be called, --as docs/x.md={plain(file)}"
        )
    return typed


def _read(file: str) -> str:
    try:
        if file == "-":
            raw = sys.stdin.buffer.read(MAX_PLAN_BYTES + 1)
        else:
            with open(file, "rb") as opened:
                raw = opened.read(MAX_PLAN_BYTES + 1)
    except OSError as error:
        raise Complaint(f"{plain(file)}: {error.strerror}") from error
    try:
        return raw.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError:
        raise Complaint(f"{plain(file)}: is no text in UTF-8") from None


def _allowed(asked: DocsRequest) -> str:
    return ", ".join(one_line(rule, 100) for rule in asked.write_to)


def _template(request: OpenRequest, asked: DocsRequest) -> str:
    from handoff.document_paths import single_path

    single = single_path(asked.write_to)
    about = f"\n{one_line(asked.about, 200)}" if asked.about else ""
    where = (
        f"What you write becomes {single}."
        if single is not None
        else f"Each document stands under a line with its path. May be written: {_allowed(asked)}"
    )
    first = "" if single is not None else "<!-- file: docs/EXAMPLE.md -->\n"
    # Nothing foreign may end the comment.
    told = f"Documentation of {request.title or request.plan}.{about}\n{where}".replace("-->", "→")
    how = f"orchestrd requests {request.name} shows what was done. Leave this as it is to answer nothing."
    return f"<!-- {told}\n{how}\n{_HINT_END}\n\n{first}"


def _edit(place: str) -> None:
    editor = os.environ.get("VISUAL") or os.environ.get("EDITOR") or "vi"
    try:
        ended = subprocess.run([*shlex.split(editor), place], check=False)
    except (OSError, ValueError) as error:
        raise Complaint(f"the editor {plain(editor)} cannot be started: {error}") from error
    if ended.returncode != 0:
        raise Complaint(
            f"the editor {plain(editor)} ended with {ended.returncode}; what it wrote is in {place}", 1
        )
