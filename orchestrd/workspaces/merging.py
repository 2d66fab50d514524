"""The work of several steps put together without any checkout, so that a kill leaves nothing half merged.

The same sides in the same order give the same commit, whenever and however often it is made: nothing but the sides,
and who the user is to git, goes into it. A conflict is a value. No branch is moved here.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from handoff import durable
from orchestrd.workspaces import registrations
from orchestrd.workspaces.authorship import run_as_author
from orchestrd.workspaces.conflicts import Conflict, ConflictedFile, Side, conflicted_files
from orchestrd.workspaces.error import WorkspaceError, said_plainly
from orchestrd.workspaces.git import GitFailed, GitLock, run_git

__all__ = ["Conflict", "ConflictedFile", "Merged", "Side", "check_git", "merge"]

PLAIN = (
    "-c",
    "merge.renames=true",
    "-c",
    "merge.directoryRenames=conflict",
)
"""Git's own defaults: no configuration decides what goes together, but for the drivers that .gitattributes name."""


@dataclass(frozen=True, slots=True)
class Merged:
    """Work that goes together."""

    commit: str
    """Holds all of it: one of the sides where that holds the others, else a merge, which is on no branch yet."""


@dataclass(frozen=True, slots=True)
class _Scene:
    """A place where git can merge and finds nothing of the user's checkout."""

    repository: Path
    tree: Path
    env: Mapping[str, str]
    plan: str
    lock: GitLock | None


def merge(repository: Path, sides: Sequence[Side], *, plan: str, lock: GitLock | None) -> Merged | Conflict:
    """Put the work of `sides` together, in their order; those that another one holds already are passed over.

    `plan` is the id that stands in the merges' messages.

    Raises:
        WorkspaceError: git is too old (2.38 is needed), or fails.

    """
    if not sides:
        raise ValueError("there is nothing to merge")
    with (
        said_plainly("the work of the steps cannot be merged", repository, repository),
        _a_scene(repository, plan, lock) as scene,
    ):
        return _merge(scene, _independent(scene, sides))


def check_git(repository: Path, commit: str, lock: GitLock | None) -> None:
    """See whether the git of this machine can merge as is needed here; nothing but that is tried.

    Raises:
        WorkspaceError: it is too old, and what to do.

    """
    with (
        said_plainly("git cannot be tried out", repository, repository),
        _a_scene(repository, "", lock) as scene,
    ):
        _merged_tree(scene, commit, commit)


def _merge(scene: _Scene, sides: Sequence[Side]) -> Merged | Conflict:
    whole = sides[0].commit
    for number, side in enumerate(sides[1:], 1):
        tree = _merged_tree(scene, whole, side.commit)
        if not isinstance(tree, str):
            return Conflict(_in_conflict(scene, sides[:number], side), side, tree)
        whole = _commit(scene, tree, [whole, side.commit], side)
    return Merged(whole)


def _independent(scene: _Scene, sides: Sequence[Side]) -> list[Side]:
    """Leave out the sides that others hold; of those with one commit the first is left."""
    first: dict[str, Side] = {}
    for side in sides:
        first.setdefault(side.commit, side)
    if len(first) == 1:
        return list(first.values())
    told = run_git(["merge-base", "--independent", *first], scene.tree, lock=scene.lock, extra=scene.env)
    kept = set(told.decode().split())
    return [side for commit, side in first.items() if commit in kept]


def _in_conflict(scene: _Scene, before: Sequence[Side], side: Side) -> tuple[Side, ...]:
    """Find those of the sides merged so far that are in conflict with a side by themselves; else it is all of them."""
    if len(before) == 1:
        return tuple(before)
    alone = [one for one in before if not isinstance(_merged_tree(scene, one.commit, side.commit), str)]
    return tuple(alone or before)


def _merged_tree(scene: _Scene, ours: str, theirs: str) -> str | tuple[ConflictedFile, ...]:
    """Merge two commits: the tree, or what is in conflict."""
    _lay_out_attributes(scene, ours)
    words = [*PLAIN, "merge-tree", "--write-tree", "-z", "--allow-unrelated-histories", ours, theirs]
    try:
        told = run_git(words, scene.tree, lock=scene.lock, extra=scene.env)
    except GitFailed as error:
        if error.code == 129:
            raise _too_old(scene) from error
        # With 1 it also complains of a commit that is not there; then it writes nothing.
        if error.code != 1 or not error.stdout:
            raise
        return conflicted_files(error.stdout, (ours, theirs))
    return told.partition(b"\0")[0].decode()


def _lay_out_attributes(scene: _Scene, commit: str) -> None:
    """Have git find the attributes of our side: it looks for them in the files of a work tree.

    Those of the user's own checkout would have what the user does there decide what goes together.
    """
    durable.remove_tree(scene.tree, sync=False)
    durable.remove(scene.env["GIT_INDEX_FILE"], sync=False)
    durable.make_folder(scene.tree, sync=False)
    words = ["-c", "core.fsync=none", "checkout", "-q", commit, "--", ":(glob)**/.gitattributes"]
    # With 1 it says that there are none.
    run_git(words, scene.tree, lock=scene.lock, extra=scene.env, codes=(0, 1))


def _commit(scene: _Scene, tree: str, parents: Sequence[str], side: Side) -> str:
    named = [word for parent in parents for word in ("-p", parent)]
    date = f"@{_latest(scene, parents)} +0000"
    told = run_as_author(
        ["commit-tree", tree, *named],
        scene.tree,
        lock=scene.lock,
        extra={**scene.env, "GIT_AUTHOR_DATE": date, "GIT_COMMITTER_DATE": date},
        stdin=f"Merge step {side.step}\n\nPlan: {scene.plan}\n".encode(),
    )
    return told.decode().strip()


def _latest(scene: _Scene, commits: Sequence[str]) -> int:
    words = ["-c", "log.showSignature=false", "show", "-s", "--format=%ct", *commits]
    told = run_git(words, scene.tree, lock=scene.lock, extra=scene.env)
    return max(int(line) for line in told.split())


@contextmanager
def _a_scene(repository: Path, plan: str, lock: GitLock | None) -> Iterator[_Scene]:
    common = registrations.common_dir(repository)
    with tempfile.TemporaryDirectory(prefix="orchestrd-merge-") as scratch:
        tree = Path(scratch, "tree")
        durable.make_folder(tree, sync=False)
        # A driver that .gitattributes names writes its files where git works: never beside the user's.
        env = {
            "GIT_DIR": str(common),
            "GIT_WORK_TREE": str(tree),
            "GIT_INDEX_FILE": str(Path(scratch, "index")),
        }
        yield _Scene(repository, tree, env, plan, lock)


def _too_old(scene: _Scene) -> WorkspaceError:
    version = run_git(["version"], scene.tree, lock=scene.lock).decode("utf-8", "replace").strip()
    return WorkspaceError(
        f"the git of this machine is too old to merge the work of steps that ran side by side ({version})",
        str(scene.repository),
        "git 2.38 or newer",
        "install one, or let each step need the one before it",
    )
