from __future__ import annotations

import json
import os
import shutil
import subprocess
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from handoff import durable, syncing
from orchestrd.workspaces import worktree
from orchestrd.workspaces.intent import Intent, WorkspaceError, decide, make, remove
from tests.repositories import Repository, a_repository, isolate_git
from tests.workspaces.traps import booby_trapped


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Repository:
    isolate_git(monkeypatch, tmp_path)
    return a_repository(tmp_path / "project")


def decided(repository: Repository, plan: str = "hello", **wishes: object) -> Intent:
    """What is decided for a plan in the repository."""
    project = wishes.pop("project", repository.path)
    checkout = repository.path.parent / "checkouts" / plan
    return decide(project, plan, checkout=checkout, lock=None, **wishes)  # type: ignore[arg-type]


def made(repository: Repository, plan: str = "hello", **wishes: object) -> Intent:
    """A checkout that was made."""
    intent = decided(repository, plan, **wishes)
    make(intent, None)
    return intent


# -- deciding


def test_deciding_changes_nothing_and_names_branch_base_and_place(repository):
    before = _everything(repository.path)

    intent = decided(repository)

    assert intent == Intent(
        mode="worktree",
        project=repository.path,
        path=repository.path.parent / "checkouts" / "hello",
        cwd=repository.path.parent / "checkouts" / "hello",
        repository=repository.path,
        branch="handoff/hello",
        base=repository.git("rev-parse", "HEAD"),
        in_git=True,
        was_free=True,
    )
    assert _everything(repository.path) == before


@pytest.mark.parametrize("mode", ["worktree", "directory"])
def test_an_intent_survives_the_journal(repository, mode):
    intent = decided(repository, mode=mode)

    assert Intent.from_fields(json.loads(json.dumps(intent.fields()))) == intent


def test_claude_works_in_the_same_folder_of_the_checkout_as_the_project_lies_in(repository):
    intent = made(repository, project=repository.path / "src" / "deep")

    assert intent.cwd == intent.path / "src" / "deep"
    assert (intent.cwd / "other.py").is_file()


def test_a_project_that_is_no_part_of_the_base_is_refused(repository):
    (repository.path / "fresh").mkdir()

    with pytest.raises(WorkspaceError, match="'fresh' is not part of HEAD"):
        decided(repository, project=repository.path / "fresh")


def test_a_base_is_a_branch_a_tag_or_a_commit(repository):
    first = repository.git("rev-parse", "HEAD")
    repository.git("tag", "-a", "v1", "-m", "one")
    repository.commit("second")

    assert decided(repository, base="v1").base == first
    assert decided(repository, base=first[:12]).base == first
    assert decided(repository, base="HEAD~1").base == first


@pytest.mark.parametrize("base", ["nope", "--help", "v1.0", "HEAD:README.md", "nul\0"])
def test_a_missing_base_is_named(repository, base):
    with pytest.raises(WorkspaceError) as caught:
        decided(repository, base=base)

    assert caught.value.what == f"there is no commit {base!r}"


def test_a_repository_without_a_commit_is_refused(tmp_path, repository):
    empty = Repository(tmp_path / "empty")
    empty.path.mkdir()
    empty.git("init", "-q")

    for mode in (None, "worktree", "directory"):
        with pytest.raises(WorkspaceError, match="has no commit"):
            decided(empty, mode=mode)


def test_no_repository_means_in_place_unless_a_worktree_was_asked_for(tmp_path, repository):
    plain = tmp_path / "plain"
    plain.mkdir()

    intent = decided(repository, project=plain)

    assert (intent.mode, intent.path, intent.cwd, intent.in_git) == ("directory", plain, plain, False)
    with pytest.raises(WorkspaceError, match="no git repository"):
        decided(repository, project=plain, mode="worktree")


def test_a_link_to_the_project_is_resolved(tmp_path, repository):
    link = tmp_path / "link"
    link.symlink_to(repository.path)

    assert decided(repository, project=link).project == repository.path


def test_a_bare_repository_is_refused(tmp_path, repository):
    repository.git("clone", "-q", "--bare", str(repository.path), str(tmp_path / "bare.git"))

    with pytest.raises(WorkspaceError, match="bare"):
        decided(repository, project=tmp_path / "bare.git")
    with pytest.raises(WorkspaceError, match="bare"):
        decided(repository, project=repository.path / ".git")


def test_no_git_on_the_machine_is_said_where_one_is_needed(tmp_path, repository, monkeypatch):
    plain = tmp_path / "plain"
    plain.mkdir()
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(WorkspaceError, match="no git on this machine"):
        decided(repository)
    assert decided(repository, project=plain).in_git is False


def test_a_dirty_tree_in_place_is_refused_and_names_what_is_dirty(repository):
    assert decided(repository, mode="directory").base == repository.git("rev-parse", "HEAD")
    repository.write("new file", "x")

    with pytest.raises(WorkspaceError, match="new file"):
        decided(repository, mode="directory", project=repository.path / "src")


def test_ignored_files_make_no_tree_dirty(repository):
    repository.write(".gitignore", "*.log\n")
    repository.commit()
    repository.write("some.log", "x")

    assert decided(repository, mode="directory").in_git


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder away")
def test_a_repository_of_another_user_is_refused_with_the_remedy(repository):
    for place in (repository.path, repository.path / ".git"):
        os.chown(place, 12345, 12345)

    with pytest.raises(WorkspaceError) as caught:
        decided(repository)

    assert caught.value.remedy == f"git config --global --add safe.directory {repository.path}"
    repository.git("config", "--global", "--add", "safe.directory", str(repository.path), cwd=Path("/"))
    intent = made(repository)
    assert (intent.path / "README.md").is_file()
    assert remove(intent, None)


def test_a_taken_branch_is_never_reset_a_number_is_added(repository):
    repository.git("branch", "handoff/hello")
    repository.git("branch", "handoff/hello-2")
    tips = repository.git("for-each-ref").splitlines()

    assert decided(repository).branch == "handoff/hello-3"
    assert made(repository, branch="main").branch == "main-2"
    assert set(tips) < set(repository.git("for-each-ref").splitlines())


def test_many_taken_branches_are_passed_over(repository):
    for number in ["", *(f"-{number}" for number in range(2, 21))]:
        repository.git("branch", f"handoff/hello{number}")

    assert decided(repository).branch == "handoff/hello-21"


def test_a_branch_named_handoff_moves_the_default_beside_it(repository):
    repository.git("branch", "handoff")

    intent = made(repository)

    assert intent.branch == "handoff-hello"
    with pytest.raises(WorkspaceError, match="beginning of that"):
        decided(repository, branch="handoff/x/{id}")


@pytest.mark.parametrize(
    "name", ["a b", "-x", "a..b", "x.lock", "{id}~", "@{-1}", "HEAD", "", "new\nline", "nul\0"]
)
def test_what_is_no_branchs_name_is_refused(repository, name):
    with pytest.raises(WorkspaceError, match="no name for a branch"):
        decided(repository, branch=name)


def test_a_branch_of_the_users_own_naming_may_hold_the_id(repository):
    assert decided(repository, branch="agents/Fix_{id}.x").branch == "agents/Fix_hello.x"


# -- making


def test_the_checkout_is_made_on_its_branch_and_the_users_own_is_untouched(repository):
    repository.write("untracked", "mine")
    repository.write("README.md", "changed by me\n")
    before = repository.standing()

    intent = made(repository)

    assert (intent.path / "README.md").read_text() == "one\ntwo\nthree\n"
    assert repository.git("symbolic-ref", "HEAD", cwd=intent.path) == "refs/heads/handoff/hello"
    assert repository.git("status", "--porcelain", cwd=intent.path) == ""
    assert repository.standing() == before


def test_making_it_again_changes_nothing_of_what_was_done_there(repository):
    intent = made(repository)
    (intent.path / "work").write_text("done")

    make(intent, None)

    assert (intent.path / "work").read_text() == "done"
    assert repository.branches() == ["handoff/hello", "main"]


def test_no_hook_watcher_signature_or_cleanup_of_the_repository_is_started(repository, tmp_path):
    hooked = booby_trapped(repository, tmp_path)

    intent = made(repository)
    (intent.path / "work").write_text("done")
    assert remove(intent, None) is False
    (intent.path / "work").unlink()
    assert remove(intent, None) is True

    assert not hooked.exists()


def test_a_branch_made_before_a_crash_is_used(repository):
    intent = decided(repository)
    repository.git("branch", "handoff/hello", "main")

    make(intent, None)

    assert repository.git("symbolic-ref", "HEAD", cwd=intent.path) == "refs/heads/handoff/hello"


def test_a_branch_that_somebody_made_meanwhile_is_left_alone(repository):
    intent = decided(repository)
    theirs = repository.commit("theirs")
    repository.git("branch", "handoff/hello")

    with pytest.raises(WorkspaceError, match="made meanwhile"):
        make(intent, None)

    assert repository.git("rev-parse", "handoff/hello") == theirs
    assert not intent.path.exists()


def test_a_checkout_that_git_was_killed_in_the_middle_of_is_made_anew(repository):
    intent = made(repository)
    admin = repository.path / ".git" / "worktrees" / "hello"
    (admin / worktree.MARKER).unlink()
    (admin / "locked").write_text("initializing")
    (intent.path / "README.md").unlink()

    make(intent, None)

    assert (intent.path / "README.md").is_file()
    assert repository.git("status", "--porcelain", cwd=intent.path) == ""
    assert not (admin / "locked").exists()


def cut_off(repository, how):
    """A checkout as a power cut leaves it before it is marked as whole: what git wrote is there by name alone."""
    intent = made(repository)
    admin = repository.path / ".git" / "worktrees" / "hello"
    (admin / worktree.MARKER).unlink()
    for path in (
        intent.path / "README.md",
        *(place for place in (admin / "gitdir", intent.path / ".git") if how == "all"),
    ):
        path.write_bytes(bytes(path.stat().st_size))
    return intent


@pytest.mark.parametrize("how", ["files", "all"])
def test_a_checkout_that_the_power_was_cut_in_the_middle_of_is_made_anew(repository, how):
    intent = cut_off(repository, how)

    make(intent, None, untouched=True)

    assert (intent.path / "README.md").read_text() == "one\ntwo\nthree\n"
    assert repository.git("status", "--porcelain", cwd=intent.path) == ""
    assert sorted(os.listdir(repository.path / ".git" / "worktrees")) == ["hello"]
    assert os.listdir(intent.path.parent) == ["hello"]


def test_what_a_run_may_have_worked_in_is_never_made_anew(repository):
    intent = cut_off(repository, "files")

    make(intent, None)

    assert b"\0" in (intent.path / "README.md").read_bytes()


def test_a_checkout_is_on_the_disk_before_it_is_marked_as_whole(repository, monkeypatch):
    synced = []
    monkeypatch.setattr(durable.effects, "sync_filesystem", synced.append, raising=False)
    monkeypatch.setattr(syncing, "syncs_filesystems", lambda: True)
    intent = decided(repository)

    make(intent, None)

    assert str(intent.path) in synced


def test_a_registered_checkout_whose_folder_is_missing_is_checked_out_again_with_its_work(repository):
    intent = made(repository)
    (intent.path / "work").write_text("done")
    repository.git("add", "-A", cwd=intent.path)
    repository.git("commit", "-q", "-m", "work", cwd=intent.path)
    subprocess.run(["rm", "-rf", str(intent.path)], check=True)

    make(intent, None)

    assert (intent.path / "work").read_text() == "done"


def test_a_checkout_whose_registration_is_missing_is_registered_again_with_its_work(repository):
    intent = made(repository)
    (intent.path / "work").write_text("done")
    subprocess.run(["rm", "-rf", str(repository.path / ".git" / "worktrees" / "hello")], check=True)

    make(intent, None)

    assert repository.git("status", "--porcelain", cwd=intent.path) == "?? work"


def test_a_folder_of_unknown_origin_is_put_aside_whole(repository):
    intent = decided(repository)
    intent.path.mkdir(parents=True)
    (intent.path / "whose").write_text("?")

    make(intent, None)

    assert (intent.path / "README.md").is_file()
    assert (intent.path.with_name("hello.found") / "whose").read_text() == "?"


def test_an_empty_folder_is_no_obstacle(repository):
    intent = decided(repository)
    intent.path.mkdir(parents=True)

    make(intent, None)

    assert (intent.path / "README.md").is_file()
    assert [path.name for path in intent.path.parent.iterdir()] == ["hello"]


def test_two_checkouts_of_one_name_from_two_roots_do_not_meet(repository, tmp_path):
    one = made(repository)
    other = decide(repository.path, "hello", checkout=tmp_path / "others" / "hello", lock=None)
    make(other, None)

    assert other.branch == "handoff/hello-2"
    assert remove(other, None)
    assert (one.path / "README.md").is_file()
    assert remove(one, None)


def test_another_worktree_that_is_just_being_made_is_no_obstacle(repository):
    intent = made(repository)
    half = repository.path / ".git" / "worktrees" / "half"
    half.mkdir()
    for name in ("commondir", "gitdir", "HEAD"):
        (half / name).write_text("")
    finished = threading.Timer(0.1, shutil.rmtree, [half])
    finished.start()

    assert remove(intent, None) is True

    finished.join()


def test_many_plans_of_one_repository_are_made_and_removed_side_by_side(repository):
    def come_and_go(number: int) -> bool:
        return remove(made(repository, f"plan-{number}"), None)

    with ThreadPoolExecutor(4) as threads:
        gone = list(threads.map(come_and_go, range(24)))

    assert all(gone)
    assert repository.branches() == ["main"]


def test_a_filter_that_fails_is_named_and_nothing_is_left(repository):
    repository.write(".gitattributes", "*.bin filter=lfs\n")
    repository.write("big.bin", "version 1\n")
    repository.commit()
    repository.git("config", "filter.lfs.smudge", "git-lfs-that-is-missing smudge %f")
    repository.git("config", "filter.lfs.required", "true")
    intent = decided(repository)

    with pytest.raises(WorkspaceError, match="filter"):
        make(intent, None)

    assert not intent.path.exists()
    assert repository.branches() == ["main"]
    assert str(intent.path) not in repository.git("worktree", "list", "--porcelain")


def test_a_remote_branch_as_base_is_not_tracked(repository, tmp_path):
    repository.git("config", "branch.autoSetupMerge", "always")
    repository.git("clone", "-q", str(repository.path), str(tmp_path / "clone"))
    clone = Repository(tmp_path / "clone")

    made(clone, base="origin/main")

    assert "handoff" not in (clone.path / ".git" / "config").read_text()


@pytest.mark.parametrize("name", ["with space", "new\nline", "ünïcode-日本", "quote'\"$x"])
def test_projects_and_checkouts_of_any_name_work(repository, tmp_path, name):
    odd = a_repository(tmp_path / name / "project")

    intent = decide(odd.path / "src", "hello", checkout=tmp_path / name / "checkouts" / "hello", lock=None)
    make(intent, None)

    assert (intent.cwd / "main.py").is_file()
    assert remove(intent, None)
    assert odd.branches() == ["main"]


def test_a_project_that_is_itself_a_linked_worktree_works(repository, tmp_path):
    repository.git("worktree", "add", "-q", "-b", "feature", str(tmp_path / "linked"))

    intent = made(repository, project=tmp_path / "linked")

    assert (intent.path / "README.md").is_file()
    assert remove(intent, None)
    assert repository.branches() == ["feature", "main"]


# -- removing


def test_a_checkout_without_work_goes_with_its_branch(repository):
    before = repository.standing()
    intent = made(repository)

    assert remove(intent, None) is True

    assert not intent.path.exists()
    assert repository.branches() == ["main"]
    assert not (repository.path / ".git" / "worktrees").exists()
    assert repository.standing() == before
    assert remove(intent, None) is True


def test_a_checkout_that_was_removed_stays_so_after_a_power_cut(repository, monkeypatch):
    intent = made(repository)
    synced = []
    monkeypatch.setattr(durable.effects, "sync_dir", synced.append, raising=False)

    remove(intent, None)

    assert str(intent.path.parent) in synced
    assert str(repository.path / ".git") in synced


def test_a_branch_with_work_stays(repository):
    intent = made(repository)
    (intent.path / "work").write_text("done")
    repository.git("add", "-A", cwd=intent.path)
    repository.git("commit", "-q", "-m", "work", cwd=intent.path)

    assert remove(intent, None) is True

    assert not intent.path.exists()
    assert repository.git("show", "handoff/hello:work") == "done"


@pytest.mark.parametrize("what", ["untracked", "changed", "staged"])
def test_a_checkout_with_uncommitted_work_is_never_removed(repository, what):
    intent = made(repository)
    if what == "untracked":
        (intent.path / "new").write_text("x")
    else:
        (intent.path / "README.md").write_text("x")
    if what == "staged":
        repository.git("add", "-A", cwd=intent.path)

    assert remove(intent, None) is False

    assert intent.path.is_dir()
    assert "handoff/hello" in repository.branches()


def test_a_folder_that_is_not_ours_is_not_removed(repository):
    intent = decided(repository)
    repository.git("worktree", "add", "-q", "-b", "theirs", str(intent.path))

    assert remove(intent, None) is False

    assert (intent.path / "README.md").is_file()


def test_a_removal_that_was_cut_off_is_finished(repository):
    intent = made(repository)
    subprocess.run(["rm", "-rf", str(intent.path)], check=True)

    assert remove(intent, None) is True

    assert repository.branches() == ["main"]
    assert "hello" not in repository.git("worktree", "list")


def test_a_branch_that_the_user_looks_at_is_not_deleted(repository):
    intent = made(repository)
    subprocess.run(["rm", "-rf", str(intent.path)], check=True)
    repository.git("worktree", "prune")
    repository.git("switch", "-q", "handoff/hello")

    assert remove(intent, None) is True

    assert repository.git("symbolic-ref", "HEAD") == "refs/heads/handoff/hello"
    assert "handoff/hello" in repository.branches()


def test_in_place_nothing_is_made_and_nothing_removed(repository):
    intent = made(repository, mode="directory")
    before = _everything(repository.path)

    assert remove(intent, None) is False

    assert _everything(repository.path) == before


def test_a_checkout_with_empty_submodules_can_be_removed_a_filled_one_stays(repository, tmp_path):
    library = a_repository(tmp_path / "library")
    repository.git("-c", "protocol.file.allow=always", "submodule", "add", "-q", str(library.path), "lib")
    repository.commit()
    empty, filled = made(repository, "empty"), made(repository, "filled")
    repository.git("-c", "protocol.file.allow=always", "submodule", "update", "-q", "--init", cwd=filled.path)

    assert remove(empty, None) is True
    assert remove(filled, None) is False


def _everything(folder: Path) -> dict[str, bytes]:
    """Every file below a folder with its bytes."""
    return {str(path): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}
