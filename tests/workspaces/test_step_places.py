"""Where the steps of a plan work: what each begins with, what it leaves, and what is left of its place."""

from __future__ import annotations

import json
import shutil
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from handoff import durable
from orchestrd.workspaces import intent as workspace
from orchestrd.workspaces import step_places
from orchestrd.workspaces.beginnings import FILES_AT_MOST, Beginning
from orchestrd.workspaces.changes import Changes
from orchestrd.workspaces.error import WorkspaceError
from orchestrd.workspaces.intent import Intent
from orchestrd.workspaces.step_places import StepPlace
from tests.repositories import Repository, a_repository, isolate_git
from tests.workspaces.cutting import Cut, dying


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Repository:
    isolate_git(monkeypatch, tmp_path)
    return a_repository(tmp_path / "project")


@pytest.fixture
def plan(repository: Repository) -> Intent:
    return a_plan(repository)


def a_plan(repository: Repository, project: Path | None = None, **wishes: Any) -> Intent:
    """The workspace of a plan, made."""
    checkout = repository.path.parent / "checkouts" / "hello"
    intent = workspace.decide(project or repository.path, "hello", checkout=checkout, lock=None, **wishes)
    workspace.make(intent, None)
    return intent


def begun(
    plan: Intent, step: str, base: str | None = None, *, own: bool = False
) -> tuple[StepPlace, Beginning]:
    """A step that can start."""
    place = step_places.decide(plan, step, base=base, own=own, lock=None)
    step_places.make(place, None)
    return place, step_places.begin(place, None)


def gathered(place: StepPlace, beginning: Beginning, *, commit: bool = True, **wishes: Any) -> Changes:
    """What a step left."""
    message = f"{place.step}\n\nPlan: hello\n"
    return step_places.gather(place, beginning, commit=commit, message=message, lock=None, **wishes)


def done(plan: Intent, step: str, base: str | None = None, *, own: bool = False, **files: str) -> Changes:
    """A step that wrote files, gathered."""
    place, beginning = begun(plan, step, base, own=own)
    for name, text in files.items():
        (place.intent.path / name).write_text(text)
    return gathered(place, beginning)


# -- deciding


def test_a_step_that_shares_works_where_the_plan_does(repository, plan):
    before = repository.git("for-each-ref")

    place = step_places.decide(plan, "a", base=None, own=False, lock=None)

    assert place == StepPlace("a", own=False, intent=plan)
    assert repository.git("for-each-ref") == before


def test_a_place_of_its_own_has_names_that_no_plan_has_and_begins_at_the_base(repository, plan):
    base = repository.commit("more")
    before = repository.git("for-each-ref"), sorted(plan.path.parent.iterdir())

    place = step_places.decide(plan, "c", base=base, own=True, lock=None)

    assert place.intent == replace(
        plan,
        path=plan.path.with_name("hello+c"),
        cwd=plan.path.with_name("hello+c"),
        branch="handoff/hello+c",
        base=base,
    )
    assert (repository.git("for-each-ref"), sorted(plan.path.parent.iterdir())) == before


@pytest.mark.parametrize("own", [True, False])
def test_a_place_survives_the_journal(plan, own):
    place = step_places.decide(plan, "c", base=None, own=own, lock=None)

    assert StepPlace.from_fields(json.loads(json.dumps(place.fields()))) == place
    assert place.at("1" * 40).intent.base == "1" * 40


def test_a_taken_branch_is_never_reset_a_number_is_added(repository, plan):
    repository.git("branch", "handoff/hello+c")

    place, _ = begun(plan, "c", own=True)

    assert place.intent.branch == "handoff/hello+c-2"


@pytest.mark.parametrize(
    "pattern", ["agents/Fix_{id}.x", "{id}", "ünï/日本-{id}", "a'b\"c/{id}", "x$(id)/{id};&|", "+{id}+"]
)
def test_whatever_the_plans_branch_is_named_a_steps_lies_beside_it(repository, pattern):
    plan = a_plan(repository, branch=pattern)

    found = done(plan, "c", own=True, new="c\n")

    assert found.branch == f"{pattern.replace('{id}', 'hello')}+c"
    assert repository.git("show", f"{found.branch}:new") == "c"


def test_a_branch_named_handoff_is_no_obstacle(repository):
    repository.git("branch", "handoff")

    plan = a_plan(repository)

    assert done(plan, "c", own=True, new="c\n").branch == "handoff-hello+c"


def test_names_of_a_hundred_letters_are_no_obstacle(repository):
    long = workspace.decide(
        repository.path, "p" * 80, checkout=repository.path.parent / "checkouts" / ("p" * 80), lock=None
    )

    place, _ = begun(long, "s" * 100, own=True)

    assert (place.intent.path / "README.md").is_file()


def test_a_git_that_fails_is_said(repository, plan):
    shutil.rmtree(repository.path)

    for call in (
        lambda: step_places.decide(plan, "c", base=None, own=True, lock=None),
        lambda: step_places.leads_to(plan, str(plan.base), None),
        lambda: begun(plan, "c"),
    ):
        with pytest.raises(WorkspaceError):
            call()


# -- one after the other, in the plan's workspace


def test_steps_that_share_find_the_work_before_and_are_told_their_own(plan):
    first = done(plan, "a", one="1\n", two="2\n")
    place, beginning = begun(plan, "b", first.head)
    assert (place.intent.path / "one").read_text() == "1\n"
    (place.intent.path / "two").write_text("2\n2\n2\n")

    second = gathered(place, beginning)

    assert (first.base, first.changed, first.commits, first.files) == (
        plan.base,
        True,
        1,
        (("A", "one"), ("A", "two")),
    )
    assert (second.base, second.branch, second.commits, second.files) == (
        first.head,
        "handoff/hello",
        1,
        (("M", "two"),),
    )
    assert (second.insertions, second.deletions, second.uncommitted) == (2, 0, False)
    assert Repository(plan.path).git("log", "-1", "--format=%B").rstrip() == "b\n\nPlan: hello"


def test_a_step_that_does_nothing_is_unchanged_and_its_head_is_what_it_began_at(plan):
    first = done(plan, "a", one="1\n")

    second = done(plan, "b", first.head)

    assert (second.changed, second.head, second.commits, second.files) == (False, first.head, 0, ())


def test_gathering_again_after_a_crash_says_the_same(plan, tmp_path):
    place, beginning = begun(plan, "a")
    (place.intent.path / "new").write_text("x\n")
    patch = tmp_path / "a.patch"

    first = gathered(place, beginning, patch=patch)

    assert gathered(place, beginning, patch=patch) == first
    assert b"+x" in patch.read_bytes()
    assert Beginning.from_fields(json.loads(json.dumps(beginning.fields()))) == beginning


def test_a_step_finds_the_plans_workspace_at_the_merge_it_begins_with(repository, plan):
    done(plan, "a", one="1\n")
    beside = repository.commit("beside")
    merge = repository.git(
        "commit-tree", "-p", "handoff/hello", "-p", beside, "-m", "m", "handoff/hello^{tree}"
    )

    place, beginning = begun(plan, "b", merge)

    assert Repository(plan.path).git("rev-parse", "HEAD", "handoff/hello").split() == [merge, merge]
    assert (beginning.head, beginning.branch, beginning.tree) == (merge, "handoff/hello", None)
    assert step_places.begin(place, None) == beginning


def test_what_lies_in_the_way_is_said_and_stays(repository, plan):
    repository.write("new", "theirs\n")
    theirs = repository.commit("theirs")
    (plan.path / "new").write_text("mine\n")

    place = step_places.decide(plan, "b", base=theirs, own=False, lock=None)
    with pytest.raises(WorkspaceError, match="in the way of the work of other steps: new"):
        step_places.begin(place, None)

    assert (plan.path / "new").read_text() == "mine\n"


def test_whether_the_plans_workspace_leads_to_a_base_is_told(repository, plan):
    first = done(plan, "a", one="1\n")
    beside = done(plan, "c", own=True, two="2\n")

    assert step_places.leads_to(plan, str(first.head), None)
    assert not step_places.leads_to(plan, str(plan.base), None)
    assert not step_places.leads_to(plan, str(beside.head), None)
    shutil.rmtree(plan.path)
    assert step_places.leads_to(plan, str(first.head), None)
    repository.git("worktree", "prune")
    assert not step_places.leads_to(plan, str(beside.head), None)


def test_a_project_whose_folder_the_steps_before_emptied_is_there_again(repository):
    plan = a_plan(repository, repository.path / "src" / "deep")
    place, beginning = begun(plan, "a")
    Repository(plan.path).git("rm", "-q", "-r", "src")
    first = gathered(place, beginning)
    assert not plan.cwd.exists()

    for own in (False, True):
        place, beginning = begun(plan, "b", first.head, own=own)

        assert place.intent.cwd.is_dir()
        assert gathered(place, beginning).changed is False


def test_a_project_whose_folder_became_a_file_is_said(repository):
    plan = a_plan(repository, repository.path / "src" / "deep")
    place, beginning = begun(plan, "a")
    Repository(plan.path).git("rm", "-q", "-r", "src")
    (plan.path / "src").write_text("x\n")
    first = gathered(place, beginning)

    with pytest.raises(WorkspaceError, match="'src' is no folder any more"):
        begun(plan, "b", first.head)


@pytest.mark.parametrize("way", [("switch", "-q", "-c", "feature"), ("checkout", "-q", "--detach")])
def test_a_second_step_that_leaves_the_branch_is_brought_back_onto_it(repository, plan, way):
    first = done(plan, "a", one="1\n")
    place, beginning = begun(plan, "b", first.head)
    checkout = Repository(plan.path)
    checkout.git(*way)
    (plan.path / "two").write_text("2\n")
    checkout.commit("by the agent")
    (plan.path / "three").write_text("3\n")

    second = gathered(place, beginning)

    assert (second.branch, second.commits, second.files) == (
        "handoff/hello",
        2,
        (("A", "three"), ("A", "two")),
    )
    assert repository.git("rev-parse", "handoff/hello") == second.head


def test_a_step_that_amends_the_commit_of_one_before_is_told_by_what_differs(repository, plan):
    first = done(plan, "a", one="1\n")
    place, beginning = begun(plan, "b", first.head)
    (plan.path / "two").write_text("2\n")
    Repository(plan.path).git("add", "-A")
    Repository(plan.path).git("commit", "-q", "--amend", "--no-edit")

    second = gathered(place, beginning)

    assert (second.changed, second.files) == (True, (("A", "two"),))


def test_steps_go_on_where_another_branch_had_to_be_made(repository, plan):
    def goes_astray(place: StepPlace, name: str) -> None:
        checkout = Repository(place.intent.path)
        (plan.path / f"first-{name}").write_text("x\n")
        checkout.commit("first")
        checkout.git("checkout", "-q", "--detach", "HEAD~1")
        (plan.path / f"second-{name}").write_text("x\n")
        checkout.commit("second")

    place, beginning = begun(plan, "a")
    goes_astray(place, "a")
    first = gathered(place, beginning)
    second = done(plan, "b", first.head, two="2\n")
    place, beginning = begun(plan, "c", second.head)
    goes_astray(place, "c")
    third = gathered(place, beginning)
    fourth = done(plan, "d", third.head, four="4\n")

    assert [found.branch for found in (first, second, third, fourth)] == [
        "handoff/hello-2",
        "handoff/hello-2",
        "handoff/hello-2-2",
        "handoff/hello-2-2",
    ]
    assert (fourth.base, fourth.files) == (third.head, (("A", "four"),))


def test_a_workspace_that_a_step_deleted_is_there_for_the_next(repository, plan):
    first = done(plan, "a", one="1\n")
    shutil.rmtree(plan.path)

    second = done(plan, "b", first.head, two="2\n")

    assert second.files == (("A", "two"),)
    assert (plan.path / "one").read_text() == "1\n"


def test_what_a_step_left_is_on_the_disk_before_the_next_begins(plan, monkeypatch):
    place, beginning = begun(plan, "a")
    (plan.path / "one").write_text("1\n")
    synced: list[Path] = []
    monkeypatch.setattr(durable, "sync_tree", lambda path: synced.append(Path(path)), raising=False)

    gathered(place, beginning)

    assert synced == [plan.path]


# -- without commits


def test_where_nothing_is_committed_each_step_is_told_its_own_files(repository, tmp_path):
    plan = a_plan(repository)
    place, beginning = begun(plan, "a")
    (plan.path / "one").write_text("1\n")
    (plan.path / "README.md").write_text("by a\n")
    first = gathered(place, beginning, commit=False)
    place, beginning = begun(plan, "b")
    (plan.path / "two").write_text("2\n")
    (plan.path / "README.md").write_text("by b\n")
    (plan.path / "src/main.py").unlink()
    patch = tmp_path / "b.patch"

    second = gathered(place, beginning, commit=False, patch=patch)

    assert (first.uncommitted, first.head, first.files) == (
        True,
        plan.base,
        (("M", "README.md"), ("A", "one")),
    )
    assert (second.changed, second.files_changed) == (True, 3)
    assert second.files == (("M", "README.md"), ("D", "src/main.py"), ("A", "two"))
    assert (second.insertions, second.has_patch, patch.exists()) == (None, False, False)
    assert Beginning.from_fields(json.loads(json.dumps(beginning.fields()))) == beginning
    place, beginning = begun(plan, "c")
    assert (gathered(place, beginning, commit=False).changed, beginning.tree is None) == (False, False)
    place, beginning = begun(plan, "d")
    (plan.path / "one").unlink()
    repository.git("checkout", "-q", "main", "--", "README.md", cwd=plan.path)
    last = gathered(place, beginning, commit=False)
    assert last.files == (("M", "README.md"), ("D", "one"))


def test_what_lay_there_before_a_step_is_not_its_work_though_it_is_committed_with_it(plan):
    (plan.path / "by-hand").write_text("x\n")

    place, beginning = begun(plan, "a")
    nothing = gathered(place, beginning)

    assert (nothing.changed, nothing.files, nothing.uncommitted) == (False, (), False)
    assert nothing.head != plan.base


def test_more_uncommitted_files_than_are_noted_still_tell_whether_something_changed(repository):
    plan = a_plan(repository, mode="directory")
    for number in range(FILES_AT_MOST + 1):
        (repository.path / f"{number}").write_text("x\n")

    place, beginning = begun(plan, "b")

    assert beginning.uncommitted is None
    assert len(json.dumps(beginning.fields())) < 400
    assert gathered(place, beginning).changed is False
    (repository.path / "7").write_text("y\n")
    found = gathered(place, beginning)
    assert (found.changed, found.files_changed, found.files) == (True, None, ())


# -- in place


def test_in_place_steps_are_told_their_own_files_and_nothing_of_the_users_is_touched(repository):
    plan = a_plan(repository, mode="directory")
    place, beginning = begun(plan, "a")
    repository.write("one", "1\n")
    first = gathered(place, beginning)
    before = _all_of_git(repository)

    place, beginning = begun(plan, "b", own=True)
    repository.write("two", "2\n")
    second = gathered(place, beginning)

    assert place == StepPlace("b", own=False, intent=plan)
    assert (first.changed, first.files, first.insertions) == (True, (("A", "one"),), 1)
    assert (second.changed, second.files, second.uncommitted) == (True, (("A", "two"),), True)
    assert _all_of_git(repository) == before
    assert step_places.leads_to(plan, "whatever", None)
    assert step_places.remove(place, None, into=None) is True
    assert (repository.path / "two").exists()


def test_in_place_commits_of_the_agent_count(repository):
    plan = a_plan(repository, mode="directory")
    repository.write("one", "1\n")
    place, beginning = begun(plan, "b")
    head = repository.commit("by the agent")

    found = gathered(place, beginning)

    assert (found.changed, found.head, found.commits, found.files) == (True, head, 1, ())


def test_in_place_the_last_step_may_undo_everything(repository):
    plan = a_plan(repository, mode="directory")
    one = repository.write("one", "1\n")
    place, beginning = begun(plan, "b")
    one.unlink()

    assert gathered(place, beginning).files == (("D", "one"),)


def test_outside_of_git_nothing_can_be_told(tmp_path, repository):
    plain = tmp_path / "plain"
    plain.mkdir()
    plan = workspace.decide(plain, "hello", checkout=tmp_path / "checkouts" / "hello", lock=None)

    place, beginning = begun(plan, "a")
    (plain / "new").write_text("x\n")

    assert beginning == Beginning()
    assert gathered(place, beginning) == Changes()


def test_names_of_every_kind_are_told(repository):
    names = ["with space", "new\nline", "tab\there", 'quote"', "-dash", ":colon", "b-\udcff"]
    plan = a_plan(repository, mode="directory")
    repository.write("before\n\udcff", "x\n")

    place, beginning = begun(plan, "b")
    for name in names:
        repository.write(name, "x\n")

    json.dumps(beginning.fields()).encode("utf-8")
    assert {path for _, path in gathered(place, beginning).files} == {*names[:-1], "b-\\xff"}


# -- beside others


def test_a_step_of_its_own_begins_at_its_base_and_sees_nothing_of_others(repository, plan):
    first = done(plan, "a", one="1\n")
    done(plan, "b", first.head, two="2\n")

    place, beginning = begun(plan, "c", first.head, own=True)
    (place.intent.path / "three").write_text("3\n")
    found = gathered(place, beginning)

    assert sorted(path.name for path in place.intent.path.iterdir()) == [
        ".git",
        "README.md",
        "one",
        "src",
        "three",
    ]
    assert (found.branch, found.base, found.files) == (
        "handoff/hello+c",
        first.head,
        (("A", "three"),),
    )


def test_a_place_of_its_own_goes_on_from_a_later_commit(plan):
    first = done(plan, "a", one="1\n")
    place, beginning = begun(plan, "c", first.head, own=True)
    (place.intent.path / "three").write_text("3\n")
    work = gathered(place, beginning)
    later = Repository(plan.path).git(
        "commit-tree", "-p", str(first.head), "-p", str(work.head), "-m", "m", f"{work.head}^{{tree}}"
    )

    beginning = step_places.begin(place.at(later), None)
    (place.intent.path / "four").write_text("4\n")
    found = gathered(place.at(later), beginning)

    assert (found.base, found.files) == (later, (("A", "four"),))


def test_of_a_place_whose_work_the_plan_holds_nothing_stays(repository, plan):
    before = repository.branches()
    place, beginning = begun(plan, "c", own=True)
    (place.intent.path / "new").write_text("x\n")
    work = gathered(place, beginning)

    for _ in range(2):
        assert step_places.remove(place, None, into=work.head) is True

        assert repository.branches() == before
        assert not place.intent.path.exists()
        assert "hello+c" not in repository.git("worktree", "list")


def test_the_branch_of_work_that_is_nowhere_else_stays(repository, plan):
    place, beginning = begun(plan, "c", own=True)
    (place.intent.path / "new").write_text("x\n")
    work = gathered(place, beginning)

    for into in (None, plan.base):
        assert step_places.remove(place, None, into=into) is True

    assert not place.intent.path.exists()
    assert repository.git("rev-parse", "handoff/hello+c") == work.head


def test_a_place_that_was_only_read_in_leaves_nothing(repository, plan):
    before = repository.branches()
    place, beginning = begun(plan, "review", own=True)

    assert gathered(place, beginning).changed is False
    assert step_places.remove(place, None, into=None) is True

    assert repository.branches() == before


def test_a_place_with_uncommitted_work_stays_with_its_branch(repository, plan):
    place, beginning = begun(plan, "c", own=True)
    (place.intent.path / "new").write_text("x\n")
    gathered(place, beginning, commit=False)

    assert step_places.remove(place, None, into=plan.base) is False

    assert (place.intent.path / "new").exists()
    assert "handoff/hello+c" in repository.branches()


def test_a_second_branch_that_had_to_be_made_goes_too_where_the_plan_holds_it(repository, plan):
    place, beginning = begun(plan, "c", own=True)
    checkout = Repository(place.intent.path)
    (place.intent.path / "first").write_text("x\n")
    first = checkout.commit("first")
    checkout.git("checkout", "-q", "--detach", "HEAD~1")
    (place.intent.path / "second").write_text("x\n")
    work = gathered(place, beginning)
    assert work.branch == "handoff/hello+c-2"

    assert step_places.remove(place, None, into=work.head, branch=work.branch) is True

    assert repository.branches() == ["handoff/hello", "handoff/hello+c", "main"]
    assert repository.git("rev-parse", "handoff/hello+c") == first


def test_a_branch_that_somebody_looks_at_or_moved_stays(repository, plan):
    place, beginning = begun(plan, "c", own=True)
    (place.intent.path / "new").write_text("x\n")
    work = gathered(place, beginning)
    shutil.rmtree(place.intent.path)
    repository.git("worktree", "prune")
    repository.git("switch", "-q", "handoff/hello+c")

    assert step_places.remove(place, None, into=work.head) is True

    assert "handoff/hello+c" in repository.branches()


def test_a_repository_that_is_gone_is_no_error_when_there_is_nothing_to_remove(repository, plan):
    place, _ = begun(plan, "c", own=True)
    shutil.rmtree(repository.path)

    assert step_places.remove(place, None, into="1" * 40) is False
    shutil.rmtree(place.intent.path)
    assert step_places.remove(place, None, into="1" * 40) is True


def test_a_place_with_a_submodule_that_was_filled_stays(repository, tmp_path):
    library = a_repository(tmp_path / "library")
    repository.git("-c", "protocol.file.allow=always", "submodule", "add", "-q", str(library.path), "lib")
    repository.commit()
    plan = a_plan(repository)
    place, beginning = begun(plan, "c", own=True)
    checkout = Repository(place.intent.path)
    checkout.git("-c", "protocol.file.allow=always", "submodule", "update", "-q", "--init")
    (place.intent.path / "lib" / "README.md").write_text("changed\n")

    found = gathered(place, beginning)

    assert found.uncommitted is True
    assert step_places.remove(place, None, into=plan.base) is False


def test_many_steps_work_side_by_side(repository, plan):
    def works(number: int) -> Changes:
        place, beginning = begun(plan, f"s{number}", own=True)
        (place.intent.path / f"{number}.txt").write_text("x\n")
        found = gathered(place, beginning)
        assert step_places.remove(place, None, into=None)
        return found

    with ThreadPoolExecutor(4) as threads:
        left = list(threads.map(works, range(12)))

    assert [found.files for found in left] == [(("A", f"{number}.txt"),) for number in range(12)]
    assert len(repository.branches()) == 14


# -- cut off


@pytest.mark.parametrize("step", range(1, 44, 4))
def test_a_place_whose_making_was_cut_off_is_made_by_the_next_call(repository, plan, monkeypatch, step):
    first = done(plan, "a", one="1\n")
    place = step_places.decide(plan, "c", base=first.head, own=True, lock=None)
    with monkeypatch.context() as patched, suppress(Cut):
        dying(patched, step)
        step_places.make(place, None, untouched=True)
        step_places.begin(place, None)

    step_places.make(place, None, untouched=True)
    beginning = step_places.begin(place, None)

    assert beginning == Beginning(first.head, "handoff/hello+c")
    assert (place.intent.path / "one").read_text() == "1\n"
    assert gathered(place, beginning).changed is False


@pytest.mark.parametrize("step", range(1, 44, 4))
def test_a_place_whose_making_was_cut_off_is_removed_where_no_run_began(repository, plan, monkeypatch, step):
    before = repository.branches()
    place = step_places.decide(plan, "c", base=None, own=True, lock=None)
    with monkeypatch.context() as patched, suppress(Cut):
        dying(patched, step)
        step_places.make(place, None, untouched=True)

    assert step_places.remove(place, None, into=None, untouched=True) is True

    assert repository.branches() == before
    assert "hello+c" not in repository.git("worktree", "list")
    assert not place.intent.path.exists()


@pytest.mark.parametrize("step", range(1, 24, 2))
def test_a_workspace_that_was_cut_off_on_its_way_forward_arrives_by_the_next_call(
    repository, plan, monkeypatch, step
):
    done(plan, "a", one="1\n")
    work = done(plan, "c", own=True, two="2\n")
    tree = repository.git("merge-tree", "--write-tree", "handoff/hello", str(work.head))
    merge = repository.git("commit-tree", "-p", "handoff/hello", "-p", str(work.head), "-m", "m", tree)
    place = step_places.decide(plan, "d", base=merge, own=False, lock=None)
    with monkeypatch.context() as patched, suppress(Cut):
        dying(patched, step)
        step_places.begin(place, None)

    beginning = step_places.begin(place, None)

    assert beginning == Beginning(merge, "handoff/hello")
    assert (plan.path / "one").exists()
    assert (plan.path / "two").exists()


def _all_of_git(repository: Repository) -> dict[str, bytes]:
    inside = repository.path / ".git"
    return {str(path): path.read_bytes() for path in sorted(inside.rglob("*")) if path.is_file()}
