"""Documents committed on a plan's branch, with nobody's checkout, index or work in between.

The commit is made of objects alone (an index of our own, `write-tree`, `commit-tree`), and the branch is moved in one
step that demands that nobody has moved it meanwhile. Between the two the caller writes the commit down: whatever cuts
it off, `is_on_branch` tells afterwards whether that is done. Neither hooks nor filters of the repository run.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from handoff import looking
from handoff.docs_reply import DocumentToWrite
from orchestrd.workspaces import document_places, forward, registrations
from orchestrd.workspaces.authorship import run_as_author
from orchestrd.workspaces.branches import free_branch
from orchestrd.workspaces.error import DocumentsRefused, WorkspaceError
from orchestrd.workspaces.git import GitFailed, GitLock, run_git
from orchestrd.workspaces.history import is_held
from orchestrd.workspaces.intent import Intent
from orchestrd.workspaces.registrations import common_dir, read_line, registration
from orchestrd.workspaces.worktree import HEADS

BRINGING = forward.Bringing("documents", "move it away or commit it there, then answer again")
_WHY = "orchestrd: documentation"


@dataclass(frozen=True, slots=True)
class PlanBranch:
    """Where the documents of a plan belong."""

    intent: Intent
    branch: str
    head: str | None
    """The commit at which the plan ended."""
    is_gone: bool = False
    """The plan left nothing on it, so it was removed with its checkout: what has its name now is somebody else's."""
    seen: str | None = None
    """A later commit up to which the one who answers was told what others had changed."""


@dataclass(frozen=True, slots=True)
class DocsCommit:
    """A commit that is made, and not on its branch yet."""

    commit: str | None
    """None: the branch has just these documents already."""
    branch: str
    parent: str
    is_new_branch: bool = False
    note: str | None = None
    """What was out of the ordinary."""


@dataclass(frozen=True, slots=True)
class _Tip:
    commit: str | None
    checkout: Path | None
    """Where the branch is checked out."""


def make_commit(
    at: PlanBranch,
    documents: Sequence[DocumentToWrite],
    message: str,
    lock: GitLock | None,
    earlier: str | None = None,
) -> DocsCommit:
    """Make the commit; the branch is not moved by this.

    `earlier` is one that was made of the same answer and did not get onto the branch: it is taken where it would.

    Raises:
        DocumentsRefused: something is in the way that a person has to see to.
        GitFailed: git did not do it, and may the next time.

    """
    repository = _repository(at.intent)
    branch, tip, note = _branch_of(at, repository, lock)
    if tip.checkout is not None and not _is_ours(at.intent, tip.checkout):
        raise DocumentsRefused(_checked_out(branch, tip.checkout))
    parent = tip.commit or at.head
    if parent is None or (tip.commit is None and not _is_commit(parent, repository, lock)):
        raise DocumentsRefused(
            f"the branch {branch} was deleted, and the repository does not have its commit {parent} any more; "
            f"make a branch of that name where the documents belong (`git branch {branch} COMMIT`), then answer again"
        )
    if tip.commit is None:
        note = note or f"the branch {branch} was deleted; it is made again at {parent[:12]}"
    elif at.head is not None and at.head != at.intent.base:
        note = note or _merged_note(branch, at.head, repository, lock)
    within = at.intent.cwd.relative_to(at.intent.path)
    places = {str(within / document.path): document for document in documents}
    commit = _commit(at, places, parent, message, repository, lock, earlier)
    return DocsCommit(commit, branch, parent, is_new_branch=tip.commit is None, note=note)


def move_branch(at: PlanBranch, made: DocsCommit, lock: GitLock | None) -> None:
    """Have the branch hold the commit; a checkout of the plan that is kept is brought along. Can be repeated.

    Raises:
        DocumentsRefused: what is in no commit is in the way in the plan's checkout.
        GitFailed: the branch has moved meanwhile, or git did not do it: begin again with `make_commit`.

    """
    if made.commit is None or is_on_branch(at, made.branch, made.commit, lock):
        return
    repository = _repository(at.intent)
    tip = _tip(made.branch, repository, lock)
    if tip.commit != (None if made.is_new_branch else made.parent):
        raise GitFailed(f"the branch {made.branch} has moved while its documentation was committed")
    if tip.checkout is not None and _is_ours(at.intent, tip.checkout):
        _bring_checkout(at.intent, made, lock)
        return
    if tip.checkout is not None:
        raise DocumentsRefused(_checked_out(made.branch, tip.checkout))
    before = "0" * len(made.commit) if made.is_new_branch else made.parent
    run_git(["update-ref", "-m", _WHY, HEADS + made.branch, made.commit, before], repository, lock=lock)


def is_on_branch(at: PlanBranch, branch: str, commit: str, lock: GitLock | None) -> bool:
    """Whether a branch holds a commit."""
    repository = _repository(at.intent)
    tip = _tip(branch, repository, lock)
    if tip.commit is None or not _is_commit(commit, repository, lock):
        return False
    if tip.checkout is not None and _is_ours(at.intent, tip.checkout):
        # Where a crash has cut that off, it is brought to its end first.
        forward.finish(at.intent.path, _environment(at.intent), lock)
        tip = _tip(branch, repository, lock)
    assert tip.commit is not None  # noqa: S101 - it was there a moment ago
    return is_held(commit, tip.commit, repository, lock)


def _repository(intent: Intent) -> Path:
    repository = intent.repository or intent.project
    try:
        common_dir(repository)
    except WorkspaceError as error:
        raise DocumentsRefused(f"{error.where}: {error.what}. Bring it back, then answer again") from error
    return repository


def _branch_of(at: PlanBranch, repository: Path, lock: GitLock | None) -> tuple[str, _Tip, str | None]:
    """Find the branch to commit on, where it stands, and what is out of the ordinary with it."""
    tip = _tip(at.branch, repository, lock)
    if at.is_gone and tip.commit is not None:
        free = free_branch(repository, at.branch, lock) or at.branch.replace("/", "-")
        return free, _Tip(None, None), f"the plan has left no branch, so {free} is made for its documentation"
    if at.is_gone:
        return at.branch, tip, f"the plan has left no branch, so {at.branch} is made for its documentation"
    return at.branch, tip, None


def _merged_note(branch: str, head: str, repository: Path, lock: GitLock | None) -> str | None:
    """Say that what is checked out has the plan's work already: for its documentation it has to be merged again."""
    if not _is_commit("HEAD", repository, lock) or not _is_commit(head, repository, lock):
        return None
    if not is_held(head, "HEAD", repository, lock):
        return None
    return f"its work was merged already: merge {branch} once more, for the documentation"


def _tip(branch: str, repository: Path, lock: GitLock | None) -> _Tip:
    """Where a branch stands, and where it is checked out, or being rebased."""
    ref = HEADS + branch
    asked = ["for-each-ref", "--format=%(refname)%00%(objectname)%00%(worktreepath)", ref]
    for line in run_git(asked, repository, lock=lock).splitlines():
        name, commit, place = line.split(b"\0")
        if os.fsdecode(name) == ref:
            found = Path(os.fsdecode(place)) if place else _rebased_in(ref, repository)
            # One that was removed by hand has nothing to lose.
            return _Tip(commit.decode(), found if found and looking.is_folder(found) else None)
    return _Tip(None, None)


def _rebased_in(ref: str, repository: Path) -> Path | None:
    """The work tree in which a branch is just being rebased: HEAD is on none then, and git moves it in the end."""
    for place, checkout in registrations.work_trees(common_dir(repository)):
        for state in ("rebase-merge", "rebase-apply"):
            if read_line(place / state / "head-name") == os.fsencode(ref):
                return checkout
    return None


def _is_ours(intent: Intent, checkout: Path) -> bool:
    return os.path.realpath(checkout) == os.path.realpath(intent.path)


def _checked_out(branch: str, checkout: Path) -> str:
    return (
        f"the branch {branch} is checked out in {checkout}, and what you have checked out is not changed behind your "
        f"back; leave the branch there (`git -C {checkout} switch --detach`), or end its rebase, then answer again"
    )


def _has_filter(filtered: Mapping[str, str]) -> str:
    found = ", ".join(f"{path} ({name})" for path, name in filtered.items())
    return (
        f"the repository has a filter for what is committed there, which is not run here: {found}; commit it by hand "
        "and answer that there is nothing to document, or name another file"
    )


def _is_commit(commit: str, repository: Path, lock: GitLock | None) -> bool:
    words = ["rev-parse", "-q", "--verify", commit + "^{commit}"]
    try:
        run_git(words, repository, lock=lock)
    except GitFailed as error:
        if error.code is None:
            raise
        return False
    return True


def _commit(
    at: PlanBranch,
    places: Mapping[str, DocumentToWrite],
    parent: str,
    message: str,
    repository: Path,
    lock: GitLock | None,
    earlier: str | None,
) -> str | None:
    there = document_places.entries(parent, places, repository, lock)
    shown = {path: document.path for path, document in places.items()}
    found = list(document_places.obstacles(list(places), there, shown))
    if found:
        raise DocumentsRefused("; ".join(found))
    blobs = {path: _blob(document, repository, lock) for path, document in places.items()}
    _demand_unchanged(at, blobs, shown, there, parent, repository, lock)
    with tempfile.TemporaryDirectory(prefix="orchestrd-index-") as scratch:
        own = {"GIT_INDEX_FILE": str(Path(scratch) / "index")}
        # Its index is thrown away: what git shares between several would be left in the repository.
        alone = ["-c", "core.splitIndex=false", "-c", "core.fsync=loose-object"]
        run_git([*alone, "read-tree", parent], repository, lock=lock, extra=own)
        filtered = document_places.filtered(list(shown), repository, lock, own)
        if filtered:
            raise DocumentsRefused(_has_filter({shown[path]: name for path, name in filtered.items()}))
        lines = b"".join(
            b"%b %b 0\t%b\0" % (document_places.mode_of(path, there), blob.encode(), os.fsencode(path))
            for path, blob in blobs.items()
        )
        run_git([*alone, "update-index", "-z", "--index-info"], repository, lock=lock, extra=own, stdin=lines)
        tree = run_git([*alone, "write-tree"], repository, lock=lock, extra=own).decode().strip()
    if tree == run_git(["rev-parse", parent + "^{tree}"], repository, lock=lock).decode().strip():
        return None
    if earlier is not None and _is_commit(earlier, repository, lock):
        words = ["rev-parse", f"{earlier}^{{tree}}", f"{earlier}^"]
        if run_git(words, repository, lock=lock).decode().split() == [tree, parent]:
            return earlier  # else each try would leave one more
    words = ["commit-tree", tree, "-p", parent, "-F", "-"]
    made = run_as_author(words, repository, lock=lock, extra={}, stdin=message.encode("utf-8", "replace"))
    return made.decode().strip()


def _blob(document: DocumentToWrite, repository: Path, lock: GitLock | None) -> str:
    # Without filters: they are programs of the repository's configuration. A file that has one is refused.
    words = ["hash-object", "-w", "--no-filters", "--stdin"]
    return run_git(words, repository, lock=lock, stdin=document.text.encode()).decode().strip()


def _demand_unchanged(
    at: PlanBranch,
    blobs: Mapping[str, str],
    shown: Mapping[str, str],
    there: Mapping[str, document_places.Entry],
    parent: str,
    repository: Path,
    lock: GitLock | None,
) -> None:
    """Refuse to replace what others have written since the plan ended, which whoever answers cannot have seen."""
    known = at.seen or at.head
    if known is None or known == parent or not _is_commit(known, repository, lock):
        return
    before = document_places.entries(known, blobs, repository, lock)
    changed = [
        shown[path]
        for path, blob in blobs.items()
        if path in there and there[path] != before.get(path) and there[path].blob != blob
    ]
    if changed:
        raise DocumentsRefused(
            f"changed on the branch {at.branch} since the plan ended: {', '.join(changed)}; take what stands there "
            "into the document, and answer again: the next answer replaces it",
            tip=parent,
        )


def _bring_checkout(intent: Intent, made: DocsCommit, lock: GitLock | None) -> None:
    """Bring the plan's own checkout, which was kept, along with its branch."""
    assert made.commit is not None  # noqa: S101 - the caller has looked
    try:
        forward.bring_forward(intent.path, _environment(intent), made.parent, made.commit, lock, BRINGING)
    except WorkspaceError as error:
        raise DocumentsRefused(f"{error.where}: {error.what}; {error.remedy}") from error


def _environment(intent: Intent) -> dict[str, str]:
    """What the gits of the plan's own checkout are told, so that they find its repository and no other.

    Unlike after a run, somebody may be at work in it: nothing of it is made good, and no lock in it is taken for stale.
    """
    admin = registration(common_dir(intent.repository or intent.project), intent.path)
    if admin is None:
        raise DocumentsRefused(f"the checkout {intent.path} is not registered; see `git worktree repair`")
    return {"GIT_DIR": str(admin), "GIT_WORK_TREE": str(intent.path)}
