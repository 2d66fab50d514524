"""The work of several steps put together: what goes together, in which commit, and what does not."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from orchestrd.workspaces.conflicts import Conflict, ConflictedFile, Side
from orchestrd.workspaces.error import WorkspaceError
from orchestrd.workspaces.git import GitLock
from orchestrd.workspaces.merging import Merged, check_git, merge
from tests.repositories import Repository, a_repository, isolate_git
from tests.workspaces.traps import an_old_git, booby_trapped

Work = Callable[[Repository], object]


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Repository:
    isolate_git(monkeypatch, tmp_path)
    return a_repository(tmp_path / "project")


def a_side(repository: Repository, step: str, work: Work, base: str = "main") -> Side:
    """Work on a branch of its own, begun at `base`; the user's checkout stands at `main` afterwards."""
    branch = f"handoff/hello+{step}"
    repository.git("checkout", "-q", "-b", branch, base)
    work(repository)
    commit = repository.commit(f"by {step}")
    repository.git("checkout", "-q", "main")
    return Side(step, commit, branch)


def writing(name: str, text: str) -> Work:
    """Work that writes one file."""
    return lambda repository: repository.write(name, text)


def merged(repository: Repository, *sides: Side) -> str:
    """The commit that holds the work of all sides."""
    found = merge(repository.path, sides, plan="hello", lock=None)
    assert isinstance(found, Merged)
    return found.commit


def conflict(repository: Repository, *sides: Side) -> Conflict:
    """What is in conflict; nothing has become of it."""
    before = repository.standing(), repository.git("for-each-ref")
    found = merge(repository.path, sides, plan="hello", lock=None)
    assert isinstance(found, Conflict)
    assert (repository.standing(), repository.git("for-each-ref")) == before
    return found


# -- what goes together


def test_one_side_is_itself(repository):
    side = a_side(repository, "a", writing("a.txt", "a\n"))

    assert merged(repository, side) == side.commit
    assert merged(repository, side, side) == side.commit


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_of_two_of_which_one_holds_the_other_it_is_that_one(repository, order):
    first = a_side(repository, "a", writing("a.txt", "a\n"))
    second = a_side(repository, "b", writing("b.txt", "b\n"), first.commit)
    sides = [first, second]

    assert merged(repository, *(sides[number] for number in order)) == second.commit


def test_two_are_merged_and_nothing_of_the_users_is_touched(repository):
    one = a_side(repository, "b", writing("b.txt", "b\n"))
    other = a_side(repository, "c", writing("c.txt", "c\n"))
    repository.write("README.md", "changed by me\n")
    repository.write("untracked", "mine")
    before = repository.standing(), repository.git("for-each-ref")

    commit = merged(repository, one, other)

    assert repository.git("rev-parse", f"{commit}^1", f"{commit}^2").split() == [one.commit, other.commit]
    assert repository.git("ls-tree", "-r", "--name-only", commit).split() == [
        "README.md",
        "b.txt",
        "c.txt",
        "src/deep/other.py",
        "src/main.py",
    ]
    assert repository.git("log", "-1", "--format=%B|%an <%ae>|%cn <%ce>", commit) == (
        "Merge step c\n\nPlan: hello\n|Ada <ada@example.org>|Ada <ada@example.org>"
    )
    assert (repository.standing(), repository.git("for-each-ref")) == before


def test_three_are_merged_one_after_the_other_in_their_order(repository):
    sides = [a_side(repository, step, writing(f"{step}.txt", "x\n")) for step in "bcd"]

    commit = merged(repository, *sides)

    assert repository.git("log", "--first-parent", "--format=%s", f"main..{commit}").splitlines() == [
        "Merge step d",
        "Merge step c",
        "by b",
    ]
    assert repository.git("rev-parse", f"{commit}^2", f"{commit}^1^2").split() == [
        sides[2].commit,
        sides[1].commit,
    ]


def test_what_another_side_holds_is_no_merge_of_its_own(repository):
    first = a_side(repository, "a", writing("a.txt", "a\n"))
    other = a_side(repository, "b", writing("b.txt", "b\n"))
    later = a_side(repository, "c", writing("c.txt", "c\n"), first.commit)

    assert merged(repository, first, other, later) == merged(repository, other, later)


def test_both_ends_of_a_file_go_together(repository):
    one = a_side(repository, "b", writing("README.md", "ONE\ntwo\nthree\n"))
    other = a_side(repository, "c", writing("src/main.py", "print('bye')\n"))

    commit = merged(repository, one, other)

    assert repository.git("show", f"{commit}:README.md").startswith("ONE")
    assert repository.git("show", f"{commit}:src/main.py") == "print('bye')"


def test_a_file_that_one_renames_and_another_changes_is_both(repository):
    one = a_side(repository, "b", lambda r: r.git("mv", "README.md", "READ.md"))
    other = a_side(repository, "c", writing("README.md", "one\ntwo\nthree\nfour\n"))
    repository.git("config", "merge.renames", "false")

    commit = merged(repository, one, other)

    assert repository.git("show", f"{commit}:READ.md").endswith("four")


def test_merging_twice_gives_the_same_commit_whenever_it_is(repository, monkeypatch):
    sides = [a_side(repository, step, writing(f"{step}.txt", "x\n")) for step in "bcd"]
    repository.git("commit", "--allow-empty", "-q", "-m", "later", "--date", "2001-01-01T00:00:00")

    first = merged(repository, *sides)
    repository.git("checkout", "-q", "--detach", sides[0].commit)
    shutil.rmtree(repository.path / "src")
    monkeypatch.setenv("TZ", "Asia/Tokyo")

    assert merged(repository, *sides) == first
    latest = max(int(repository.git("log", "-1", "--format=%ct", side.commit)) for side in sides)
    assert repository.git("log", "-1", "--format=%ct %at %ci", first).startswith(f"{latest} {latest} ")
    assert repository.git("log", "-1", "--format=%ci", first).endswith("+0000")
    assert merged(repository, *reversed(sides)) != first


def test_a_merge_whose_objects_are_gone_is_made_again(repository):
    sides = [a_side(repository, step, writing(f"{step}.txt", "x\n")) for step in "bc"]
    first = merged(repository, *sides)
    for commit in (first, repository.git("rev-parse", f"{first}^{{tree}}")):
        (repository.path / ".git" / "objects" / commit[:2] / commit[2:]).unlink()

    assert merged(repository, *sides) == first
    assert repository.git("fsck", "--strict", "--no-dangling") == ""


def test_a_user_without_a_name_is_no_obstacle(tmp_path, repository):
    nameless = a_repository(tmp_path / "nameless" / "project", named=False)
    sides = []
    for step in "bc":
        nameless.git("checkout", "-q", "--detach", "main")
        nameless.write(f"{step}.txt", "x\n")
        nameless.git("add", "-A")
        nameless.git("-c", "user.name=A", "-c", "user.email=a@b", "commit", "-q", "-m", step)
        sides.append(Side(step, nameless.git("rev-parse", "HEAD")))

    commit = merged(nameless, *sides)

    assert nameless.git("log", "-1", "--format=%an <%ae> %cn <%ce>", commit) == (
        "orchestrd <orchestrd@localhost> orchestrd <orchestrd@localhost>"
    )


def test_no_hook_watcher_signature_or_cleanup_is_started(repository, tmp_path):
    sides = [a_side(repository, step, writing(f"{step}.txt", "x\n")) for step in "bc"]
    trace = booby_trapped(repository, tmp_path)
    repository.git("config", "log.showSignature", "true")

    merged(repository, *sides)

    assert not trace.exists()


def test_the_attributes_of_the_work_decide_and_not_those_of_the_users_checkout(repository):
    repository.write("src/CHANGES", "old\n")
    repository.write("src/.gitattributes", "CHANGES merge=union\n")
    base = repository.commit()
    sides = [a_side(repository, step, writing("src/CHANGES", f"{step}\nold\n"), base) for step in "bc"]
    repository.git("checkout", "-q", "--detach", "main~1")

    commit = merged(repository, *sides)

    assert repository.git("show", f"{commit}:src/CHANGES").splitlines() == ["b", "c", "old"]
    repository.git("checkout", "-q", "main")
    others = [a_side(repository, step, writing("src/main.py", f"{step}\n"), base) for step in "de"]
    repository.write("src/.gitattributes", "* merge=union\n")
    assert [file.path for file in conflict(repository, *others).files] == ["src/main.py"]


def test_a_merge_driver_of_the_users_works_away_from_the_users_files(repository, tmp_path):
    driver = tmp_path / "driver"
    driver.write_text(f'#!/bin/sh\nls -A > {tmp_path}/seen; pwd > {tmp_path}/where\necho driven > "$1"\n')
    driver.chmod(0o755)
    repository.git("config", "merge.mine.driver", f"{driver} %A")
    repository.write(".gitattributes", "README.md merge=mine\n")
    base = repository.commit()
    sides = [a_side(repository, step, writing("README.md", f"{step}\n"), base) for step in "bc"]

    commit = merged(repository, *sides)

    assert repository.git("show", f"{commit}:README.md") == "driven"
    assert not (tmp_path / "where").read_text().startswith(str(repository.path))


def test_names_of_every_kind_are_merged(repository):
    names = ["with space", "new\nline", "tab\there", "ünïcode-日本", 'quote"', "-dash", ":colon", "b-\udcff"]

    def all_of_them(folder: str) -> Work:
        def work(repository: Repository) -> None:
            (repository.path / folder).mkdir()
            for name in names:
                (repository.path / folder / name).write_text("x\n")

        return work

    one, other = a_side(repository, "b", all_of_them("one")), a_side(repository, "c", all_of_them("two"))

    commit = merged(repository, one, other)

    listed = repository.git("ls-tree", "-r", "-z", "--name-only", commit).split("\0")
    assert {f"{folder}/{name}" for folder in ("one", "two") for name in names} < set(listed)


def test_many_files_are_merged(repository):
    def many(folder: str) -> Work:
        def work(repository: Repository) -> None:
            for number in range(500):
                repository.write(f"{folder}/{number % 50}/{number}.txt", f"{number}\n")

        return work

    commit = merged(repository, a_side(repository, "b", many("b")), a_side(repository, "c", many("c")))

    assert len(repository.git("ls-tree", "-r", "--name-only", commit).splitlines()) == 1003


@pytest.mark.parametrize("name", ["with space", "new\nline", "ünïcode-日本", "quote'\"$x", "co:lon"])
def test_projects_of_any_name_are_merged(repository, tmp_path, name):
    odd = a_repository(tmp_path / name / "project")
    sides = [a_side(odd, step, writing(f"{step}.txt", "x\n")) for step in "bc"]

    assert odd.git("show", f"{merged(odd, *sides)}:c.txt") == "x"


def test_a_project_that_is_itself_a_linked_worktree_or_a_submodule_is_merged(repository, tmp_path):
    sides = [a_side(repository, step, writing(f"{step}.txt", "x\n")) for step in "bc"]
    repository.git("worktree", "add", "-q", "-b", "feature", str(tmp_path / "linked"))
    around = a_repository(tmp_path / "around")
    around.git("-c", "protocol.file.allow=always", "submodule", "add", "-q", str(repository.path), "lib")
    library = Repository(around.path / "lib")
    for side in sides:
        library.git("fetch", "-q", "origin", side.branch or "")

    commit = merged(repository, *sides)

    assert merged(Repository(tmp_path / "linked"), *sides) == commit
    assert isinstance(merge(library.path, sides, plan="hello", lock=None), Merged)


def test_the_lock_of_the_daemon_is_handed_on(repository, tmp_path):
    sides = [a_side(repository, step, writing(f"{step}.txt", "x\n")) for step in "bc"]
    lock = GitLock(tmp_path / "git.lock")

    assert isinstance(merge(repository.path, sides, plan="hello", lock=lock), Merged)

    assert lock.fileno is not None
    lock.release()


# -- what does not


def test_a_conflict_names_both_sides_with_their_branches_and_the_files(repository):
    one = a_side(repository, "b", writing("README.md", "b\n"))
    other = a_side(repository, "c", writing("README.md", "c\n"))

    found = conflict(repository, one, other)

    assert found == Conflict((one,), other, (ConflictedFile("README.md", "contents"),))
    assert Conflict.from_fields(json.loads(json.dumps(found.fields()))) == found
    assert found.sentence() == (
        "the work of step 'c' (branch handoff/hello+c) is in conflict with that of step 'b' "
        "(branch handoff/hello+b): README.md (contents). Both are kept as they are. What to do: "
        "git merge handoff/hello+c where the other is checked out, "
        "or let one of the steps need the other, so that they run one after the other"
    )


def _binary(letter: bytes) -> Work:
    return lambda r: (r.path / "image").write_bytes(b"\0" + letter)


def _link(target: str) -> Work:
    return lambda r: (r.path / "link").symlink_to(target)


def _both(*works: Work) -> Work:
    return lambda r: [work(r) for work in works]


def _mode(bits: int) -> Work:
    return lambda r: (r.path / "README.md").chmod(bits)


def _git(*words: str) -> Work:
    return lambda r: r.git(*words)


CASES: dict[str, tuple[Work, Work, dict[str, str]]] = {
    "contents": (writing("README.md", "b\n"), writing("README.md", "c\n"), {"README.md": "contents"}),
    "added twice": (writing("new", "b\n"), writing("new", "c\n"), {"new": "add/add"}),
    "binary": (_binary(b"b"), _binary(b"c"), {"image": "binary"}),
    "links": (_link("b"), _link("c"), {"link": "add/add"}),
    "modified and deleted": (
        writing("README.md", "b\n"),
        _git("rm", "-q", "README.md"),
        {"README.md": "modify/delete"},
    ),
    "renamed twice": (
        _git("mv", "README.md", "b.md"),
        _git("mv", "README.md", "c.md"),
        {"README.md": "rename/rename", "b.md": "rename/rename", "c.md": "rename/rename"},
    ),
    "renamed and deleted": (
        _git("mv", "README.md", "b.md"),
        _git("rm", "-q", "README.md"),
        {"README.md": "rename/delete", "b.md": "rename/delete"},
    ),
    "a file and a folder": (
        writing("place", "b\n"),
        writing("place/inner", "c\n"),
        {"place": "file/directory"},
    ),
    "a folder renamed, a file added in it": (
        _git("mv", "src", "lib"),
        writing("src/fresh.py", "c\n"),
        {"lib/fresh.py": "directory rename suggested", "src/fresh.py": "directory rename suggested"},
    ),
    "a file and a link": (
        writing("thing", "b\n"),
        lambda r: (r.path / "thing").symlink_to("c"),
        {"thing": "distinct modes"},
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_every_kind_of_conflict_is_a_value_with_the_files_named(repository, case):
    one, other, files = CASES[case]

    found = conflict(repository, a_side(repository, "b", one), a_side(repository, "c", other))

    assert {file.path: file.kind for file in found.files} == files


def test_a_conflict_over_a_submodule_is_one_over_its_path(repository, tmp_path):
    library = a_repository(tmp_path / "library")
    commits = [library.commit(f"number {number}") for number in range(3)]

    def standing_at(commit: str) -> Work:
        return _git("update-index", "--add", "--cacheinfo", f"160000,{commit},lib")

    def a_pointer(step: str, commit: str, base: str) -> Side:
        repository.git("checkout", "-q", "-b", step, base)
        standing_at(commit)(repository)
        repository.git("commit", "-q", "-m", step)
        head = repository.git("rev-parse", "HEAD")
        repository.git("checkout", "-q", "main")
        return Side(step, head, step)

    base = a_pointer("base", commits[0], "main").commit

    found = conflict(repository, a_pointer("b", commits[1], base), a_pointer("c", commits[2], base))

    assert [file.path for file in found.files] == ["lib"]
    assert "submodule" in found.files[0].kind


def test_histories_that_have_nothing_in_common_are_no_error(repository):
    one = a_side(repository, "b", writing("README.md", "b\n"))
    repository.git("checkout", "-q", "--orphan", "fresh")
    repository.write("README.md", "c\n")
    other = Side("c", repository.commit("fresh"), "fresh")
    repository.git("checkout", "-q", "main")

    assert conflict(repository, one, other).files == (ConflictedFile("README.md", "add/add"),)


def test_names_of_every_kind_are_named_in_a_conflict(repository):
    names = ["new\nline", "tab\there", 'quote"', "b-\udcff"]

    def all_of_them(text: str) -> Work:
        return lambda r: [(r.path / name).write_text(text) for name in names]

    found = conflict(
        repository, a_side(repository, "b", all_of_them("b\n")), a_side(repository, "c", all_of_them("c\n"))
    )

    assert {file.path for file in found.files} == {*names[:-1], "b-\\xff"}
    assert r"'new\nline' (add/add)" in found.sentence()
    assert json.dumps(found.fields()).encode("utf-8")


def test_a_conflict_over_many_files_holds_all_and_names_some(repository):
    def many(text: str) -> Work:
        return lambda r: [r.write(f"{number:04}", text) for number in range(500)]

    found = conflict(repository, a_side(repository, "b", many("b\n")), a_side(repository, "c", many("c\n")))

    assert len(found.files) == 500
    assert found.sentence().count("(add/add)") == 10
    assert "and 490 more" in found.sentence()


def test_of_three_only_those_that_are_in_conflict_are_named(repository):
    one = a_side(repository, "b", writing("b.txt", "b\n"))
    two = a_side(repository, "c", writing("README.md", "c\n"))
    three = a_side(repository, "d", writing("README.md", "d\n"))

    found = conflict(repository, one, two, three)

    assert (found.ours, found.theirs) == ((two,), three)


def test_all_are_named_where_it_is_all_of_them_together(repository):
    def lines(change: range) -> str:
        return "".join(f"{'LINE' if n in change else 'line'} {n:02}\n" for n in range(40))

    repository.write("list", lines(range(0)))
    base = repository.commit()
    rewrites = a_side(repository, "b", writing("list", lines(range(12))), base)
    renames = a_side(
        repository, "c", _both(_git("mv", "list", "names"), writing("names", lines(range(14, 26)))), base
    )
    changes = a_side(repository, "d", writing("list", lines(range(35, 36))), base)
    for one in (rewrites, renames):
        assert isinstance(merge(repository.path, [one, changes], plan="hello", lock=None), Merged)

    found = conflict(repository, rewrites, renames, changes)

    # No longer like enough to what it was to be known under its new name.
    assert found == Conflict((rewrites, renames), changes, (ConflictedFile("list", "modify/delete"),))


# -- what cannot be tried


def test_a_git_that_is_too_old_is_said_with_what_is_needed(repository, tmp_path, monkeypatch):
    sides = [a_side(repository, step, writing(f"{step}.txt", "x\n")) for step in "bc"]
    check_git(repository.path, sides[0].commit, None)
    monkeypatch.setenv("PATH", f"{an_old_git(tmp_path)}{os.pathsep}{os.environ['PATH']}")

    for call in (
        lambda: merge(repository.path, sides, plan="hello", lock=None),
        lambda: check_git(repository.path, sides[0].commit, None),
    ):
        with pytest.raises(WorkspaceError) as caught:
            call()

        assert caught.value.expected == "git 2.38 or newer"
        assert "git version 2.34.1" in caught.value.what
    assert merged(repository, sides[0]) == sides[0].commit


def test_no_git_and_a_commit_that_is_gone_are_said(repository, tmp_path, monkeypatch):
    side = a_side(repository, "b", writing("b.txt", "b\n"))

    for gone in ("0" * 40, "1" * 40):
        with pytest.raises(WorkspaceError, match="cannot be merged"):
            merge(repository.path, [side, Side("c", gone)], plan="hello", lock=None)

    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(WorkspaceError, match="no git on this machine"):
        merge(repository.path, [side, Side("c", "0" * 40)], plan="hello", lock=None)


def test_a_repository_that_is_gone_is_said(repository):
    side = a_side(repository, "b", writing("b.txt", "b\n"))
    shutil.rmtree(repository.path)

    with pytest.raises(WorkspaceError, match="repository is gone"):
        merge(repository.path, [side], plan="hello", lock=None)
