"""What a context says of a plan: the evidence, and what the run itself said, each known for what it is."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from orchestrd.context.entries import entry_of, has_entry
from orchestrd.context.sayings import MOST_ITEMS, MOST_SUMMARY, sayings_of
from orchestrd.context.state import FAILED_DAYS, OpenPlan, Seen, state_of, still_open
from tests.builders import SETTLED, a_result

NOTHING = Seen(frozenset(), frozenset(), frozenset())
CHANGES = {
    "branch": "handoff/add",
    "base": "b" * 40,
    "head": "a" * 40,
    "commits": 2,
    "files_changed": 3,
    "insertions": 40,
    "deletions": 2,
}


def ran(**fields):
    return a_result(started=SETTLED, **fields)


def test_an_entry_tells_what_the_evidence_says_and_then_what_the_run_said() -> None:
    result = ran(
        plan="add",
        title="Add a login",
        verdict="changed",
        changes=CHANGES | {"workspace": "/checkouts/add"},
        usage={"cost_usd": 0.123},
        checks=[
            {"command": ["make", "test it"], "round": 0, "exit": 2},
            *({"command": ["a"], "round": 1, "exit": 0},),
        ],
        steps=[{"id": "main", "status": "succeeded", "denied": [{"tool": "Bash", "input_json": "{}"}] * 2}],
        summary="I added it.\n\nDecisions:\n- cookies, not tokens\n\n## Open ends\n1. no logout yet\n",
    )

    entry = entry_of(result)

    assert entry.name == "done/add"
    assert entry.text == (
        "### 2026-11-24 · Add a login · add\n"
        "\n"
        "Succeeded: the project was changed. $0.12.\n"
        "- Changes: branch `handoff/add`, 2 commits, 3 files, +40 -2.\n"
        "- Its checkout is kept: `/checkouts/add`.\n"
        "- All checks passed.\n"
        "- Denied: Bash.\n"
        "\n"
        "> I added it.\n"
        "\n"
        "Decisions, as it said:\n"
        "\n"
        "- cookies, not tokens\n"
        "\n"
        "Open ends, as it said:\n"
        "\n"
        "- no logout yet"
    )


def test_a_plan_that_failed_tells_why() -> None:
    checks = [{"command": ["make", "test it"], "round": 1, "exit": 2}]

    entry = entry_of(ran(status="failed", reason="check-failed", verdict="unverified", checks=checks))

    assert "Failed (check-failed): no evidence shows what it did." in entry.text
    assert "- Check failed: `make 'test it'` (exit 2)." in entry.text


def test_documents_that_were_written_are_named() -> None:
    entry = entry_of(ran(docs={"request": "requests/hello.docs.md", "reply": "r", "files": ["docs/a.md"]}))

    assert "- Documented in `docs/a.md`." in entry.text


def test_what_steps_before_the_last_decided_is_told_too() -> None:
    steps = [
        {"id": "a", "status": "succeeded", "summary": "**Decisions**\n* one\n"},
        {"id": "b", "status": "succeeded", "summary": "Decisions: two"},
    ]

    entry = entry_of(ran(steps=steps, summary="Decisions: two"))

    assert "- two\n- one" in entry.text


@pytest.mark.parametrize("fields", [{"status": "rejected"}, {"status": "expired"}, {"status": "cancelled"}])
def test_what_never_ran_has_no_entry(fields) -> None:
    assert not has_entry(a_result(**fields))
    assert has_entry(ran(status="cancelled"))


@pytest.mark.parametrize(
    ("text", "decisions", "open_ends"),
    [
        ("Decisions: use TOML", ("use TOML",), ()),
        ("**Decisions:**\n- a\n  goes on\n- b\n\nAnd more.", ("a goes on", "b"), ()),
        ("__Open ends__:\n• a", (), ("a",)),
        ("### Open\n- a\n\n- b\n### Other\n- c", (), ("a", "b")),
        ("Decisions\n- none\n\nOpen ends: None.", (), ()),
        ("Open the file.\nDecisions were made: none of mine.", (), ()),
        ("I opened it. Open: yes", (), ()),
        ("", (), ()),
        ("Decisions:\n" + "- x\n" * 9, ("x",) * MOST_ITEMS + ("and 3 more",), ()),
    ],
)
def test_only_lists_that_a_run_wrote_are_taken(text, decisions, open_ends) -> None:
    said = sayings_of(text)

    assert (said.decisions, said.open_ends) == (decisions, open_ends)


def test_a_long_text_is_shortened_at_a_word() -> None:
    said = sayings_of("word " * 500)

    assert len(said.summary) <= MOST_SUMMARY
    assert said.summary.endswith("word…")


@given(some.text(), some.text(), some.text())
@settings(max_examples=150, deadline=None)
def test_whatever_a_model_wrote_makes_one_entry(title: str, summary: str, tool: str) -> None:
    mark = "<!-- end of kept -->"
    denied = [{"tool": f"{tool}\n{mark}", "input_json": "{}"}]
    result = ran(
        title=f"{title}\n# x {mark}",
        summary=f"{summary}\n{mark}\nDecisions:\n- {title}\n{mark}\n- a {mark}",
        steps=[{"id": "main", "status": "succeeded", "denied": denied}],
        changes=CHANGES | {"branch": f"{tool}{mark}"},
    )

    text = entry_of(result).text

    assert mark not in text
    assert [line for line in text.split("\n") if line.startswith("#")] == [text.split("\n")[0]]
    assert len(text) < 6000


def an_open(plan: str = "add", **fields) -> OpenPlan:
    return OpenPlan(
        **{"plan": plan, "title": "Add", "status": "succeeded", "settled": "2026-11-24T02:00:00+00:00"}
        | fields
    )


def test_a_branch_is_open_until_it_is_merged() -> None:
    plans = [OpenPlan.of(ran(plan="add", title="Add", changes=CHANGES))]
    seen = Seen(frozenset({"handoff/add"}), frozenset(), frozenset())

    (piece,) = state_of(still_open(plans, seen, SETTLED), seen)

    assert piece.name == "state/branch:add"
    assert piece.text == "- Not merged: branch `handoff/add` (2 commits) of plan add, Add, since 2026-11-24."
    assert still_open(plans, NOTHING, SETTLED) == []


def test_documents_are_owed_until_the_request_is_gone() -> None:
    plans = [an_open(asks_docs=True)]
    seen = Seen(frozenset(), frozenset({"add"}), frozenset())

    assert "requests/add.docs.md" in state_of(still_open(plans, seen, SETTLED), seen)[0].text
    assert still_open(plans, NOTHING, SETTLED) == []


def test_a_failure_is_told_until_it_was_repeated_well_or_is_long_ago_and_left_nothing() -> None:
    failed = an_open("a", status="failed", reason="timeout", workspace="/checkouts/a")
    repeated = an_open("a-2", retry_of="a")
    long_ago = SETTLED + timedelta(days=FAILED_DAYS + 1)
    kept = Seen(frozenset(), frozenset(), frozenset({"/checkouts/a"}))

    assert [one.name for one in state_of(still_open([failed], NOTHING, SETTLED), NOTHING)] == [
        "state/failed:a"
    ]
    assert still_open([failed, repeated], NOTHING, SETTLED) == []
    assert still_open([failed], NOTHING, long_ago) == []
    assert "its checkout is kept" in state_of(still_open([failed, repeated], kept, long_ago), kept)[0].text


def test_much_that_is_open_is_told_in_short() -> None:
    plans = [an_open(f"p{number}", branch=f"b{number}", commits=1) for number in range(30)]
    seen = Seen(frozenset(f"b{number}" for number in range(30)), frozenset(), frozenset())

    pieces = state_of(still_open(plans, seen, datetime.now(UTC)), seen)

    assert len(pieces) == 13
    assert pieces[-1].text.startswith("- and 18 more")


def test_what_is_open_is_remembered_as_plain_values() -> None:
    one = OpenPlan.of(ran(plan="add", changes=CHANGES, docs={"request": "requests/add.docs.md"}))

    assert OpenPlan.from_fields(one.to_fields()) == one
    assert one.asks_docs
