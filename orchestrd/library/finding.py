"""Where workflows lie, and who outranks whom: a trusted project's own, the user's, those that ship.

A project's files are foreign: no link is followed into or out of `.handoff`, nothing but a regular file is opened, and
nothing of a project that is not trusted is read.
"""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from difflib import get_close_matches
from enum import StrEnum
from pathlib import Path

from handoff.effects import effects, let_go
from handoff.fields import Problem
from handoff.foreign import BadFile, StillWritten, look, read_settled, shown
from handoff.formats import DocumentError
from orchestrd.library.workflow import Workflow, read_workflow

IN_PROJECT = (".handoff", "workflows")
SHIPPED_FOLDER = Path(__file__).parent.parent / "workflows"
MOST_LISTED = 200
"""Workflows of one folder that are listed."""
_MOST_TOLD = 10
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_NO = (errno.ENOENT, errno.ENAMETOOLONG)
_BARRED = (errno.ENOTDIR, errno.ELOOP, errno.EACCES, errno.EPERM)
_NAME = re.compile(r"([A-Za-z0-9_][A-Za-z0-9_.-]{0,63})\.toml")


class Origin(StrEnum):
    """Whose a workflow is; the first outranks the others."""

    PROJECT = "project"
    USER = "user"
    SHIPPED = "shipped"


class NoWorkflow(Exception):
    """A workflow that cannot be used; `problems` say why, as errors of the plan that names it.

    As text it is a line each. `file` is where it stands, if there is something wrong with that.
    """

    def __init__(self, problems: list[Problem], file: Path | None = None) -> None:
        super().__init__("\n".join(f"{one.message} — {one.hint}" for one in problems))
        self.problems = problems
        self.file = file

    @classmethod
    def of(cls, message: str, hint: str, file: Path | None = None) -> NoWorkflow:
        """One problem with the name."""
        return cls([Problem(("workflow",), message, hint)], file)

    @property
    def in_short(self) -> str:
        """The first problem, with the name of the file alone, and how many there are besides."""
        first = self.problems[0].message
        if self.file is not None:
            first = first.replace(shown(str(self.file)), shown(self.file.name), 1)
        more = len(self.problems) - 1
        return f"{first} (and {more} more)" if more else first


@dataclass(frozen=True, slots=True)
class Found:
    """A workflow, and where it was found."""

    name: str
    origin: Origin
    file: Path
    workflow: Workflow


@dataclass(frozen=True, slots=True)
class Listed:
    """A name that a plan may give, and what stands behind it: a workflow, or why there is none."""

    name: str
    origin: Origin
    found: Found | None
    problem: NoWorkflow | None = None


def _trusts_none(_project: Path) -> bool:
    return False


@dataclass(frozen=True, slots=True)
class Library:
    """All workflows that a plan may name."""

    folder: Path | None = None
    """Where the user keeps their own."""
    trusts: Callable[[Path], bool] = _trusts_none
    """Whether a project is trusted, and its own workflows with it."""

    def find(self, name: str, project: Path | None) -> Found:
        """Find a workflow by its name; `project`, without links, may have it itself. Raises NoWorkflow, OSError."""
        for origin, folder in self._shelves(project):
            raw = self._read(origin, folder, name, project)
            if raw is not None:
                file = folder / f"{name}.toml"
                return Found(name, origin, file, _workflow_of(raw, file))
        near = get_close_matches(name[:64], names := self.names(project), n=1)
        hint = f"did you mean `{near[0]}`?" if near else f"the workflows here are: {', '.join(names)}"
        raise NoWorkflow.of(f'there is no workflow "{shown(name[:64])}"', hint)

    def names(self, project: Path | None) -> dict[str, Origin]:
        """The names that a plan in this project may give, with whose each is. Raises OSError."""
        found: dict[str, Origin] = {}
        for origin, folder in self._shelves(project):
            for name in _names_in(folder, follow=origin is not Origin.PROJECT):
                found.setdefault(name, origin)
        return dict(sorted(found.items()))

    def listing(self, project: Path | None) -> list[Listed]:
        """Every workflow that a plan in this project may name, the unusable ones too. Raises OSError."""
        listed = []
        for name, origin in self.names(project).items():
            try:
                found = self.find(name, project)
                listed.append(Listed(name, origin, found))
            except NoWorkflow as problem:
                listed.append(Listed(name, origin, None, problem))
        return listed

    def _shelves(self, project: Path | None) -> Iterator[tuple[Origin, Path]]:
        if project is not None:
            yield Origin.PROJECT, project.joinpath(*IN_PROJECT)
        if self.folder is not None:
            yield Origin.USER, self.folder
        yield Origin.SHIPPED, SHIPPED_FOLDER

    def _read(self, origin: Origin, folder: Path, name: str, project: Path | None) -> bytes | None:
        """Read what lies under a name in one folder; None: nothing."""
        file = folder / f"{name}.toml"
        try:
            if origin is not Origin.PROJECT:
                # One's own file may be a link, to wherever one keeps such things.
                file = Path(os.path.realpath(file))
                folder = file.parent
            with _opened(folder, follow=origin is not Origin.PROJECT) as opened:
                look(opened, file.name)
                if origin is Origin.PROJECT and project is not None and not self.trusts(project):
                    raise _untrusted(file, project)
                return read_settled(opened, file.name, prove=False)
        except OSError as error:
            _tell(file, error)
            return None
        except BadFile as bad:
            raise NoWorkflow.of(
                f"{shown(str(file))} {bad.why}", "a regular file of your own, 1 MiB at most", file
            ) from None
        except StillWritten:
            message = f"{shown(str(file))} is being written to, or has a second hard link"
            raise NoWorkflow.of(message, "a file with one name, complete", file) from None


SHIPPED = Library()
"""What ships, and nothing else."""


def _workflow_of(raw: bytes, file: Path) -> Workflow:
    try:
        return read_workflow(raw)
    except DocumentError as error:
        problems = [
            Problem(
                ("workflow",),
                f"{shown(str(file))}:{one.line}: {one.path + ': ' if one.path else ''}{one.message}",
                one.hint or "see docs/workflows.md",
            )
            for one in error.errors[:_MOST_TOLD]
        ]
        more = len(error.errors) - _MOST_TOLD
        if more > 0:
            problems.append(
                Problem(("workflow",), f"{shown(str(file))}: and {more} more errors", "repair these first")
            )
        raise NoWorkflow(problems, file) from None


def _untrusted(file: Path, project: Path) -> NoWorkflow:
    return NoWorkflow.of(
        f"{shown(str(file))} is a workflow of a project that is not trusted",
        f"read it, then `orchestrd trust {shown(str(project))}`; or name another workflow",
        file,
    )


def _tell(file: Path, error: OSError) -> None:
    """Do nothing where nothing is there; raise NoWorkflow where the way is barred, the error otherwise."""
    if error.errno in _NO:
        return
    if error.errno in _BARRED:
        is_none = error.errno in (errno.ENOTDIR, errno.ELOOP)
        why = "a link, or no folder" if is_none else "not to be opened by this user"
        hint = "plain folders that the daemon's user may read"
        raise NoWorkflow.of(f"{shown(str(file.parent))} is {why}", hint) from None
    raise error


@contextmanager
def _opened(folder: Path, *, follow: bool) -> Iterator[int]:
    """Open a folder; of a project's the last two names are no links."""
    if follow:
        fd = effects.open(folder, _FOLDER & ~os.O_NOFOLLOW)
    else:
        above = effects.open(folder.parent, _FOLDER)
        try:
            fd = effects.open(folder.name, _FOLDER, dir_fd=above)
        finally:
            let_go(above)
    try:
        yield fd
    finally:
        let_go(fd)


def _names_in(folder: Path, *, follow: bool) -> list[str]:
    try:
        with _opened(folder, follow=follow) as opened:
            names = [found[1] for name in effects.list(opened) if (found := _NAME.fullmatch(name))]
    except OSError as error:
        if error.errno in (*_NO, *_BARRED):
            return []
        raise
    return sorted(names)[:MOST_LISTED]
