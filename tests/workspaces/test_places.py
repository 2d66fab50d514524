"""Workspaces of several plans, and of one whose making a crash cut off."""

from __future__ import annotations

import errno
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from handoff import durable
from handoff.plan import Plan
from handoff.root import PlanId, Root, create_root
from orchestrd.core.events import Event, Moment, WorkspaceMade
from orchestrd.record import journal
from orchestrd.record.journals import Journals
from orchestrd.workspaces import intent as workspace
from orchestrd.workspaces.git import GitLock
from orchestrd.workspaces.places import Places
from orchestrd.workspaces.registrations import read_line
from tests.acceptance.stage import git
from tests.failing import fail
from tests.serving import a_repository

WISH = {"handoff": 1, "prompt": "x", "workspace": {"mode": "worktree", "branch": "same"}}


def a_place(folder: Path) -> tuple[Root, Path, Places]:
    root = create_root(folder / "root")
    lock = GitLock(root.git_lock)
    lock.take()
    journals = Journals(root)
    places = Places(root, folder / "checkouts", journals, lock, lambda: Moment(0.0, 0.0), lambda text: text)
    return root, a_repository(folder / "project"), places


def a_plan_in_hand(root: Root, places: Places, name: str) -> PlanId:
    root.plan_folder(PlanId(name)).mkdir()
    (root.plan_folder(PlanId(name)) / "journal.jsonl").write_bytes(journal.first_line({"source": "p"}))
    places._journals.begin(PlanId(name))
    return PlanId(name)


class Cut(BaseException):
    """As a crash is: nothing is tidied up."""


@pytest.mark.parametrize("step", range(1, 60))
def test_a_checkout_whose_making_was_cut_off_is_removed_with_a_plan_that_never_ran(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    root, project, places = a_place(tmp_path)
    name = a_plan_in_hand(root, places, "p")
    plan = Plan.model_validate(WISH | {"project": str(project)})
    left = step

    def dying(effect: Callable[..., object]) -> Callable[..., object]:
        def die_or_do(*words: object, **more: object) -> object:
            nonlocal left
            left -= 1
            if left == 0:
                raise Cut
            return effect(*words, **more)

        return die_or_do

    with monkeypatch.context() as patched:
        for word in ("open", "write", "rename", "rename_new", "mkdir", "unlink"):
            patched.setattr(durable.effects, word, dying(getattr(durable.effects, word)))
        with suppress(Cut):
            places.prepare(name, plan, project)

    places.remover(name)(tmp_path / "checkouts" / "p")

    assert not (tmp_path / "checkouts" / "p").exists()
    assert git(project, "worktree", "list").count("\n") == 0
    assert git(project, "branch", "--list", "same") == ""
    assert [path.name for path in (project / ".git").iterdir() if "orchestrd" in path.name] == []


@pytest.mark.parametrize("number", [4])
def test_plans_that_wish_for_the_same_branch_at_once_get_one_each(tmp_path: Path, number: int) -> None:
    root, project, places = a_place(tmp_path)
    plan = Plan.model_validate(WISH | {"project": str(project)})
    names = [a_plan_in_hand(root, places, f"p{one}") for one in range(number)]
    events: list[Event] = []

    threads = [
        threading.Thread(target=lambda name=name: events.append(places.prepare(name, plan, project)))
        for name in names
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)

    assert [type(event) for event in events] == [WorkspaceMade] * number
    branches = {places.place_of(name).branch for name in names}
    assert branches == {"same", *(f"same-{one}" for one in range(2, number + 1))}


def test_a_registration_that_cannot_be_read_is_not_taken_for_one_that_is_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "gitdir").write_text("/x/.git\n")
    fail(monkeypatch, "read", errno.EIO)

    with pytest.raises(OSError):
        read_line(tmp_path / "gitdir")
    assert read_line(tmp_path / "nothing") is None


def test_a_disk_that_fails_while_a_half_made_checkout_goes_puts_the_plan_off_and_ends_in_no_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root, project, places = a_place(tmp_path)
    name = a_plan_in_hand(root, places, "p")
    plan = Plan.model_validate(WISH | {"project": str(project)})
    places._decide(name, plan, project)  # and cut off: its branch is there, and no checkout
    git(project, "branch", "same")
    with monkeypatch.context() as patched:
        fail(patched, "list", errno.EIO, "/checkouts/p", times=1)
        with pytest.raises(OSError, match="Input/output error"):
            places.prepare(name, plan, project)

    assert isinstance(places.prepare(name, plan, project), WorkspaceMade)
    assert (tmp_path / "checkouts" / "p" / "README.md").is_file()


def test_a_checkout_without_its_files_goes_with_a_plan_that_never_ran(tmp_path: Path) -> None:
    root, project, places = a_place(tmp_path)
    name = a_plan_in_hand(root, places, "p")
    plan = Plan.model_validate(WISH | {"project": str(project)})
    places.prepare(name, plan, project)
    checkout = tmp_path / "checkouts" / "p"
    (checkout / "README.md").unlink()
    (project / ".git/worktrees/p/orchestrd").unlink()

    places.remover(name)(checkout)

    assert not checkout.exists()
    assert git(project, "worktree", "list").count("\n") == 0


@pytest.mark.parametrize("left", ["nothing of its link", "half of its link"])
def test_what_a_power_cut_left_of_a_checkout_is_cleared_and_not_put_aside(tmp_path: Path, left: str) -> None:
    root, project, places = a_place(tmp_path)
    name = a_plan_in_hand(root, places, "p")
    plan = Plan.model_validate(WISH | {"project": str(project)})
    places._decide(name, plan, project)
    checkout = tmp_path / "checkouts" / "p"
    checkout.mkdir(parents=True)
    half = b"gitdir: " + bytes(project)[:5]
    (checkout / (".git" if left == "half of its link" else "..git.tmp")).write_bytes(half)

    assert isinstance(places.prepare(name, plan, project), WorkspaceMade)

    assert sorted(one.name for one in checkout.parent.iterdir()) == ["p"]
    assert git(checkout, "status", "--porcelain") == ""


def test_what_somebody_put_in_the_place_before_it_was_decided_on_is_put_aside(tmp_path: Path) -> None:
    root, project, places = a_place(tmp_path)
    name = a_plan_in_hand(root, places, "p")
    checkout = tmp_path / "checkouts" / "p"
    checkout.mkdir(parents=True)
    (checkout / "letter").write_text("mine")

    places.prepare(name, Plan.model_validate(WISH | {"project": str(project)}), project)

    assert (checkout.with_name("p.found") / "letter").read_text() == "mine"


def test_half_of_a_registration_goes_with_what_a_power_cut_left(tmp_path: Path) -> None:
    root, project, places = a_place(tmp_path)
    name = a_plan_in_hand(root, places, "p")
    plan = Plan.model_validate(WISH | {"project": str(project)})
    workspace.make(places._decide(name, plan, project), None)  # and cut off before that was noted
    admin = project / ".git" / "worktrees" / "p"
    (admin / "orchestrd").unlink()
    (admin / "gitdir").write_bytes((admin / "gitdir").read_bytes()[:20])

    assert isinstance(places.prepare(name, plan, project), WorkspaceMade)

    assert [one.name for one in admin.parent.iterdir()] == ["p"]
    places.remover(name)(tmp_path / "checkouts" / "p")
    assert git(project, "branch", "--list", "same") == ""
    assert not admin.exists()
