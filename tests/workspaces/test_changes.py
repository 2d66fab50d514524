from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from orchestrd.workspaces.changes import Changes, gather
from orchestrd.workspaces.intent import Intent, WorkspaceError, decide, make, remove
from tests.repositories import Repository, a_repository, isolate_git
from tests.workspaces.traps import booby_trapped


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Repository:
    isolate_git(monkeypatch, tmp_path)
    return a_repository(tmp_path / "project")


@pytest.fixture
def intent(repository: Repository) -> Intent:
    """A checkout in which a run is over."""
    return a_checkout(repository)


def a_checkout(repository: Repository, **wishes: Any) -> Intent:
    """A workspace as a run finds it."""
    checkout = repository.path.parent / "checkouts" / "hello"
    made = decide(repository.path, "hello", checkout=checkout, lock=None, **wishes)
    make(made, None)
    return made


def gathered(intent: Intent, *, commit: bool = True, **wishes: Any) -> Changes:
    """What is gathered; the patch lies beside the checkout."""
    return gather(intent, commit=commit, message="Say hello", patch=_patch(intent), lock=None, **wishes)


def in_checkout(intent: Intent, *args: str) -> str:
    """Git as the agent calls it."""
    return Repository(intent.path).git("-c", "user.name=Agent", "-c", "user.email=agent@example.org", *args)


def committed_by_agent(intent: Intent, name: str = "agent.txt") -> str:
    """A commit of the agent's; its name in full."""
    (intent.path / name).write_text(f"by the agent: {name}\n")
    in_checkout(intent, "add", "-A")
    in_checkout(intent, "commit", "-q", "-m", name)
    return in_checkout(intent, "rev-parse", "HEAD")


# -- in a worktree


def test_an_untouched_checkout_is_unchanged_and_leaves_no_patch(intent):
    found = gathered(intent)

    assert found.fields() == {
        "changed": False,
        "branch": "handoff/hello",
        "base": intent.base,
        "head": intent.base,
        "commits": 0,
        "files_changed": 0,
        "insertions": 0,
        "deletions": 0,
        "patch": False,
        "files": [],
        "uncommitted": False,
    }
    assert not _patch(intent).exists()


def test_what_is_left_is_committed_on_the_branch_counted_and_written_as_a_patch(repository, intent):
    (intent.path / "README.md").write_text("one\nTWO\nthree\nfour\n")
    (intent.path / "new.txt").write_text("new\n")
    (intent.path / "src" / "main.py").unlink()
    before = repository.standing()

    found = gathered(intent)

    assert found.changed is True
    assert found.branch == "handoff/hello"
    assert found.head == repository.git("rev-parse", "handoff/hello")
    assert (found.commits, found.files_changed, found.insertions, found.deletions) == (1, 3, 3, 2)
    assert found.files == (("M", "README.md"), ("A", "new.txt"), ("D", "src/main.py"))
    assert (found.uncommitted, found.has_patch) == (False, True)
    assert repository.git("show", "handoff/hello:new.txt") == "new"
    assert repository.git("log", "-1", "--format=%s|%an|%ae|%cn", "handoff/hello") == (
        "Say hello|Ada|ada@example.org|Ada"
    )
    assert repository.standing() == before


def test_the_patch_applied_to_the_base_gives_the_work(repository, intent, tmp_path):
    (intent.path / "README.md").write_text("one\n")
    (intent.path / "image.bin").write_bytes(bytes(range(256)) * 4)
    (intent.path / "run.sh").write_text("#!/bin/sh\n")
    (intent.path / "run.sh").chmod(0o755)
    (intent.path / "src" / "main.py").rename(intent.path / "src" / "moved.py")
    for setting in ("diff.noprefix", "diff.mnemonicPrefix"):
        repository.git("config", setting, "true")
    repository.git("config", "diff.external", "false")
    repository.git("config", "color.ui", "always")

    found = gathered(intent)

    other = tmp_path / "other"
    repository.git("worktree", "add", "-q", "--detach", str(other), str(intent.base))
    repository.git("apply", "--index", str(_patch(intent)), cwd=other)
    assert repository.git("write-tree", cwd=other) == repository.git("rev-parse", "handoff/hello^{tree}")
    assert ("R", "src/moved.py") in found.files


def test_gathering_again_after_a_crash_says_the_same(intent):
    (intent.path / "new.txt").write_text("new\n")

    first = gathered(intent)
    patch = _patch(intent).read_bytes()

    assert gathered(intent) == first
    assert _patch(intent).read_bytes() == patch


def test_names_of_every_kind_come_back_as_they_are(intent):
    names = [
        "with space.txt",
        "new\nline.txt",
        "tab\there.txt",
        "ünïcode-日本.txt",
        'quote".txt',
        "-dash",
        ":colon",
    ]
    for name in names:
        (intent.path / name).write_text("x\n")
    (intent.path / "README.md").rename(intent.path / "a\tb\nc")
    (Path(f"{intent.path}/bytes-\udcff.txt")).write_text("x\n", encoding="utf-8")

    found = gathered(intent)

    paths = {path for _, path in found.files}
    assert paths == {*names, "a\tb\nc", "bytes-\\xff.txt"}
    assert found.insertions == len(names) + 1


def test_a_user_without_a_name_is_no_obstacle(tmp_path, repository):
    nameless = a_repository(tmp_path / "nameless" / "project", named=False)
    intent = a_checkout(nameless)
    (intent.path / "new.txt").write_text("new\n")

    gathered(intent)

    assert nameless.git("log", "-1", "--format=%an <%ae> %cn <%ce>", "handoff/hello") == (
        "orchestrd <orchestrd@localhost> orchestrd <orchestrd@localhost>"
    )


def test_no_hook_watcher_signature_or_cleanup_is_started(repository, intent, tmp_path):
    trace = booby_trapped(repository, tmp_path)
    (intent.path / "new.txt").write_text("new\n")

    assert gathered(intent).commits == 1

    assert not trace.exists()


def test_a_message_of_any_kind_is_kept(repository, intent):
    (intent.path / "new.txt").write_text("new\n")

    gather(intent, commit=True, message="#12 -m 'x'\n\nPlan: hello\n", patch=_patch(intent), lock=None)

    assert repository.git("log", "-1", "--format=%B", "handoff/hello").rstrip() == "#12 -m 'x'\n\nPlan: hello"


def test_uncommitted_work_stays_uncommitted_where_the_plan_says_so_and_is_compared(repository, intent):
    (intent.path / "new.txt").write_text("new\n")
    (intent.path / "README.md").write_text("one\n")
    index = repository.git("ls-files", "-s", cwd=intent.path)

    found = gathered(intent, commit=False)

    assert (found.changed, found.uncommitted, found.commits, found.head) == (True, True, 0, intent.base)
    assert found.files == (("M", "README.md"), ("A", "new.txt"))
    assert b"+new" in _patch(intent).read_bytes()
    assert repository.git("ls-files", "-s", cwd=intent.path) == index
    assert remove(intent, None) is False


def test_commits_of_the_agent_count_with_what_it_left(repository, intent):
    committed_by_agent(intent, "one.txt")
    committed_by_agent(intent, "two.txt")
    (intent.path / "three.txt").write_text("3\n")

    found = gathered(intent)

    assert (found.commits, found.files_changed) == (3, 3)
    assert repository.git("log", "--format=%an", "main..handoff/hello").splitlines() == [
        "Ada",
        "Agent",
        "Agent",
    ]


def test_a_stale_lock_of_a_killed_git_is_no_obstacle(repository, intent):
    (repository.path / ".git" / "worktrees" / "hello" / "index.lock").write_text("")
    (repository.path / ".git" / "refs" / "heads" / "handoff" / "hello.lock").write_text("")
    theirs = repository.path / ".git" / "index.lock"
    theirs.write_text("")
    (intent.path / "new.txt").write_text("new\n")

    assert gathered(intent).commits == 1

    assert theirs.exists()


@pytest.mark.parametrize("leave", ["clean", "dirty"])
@pytest.mark.parametrize(
    "way", [("switch", "-q", "-c", "feature"), ("checkout", "-q", "--detach"), ("branch", "-m", "x")]
)
def test_work_on_another_branch_or_none_is_on_the_plans_branch_afterwards(repository, intent, way, leave):
    in_checkout(intent, *way)
    work = committed_by_agent(intent)
    if leave == "dirty":
        (intent.path / "left.txt").write_text("left\n")

    found = gathered(intent)

    assert found.branch == "handoff/hello"
    assert found.commits == (1 if leave == "clean" else 2)
    assert repository.git("merge-base", work, "handoff/hello") == work
    assert repository.git("rev-parse", "handoff/hello") == found.head
    assert repository.git("status", "--porcelain", cwd=intent.path) == ""
    if "feature" in way:
        assert repository.git("rev-parse", "feature") == work


def test_work_that_would_overwrite_commits_of_the_branch_gets_a_second_branch(repository, intent):
    first = committed_by_agent(intent, "first.txt")
    in_checkout(intent, "checkout", "-q", "--detach", str(intent.base))
    second = committed_by_agent(intent, "second.txt")

    found = gathered(intent)

    assert (found.branch, found.head) == ("handoff/hello-2", second)
    assert repository.git("rev-parse", "handoff/hello") == first


def test_an_agent_that_only_looked_at_an_older_commit_loses_nothing(repository, intent):
    work = committed_by_agent(intent)
    in_checkout(intent, "checkout", "-q", "--detach", str(intent.base))

    found = gathered(intent)

    assert (found.branch, found.head, found.files) == ("handoff/hello", work, (("A", "agent.txt"),))


def test_a_merge_that_was_left_with_conflicts_is_committed_as_it_stands(repository, intent):
    in_checkout(intent, "switch", "-q", "-c", "other")
    committed_by_agent(intent, "README.md")
    in_checkout(intent, "switch", "-q", "handoff/hello")
    (intent.path / "README.md").write_text("another\n")
    in_checkout(intent, "commit", "-qam", "another")
    with pytest.raises(AssertionError):
        in_checkout(intent, "merge", "-q", "other")

    found = gathered(intent)

    assert (found.branch, found.uncommitted) == ("handoff/hello", False)
    assert "<<<<<<<" in repository.git("show", "handoff/hello:README.md")


def test_an_orphan_branch_is_brought_onto_the_plans(repository, intent):
    in_checkout(intent, "switch", "-q", "--orphan", "fresh")
    (intent.path / "only.txt").write_text("x\n")

    found = gathered(intent)

    assert found.branch == "handoff/hello"
    assert ("A", "only.txt") in found.files
    assert repository.git("show", "handoff/hello:only.txt") == "x"


def test_a_deleted_checkout_still_has_its_commits(repository, intent):
    work = committed_by_agent(intent)
    shutil.rmtree(intent.path)

    found = gathered(intent)

    assert (found.changed, found.head, found.files) == (True, work, (("A", "agent.txt"),))
    assert b"by the agent" in _patch(intent).read_bytes()
    assert remove(intent, None) is True


def test_of_a_deleted_checkout_without_commits_nobody_can_say_that_it_was_unchanged(intent):
    (intent.path / "work.txt").write_text("never committed")
    shutil.rmtree(intent.path)

    found = gathered(intent)

    assert (found.changed, found.commits, found.files_changed) == (None, 0, None)
    assert not _patch(intent).exists()


def test_a_deleted_checkout_whose_head_was_detached_keeps_that_commit(repository, intent):
    in_checkout(intent, "checkout", "-q", "--detach")
    work = committed_by_agent(intent)
    shutil.rmtree(intent.path)

    assert gathered(intent).head == work

    assert repository.git("rev-parse", "handoff/hello") == work


def test_checkout_and_branch_both_deleted_is_said(repository, intent):
    shutil.rmtree(intent.path)
    repository.git("worktree", "prune")
    repository.git("branch", "-q", "-D", "handoff/hello")

    with pytest.raises(WorkspaceError, match="both deleted"):
        gathered(intent)


@pytest.mark.parametrize("what", ["link", "registration", "both"])
def test_a_checkout_cut_off_from_its_repository_keeps_its_work(repository, intent, what):
    (intent.path / "work.txt").write_text("done\n")
    if what in ("link", "both"):
        (intent.path / ".git").unlink()
    if what in ("registration", "both"):
        shutil.rmtree(repository.path / ".git" / "worktrees")

    found = gathered(intent)

    assert found.files == (("A", "work.txt"),)
    assert repository.git("show", "handoff/hello:work.txt") == "done"
    assert remove(intent, None) is True


def test_a_repository_made_over_the_checkout_is_kept_beside_it(repository, intent):
    (intent.path / ".git").unlink()
    in_checkout(intent, "init", "-q")
    work = committed_by_agent(intent, "work.txt")

    found = gathered(intent)

    assert found.files == (("A", "work.txt"),)
    beside = intent.path.with_name("hello.git-found")
    assert Repository(beside).git("rev-parse", "HEAD") == work


def test_a_link_that_is_broken_never_reaches_a_repository_around_the_checkouts(repository, tmp_path):
    around = a_repository(tmp_path / "home")
    before = around.git("rev-parse", "HEAD")
    intent = decide(repository.path, "hello", checkout=around.path / "state" / "hello", lock=None)
    make(intent, None)
    (intent.path / ".git").unlink()
    (intent.path / "work.txt").write_text("done\n")

    found = gathered(intent)

    assert found.files == (("A", "work.txt"),)
    assert around.git("rev-parse", "HEAD") == before
    assert around.git("ls-files", "state") == ""


def test_a_repository_without_a_commit_inside_keeps_the_checkout_and_loses_nothing_else(intent):
    inner = intent.path / "inner"
    inner.mkdir()
    Repository(inner).git("init", "-q")
    (inner / "file").write_text("x")
    (intent.path / "work.txt").write_text("done\n")

    found = gathered(intent)

    assert ("A", "work.txt") in found.files
    assert found.uncommitted is True
    assert remove(intent, None) is False
    assert (inner / "file").exists()


def test_a_repository_with_commits_inside_keeps_the_checkout(intent):
    inner = a_repository(intent.path / "inner")

    found = gathered(intent)

    assert found.changed is True
    assert remove(intent, None) is False
    assert (inner.path / "README.md").exists()


def test_a_filter_that_fails_is_said_and_the_work_stays(repository, intent):
    repository.git("config", "filter.lfs.clean", "git-lfs-that-is-missing clean %f")
    repository.git("config", "filter.lfs.required", "true")
    (intent.path / ".gitattributes").write_text("*.bin filter=lfs\n")
    (intent.path / "big.bin").write_text("x")

    with pytest.raises(WorkspaceError, match="filter 'lfs'"):
        gathered(intent)

    assert (intent.path / "big.bin").read_text() == "x"
    assert remove(intent, None) is False


def test_what_is_to_be_hidden_is_hidden_in_the_patch(intent):
    (intent.path / "new.txt").write_text("the key is hunter22\n")

    gathered(intent, redact=lambda text: text.replace(b"hunter22", b"[secret:KEY]"))

    assert b"the key is [secret:KEY]" in _patch(intent).read_bytes()
    assert not list(_patch(intent).parent.glob(".*.tmp"))


def test_a_repository_that_is_gone_is_said(repository, intent):
    shutil.rmtree(repository.path)

    with pytest.raises(WorkspaceError, match="repository is gone"):
        gathered(intent)

    assert remove(intent, None) is False
    assert (intent.path / "README.md").exists()


# -- in place


def test_in_place_the_difference_is_found_and_nothing_of_the_users_is_touched(repository):
    intent = a_checkout(repository, mode="directory")
    repository.write("new.txt", "new\n")
    repository.write("README.md", "one\n")
    before = _all_of_git(repository)

    found = gathered(intent)

    assert (found.changed, found.uncommitted, found.branch) == (True, True, "main")
    assert (found.base, found.head, found.commits) == (intent.base, intent.base, 0)
    assert (found.files_changed, found.insertions, found.deletions) == (2, 1, 2)
    assert found.files == (("M", "README.md"), ("A", "new.txt"))
    assert b"+new" in _patch(intent).read_bytes()
    assert _all_of_git(repository) == before


@pytest.mark.parametrize("name", ["co:lon", '"quoted"', "back\\slash:", "new\nline:"])
def test_in_place_projects_of_any_name_are_compared(repository, tmp_path, name):
    odd = a_repository(tmp_path / name / "project")
    intent = a_checkout(odd, mode="directory")
    odd.write("README.md", "one\n")

    assert gathered(intent).files == (("M", "README.md"),)


def test_in_place_unchanged_is_unchanged(repository):
    intent = a_checkout(repository, mode="directory")
    before = _all_of_git(repository)

    found = gathered(intent)

    assert (found.changed, found.files_changed, found.has_patch) == (False, 0, False)
    assert _all_of_git(repository) == before


def test_in_place_commits_of_the_agent_count(repository):
    intent = a_checkout(repository, mode="directory")
    repository.write("agent.txt", "x\n")
    head = repository.commit()
    repository.write("left.txt", "y\n")

    found = gathered(intent)

    assert (found.head, found.commits, found.files_changed) == (head, 1, 2)


def test_in_place_what_was_staged_stays_staged(repository):
    intent = a_checkout(repository, mode="directory")
    repository.write("staged.txt", "x\n")
    repository.git("add", "staged.txt")
    repository.write("other.txt", "x\n")

    found = gathered(intent)

    assert found.files_changed == 2
    assert repository.git("status", "--porcelain").splitlines() == ["A  staged.txt", "?? other.txt"]


def test_outside_of_git_there_is_nothing_to_compare_with(tmp_path, repository):
    plain = tmp_path / "plain"
    plain.mkdir()
    intent = decide(plain, "hello", checkout=tmp_path / "checkouts" / "hello", lock=None)
    (plain / "new.txt").write_text("x")

    found = gathered(intent)

    assert found == Changes()
    assert found.fields() == {"changed": None, "patch": False, "files": [], "uncommitted": False}


def _patch(intent: Intent) -> Path:
    folder = intent.path.parent.parent / "plan"
    folder.mkdir(exist_ok=True)
    return folder / "changes.patch"


def _all_of_git(repository: Repository) -> dict[str, bytes]:
    """Every file of the repository's own."""
    inside = repository.path / ".git"
    return {str(path): path.read_bytes() for path in sorted(inside.rglob("*")) if path.is_file()}


# -- repositories of their own


def a_nested_repository(folder: Path) -> Path:
    """A repository with one commit, made by an agent in its checkout."""
    folder.mkdir(parents=True)
    (folder / "x").write_text("work\n")
    nested = Repository(folder)
    nested.git("init", "-q")
    nested.git("add", "-A")
    nested.git("-c", "user.name=Agent", "-c", "user.email=agent@example.org", "commit", "-q", "-m", "x")
    return folder


def links_on(repository: Repository, branch: str) -> list[str]:
    return [
        line for line in repository.git("ls-tree", "-r", branch).splitlines() if line.startswith("160000")
    ]


@pytest.mark.parametrize("by_agent", [False, True], ids=["left", "committed"])
@pytest.mark.parametrize("where", ["n", "deep/down/n"])
def test_a_repository_that_the_run_made_is_told_of_and_its_checkout_stays(
    repository, intent, where, by_agent
):
    a_nested_repository(intent.path / where)
    (intent.path / "made.txt").write_text("made\n")
    if by_agent:
        committed_by_agent(intent)

    found = gathered(intent)

    assert (found.nested, found.uncommitted, found.changed) == ((where,), True, True)
    assert found.fields()["nested"] == [where]
    assert links_on(repository, "handoff/hello") == []
    assert repository.git("show", "handoff/hello:made.txt") == "made"
    assert remove(intent, None) is False
    assert (intent.path / where / "x").read_text() == "work\n"
    assert gathered(intent).fields() == found.fields()


def test_a_registered_submodule_is_committed_as_ever(repository, intent, tmp_path):
    library = a_repository(tmp_path / "library")
    in_checkout(
        intent, "-c", "protocol.file.allow=always", "submodule", "add", "-q", str(library.path), "lib"
    )

    found = gathered(intent)

    assert (found.nested, found.uncommitted) == ((), False)
    assert len(links_on(repository, "handoff/hello")) == 1
