"""A checkout brought forward: all of the new work is there, and nothing of what lay there is lost."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from orchestrd.workspaces import forward, rescue
from orchestrd.workspaces.error import WorkspaceError
from orchestrd.workspaces.git import GitFailed
from orchestrd.workspaces.intent import Intent, decide, make, worktree_of
from tests.repositories import Repository, a_repository, isolate_git
from tests.workspaces.traps import booby_trapped


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Repository:
    isolate_git(monkeypatch, tmp_path)
    return a_repository(tmp_path / "project")


@pytest.fixture
def intent(repository: Repository) -> Intent:
    checkout = repository.path.parent / "checkouts" / "hello"
    made = decide(repository.path, "hello", checkout=checkout, lock=None)
    make(made, None)
    return made


def ahead(repository: Repository, **files: str | None) -> str:
    """A commit of the user's, with these files written or removed (None); the names have `__` for `/`."""
    repository.git("checkout", "-q", "-B", "ahead", "main")
    for name, text in files.items():
        path = repository.path / name.replace("__", "/").replace("_dot_", ".")
        if text is None:
            repository.git("rm", "-q", "-r", str(path.relative_to(repository.path)))
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
    repository.git("add", "-f", "-A")
    commit = repository.commit("ahead")
    repository.git("checkout", "-q", "main")
    return commit


def brought(intent: Intent, commit: str) -> None:
    """Bring it forward from where its branch stands."""
    tree = worktree_of(intent)
    env = rescue.opened(tree, None)
    head = Repository(intent.path).git("rev-parse", "HEAD")
    forward.bring_forward(tree.path, env, head, commit, None)


def is_at(intent: Intent, commit: str) -> bool:
    """Whether files, index, HEAD and branch all are those of a commit."""
    checkout = Repository(intent.path)
    return (
        checkout.git("rev-parse", "HEAD", f"refs/heads/{intent.branch}").split() == [commit, commit]
        and checkout.git("symbolic-ref", "HEAD") == f"refs/heads/{intent.branch}"
        and checkout.git("status", "--porcelain") == ""
        and checkout.git("write-tree") == checkout.git("rev-parse", f"{commit}^{{tree}}")
    )


def test_files_index_and_branch_are_those_of_the_commit(repository, intent):
    commit = ahead(repository, README="new\n", src__main_dot_py=None, deep__er__x="x\n")
    before = repository.standing()

    brought(intent, commit)

    assert is_at(intent, commit)
    assert (intent.path / "deep/er/x").read_text() == "x\n"
    assert not (intent.path / "src/main.py").exists()
    assert repository.standing() == before
    brought(intent, commit)
    assert is_at(intent, commit)


def test_a_file_becomes_a_folder_and_a_folder_a_file(repository, intent):
    repository.git("checkout", "-q", "-b", "ahead")
    repository.git("rm", "-q", "-r", "README.md", "src")
    repository.write("README.md/inner", "x\n")
    repository.write("src", "x\n")
    commit = repository.commit()
    repository.git("checkout", "-q", "main")

    brought(intent, commit)

    assert is_at(intent, commit)


def test_what_is_in_no_commit_and_not_in_the_way_stays(repository, intent):
    commit = ahead(repository, new="new\n", _dot_gitignore="*.log\n")
    (intent.path / "README.md").write_text("changed\n")
    (intent.path / "untracked").write_text("mine\n")
    (intent.path / "some.log").write_text("mine\n")

    brought(intent, commit)

    assert (intent.path / "README.md").read_text() == "changed\n"
    assert (intent.path / "untracked").read_text() == "mine\n"
    assert (intent.path / "some.log").read_text() == "mine\n"
    assert (intent.path / "new").read_text() == "new\n"


def _spoil(intent: Intent, how: str) -> str:
    """Put something in the way; what is to be named."""
    path = intent.path
    match how:
        case "changed":
            (path / "README.md").write_text("changed\n")
            return "README.md"
        case "staged":
            (path / "README.md").write_text("changed\n")
            Repository(path).git("add", "-A")
            return "README.md"
        case "deleted":
            (path / "README.md").unlink()
            return "README.md"
        case "untracked":
            (path / "new").write_text("mine\n")
            return "new"
        case "ignored":
            (Path(Repository(path).git("rev-parse", "--git-common-dir")) / "info/exclude").write_text("new\n")
            (path / "new").write_text("mine\n")
            return "new"
        case "a link":
            (path / "new").symlink_to("nowhere")
            return "new"
        case "a file for a folder":
            (path / "folder").write_text("mine\n")
            return "folder"
        case "a link for a folder":
            (path / "elsewhere").mkdir()
            (path / "elsewhere" / "inner").write_text("mine\n")
            (path / "folder").symlink_to("elsewhere")
            return "folder"
        case _:
            (path / "new").mkdir()
            (path / "new" / "odd\nname").write_text("mine\n")
            return r"'new/odd\nname'"


@pytest.mark.parametrize(
    "how",
    [
        "changed",
        "staged",
        "deleted",
        "untracked",
        "ignored",
        "a link",
        "a file for a folder",
        "a link for a folder",
        "a folder for a file",
    ],
)
def test_what_is_in_the_way_is_named_and_nothing_is_changed(repository, intent, how):
    commit = ahead(repository, README_dot_md="new\n", new="new\n", folder__inner="x\n")
    named = _spoil(intent, how)
    before = _everything(intent.path), Repository(intent.path).git("ls-files", "-s")

    for _ in range(2):
        with pytest.raises(WorkspaceError) as caught:
            brought(intent, commit)

        assert caught.value.what.endswith(f"in the way of the work of other steps: {named}")
        assert (_everything(intent.path), Repository(intent.path).git("ls-files", "-s")) == before
        assert repository.git("rev-parse", "handoff/hello") == intent.base


def test_an_empty_folder_is_not_in_the_way(repository, intent):
    commit = ahead(repository, new="new\n")
    (intent.path / "new" / "empty").mkdir(parents=True)

    brought(intent, commit)

    assert is_at(intent, commit)


def test_what_does_not_hold_its_work_is_refused(repository, intent):
    (intent.path / "work").write_text("done\n")
    work = Repository(intent.path).commit("work")

    with pytest.raises(WorkspaceError, match="is no part of"):
        brought(intent, ahead(repository, new="new\n"))

    assert is_at(intent, work)


def test_no_hook_or_watcher_is_started(repository, intent, tmp_path):
    commit = ahead(repository, new="new\n")
    trace = booby_trapped(repository, tmp_path)

    brought(intent, commit)

    assert not trace.exists()


@pytest.mark.parametrize("state", ["CHERRY_PICK_HEAD", "MERGE_HEAD", "rebase-merge"])
def test_what_an_agent_left_begun_is_no_obstacle(repository, intent, state):
    admin = repository.path / ".git/worktrees/hello"
    if state == "rebase-merge":
        (admin / state).mkdir()
    else:
        (admin / state).write_text(f"{intent.base}\n")

    commit = ahead(repository, new="new\n")
    brought(intent, commit)

    assert Repository(intent.path).git("rev-parse", "HEAD") == commit
    assert (intent.path / "new").exists()


# -- cut off


def cut_off(intent: Intent, commit: str, stage: str) -> None:
    """Leave it as a kill or a power cut does in the middle of being brought forward."""
    checkout = Repository(intent.path)
    admin = Path(checkout.git("rev-parse", "--absolute-git-dir"))
    (admin / forward.MARK).write_text(f"{intent.base} {commit}\n")
    if stage == "marked":
        return
    if stage in ("index", "ref"):
        checkout.git("read-tree", "-m", "-u", str(intent.base), commit)
    if stage == "ref":
        checkout.git("update-ref", "HEAD", commit)
    if stage == "files":
        (admin / "index.lock").write_bytes(b"half")
        (intent.path / "new").write_text("ne")
        (intent.path / "src" / "main.py").unlink()
    # What the power cut leaves of files: names and lengths, and no content.
    readme = intent.path / "README.md"
    stamp = readme.stat()
    readme.write_bytes(b"\0" * stamp.st_size)
    os.utime(readme, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))


@pytest.mark.parametrize("again", ["by the same call", "by what is gathered"])
@pytest.mark.parametrize("stage", ["marked", "files", "index", "ref"])
def test_what_was_cut_off_is_brought_to_its_end_and_other_work_stays(repository, intent, stage, again):
    commit = ahead(
        repository, README_dot_md="new\n", src__main_dot_py=None, new="new\n", src__deep__fresh="x\n"
    )
    cut_off(intent, commit, stage)
    (intent.path / "src/deep/other.py").write_text("mine\n")
    (intent.path / "untracked").write_text("mine\n")

    if again == "by the same call":
        brought(intent, commit)
    else:
        rescue.opened(worktree_of(intent), None)

    assert Repository(intent.path).git("status", "--porcelain").splitlines() == [
        " M src/deep/other.py",
        "?? untracked",
    ]
    assert Repository(intent.path).git("rev-parse", "HEAD") == commit
    assert (intent.path / "README.md").read_text() == "new\n"
    assert not (repository.path / ".git/worktrees/hello" / forward.MARK).exists()


def test_where_somebody_has_gone_on_meanwhile_nothing_is_done(repository, intent):
    commit = ahead(repository, README_dot_md="new\n")
    cut_off(intent, commit, "ref")
    (intent.path / "README.md").write_text("mine\n")
    theirs = Repository(intent.path).commit("theirs")
    (intent.path / "README.md").write_text("more of mine\n")

    rescue.opened(worktree_of(intent), None)

    assert Repository(intent.path).git("rev-parse", "HEAD") == theirs
    assert (intent.path / "README.md").read_text() == "more of mine\n"


def test_a_filter_that_fails_is_told_and_what_it_left_is_no_work(repository, intent):
    repository.git("config", "filter.lfs.clean", "cat")
    repository.git("config", "filter.lfs.smudge", "cat")
    commit = ahead(repository, _dot_gitattributes="*.bin filter=lfs\n", big_dot_bin="1\n", a="a\n")
    repository.git("config", "filter.lfs.smudge", "git-lfs-that-is-missing %f")
    repository.git("config", "filter.lfs.required", "true")
    tree = worktree_of(intent)
    env = rescue.opened(tree, None)

    with pytest.raises(GitFailed, match="read-tree"):
        forward.bring_forward(tree.path, env, tree.base, commit, None)

    repository.git("config", "filter.lfs.smudge", "cat")
    brought(intent, commit)
    assert is_at(intent, commit)


def test_a_git_that_is_killed_halfway_leaves_nothing_that_is_taken_for_work(repository, intent, tmp_path):
    fatal = tmp_path / "fatal"
    script = tmp_path / "smudge"
    script.write_text(f"#!/bin/sh\nif [ $1 = m.bin ] && rm '{fatal}' 2>&-; then kill -9 0; fi\ncat\n")
    script.chmod(0o755)
    repository.git("config", "filter.x.smudge", f"{script} %f")
    repository.git("config", "filter.x.clean", "cat")
    commit = ahead(
        repository,
        _dot_gitattributes="*.bin filter=x\n",
        a="a\n",
        m_dot_bin="m\n",
        z="z\n",
        README_dot_md=None,
    )
    fatal.touch()
    with pytest.raises(GitFailed, match="ended with -9"):
        brought(intent, commit)
    assert Repository(intent.path).git("status", "--porcelain") != ""
    assert not (intent.path / "z").exists()

    brought(intent, commit)

    assert is_at(intent, commit)


def test_many_files_of_any_name_are_brought_and_finished(repository, intent):
    repository.git("checkout", "-q", "-b", "ahead")
    names = ["with space", "new\nline", "tab\there", 'quote"', "-dash", ":colon", "*", "b-\udcff"]
    for name in [*names, *(f"many/{number}" for number in range(300))]:
        repository.write(name, "x\n")
    commit = repository.commit()
    repository.git("checkout", "-q", "main")
    cut_off(intent, commit, "marked")
    (intent.path / "many").mkdir()
    (intent.path / "many" / "7").write_text("half")

    brought(intent, commit)

    assert is_at(intent, commit)
    assert (intent.path / "b-\udcff").read_text() == "x\n"


def test_a_submodule_that_moves_is_no_obstacle(repository, intent):
    repository.git("checkout", "-q", "-b", "ahead")
    repository.git("update-index", "--add", "--cacheinfo", f"160000,{intent.base},lib")
    repository.git("commit", "-q", "-m", "lib")
    commit = repository.git("rev-parse", "HEAD")
    repository.git("checkout", "-q", "-f", "main")
    shutil.rmtree(repository.path / "lib", ignore_errors=True)

    brought(intent, commit)

    assert is_at(intent, commit)


def _everything(folder: Path) -> dict[str, bytes | str]:
    return {
        str(path): os.readlink(path) if path.is_symlink() else path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_symlink() or path.is_file()
    }
