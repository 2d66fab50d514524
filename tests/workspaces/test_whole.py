"""A plan of several steps, from its first workspace to what is told of all of it."""

from __future__ import annotations

import shutil
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from orchestrd.workspaces import intent as workspace
from orchestrd.workspaces import step_places
from orchestrd.workspaces.beginnings import Beginning
from orchestrd.workspaces.changes import Changes
from orchestrd.workspaces.error import WorkspaceError
from orchestrd.workspaces.intent import Intent
from orchestrd.workspaces.merging import Conflict, Side
from orchestrd.workspaces.step_places import StepPlace
from orchestrd.workspaces.whole import Whole, base_of, gather_whole
from tests.repositories import Repository, a_repository, isolate_git
from tests.workspaces.cutting import Cut, dying
from tests.workspaces.traps import an_old_git

DIAMOND = {"a": (), "b": ("a",), "c": ("a",), "d": ("b", "c")}


@dataclass
class Hands:
    """What carries a plan's steps out, as the daemon does."""

    repository: Repository
    plan: Intent
    needs: dict[str, tuple[str, ...]]
    """Of each step, in order of definition."""
    places: dict[str, StepPlace] = field(default_factory=dict)
    begun: dict[str, Beginning] = field(default_factory=dict)
    left: dict[str, Changes] = field(default_factory=dict)

    def side(self, step: str) -> Side:
        """What a step's work is merged as."""
        return Side(step, self.left[step].head or "", self.left[step].branch)

    def begin(self, step: str, *, beside: bool = False) -> Path:
        """Have a step start; where it works."""
        sides = [self.side(need) for need in self.needs if need in self.needs[step]]
        base = base_of(self.plan, "hello", sides, None)
        assert isinstance(base, str), base
        own = beside or not step_places.leads_to(self.plan, base, None)
        place = step_places.decide(self.plan, step, base=base, own=own, lock=None)
        step_places.make(place, None)
        self.places[step], self.begun[step] = place, step_places.begin(place, None)
        return place.intent.cwd

    def end(self, step: str) -> Changes:
        """Have it end."""
        self.left[step] = step_places.gather(
            self.places[step],
            self.begun[step],
            commit=True,
            message=f"By {step}\n\nPlan: hello\n",
            lock=None,
        )
        return self.left[step]

    def whole(self, *, patch: Path | None = None, commit: bool = True) -> Whole:
        """What is told at the end."""
        needed = {need for needs in self.needs.values() for need in needs}
        heads = [self.side(step) for step in self.needs if step not in needed and step in self.left]
        return gather_whole(
            self.plan, "hello", heads, commit=commit, message="The rest", patch=patch, lock=None
        )

    def remove(self, whole: Whole) -> list[bool]:
        """Whether each place is gone, the plan's at the end."""
        steps = [
            step_places.remove(place, None, into=whole.changes.head, branch=self.left[step].branch)
            for step, place in self.places.items()
        ]
        return [*steps, workspace.remove(self.plan, None)]


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Repository:
    isolate_git(monkeypatch, tmp_path)
    return a_repository(tmp_path / "project")


def hands(
    repository: Repository, needs: dict[str, tuple[str, ...]], *, mode: str = "worktree", name: str = "hello"
) -> Hands:
    """A plan whose workspace is made."""
    checkout = repository.path.parent / "checkouts" / name
    plan = workspace.decide(repository.path, name, mode=mode, checkout=checkout, lock=None)
    workspace.make(plan, None)
    return Hands(repository, plan, needs)


def a_diamond(repository: Repository, *, first: str = "b", closed: bool = True, **texts: str) -> Hands:
    """A plan a → (b ∥ c) → d of which b and c have ended; each wrote a file, and `texts` into `shared`.

    `first` works where the plan does. Not `closed`: without d.
    """
    made = hands(repository, {step: needs for step, needs in DIAMOND.items() if closed or step != "d"})
    (made.begin("a") / "a.txt").write_text("a\n")
    made.end("a")
    for step in (first, "b" if first == "c" else "c"):
        folder = made.begin(step, beside=step != first)
        (folder / f"{step}.txt").write_text(f"{step}\n")
        if step in texts:
            (folder / "shared").write_text(texts[step])
    for step in "cb":
        made.end(step)
    return made


def test_a_diamond_ends_on_the_plans_branch_with_all_work_in_order(repository, tmp_path):
    before = repository.standing()
    made = a_diamond(repository)
    folder = made.begin("d")
    assert sorted(path.name for path in folder.glob("*.txt")) == ["a.txt", "b.txt", "c.txt"]
    (folder / "d.txt").write_text("d\n")
    last = made.end("d")

    whole = made.whole(patch=tmp_path / "changes.patch")

    assert last.files == (("A", "d.txt"),)
    assert whole.conflict is None
    found = whole.changes
    assert (found.branch, found.base, found.head) == ("handoff/hello", made.plan.base, last.head)
    assert (found.changed, found.commits, found.files_changed, found.insertions) == (True, 5, 4, 4)
    assert repository.git("log", "--first-parent", "--format=%s", "main..handoff/hello").splitlines() == [
        "By d",
        "Merge step c",
        "By b",
        "By a",
    ]
    assert made.remove(whole) == [True] * 5
    assert repository.branches() == ["handoff/hello", "main"]
    assert list((tmp_path / "checkouts").iterdir()) == []
    assert repository.standing() == before
    repository.git("apply", "--check", str(tmp_path / "changes.patch"))
    repository.git("fsck", "--strict")


@pytest.mark.parametrize("first", ["b", "c"])
def test_what_a_step_begins_with_does_not_depend_on_which_came_first(repository, first):
    made = a_diamond(repository, first=first)
    sides = [made.side("b"), made.side("c")]

    made.begin("d")

    base = made.begun["d"].head
    assert repository.git("rev-parse", f"{base}^@").split() == [side.commit for side in sides]
    assert repository.git("log", "-1", "--format=%s", str(base)) == "Merge step c"
    assert base_of(made.plan, "hello", sides, None) == base
    assert not made.places["d"].own


def test_a_step_that_does_not_need_what_ran_before_does_not_see_it(repository):
    made = hands(repository, {"a": (), "b": ()})
    (made.begin("a") / "a.txt").write_text("a\n")
    made.end("a")

    folder = made.begin("b")
    (folder / "b.txt").write_text("b\n")
    made.end("b")
    whole = made.whole()

    assert not (folder / "a.txt").exists()
    assert made.places["b"].own
    assert whole.changes.files == (("A", "a.txt"), ("A", "b.txt"))


def test_a_step_that_only_read_hands_on_what_it_began_with(repository):
    made = hands(repository, {"a": (), "review": ("a",), "b": ("review",)})
    (made.begin("a") / "a.txt").write_text("a\n")
    made.end("a")
    made.begin("review", beside=True)
    made.end("review")

    assert (made.begin("b") / "a.txt").exists()
    made.end("b")
    whole = made.whole()

    assert whole.changes.head == made.left["a"].head
    assert made.remove(whole) == [True] * 4
    assert repository.branches() == ["handoff/hello", "main"]


def test_three_that_nobody_needs_are_merged_in_order_of_definition(repository):
    made = hands(repository, dict.fromkeys("xyz", ()))
    for step in "zxy":
        (made.begin(step, beside=step != "z") / f"{step}.txt").write_text("1\n")
    for step in "yzx":
        made.end(step)

    whole = made.whole()

    assert repository.git("log", "--first-parent", "--format=%s", "main..handoff/hello").splitlines() == [
        "Merge step z",
        "Merge step y",
        "By x",
    ]
    assert whole.changes.files_changed == 3
    assert sorted(path.name for path in made.plan.path.glob("*.txt")) == ["x.txt", "y.txt", "z.txt"]


def test_a_plan_that_changed_nothing_leaves_nothing(repository):
    made = hands(repository, DIAMOND)
    for step in DIAMOND:
        made.begin(step, beside=step == "c")
        made.end(step)

    whole = made.whole()

    assert (whole.changes.changed, whole.changes.head, whole.conflict) == (False, made.plan.base, None)
    assert made.remove(whole) == [True] * 5
    assert repository.branches() == ["main"]


def test_gathering_again_says_the_same_and_makes_no_commit(repository, tmp_path):
    made = hands(repository, dict.fromkeys("bc", ()))
    for step in "bc":
        (made.begin(step, beside=step == "c") / f"{step}.txt").write_text("1\n")
        made.end(step)
    patch = tmp_path / "changes.patch"

    first = made.whole(patch=patch)
    written = patch.read_bytes()

    assert made.whole(patch=patch) == first
    assert patch.read_bytes() == written


@pytest.mark.parametrize("step", range(1, 30, 2))
def test_a_gathering_that_was_cut_off_ends_the_same_by_the_next_call(repository, tmp_path, monkeypatch, step):
    made = hands(repository, dict.fromkeys("bc", ()))
    for name in "bc":
        (made.begin(name, beside=name == "c") / f"{name}.txt").write_text("1\n")
        made.end(name)
    merge = base_of(made.plan, "hello", [made.side("b"), made.side("c")], None)
    with monkeypatch.context() as patched, suppress(Cut):
        dying(patched, step)
        made.whole(patch=tmp_path / "changes.patch")

    whole = made.whole(patch=tmp_path / "changes.patch")

    assert whole.changes.head == merge
    assert whole.changes.files == (("A", "b.txt"), ("A", "c.txt"))
    assert repository.git("status", "--porcelain", cwd=made.plan.path) == ""
    assert (tmp_path / "changes.patch").read_bytes().count(b"diff --git") == 2
    assert made.remove(whole) == [True] * 3


def test_what_lies_in_the_plans_workspace_besides_is_committed_and_kept(repository):
    made = a_diamond(repository)
    made.begin("d")
    made.end("d")
    (made.plan.path / "by-a-check").write_text("x\n")

    whole = made.whole()

    assert ("A", "by-a-check") in whole.changes.files
    assert repository.git("log", "-1", "--format=%s", "handoff/hello") == "The rest"
    (made.plan.path / "by-a-check").write_text("y\n")
    assert made.whole(commit=False).changes.uncommitted is True


def test_a_round_after_a_failed_check_goes_on_from_the_whole(repository):
    made = hands(repository, dict.fromkeys("bc", ()))
    for step in "bc":
        (made.begin(step, beside=step == "c") / f"{step}.txt").write_text("1\n")
        made.end(step)
    first = made.whole()

    again = made.places["c"].at(first.changes.head or "")
    made.places["c"], made.begun["c"] = again, step_places.begin(again, None)
    assert (again.intent.path / "b.txt").exists()
    (again.intent.path / "c.txt").write_text("2\n")
    assert made.end("c").files == (("M", "c.txt"),)
    second = made.whole()

    assert second.changes.head == made.left["c"].head
    assert repository.git("show", "handoff/hello:c.txt") == "2"
    assert made.remove(second) == [True] * 3
    assert repository.branches() == ["handoff/hello", "main"]


def test_work_that_a_deleted_workspace_held_is_merged_too(repository):
    made = hands(repository, dict.fromkeys("bc", ()))
    for step in "bc":
        (made.begin(step, beside=step == "c") / f"{step}.txt").write_text("1\n")
        made.end(step)
    shutil.rmtree(made.plan.path)

    whole = made.whole()

    assert whole.changes.files == (("A", "b.txt"), ("A", "c.txt"))
    assert repository.git("rev-parse", "handoff/hello") == whole.changes.head
    assert made.remove(whole) == [True] * 3


def test_work_of_a_step_that_another_branch_had_to_be_made_for_is_told_of_that(repository):
    made = hands(repository, {"a": (), "b": ("a",)})
    folder = made.begin("a")
    (folder / "first").write_text("x\n")
    Repository(folder).commit("first")
    Repository(folder).git("checkout", "-q", "--detach", "HEAD~1")
    (folder / "second").write_text("x\n")
    made.end("a")
    (made.begin("b") / "b.txt").write_text("b\n")
    made.end("b")

    whole = made.whole()

    assert (whole.changes.branch, whole.changes.files) == (
        "handoff/hello-2",
        (("A", "b.txt"), ("A", "second")),
    )


# -- what does not go together


def test_a_conflict_before_a_step_is_told_and_both_sides_are_kept(repository):
    made = a_diamond(repository, b="b\n", c="c\n")
    sides = [made.side("b"), made.side("c")]

    found = base_of(made.plan, "hello", sides, None)

    assert isinstance(found, Conflict)
    assert (found.ours, found.theirs) == ((sides[0],), sides[1])
    assert [file.path for file in found.files] == ["shared"]
    assert "branch handoff/hello+c" in found.sentence()
    whole = gather_whole(made.plan, "hello", sides, commit=True, message="The rest", patch=None, lock=None)
    assert whole.conflict == found


@pytest.mark.parametrize("first", ["b", "c"])
def test_a_conflict_at_the_end_leaves_both_on_their_branches(repository, first):
    made = a_diamond(repository, first=first, closed=False, b="b\n", c="c\n")

    whole = made.whole()

    assert whole.conflict is not None
    assert [side.step for side in (*whole.conflict.ours, whole.conflict.theirs)] == ["b", "c"]
    assert whole.changes.head == made.left[first].head
    assert made.remove(whole) == [True] * 4
    assert repository.branches() == ["handoff/hello", f"handoff/hello+{'c' if first == 'b' else 'b'}", "main"]
    for step in "bc":
        assert repository.git("branch", "--contains", str(made.left[step].head)) != ""


def test_what_is_ignored_and_in_the_way_is_said_and_all_branches_stay(repository):
    made = a_diamond(repository, closed=False)
    (repository.path / ".git/info/exclude").write_text("c.txt\n")
    (made.plan.path / "c.txt").write_text("precious\n")

    for _ in range(2):
        with pytest.raises(WorkspaceError, match=r"in the way of the work of other steps: c\.txt"):
            made.whole()

    assert (made.plan.path / "c.txt").read_text() == "precious\n"
    assert repository.git("rev-parse", "handoff/hello+c") == made.left["c"].head
    (made.plan.path / "c.txt").unlink()
    assert made.whole().changes.files_changed == 3


def test_a_git_that_is_too_old_is_no_obstacle_where_nothing_is_to_be_merged(
    repository, tmp_path, monkeypatch
):
    made = hands(repository, {"a": (), "b": ("a",)})
    old = an_old_git(tmp_path)
    monkeypatch.setenv("PATH", str(old), prepend=":")
    for step in "ab":
        (made.begin(step) / f"{step}.txt").write_text("1\n")
        made.end(step)

    assert made.whole().changes.files_changed == 2

    made = hands(repository, dict.fromkeys("xy", ()), name="other")
    for step in "xy":
        (made.begin(step, beside=step == "y") / f"{step}.txt").write_text("1\n")
        made.end(step)
    with pytest.raises(WorkspaceError, match=r"Expected: git 2\.38 or newer"):
        made.whole()
    assert repository.git("show", "handoff/other+y:y.txt") == "1"


# -- in place


def test_in_place_all_steps_are_told_together(repository, tmp_path):
    made = hands(repository, {"a": (), "b": ("a",)}, mode="directory")
    plan = made.plan
    assert base_of(plan, "hello", [], None) is None
    for step in "ab":
        place = step_places.decide(plan, step, base=None, own=False, lock=None)
        begun = step_places.begin(place, None)
        (repository.path / f"{step}.txt").write_text("1\n")
        found = step_places.gather(place, begun, commit=True, message="x", lock=None)
        assert found.files == (("A", f"{step}.txt"),)

    whole = made.whole(patch=tmp_path / "changes.patch")

    assert whole.conflict is None
    assert (whole.changes.uncommitted, whole.changes.files) == (True, (("A", "a.txt"), ("A", "b.txt")))
    assert (tmp_path / "changes.patch").exists()
