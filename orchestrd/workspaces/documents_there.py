"""What stands in the files that a plan's documentation may be written to: on its branch, or in its project.

Cut to what a writer can take in, with secrets hidden as in the patch. No link is followed, and of what is no text only
that is told.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from handoff import looking
from handoff.beneath import InTheWay, read_beneath
from handoff.document_paths import fixed_folder, is_allowed, is_single, plain_path, why_no_path
from handoff.effects import effects
from orchestrd.record.present_documents import PresentDocument, PresentDocuments
from orchestrd.workspaces import document_places
from orchestrd.workspaces.git import GitFailed, GitLock, GitMissing, run_git
from orchestrd.workspaces.intent import DIRECTORY, Intent

MOST_LETTERS = 40_000
"""Of one file."""
MOST_LETTERS_IN_ALL = 80_000
MOST_OPENED = 20
MOST_BYTES = 8_000_000
"""A larger file is not opened."""
MOST_NAMES = 200
MOST_NAME_LETTERS = 20_000
"""Of all names together."""
MOST_LOOKED_AT = 20_000
"""Names in folders of a project in place, which may hold all that was ever installed into it."""

_MARKDOWN = (".md", ".markdown")
_TOO_LARGE = "it is larger than 8 MB"

Redact = Callable[[bytes], bytes]
_Read = Callable[[str], "bytes | str | None"]
"""What a path holds; a text says why that is not shown, None that nothing is there."""


def documents_there(
    intent: Intent, head: str | None, write_to: Sequence[str], lock: GitLock | None, redact: Redact
) -> PresentDocuments | None:
    """Look what stands there now: in the commit `head`, or of a plan in place in its project.

    None: git cannot tell. Raises OSError where it is to be asked again later.
    """
    paths = [plain_path(rule) for rule in write_to if is_single(rule)]
    singles = [path for path in dict.fromkeys(paths) if why_no_path(path) is None]
    globs = [rule for rule in write_to if not is_single(rule)]
    if intent.mode == DIRECTORY:
        there = _InProject(intent.project)
        names, is_complete = there.names(globs)
        files, others = _shown(singles, there.read, redact), _others(names, globs, singles)
        return _told("", files, others, redact, is_complete=is_complete)
    if head is None or intent.repository is None:
        return None
    within = intent.cwd.relative_to(intent.path).as_posix()
    try:
        tree = _InCommit(head, "" if within == "." else f"{within}/", intent.repository, lock)
        files = _shown(singles, tree.reader(singles), redact)
        return _told(tree.within, files, _others(tree.names(globs), globs, singles), redact)
    except (GitFailed, GitMissing):
        return None


def _shown(paths: Sequence[str], read: _Read, redact: Redact) -> Iterator[PresentDocument]:
    """Open one after the other, as long as there is room."""
    room = MOST_LETTERS_IN_ALL
    for number, path in enumerate(paths):
        if number >= MOST_OPENED or room <= 0:
            yield PresentDocument(path=path, why_not="the others take all the room")
            continue
        found = _document(path, read(path), min(MOST_LETTERS, room), redact)
        room -= len(found.text or "")
        yield found


def _document(path: str, content: bytes | str | None, most: int, redact: Redact) -> PresentDocument:
    if content is None:
        return PresentDocument(path=path)
    if isinstance(content, str):
        return PresentDocument(path=path, why_not=content)
    try:
        # Before it is cut: half a secret would not be known again.
        text = redact(content).decode("utf-8")
    except UnicodeDecodeError:
        return PresentDocument(path=path, why_not="it is no text in UTF-8")
    if "\0" in text:
        return PresentDocument(path=path, why_not="it is a binary file")
    return PresentDocument(path=path, text=text[:most], is_whole=len(text) <= most)


def _others(names: Iterable[str], globs: Sequence[str], singles: Sequence[str]) -> list[str]:
    """Of the names those that a glob allows, in order, without what is shown already."""
    fitting = {name for name in names if why_no_path(name) is None and is_allowed(name, globs)}
    return sorted(fitting.difference(singles))


def _told(
    within: str,
    files: Iterable[PresentDocument],
    names: Sequence[str],
    redact: Redact,
    *,
    is_complete: bool = True,
) -> PresentDocuments:
    shown: list[str] = []
    room = MOST_NAME_LETTERS
    for name in names[:MOST_NAMES]:
        room -= len(name)
        if room < 0:
            break
        shown.append(redact(name.encode()).decode("utf-8", "replace"))
    return PresentDocuments(
        within=within,
        files=tuple(files),
        names=tuple(shown),
        more=len(names) - len(shown),
        is_complete=is_complete,
    )


def _is_markdown(name: str) -> bool:
    return name.lower().endswith(_MARKDOWN)


@dataclass(frozen=True, slots=True)
class _InCommit:
    """A project as a commit has it."""

    commit: str
    within: str
    """Its place in the repository: empty, or ending in a slash."""
    repository: Path
    lock: GitLock | None

    def reader(self, paths: Sequence[str]) -> _Read:
        """Return what reads these paths."""
        if not paths:
            return lambda _path: None
        places = [self.within + path for path in paths]
        there = document_places.entries(self.commit, places, self.repository, self.lock)

        def read(path: str) -> bytes | str | None:
            place = self.within + path
            obstacle = next(document_places.obstacles([place], there, {place: path}), None)
            if obstacle is not None:
                return obstacle.removeprefix(f"{path}: ")
            return self._blob(there[place].blob) if place in there else None

        return read

    def _blob(self, blob: str) -> bytes | str:
        size = int(run_git(["cat-file", "-s", blob], self.repository, lock=self.lock))
        if size > MOST_BYTES:
            return _TOO_LARGE
        return run_git(["cat-file", "blob", blob], self.repository, lock=self.lock)

    def names(self, globs: Sequence[str]) -> Iterator[str]:
        """Name the Markdown files below the globs' folders, links not among them."""
        if not globs:
            return
        # A comparison with nothing: unlike ls-tree it picks names, and a repository may have a million of others.
        nothing = run_git(
            ["hash-object", "-t", "tree", "--stdin"], self.repository, lock=self.lock, stdin=b""
        )
        sides = [nothing.decode().strip(), self.commit]
        below = {_escaped(self.within + fixed_folder(rule)) for rule in globs}
        picked = [
            f":(top,glob,icase){folder}**/*{ending}" for folder in sorted(below) for ending in _MARKDOWN
        ]
        words = ["diff-tree", "-r", "-z", "--raw", "--no-renames", *sides, "--", *picked]
        told = iter(run_git(words, self.repository, lock=self.lock).split(b"\0"))
        for facts in told:
            if not facts:
                return
            name = os.fsdecode(next(told))
            if stat.S_ISREG(int(facts.split(b" ")[1], 8)) and name.startswith(self.within):
                yield name.removeprefix(self.within)


def _escaped(path: str) -> str:
    """A path as git's globs take it for itself."""
    return re.sub(r"([*?\[\]\\])", r"\\\1", path)


@dataclass(frozen=True, slots=True)
class _InProject:
    """A project as it lies there."""

    project: Path

    def read(self, path: str) -> bytes | str | None:
        """Read a file."""
        try:
            found = read_beneath(self.project, path, MOST_BYTES + 1)
        except InTheWay as error:
            return error.what
        except FileNotFoundError:
            return None
        except OSError as error:
            return f"it cannot be read: {error.strerror}"
        if found is not None and len(found[0]) > MOST_BYTES:
            return _TOO_LARGE
        return found[0] if found is not None else None

    def names(self, globs: Sequence[str]) -> tuple[list[str], bool]:
        """Name the Markdown files below the globs' folders, and tell whether all folders were looked through."""
        waiting = [
            folder for folder in sorted({fixed_folder(rule) for rule in globs}) if self._is_own(folder)
        ]
        seen: set[str] = set()
        found: list[str] = []
        left = MOST_LOOKED_AT
        while waiting:
            folder = waiting.pop(0)
            if folder in seen:
                continue
            seen.add(folder)
            try:
                names = sorted(effects.list(self.project / folder))
                left -= len(names)
                if left < 0:
                    return found, False
                folders = looking.folders_in(self.project / folder, names)
            except OSError:
                # Gone, or not ours to read: nothing is written there either.
                continue
            found += [folder + name for name in names if _is_markdown(name) and self._is_file(folder + name)]
            waiting += [f"{folder}{name}/" for name in folders if why_no_path(folder + name) is None]
        return found, True

    def _is_own(self, folder: str) -> bool:
        """Whether a folder is there and can be looked at, and no link is on the way to it."""
        where = self.project
        for name in filter(None, folder.split("/")):
            try:
                if not looking.folders_in(where, [name]):
                    return False
            except OSError:
                return False
            where /= name
        return True

    def _is_file(self, path: str) -> bool:
        try:
            return stat.S_ISREG(effects.stat(self.project / path, follow=False).st_mode)
        except OSError:
            return False
