from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from handoff.formats import Format, dump, read_document
from handoff.result import Result, Verdict
from handoff.root import Root
from orchestrd.outbound.page import page_of
from orchestrd.outbound.publish import plan_in
from orchestrd.outbound.story import result_of
from orchestrd.record.journal import read_journal
from tests.outbound.telling import PLAN, Telling, a_root, a_success


@pytest.fixture
def root(tmp_path: Path) -> Root:
    return a_root(tmp_path)


def result(telling: Telling) -> Result:
    answer = Format.JSON if telling.format == "json" else Format.TOML
    records = read_journal(telling.folder / "journal.jsonl")
    return result_of(telling.id, records, plan_in(telling.folder, answer))


def test_a_plan_that_succeeded_tells_every_field(root: Root) -> None:
    told = a_success(root)

    found = json.loads(dump(result(told), Format.JSON))

    usage = {
        "cost_usd": 0.1,
        "turns": 3,
        "input_tokens": 10,
        "output_tokens": 20,
        "cache_read_tokens": 30,
        "cache_write_tokens": 40,
        "wall_seconds": 5.5,
        "cpu_seconds": 1.25,
        "peak_memory_bytes": 100,
    }
    assert found == {
        "handoff": 1,
        "plan": "api",
        "source": "api.plan.toml",
        "title": "Rate-limit the API",
        "sha256": "a" * 64,
        "key": "api-limit",
        "status": "succeeded",
        "verdict": "changed",
        "summary": "I added the limit.",
        "payer": "api-key",
        "accepted": "2026-11-24T02:00:02Z",
        "started": "2026-11-24T02:00:06Z",
        "settled": "2026-11-30T23:59:59.500000Z",
        "usage": usage,
        "changes": {
            "branch": "handoff/api",
            "base": "b" * 40,
            "head": "c" * 40,
            "commits": 1,
            "files_changed": 1,
            "insertions": 2,
            "deletions": 0,
            "patch": "archive/2026-11/api/changes.patch",
        },
        "docs": {"request": "requests/api.docs.md"},
        "metadata": {"ticket": "API-142", "when": "2026-11-24", "nested": {"list": [1, 2.5, "x"]}},
        "steps": [
            {
                "id": "main",
                "status": "succeeded",
                "verdict": "changed",
                "model": "claude-sonnet",
                "session_id": "s1",
                "summary": "I added the limit.",
                "attempts": 1,
                "first_output_seconds": 0.9,
                "usage": usage,
                "log": "archive/2026-11/api/runs/main.1/events.jsonl",
            }
        ],
    }


@pytest.mark.parametrize("file_format", [Format.TOML, Format.JSON])
def test_a_result_can_be_read_by_the_protocols_own_reader(root: Root, file_format: Format) -> None:
    found = result(a_success(root))

    assert read_document(Result, dump(found, file_format), file_format).changes == found.changes


def test_usage_is_summed_over_starts_and_the_facts_are_those_of_the_last(root: Root) -> None:
    told = Telling(root).accepted().worktree()
    denied = {"tool": "Bash", "input_json": '{"command":"rm"}', "why": "no"}
    told.run(
        1, 1, status="failed", reason="api", cost_usd=0.1, peak_memory_bytes=900, denied=[denied], summary="a"
    )
    told.run(2, 2, cost_usd=0.2, peak_memory_bytes=500, summary="b", model="opus", denied=[])
    told.gathered().ended()

    found = result(told)

    assert found.usage is not None
    assert (found.usage.cost_usd, found.usage.turns, found.usage.peak_memory_bytes) == (0.3, 6, 900)
    (step,) = found.steps
    assert (step.attempts, step.session_id, step.model, step.summary) == (2, "s2", "opus", "b")
    assert step.log == "archive/2026-11/api/runs/main.2/events.jsonl"
    assert [one.tool for one in step.denied] == ["Bash"]
    assert (step.reason, found.reason, found.summary) == (None, None, "b")


@pytest.mark.parametrize(
    "status, changed, verdict",
    [
        ("succeeded", True, "changed"),
        ("failed", True, "changed"),
        ("cancelled", True, "changed"),
        ("succeeded", False, "no-change-needed"),
        ("failed", False, "unverified"),
        ("succeeded", None, "unverified"),
    ],
)
def test_the_verdict_is_what_the_evidence_says(
    root: Root, status: str, changed: bool | None, verdict: str
) -> None:
    told = Telling(root).accepted().worktree().run().gathered(changed=changed).ended(status)

    assert result(told).verdict == verdict


def test_a_step_that_found_nothing_to_mend_has_still_changed_what_it_changed_before(root: Root) -> None:
    told = Telling(root).accepted().worktree().run()
    told.tell("step-gathered", step="main", changed=True).run(number=2)
    told.tell("step-gathered", step="main", changed=False).gathered().ended("failed", reason="check-failed")

    (step,) = result(told).steps

    assert step.verdict is Verdict.CHANGED


def test_what_never_ran_has_no_verdict_no_usage_and_no_steps(root: Root) -> None:
    told = Telling(root).accepted().ended("cancelled", reason="cancelled", message="Cancelled: not needed")

    found = result(told)

    assert (found.verdict, found.usage, found.steps, found.changes, found.started) == (
        None,
        None,
        (),
        None,
        None,
    )
    assert found.summary == "Cancelled: not needed"
    assert found.docs is None


def test_what_was_wrong_stands_before_what_the_model_said(root: Root) -> None:
    told = Telling(root).accepted().worktree().run().gathered(changed=False, commits=0)
    told.ended("failed", reason="no-changes", message="Changes were expected and there are none.")

    found = result(told)

    assert found.summary == "Changes were expected and there are none.\n\nI added the limit."
    assert found.steps[0].status == "succeeded"


def test_a_refused_plan_lists_its_errors_and_keeps_its_metadata_and_key(root: Root) -> None:
    told = Telling(root)
    (told.folder / "plan.toml").write_text(PLAN)
    error = {"path": "project", "line": 4, "message": "/src/api does not exist", "hint": "name a directory"}
    told.tell(
        "refused", reason="invalid", errors=[error, {"path": "a", "message": "b", "hint": None, "line": None}]
    )
    told.ended("rejected", reason="invalid")

    found = result(told)

    assert [one.model_dump(exclude_none=True) for one in found.errors] == [
        error,
        {"path": "a", "message": "b"},
    ]
    assert (found.title, found.key, found.metadata["ticket"]) == (
        "Rate-limit the API",
        "api-limit",
        "API-142",
    )
    assert found.accepted is None


def test_a_file_that_was_never_read_has_its_reason_and_no_checksum(root: Root) -> None:
    told = Telling(root, bad_file="has a second hard link").ended("rejected", reason="bad-file")

    found = result(told)

    assert (found.status, found.reason, found.sha256, found.title) == ("rejected", "bad-file", None, "api")
    assert found.errors[0].message == "the file has a second hard link"


def test_a_duplicate_names_the_first(root: Root) -> None:
    told = Telling(root).tell("duplicate", duplicate_of="first", sha256="d" * 64, key="k", title="T")
    told.ended("duplicate", reason="duplicate")

    found = result(told)

    assert (found.duplicate_of, found.key, found.title, found.sha256) == ("first", "k", "T", "d" * 64)


def test_a_retry_names_what_it_repeats(root: Root) -> None:
    assert (
        result(Telling(root, "api-2", retry_of="api").accepted().ended("expired", reason="expired")).retry_of
        == "api"
    )


@pytest.mark.parametrize(
    "keep, status, uncommitted, kept",
    [
        ("on-failure", "succeeded", False, False),
        ("on-failure", "failed", False, True),
        ("on-failure", "cancelled", False, True),
        ("always", "succeeded", False, True),
        ("never", "failed", False, False),
        ("never", "succeeded", True, True),
    ],
)
def test_the_checkout_is_named_while_it_is_kept(
    root: Root, keep: str, status: str, uncommitted: bool, kept: bool
) -> None:
    plan = PLAN.replace("[docs]", f'[workspace]\nkeep = "{keep}"\n[docs]')
    told = Telling(root).accepted(plan).worktree().run().gathered(uncommitted=uncommitted).ended(status)

    changes = result(told).changes

    assert changes is not None
    assert changes.workspace == ("/checkouts/api" if kept else None)


NOTHING = {"changed": False, "head": "b" * 40, "commits": 0, "files_changed": 0, "patch": False, "files": []}


@pytest.mark.parametrize(
    "keep, gathered, named",
    [
        ("on-failure", NOTHING, False),
        ("on-failure", NOTHING | {"changed": None}, False),
        ("on-failure", NOTHING | {"branch": "handoff/api-2"}, True),
        ("on-failure", NOTHING | {"uncommitted": True}, True),
        ("always", NOTHING, True),
        ("never", {}, True),
    ],
)
def test_a_branch_is_named_where_it_is_there_afterwards(
    root: Root, keep: str, gathered: dict[str, Any], named: bool
) -> None:
    plan = PLAN.replace("[docs]", f'[workspace]\nkeep = "{keep}"\n[docs]')
    told = Telling(root).accepted(plan).worktree().run().gathered(**gathered).ended()

    found = result(told)

    assert found.changes is not None
    assert (found.changes.branch is not None) is named
    assert (found.changes.base, found.changes.head) == ("b" * 40, gathered.get("head", "c" * 40))
    assert ("handoff/api" in page_of(found, None, root.path).decode()) is named


@pytest.mark.parametrize("ran, named", [(False, False), (True, True)])
def test_of_what_was_not_gathered_a_branch_is_named_if_anything_ran_on_it(
    root: Root, ran: bool, named: bool
) -> None:
    told = Telling(root).accepted(PLAN.replace("[docs]", '[workspace]\nkeep = "never"\n[docs]')).worktree()
    told = (told.run() if ran else told).ended("cancelled")

    changes = result(told).changes

    assert changes is not None
    assert (changes.branch is not None) is named


def test_in_place_without_git_nothing_is_said_of_changes(root: Root) -> None:
    told = Telling(root).accepted().tell("workspace-intended", mode="directory", path="/src/api")
    told.tell("workspace-made").run().tell(
        "gathered", changed=None, patch=False, files=[], uncommitted=False
    ).ended()

    found = result(told)

    assert (found.changes, found.verdict) == (None, "unverified")


def test_in_place_with_git_the_differences_are_told_and_no_checkout(root: Root) -> None:
    told = Telling(root).accepted().tell("workspace-intended", mode="directory", path="/src/api")
    told.tell("workspace-made").run().gathered(branch="main", commits=0, head="b" * 40).ended(
        "failed", reason="api"
    )

    changes = result(told).changes

    assert changes is not None
    assert (changes.branch, changes.files_changed, changes.workspace) == ("main", 1, None)


@pytest.mark.parametrize(
    "settled, month", [("2026-11-30T23:59:59Z", "2026-11"), ("2026-12-01T00:30:00+01:00", "2026-11")]
)
def test_the_month_is_that_of_settled_in_utc(root: Root, settled: str, month: str) -> None:
    told = Telling(root).accepted().worktree().run().gathered()
    told.tell("settling", status="succeeded", settled=settled)

    found = result(told)

    assert found.steps[0].log == f"archive/{month}/api/runs/main.1/events.jsonl"
    assert found.settled == datetime.fromisoformat(settled).astimezone(UTC)


@pytest.mark.parametrize(
    "output, told_of",
    [
        ({"a": None, "b": [1, None, 2]}, {"b": [1, 2]}),
        ({"big": 2**70}, None),
        ([1, 2], None),
        ({"half": "\ud800"}, None),
    ],
)
def test_structured_output_is_given_as_far_as_toml_can_hold_it(root: Root, output: Any, told_of: Any) -> None:
    told = Telling(root).accepted().worktree().run(output=output).gathered().ended()

    read = read_document(Result, dump(result(told), Format.TOML), Format.TOML)

    assert read.steps[0].output == told_of


def test_a_name_that_is_no_utf8_can_be_told(root: Root) -> None:
    told = Telling(root)
    told.records = 0
    (told.folder / "journal.jsonl").unlink()
    told.tell("taken", source="caf\udce9.toml", format="toml").ended("rejected", reason="invalid")

    assert result(told).source == r"caf\xe9.toml"


def test_a_journal_that_does_not_say_how_it_ended_makes_no_result(root: Root) -> None:
    with pytest.raises(ValueError, match="does not say how it ended"):
        result(Telling(root).accepted())


def test_an_ending_that_was_decided_twice_is_told_as_it_was_first(root: Root) -> None:
    told = a_success(root).tell("settling", status="succeeded", settled="2026-12-01T00:00:00Z")

    assert result(told).settled.isoformat() == "2026-11-30T23:59:59.500000+00:00"
