"""One git worktree from the outside: its folder, its registration in the repository, its branch.

Both halves can be missing, after a crash or by what an agent did, and each is made good from the other. Git is called
only where something has to be done: what can be seen in files is read there.
"""

from __future__ import annotations

import os
import re
import stat
from dataclasses import dataclass
from pathlib import Path

from handoff import durable, looking
from handoff.effects import clock, effects
from orchestrd.workspaces.error import WorkspaceError
from orchestrd.workspaces.git import GitFailed, GitLock, run_git
from orchestrd.workspaces.quick_worktree import INITIALISING, add_quickly, remove_half_registered
from orchestrd.workspaces.refs import loose_tip
from orchestrd.workspaces.registrations import common_dir, read_line, registration

MARKER = "orchestrd"
"""In the registration of a checkout that is complete and ours."""
HEADS = "refs/heads/"

_STUMBLED = re.compile(r"failed to read .*worktrees/|could not create .*worktrees")
_PAUSES = (0.005, 0.02, 0.05, 0.1, 0.2, 0.4)


@dataclass(frozen=True, slots=True)
class Worktree:
    """A checkout of ours."""

    repository: Path
    """The root of the user's work tree."""
    path: Path
    branch: str
    base: str
    """The commit it begins at, in full."""

    @property
    def ref(self) -> str:
        """The branch's full name."""
        return HEADS + self.branch


def make(tree: Worktree, lock: GitLock | None, *, untouched: bool = False, was_free: bool = False) -> None:
    """Make it, or make it whole. `untouched`: no run has begun in it, so what is not marked as whole is made anew.

    `was_free`: its place was free when it was decided on. What lies there untouched is ours, whatever a power cut left.
    """
    common = common_dir(tree.repository)
    admin = registration(common, tree.path)
    if untouched or (admin is not None and _is_half_made(admin)):
        admin = _cleared(tree, common, admin, is_ours=untouched and was_free)
    is_known = admin is not None and looking.is_there(admin / MARKER) and looking.is_folder(tree.path)
    if admin is None and looking.is_there(tree.path):
        admin = _registered_again(tree, common, lock)
    if admin is None:
        _make_folders(tree.path.parent)
        admin = add_quickly(common, tree.path, tree.branch, tree.base, lock)
    if admin is None:
        _add(tree, lock)
        admin = registration(common, tree.path)
    elif not looking.is_folder(tree.path):
        _add(tree, lock, again=True)
        admin = registration(common, tree.path) or admin
    if admin is None:
        raise WorkspaceError(
            "git made a checkout and does not list it",
            str(tree.path),
            "a registered worktree",
            "retry the plan",
        )
    link(tree, admin)
    if not is_known:
        # Git syncs neither the files that it checks out nor the registration: a power cut would leave some empty, and
        # what is empty then would be committed as the plan's work.
        for place in (tree.path, admin):
            durable.sync_tree(place)
    durable.publish_new(admin / MARKER, os.fsencode(tree.branch) + b"\n")


def remove(tree: Worktree, lock: GitLock | None) -> bool:
    """Remove checkout and registration, and the branch where it holds nothing. False: the checkout stays."""
    try:
        common = common_dir(tree.repository)
    except WorkspaceError:
        # The repository is gone; what the checkout holds may be all that is left of it.
        return not looking.is_there(tree.path)
    remove_half_registered(common, tree.path)
    admin = registration(common, tree.path)
    if looking.is_there(tree.path):
        if admin is None or not looking.is_there(admin / MARKER):
            return False
        link(tree, admin)
        if not _removed_by_git(tree, lock):
            return False
    elif admin is not None:
        durable.remove_tree(admin, sync=False)
    delete_branch(tree.repository, tree.branch, tree.base, lock)
    # Synced, or it would be there again after a power cut, when its plan lies in the archive and nobody looks after it.
    for place in (tree.path.parent, common / "worktrees", common):
        if looking.is_folder(place):
            durable.sync_names(os.fspath(place))
    return True


def link(tree: Worktree, admin: Path) -> None:
    """See to it that the checkout's `.git` leads to its registration. A repository that was made over it is kept."""
    entry = tree.path / ".git"
    wanted = b"gitdir: " + os.fsencode(admin) + b"\n"
    try:
        kind = effects.stat(entry, follow=False).st_mode
    except FileNotFoundError:
        durable.replace(entry, wanted, mode=0o644)
        return
    if stat.S_ISREG(kind) and _same_place(read_line(entry), admin, tree.path):
        return
    if stat.S_ISDIR(kind):
        durable.move_new(entry, free_path(tree.path.with_name(tree.path.name + ".git-found")))
    durable.replace(entry, wanted, mode=0o644)


def free_path(path: Path) -> Path:
    """Find a name that nothing has."""
    number, free = 1, path
    while looking.is_there(free):
        number += 1
        free = path.with_name(f"{path.name}-{number}")
    return free


def register(tree: Worktree, common: Path, lock: GitLock | None) -> Path:
    """Register a checkout whose registration is gone; its branch must be there. No file in it is touched."""
    folder = common / "worktrees"
    durable.make_folder(folder, sync=False, mode=0o755)
    admin = free_path(folder / tree.path.name)
    durable.make_folder(admin, sync=False, mode=0o755)
    durable.replace(admin / "commondir", b"../..\n", sync=False, mode=0o644)
    durable.replace(admin / "HEAD", os.fsencode(f"ref: {tree.ref}\n"), sync=False, mode=0o644)
    durable.replace(admin / "gitdir", os.fsencode(tree.path / ".git") + b"\n", sync=False, mode=0o644)
    extra = {"GIT_DIR": str(admin), "GIT_WORK_TREE": str(tree.path)}
    run_git(["read-tree", "HEAD"], tree.path, lock=lock, extra=extra)
    durable.publish_new(admin / MARKER, os.fsencode(tree.branch) + b"\n")
    return admin


def tip(tree: Worktree, lock: GitLock | None) -> str | None:
    """Tell the commit that the branch is at; None: it is gone."""
    try:
        found = run_git(["rev-parse", "-q", "--verify", tree.ref + "^{commit}"], tree.repository, lock=lock)
    except GitFailed:
        return None
    return found.decode().strip()


def delete_branch(repository: Path, branch: str, at: str, lock: GitLock | None) -> None:
    """Delete a branch if it still is at that commit, which is known elsewhere, and nobody has it checked out."""
    common, ref = common_dir(repository), HEADS + branch
    head = os.fsencode(f"ref: {ref}")
    admins = common / "worktrees"
    places = [
        common,
        *(admins / name for name in (effects.list(admins) if looking.is_folder(admins) else ())),
    ]
    if any(read_line(place / "HEAD") == head for place in places):
        return
    if loose_tip(common, ref) not in (None, at):
        return
    # One step, and only if the branch has not moved: no work can be lost in between.
    run_git(["update-ref", "-d", ref, at], repository, lock=lock, codes=(0, 1, 128))


def _cleared(tree: Worktree, common: Path, admin: Path | None, *, is_ours: bool) -> Path | None:
    """Remove what was begun and cut off; nobody has worked in it. The registration, where it is marked as whole."""
    if admin is None:
        # A power cut may have left the registration without a word in it, or with half of it: no git makes one so.
        likely = common / "worktrees" / tree.path.name
        admin = likely if _is_torn(likely / "gitdir", os.fsencode(tree.path / ".git")) else None
    if admin is not None and looking.is_there(admin / MARKER):
        return admin
    content = read_line(tree.path / ".git")
    leads_to_us = content is not None and _lies_below(content, common / "worktrees")
    if is_ours or admin is not None or leads_to_us or _is_blank(tree.path / ".git"):
        durable.remove_tree(tree.path, sync=False)
    if admin is not None:
        durable.remove_tree(admin, sync=False)
    return None


def _is_blank(path: Path) -> bool:
    """Whether a file is there and says nothing."""
    content = read_line(path)
    return content is not None and not content.strip(b"\0")


def _is_torn(path: Path, whole: bytes) -> bool:
    """Whether a file is there and holds less than it was to."""
    content = read_line(path)
    return content is not None and content != whole and whole.startswith(content.strip(b"\0"))


def _is_half_made(admin: Path) -> bool:
    return not looking.is_there(admin / MARKER) and read_line(admin / "locked") == INITIALISING


def _registered_again(tree: Worktree, common: Path, lock: GitLock | None) -> Path | None:
    """Take a folder that is there without a registration: ours by its `.git`, or put aside. None: the place is free."""
    content = read_line(tree.path / ".git")
    if content is not None and _lies_below(content, common / "worktrees"):
        return register(tree, common, lock)
    try:
        effects.rmdir(os.fspath(tree.path))
    except OSError:
        durable.move_new(tree.path, free_path(tree.path.with_name(tree.path.name + ".found")))
    return None


def _add(tree: Worktree, lock: GitLock | None, *, again: bool = False) -> None:
    _make_folders(tree.path.parent)
    anew = ["worktree", "add", "-q", "--no-track", "-b", tree.branch, "--", str(tree.path), tree.base]
    there = ["worktree", "add", "-q", "-f", "--", str(tree.path), tree.branch]
    if again:
        _patiently(there, tree.repository, lock)
        return
    try:
        _patiently(anew, tree.repository, lock)
    except GitFailed as error:
        if "already exists" not in error.stderr:
            delete_branch(tree.repository, tree.branch, tree.base, lock)
            raise
        # Made before a crash, if it is still where we began it; else it is somebody's.
        if tip(tree, lock) != tree.base:
            raise WorkspaceError(
                f"a branch {tree.branch!r} was made meanwhile by somebody else",
                str(tree.repository),
                "the name to be free, as it was when the plan was looked at",
                "retry the plan",
            ) from error
        _patiently([word for word in there if word != "-f"], tree.repository, lock)


def _patiently(args: list[str], repository: Path, lock: GitLock | None) -> None:
    """Call git, again where it stumbled over another worktree that was just being made or removed.

    It reads the registration of every worktree, and gives up over a half-written one. What it had done of its own it
    takes back then.
    """
    for pause_seconds in (*_PAUSES, None):
        try:
            run_git(args, repository, lock=lock)
        except GitFailed as error:
            if pause_seconds is None or not _STUMBLED.search(error.stderr):
                raise
            clock.sleep(pause_seconds)
        else:
            return


def _removed_by_git(tree: Worktree, lock: GitLock | None) -> bool:
    try:
        _patiently(["worktree", "remove", "--", str(tree.path)], tree.repository, lock)
    except GitFailed as error:
        if "modified or untracked" in error.stderr or "locked working tree" in error.stderr:
            return False
        if "submodules" not in error.stderr:
            raise
        return _removed_with_submodules(tree, lock)
    return True


def _removed_with_submodules(tree: Worktree, lock: GitLock | None) -> bool:
    """Git removes no checkout with submodules unless forced to. One that was filled may hold work: then it stays."""
    listed = run_git(["ls-files", "-s", "-z"], tree.path, lock=lock)
    for entry in listed.split(b"\0"):
        if entry.startswith(b"160000 "):
            inner = tree.path / os.fsdecode(entry.partition(b"\t")[2])
            if looking.is_folder(inner) and effects.list(inner):
                return False
    if run_git(["status", "--porcelain", "-z", "--untracked-files=normal"], tree.path, lock=lock):
        return False
    _patiently(["worktree", "remove", "--force", "--", str(tree.path)], tree.repository, lock)
    return True


def _make_folders(folder: Path) -> None:
    if not looking.is_folder(folder):
        _make_folders(folder.parent)
        durable.make_folder(folder, sync=False)


def _same_place(content: bytes | None, admin: Path, path: Path) -> bool:
    if content is None or not content.startswith(b"gitdir: "):
        return False
    there = path / os.fsdecode(content[len(b"gitdir: ") :])
    return there == admin or os.path.realpath(there) == os.path.realpath(admin)


def _lies_below(content: bytes, folder: Path) -> bool:
    if not content.startswith(b"gitdir: "):
        return False
    place = Path(os.path.realpath(os.fsdecode(content[len(b"gitdir: ") :])))
    return place.parent == Path(os.path.realpath(folder))
