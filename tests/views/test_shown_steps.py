"""Where the steps and checks of a plan in work stand, and what plans wait for, as a person reads it."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from handoff.root import PlanId, Root, create_root
from orchestrd.record import journal
from orchestrd.views.looking import waits_for
from orchestrd.views.page import page_of_result, page_of_work
from orchestrd.views.steps import step_name, steps_in_work
from orchestrd.views.words import how_long, until

P = PlanId("api")
NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)


@pytest.fixture
def root(tmp_path: Path) -> Root:
    return create_root(tmp_path / "root")


class Told:
    """A plan in work, by its journal."""

    def __init__(self, root: Root, **accepted: Any) -> None:
        self.folder = root.plan_folder(P)
        self.folder.mkdir()
        self.count = 0
        self.tell("taken", source="api.toml", format="toml", arrival=1, size=1)
        self.tell("accepted", title="API", project="/src/api", **accepted)

    def tell(self, event: str, **fields: Any) -> None:
        self.count += 1
        journal.append(self.folder / "journal.jsonl", self.count, event, now=NOW.timestamp(), **fields)

    def started(self, step: str, number: int = 1) -> None:
        self.tell("run-intended", step=step, n=number, attempt=1, session_id="s", resumes=False)

    def ended(self, step: str, status: str = "succeeded", number: int = 1, **fields: Any) -> None:
        self.started(step, number)
        self.tell("run-ended", step=step, n=number, status=status, cost_usd=0.25, **fields)


STEPS = [
    {"step": "analyse"},
    {"step": "left", "needs": ["analyse"]},
    {"step": "right", "needs": ["analyse"]},
    {"step": "parked", "needs": ["analyse"]},
    {"step": "build", "needs": ["left", "right"]},
    {"step": "next"},
]


def test_each_step_of_a_plan_in_work_says_where_it_stands(root: Root) -> None:
    told = Told(root, steps=STEPS, checks=2)
    told.ended("analyse", further_steps=[{"step": "more", "needs": ["left"]}])
    told.tell("step-gathered", step="analyse", changed=True)
    told.started("left")
    told.started("right")
    told.ended("parked", "failed", reason="usage-limit")
    resets = (datetime.now(UTC) + timedelta(hours=2, seconds=30)).timestamp()
    told.tell("run-again", step="parked", n=1, same_attempt=True, parked_until=resets)
    run = {"step": "left", "attempt": 2, "turns": 3, "last_words": "I write\nit"}

    found = dict(steps_in_work(root, P, {"runs": [run]}))

    assert list(found) == ["analyse", "more", "left", "right", "parked", "build", "next"]
    assert found["analyse"] == "succeeded, changed, $0.25"
    assert found["more"] == "needs left"
    assert found["left"] == "runs, attempt 2, 3 turns: I write it"
    assert found["right"] == "is being started"
    assert found["parked"].startswith("waits for limit until ")
    assert found["parked"].endswith("in 2 h 0 m")
    assert found["build"] == "needs left, right"
    assert found["next"] == "is next"
    page = page_of_work(root, P, {"id": "api", "state": "running", "runs": [run]}, [])
    assert (
        "  steps          analyse  succeeded, changed, $0.25\n                 more     needs left\n" in page
    )
    assert "  checks         2 checks, run when the steps are over" in page


def test_a_plan_at_its_checks_says_how_far_it_is(root: Root) -> None:
    told = Told(root, steps=[{"step": "main"}], checks=2)
    told.ended("main")
    told.ended("check_1", exit_code=0)
    told.ended("check_2", "failed", exit_code=1)
    told.started("check_1", 2)

    page = page_of_work(root, P, {"id": "api", "state": "running", "runs": [{"step": "check_1"}]}, [])

    assert "  checks         round 0: 2 of 2 were run, 1 failed\n" in page
    assert "  run            check 1\n" in page


def test_a_plan_that_asks_says_what_and_until_when(root: Root) -> None:
    Told(root, steps=[{"step": "main"}, {"step": "next", "needs": ["main"]}]).started("main")
    later = (datetime.now(UTC) + timedelta(hours=2, seconds=5)).isoformat()
    asks = [
        {"request": "api.main.1.1.approval.toml", "until": later},
        {"request": "api.main.1.2.question.toml"},
    ]
    work = {"id": "api", "state": "asking", "runs": [{"step": "main", "attempt": 1, "asks": asks}]}

    page = page_of_work(root, P, work, [])

    assert re.search(r"asks +api\.main\.1\.1\.approval\.toml, until .*, in 2 h 0 m\n", page)
    assert "api.main.1.2.question.toml, without end\n" in page
    assert "main  asks api.main.1.1.approval.toml, api.main.1.2.question.toml\n" in page


def test_a_plan_of_one_prompt_has_no_list_of_steps(root: Root) -> None:
    Told(root).started("main")
    run = {"step": "main", "attempt": 1, "turns": 2, "last_words": "Hm."}

    page = page_of_work(root, P, {"id": "api", "state": "running", "runs": [run]}, [])

    assert steps_in_work(root, P, {}) == []
    assert "  run            attempt 1, 2 turns\n  last words     Hm.\n" in page


def test_with_which_plan_one_overlaps_is_told(root: Root) -> None:
    def plan(name: str, *touches: str, project: str = "/src/api", has_begun: bool = True) -> dict[str, Any]:
        folder = root.plan_folder(PlanId(name))
        (folder / "runs" if has_begun else folder).mkdir(parents=True)
        workspace = {"mode": "worktree", "touches": touches}
        (folder / "accepted.json").write_text(json.dumps({"workspace": workspace}))
        return {"id": name, "project": project, "waiting_for": "overlap"}

    late = plan("late", "src/**", has_begun=False)
    others = [
        late,
        plan("works", "src/api/**"),
        plan("beside", "docs/**"),
        plan("elsewhere", "src/api/**", project="/src/other"),
        plan("later", "src/**", has_begun=False),
    ]

    assert waits_for(root, late, others) == "overlap with works"
    assert waits_for(root, late, [late]) == "overlap"


def test_a_step_beside_a_running_one_says_what_it_waits_for_until_when_and_why(root: Root) -> None:
    told = Told(
        root, steps=[{"step": one} for one in ("runs", "build", "again", "yielded", "unpaid", "over")]
    )
    told.started("runs")
    later = (datetime.now(UTC) + timedelta(seconds=50.5)).timestamp()
    for step, reason, summary, fields in (
        (
            "build",
            "cancelled",
            "`make`: stopped.\nTo save the machine.\nIt said nothing.",
            {"waiting_for": "pressure"},
        ),
        ("again", "api", "Overloaded\nIts last words: Hm.", {"waiting_for": "retry", "until": later}),
        (
            "yielded",
            "cancelled",
            "Stopped to save the machine: why.",
            {"waiting_for": "pressure", "until": later},
        ),
        ("unpaid", "budget", "", {"waiting_for": "budget"}),
        ("over", "api", "Overloaded", {"waiting_for": "retry", "until": 1.0}),
    ):
        told.ended(step, "failed", reason=reason, summary=summary)
        told.tell("run-again", step=step, same_attempt=False, **fields)

    found = dict(steps_in_work(root, P, {"runs": [{"step": "runs"}]}))

    assert found["build"] == "waits for pressure: `make`: stopped. To save the machine."
    assert found["again"].startswith("waits for retry until ")
    assert found["again"].endswith("in 50 s: api: Overloaded")
    assert found["yielded"].startswith("waits for pressure until ")
    assert found["yielded"].endswith("in 50 s: Stopped to save the machine: why.")
    assert found["unpaid"] == "waits for budget"
    assert found["over"] == "is next"


@pytest.mark.parametrize(
    "seconds, says",
    [
        (-3, "until now"),
        (20, "until {:%H:%M:%S}, in 20 s"),
        (7200, "until {:%H:%M}, in 2 h 0 m"),
        (200_000, "until {:%Y-%m-%d %H:%M}, in 2 d 7 h"),
    ],
)
def test_until_when_is_told_by_the_readers_own_clock(seconds: float, says: str) -> None:
    when = NOW + timedelta(seconds=seconds)

    assert until(when, NOW) == says.format(when.astimezone())


def test_spans_are_said_for_people() -> None:
    told = [how_long(seconds) for seconds in (0.44, 42.2, 190, 7500, 172_799, 172_800, 788_400)]

    assert told == ["0.4 s", "42 s", "3 m 10 s", "2 h 5 m", "47 h 59 m", "2 d 0 h", "9 d 3 h"]


def test_steps_are_called_by_their_names_and_checks_by_their_number() -> None:
    assert [step_name(one) for one in ("left", "main", "check_12", "check-1")] == [
        "left",
        "",
        "check 12",
        "check-1",
    ]


def test_a_settled_plan_of_several_steps_lists_them_and_the_last_round_of_its_checks(root: Root) -> None:
    usage = {"cost_usd": 0.5, "turns": 3, "wall_seconds": 61.0}
    steps = [
        {"id": "analyse", "status": "succeeded", "verdict": "no-change-needed", "usage": usage},
        {"id": "fix", "status": "failed", "reason": "schema", "attempts": 2, "denied": [{"tool": "Bash"}]},
        {"id": "review", "status": "skipped"},
    ]
    checks = [
        {"command": ["make", "test"], "round": 0, "exit": 1, "output_tail": "old"},
        {"command": ["make", "test"], "round": 1, "exit": 0},
        {"command": ["make", "lint"], "round": 1, "exit": 2, "output_tail": "much\nE501 too long"},
        {"command": ["make", "docs"], "round": 1, "exit": -1, "output_tail": "begun\n[It was so.]"},
    ]

    page = page_of_result(root, P, {"status": "failed", "steps": steps, "checks": checks})

    for line in (
        "  steps          analyse  succeeded, no-change-needed, $0.5000, 1 m 1 s\n",
        "                 fix      failed (schema), 2 attempts\n",
        "                 review   skipped\n",
        "  not allowed    fix: Bash",
        "  logs           orchestrd logs api\n",
        "  checks         make test: passed\n",
        "                 make lint: failed, exit code 2: E501 too long\n",
        "                 make docs: stopped: [It was so.]\n",
        "                 after 1 round of mending",
    ):
        assert line in page, page
    assert "old" not in page
