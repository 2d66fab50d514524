from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from handoff.result import Payer, Reason, Verdict
from handoff.root import PlanId, Root
from orchestrd.outbound import publish, words
from tests.outbound.telling import PLAN, Telling, a_root, a_success


@pytest.fixture
def root(tmp_path: Path) -> Root:
    return a_root(tmp_path)


def page(told: Telling) -> str:
    publish.settle(told.root, told.id, lambda _checkout: None)
    return (told.root.results / f"{told.id}.md").read_text()


def test_a_person_reads_what_came_of_it_and_what_to_do_next(root: Root) -> None:
    text = page(a_success(root))

    for wanted in (
        "# Rate-limit the API\n\n**Succeeded**, and the project was changed.",
        "I added the limit.",
        "branch `handoff/api`, 1 commit",
        "1 file, +2 -0",
        "git -C /src/api merge handoff/api",
        "$0.1000 (billed to the API key), 3 turns",
        "5.5 s by the clock",
        f"{root.archive}/2026-11/api/changes.patch",
        f"{root.requests}/api.docs.md",
    ):
        assert wanted in text


def test_the_steps_of_a_plan_are_told_one_by_one_and_its_checks_round_by_round(root: Root) -> None:
    steps = [{"step": name} for name in ("analyse", "build", "review", "mend", "tell", "revise")]
    told = Telling(root).accepted(steps=steps).worktree()
    told.run(step="analyse", summary="It is here:\n\n`limits.py`").tell(
        "step-gathered", step="analyse", changed=False
    )
    command: dict[str, Any] = {
        "model": None,
        "turns": 0,
        "cost_usd": 0.0,
        "summary": "`make`: exit code 0 after 5.5 s.",
    }
    told.run(step="build", **command).tell("step-gathered", step="build", changed=True)
    told.run(step="review", summary='{"findings": ["`x`"]}', output={"findings": ["`x`"]})
    told.run(2, 2, step="mend", status="failed", reason="schema", summary="x" * 1000)
    told.run(step="tell", summary="This is how it ends. Word for word.")
    told.check(1, 0, "all well").check(2, 1, "first")
    told.check(1, 0, "all well", 1).check(2, None, "no `end` here", 1)

    text = page(told.gathered().ended("failed", reason="check-failed"))

    assert (
        "- `analyse`: succeeded, it changed nothing, $0.1000, 5.5 s\n  It is here: \\`limits.py\\`\n" in text
    )
    assert "- `build`: succeeded, it changed the project, 5.5 s\n  \\`make\\`: exit code 0" in text
    assert '  ``{"findings": ["`x`"]}``\n' in text
    assert "- `mend`: failed (`schema`), 2 attempts, $0.1000, 5.5 s\n" in text
    assert text.count("This is how it ends.") == 1
    assert "- `revise`: skipped\n" in text
    assert f"\n  {'x' * 300} …\n" in text
    assert text.index("## The steps") < text.index("## The checks") < text.index("## What changed")
    first, _, last = text.partition("After what had failed went back to the model (1 of 1):")
    assert "- `make check-1`: passed after 5.5 s\n- `make check-2`: **failed** (exit code 1) after" in first
    assert "- `make check-2`: **stopped** after 5.5 s\n" in last
    assert "The last that `make check-2` said:\n\n```text\nno `end` here\n```" in last
    assert "step `revise`" not in text


def test_of_a_plan_of_one_prompt_no_steps_are_listed(root: Root) -> None:
    text = page(a_success(root))

    assert "## The steps" not in text
    assert "## The checks" not in text
    assert "- step `main`: 1 attempt, claude-sonnet, session `s1`" in text


def test_a_refusal_lists_each_mistake_with_its_line(root: Root) -> None:
    error = {"path": "prirority", "line": 7, "message": "unknown field", "hint": "did you mean priority?"}
    told = Telling(root).tell("refused", reason="invalid", errors=[error]).ended("rejected", reason="invalid")

    text = page(told)

    assert "**Rejected: it was not run**" in text
    assert "- line 7, `prirority`: unknown field. Expected: did you mean priority?." in text
    assert "What it used" not in text


def test_tools_that_were_denied_are_listed(root: Root) -> None:
    denied = [{"tool": "Bash", "input_json": '{"command":"rm -rf `x`"}', "why": "not allowed"}] * 25
    told = Telling(root).accepted().worktree().run(denied=denied).gathered(changed=False)

    text = page(told.ended("failed", reason="permission", message="Changes were expected."))

    assert "- Bash" not in text
    assert '- `Bash` ``{"command":"rm -rf `x`"}``: not allowed\n' in text
    assert "- and 5 more\n" in text


def test_a_page_stays_a_page_whatever_the_model_says(root: Root) -> None:
    told = Telling(root).accepted().worktree().run(summary="word " * 100_000).gathered().ended()

    text = page(told)

    assert len(text) < 10_000
    assert "more characters]" in text


def test_a_name_cannot_begin_a_command_of_its_own(root: Root) -> None:
    told = Telling(root).accepted(PLAN.replace('"/src/api"', '"~/src/my api; rm x"'))

    text = page(told.worktree().run().gathered(branch="handoff/a;b").ended())

    assert "git -C ~/'src/my api; rm x' merge 'handoff/a;b'" in text


def test_a_duplicate_says_where_the_answer_is(root: Root) -> None:
    told = Telling(root).tell("duplicate", duplicate_of="first").ended("duplicate", reason="duplicate")

    assert "The answer is the result of `first`." in page(told)


def test_every_word_of_a_result_has_its_sentence() -> None:
    assert set(words.REASONS) == set(Reason)
    assert set(words.VERDICTS) == set(Verdict)
    assert set(words.PAYERS) == set(Payer)


@pytest.mark.parametrize(
    "seconds, text",
    [(0, "0.0 s"), (41.23, "41.2 s"), (59.99, "60.0 s"), (200, "3 min 20 s"), (7500, "2 h 5 min")],
)
def test_durations_are_said_as_people_say_them(seconds: float, text: str) -> None:
    assert words.duration(seconds) == text


def test_a_plan_that_stayed_in_the_archive_is_named_by_its_page(root: Root) -> None:
    Telling(root).accepted().ended(
        "expired", reason="expired", message="It was not started before it expired."
    )

    publish.settle(root, PlanId("api"), lambda _checkout: None)

    assert "What happened" in (root.results / "api.md").read_text()
