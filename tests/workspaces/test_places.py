"""Two plans that wish for the same branch at the same time get one each."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from handoff.plan import Plan
from handoff.root import PlanId, create_root
from orchestrd.core.events import Event, Moment, WorkspaceMade
from orchestrd.record import journal
from orchestrd.record.journals import Journals
from orchestrd.workspaces.git import GitLock
from orchestrd.workspaces.places import Places
from tests.serving import a_repository

WISH = {"handoff": 1, "prompt": "x", "workspace": {"mode": "worktree", "branch": "same"}}


@pytest.mark.parametrize("number", [4])
def test_plans_that_wish_for_the_same_branch_at_once_get_one_each(tmp_path: Path, number: int) -> None:
    root = create_root(tmp_path / "root")
    project = a_repository(tmp_path / "project")
    plan = Plan.model_validate(WISH | {"project": str(project)})
    journals = Journals(root)
    lock = GitLock(root.git_lock)
    lock.take()
    places = Places(root, tmp_path / "checkouts", journals, lock, lambda: Moment(0.0, 0.0), lambda text: text)
    names = [PlanId(f"p{one}") for one in range(number)]
    for name in names:
        root.plan_folder(name).mkdir()
        (root.plan_folder(name) / "journal.jsonl").write_bytes(journal.first_line({"source": "p"}))
        journals.begin(name)
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
    lock.release()
