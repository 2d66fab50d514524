"""Starts that do not come to be, and what is remembered of them."""

from __future__ import annotations

from pathlib import Path

from handoff import durable
from handoff.result import Reason
from handoff.root import PlanId, create_root
from orchestrd.config import Config
from orchestrd.core.commands import StartRun
from orchestrd.core.events import Moment, RunEnded
from orchestrd.record.journals import Journals
from orchestrd.runs.execution import Executions
from orchestrd.workspaces.git import GitLock

P = PlanId("p")


def test_a_start_that_was_told_to_stop_before_it_was_made_leaves_the_next_one_alone(tmp_path: Path) -> None:
    root = create_root(tmp_path / "root")
    root.plan_folder(P).mkdir()
    (root.plan_folder(P) / durable.JOURNAL).touch()
    journals = Journals(root)
    journals.begin(P, 0)
    executions = Executions(
        root,
        Config(root=root.path),
        journals,
        GitLock(root.git_lock),
        {},
        lambda: Moment(0.0, 0.0),
        lambda _plan: None,  # a plan that cannot be read: no start comes to be, and each says why
    )

    executions.followed.stop(P, "main", "the machine is dying")
    ends = [executions.start(StartRun(P, number, 1, None, None), tmp_path) for number in (1, 2)]

    assert [end.outcome.reason for end in ends if isinstance(end, RunEnded)] == [
        Reason.CANCELLED,
        Reason.BAD_LAUNCH,
    ]
