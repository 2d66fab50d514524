"""What a root knows of each project: `context/NAME.md`, kept by the daemon and written into by people.

Markdown with TOML front matter, of which `project` says whose it is; the name is made of the folder's, for people. What
the daemon keeps stands in blocks, each between a mark with its checksum and an end; all else is somebody's own. How
blocks are kept is not known here, but that a reader who is not to see marks can have them taken away.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from handoff.document_error import DocumentError
from handoff.effects import effects
from handoff.foreign import BadFile, StillWritten, read_taken, shown
from handoff.reading import read_toml, text_of
from handoff.root import Root

ENDING = ".md"
MOST_BYTES = 1 << 20
"""A larger file is no context: it is left alone."""
NAME_LENGTH = 60

MARK = re.compile(r"[ \t]*<!-- kept (?P<id>\S+) (?P<sum>[0-9a-f]{12}) -->[ \t]*")
"""The line before a block of the daemon's."""
END = re.compile(r"[ \t]*<!-- end of kept -->[ \t]*")
"""The line behind it."""

_FENCE = re.compile(r"\+\+\+[ \t]*\n(?P<fields>.*?)^\+\+\+[ \t]*(?:\n|\Z)", re.DOTALL | re.MULTILINE)
_NOT_IN_NAMES = re.compile(r"[^a-z0-9]+")
_MANY_BLANK_LINES = re.compile(r"\n{3,}")


class ContextProblem(Exception):
    """A file in `context/` that is none, or cannot be read as one: what is wrong, and what to do."""

    def __init__(self, path: Path, what: str, remedy: str) -> None:
        super().__init__(f"context/{shown(path.name)} {what}. To do: {remedy}")
        self.path = path
        self.what = what
        self.remedy = remedy


@dataclass(frozen=True, slots=True)
class Context:
    """What is known of one project."""

    path: Path
    project: str
    """The project's folder, as `project_of` writes it."""
    text: str
    """All that stands behind the front matter, with marks, as it is in the file (line ends: LF)."""
    hand_over: bool = True
    """Whether runs on this project are told of it, as far as the file has a say; a person may switch it off here."""

    @property
    def name(self) -> str:
        """The file's name less its ending."""
        return self.path.name.removesuffix(ENDING)

    @property
    def words(self) -> str:
        """What there is to read, without marks."""
        return without_marks(self.text)


def project_of(path: str | os.PathLike[str]) -> str:
    """Write a project's folder as contexts do: in full, and not by way of links."""
    return os.path.realpath(os.path.expanduser(path))


def context_name(project: str | os.PathLike[str]) -> str:
    """Make the name under which a project's context lies, if no other project has it; the root adds `-2` and so on."""
    letters = _NOT_IN_NAMES.sub("-", os.path.basename(project_of(project)).lower())
    return letters[:NAME_LENGTH].strip("-") or "project"


def find_context(root: Root, project: str | os.PathLike[str]) -> Path | None:
    """Find a project's context; None where there is none. Raises OSError where the folder cannot be read."""
    wanted = project_of(project)
    return next((one.path for one in list_contexts(root) if one.project == wanted), None)


def list_contexts(root: Root) -> list[Context]:
    """All contexts of a root that can be read, by name. Raises OSError where the folder cannot be read."""
    return read_contexts(root)[0]


def read_contexts(root: Root) -> tuple[list[Context], list[ContextProblem]]:
    """All contexts of a root, by name, and what else lies there under such a name. Raises OSError."""
    found: list[Context] = []
    problems: list[ContextProblem] = []
    for path in context_files(root):
        try:
            found.append(read_context(path))
        except FileNotFoundError:
            continue
        except ContextProblem as problem:
            problems.append(problem)
    return found, problems


def context_files(root: Root) -> list[Path]:
    """The names in `context/` that contexts may have. Raises OSError; a folder that is not there holds none."""
    try:
        names = effects.list(root.context)
    except FileNotFoundError:
        return []
    return [root.context / name for name in sorted(names) if name.endswith(ENDING) and name[0] != "."]


def read_context(path: Path) -> Context:
    """Read one. Raises ContextProblem, and OSError (FileNotFoundError among them)."""
    return parse_context(path, read_bytes(path))


def read_bytes(path: Path) -> bytes:
    """Read what lies there, if that may be done: a regular file of a moderate size. Raises as `read_context` does."""
    try:
        return read_taken(path.parent, path.name, MOST_BYTES)
    except BadFile as bad:
        raise ContextProblem(
            path, bad.why, "move it away, or make it a text file of less than 1 MiB"
        ) from None
    except StillWritten:
        why = "has a second name (a hard link), or is being written"
        raise ContextProblem(path, why, "give it one name only") from None


def parse_context(path: Path, content: bytes) -> Context:
    """Make a context of a file's bytes. Raises ContextProblem."""
    try:
        text = text_of(content).replace("\r\n", "\n")
    except DocumentError as error:
        raise ContextProblem(path, f"is no text: {error.errors[0].message}", "save it as UTF-8") from None
    fence = _FENCE.match(text)
    if fence is None:
        remedy = 'let it begin with a line "+++", project = "/full/path", and a line "+++"; or move it away'
        raise ContextProblem(path, "does not say whose context it is", remedy)
    try:
        fields = read_toml(fence["fields"]).tree
    except DocumentError as error:
        line = (error.errors[0].line or 1) + 1
        raise ContextProblem(
            path, f"line {line}: {error.errors[0].message}", error.errors[0].hint or ""
        ) from None
    project, hand_over = fields.get("project"), fields.get("hand_over", True)
    if not isinstance(project, str) or not os.path.isabs(project):
        raise ContextProblem(path, "names no project", 'write project = "/full/path" into its front matter')
    if not isinstance(hand_over, bool):
        raise ContextProblem(path, f"says hand_over = {hand_over!r}", "write true or false")
    return Context(path, os.path.realpath(project), text[fence.end() :], hand_over)


def without_marks(text: str) -> str:
    """Take the lines away by which the daemon knows its blocks again, and more than one empty line in a row."""
    lines = [line for line in text.split("\n") if not (MARK.fullmatch(line) or END.fullmatch(line))]
    return _MANY_BLANK_LINES.sub("\n\n", "\n".join(lines)).strip()


def checksum(block: str, text: str) -> str:
    """The checksum of a block in its mark: of its name and its text, whatever the line ends."""
    return sha256(f"{block}\n{text}".replace("\r\n", "\n").encode("utf-8", "surrogatepass")).hexdigest()[:12]
