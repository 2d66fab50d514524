"""No answer is over 25,000 characters unless more were asked for, each comes in time, and what is left out is said."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from handoff.root import Root, create_root
from orchestrd.bridge.answers import MOST_CHARS
from orchestrd.bridge.server import TOOLS
from tests.bridge.large import WORDS, a_busy_inbox, a_large_root, a_root_that_has_had
from tests.bridge.talking import Talk, ToolFailed, talking
from tests.bridge.test_plans_over_mcp import a_plan
from tests.bridge.test_requests_over_mcp import APPROVAL, DOCUMENT
from tests.serving import a_repository

SECONDS = 2.0


def everything(plan: str, project: Path, request: str, approval: str) -> list[tuple[str, dict[str, Any]]]:
    """A call of every tool, and of some in several ways."""
    return [
        ("check_plan", {"plan": a_plan(project, "x = 1\n" * 500)}),
        ("check_plan", {"plan": a_plan(project, "".join(f"wrong-{one} = 1\n" for one in range(5000)))}),
        ("submit_plan", {"plan": a_plan(project)}),
        ("submit_plan", {"plan": a_plan(project)}),
        ("submit_plan", {"plan": a_plan(project, 'key = "key-77"\n')}),
        ("list_plans", {}),
        ("list_plans", {"limit": 100, "state": "settled"}),
        ("list_plans", {"limit": 100, "state": "open"}),
        ("list_plans", {"project": "/src/project-3", "state": "failed", "since": "2020-01-01"}),
        ("plan_status", {"plan": plan}),
        ("get_result", {"plan": plan}),
        ("get_diff", {"plan": plan}),
        ("list_requests", {"limit": 50}),
        ("list_requests", {"project": "/src/nowhere"}),
        ("get_request", {"name": request}),
        ("get_request", {"name": approval}),
        ("answer_request", {"name": request, "documents": [DOCUMENT]}),
        ("cancel_plan", {"plan": plan}),
        ("retry_plan", {"plan": plan}),
        ("list_workflows", {"project": str(project)}),
        ("list_projects", {"limit": 200}),
        ("project_context", {"project": "/src/api"}),
        ("daemon_status", {}),
        ("usage_report", {"since": "2020-01-01", "by": "plan"}),
        ("usage_report", {"since": "2020-01-01", "by": "day"}),
    ]


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Talk, Path]]:
    folder = tmp_path_factory.mktemp("large")
    root = create_root(folder / "handoff")
    a_large_root(root)
    with pytest.MonkeyPatch.context() as patched:
        for name in ("HOME", "XDG_CONFIG_HOME", "CLAUDE_CONFIG_DIR"):
            patched.setenv(name, str(folder / "home"))
        project = a_repository(folder / "project")
        with talking(root.path, {"HOME": str(folder / "home")}) as talk:
            yield talk, project


def test_every_tool_is_called(tmp_path: Path):
    assert {name for name, _ in everything("p", tmp_path, "r", "a")} == {
        tool.function.__name__ for tool in TOOLS
    }


def test_no_answer_is_too_long_and_each_says_what_is_left_out(large: tuple[Talk, Path]):
    talk, project = large
    told: dict[str, int] = {}

    for tool, given in everything("big", project, "big.docs.md", APPROVAL):
        before = time.monotonic()
        answer = talk(tool, **given)

        assert time.monotonic() - before < SECONDS, tool
        assert len(talk.last_text) <= MOST_CHARS, (tool, given)
        assert answer["daemon"].startswith("away since 2026-11-24"), tool
        told[tool] = max(len(talk.last_text), told.get(tool, 0))
    result = talk("get_result", plan="big")
    assert any(note.startswith("summary: ") for note in result["cut"])
    assert result["status"] == "failed"
    assert "more characters" in result["summary"]
    # That what is long is used, and not thrown away.
    assert (
        min(told[tool] for tool in ("get_result", "get_diff", "get_request", "project_context", "list_plans"))
        > 8000
    )


def test_of_a_plan_at_work_and_of_resources_no_answer_is_too_long(large: tuple[Talk, Path]):
    talk, _ = large

    talk("plan_status", plan="at-work")
    assert len(talk.last_text) <= MOST_CHARS
    for address in (
        "handoff://plans/big",
        "handoff://plans/at-work",
        "handoff://plans/big/result",
        "handoff://plans/big/log",
        "handoff://requests/big.docs.md",
        f"handoff://requests/{APPROVAL}",
        "handoff://projects/api/context",
    ):
        text = talk.read(address)
        assert 500 < len(text) <= MOST_CHARS, address
    assert "left out" in talk.read("handoff://plans/big/log")
    assert len(talk.ask("list_resources").resources) <= 80


def test_more_is_given_where_it_is_asked_for(large: tuple[Talk, Path]):
    talk, _ = large

    talk("get_result", plan="big", max_chars=100_000)
    assert MOST_CHARS < len(talk.last_text) <= 100_000
    talk("project_context", project="api", max_chars=1_000_000)
    assert len(talk.last_text) > 500_000


@pytest.mark.parametrize(
    "tool, given, field, size",
    [
        ("project_context", {"project": "api"}, "context", 800_000),
        ("get_diff", {"plan": "big", "file": "src/flarge.py"}, "text", 900_000),
        ("get_request", {"name": "big.docs.md"}, "text", 230_000),
    ],
)
def test_a_long_text_comes_whole_in_pieces(
    large: tuple[Talk, Path], tool: str, given: dict[str, Any], field: str, size: int
):
    talk, _ = large
    pieces: list[str] = []
    offset: int | None = 0

    while offset is not None:
        piece = talk(tool, **given, offset=offset, max_chars=200_000)[field]
        pieces.append(piece["text"])
        offset = piece.get("next_offset")
        assert (offset is not None) == piece["more"]

    whole = "".join(pieces)
    assert len(whole) == piece["total_chars"] > size
    assert whole.count(WORDS.strip()) > 4000


def test_all_files_of_a_large_difference_are_named_page_by_page(large: tuple[Talk, Path]):
    talk, _ = large
    seen: list[str] = []
    cursor = ""

    while True:
        page = talk("get_diff", plan="big", cursor=cursor)
        assert len(talk.last_text) <= MOST_CHARS
        assert "cut" not in page
        seen += [one["path"] for one in page["files"]]
        cursor = page.get("next_cursor", "")
        if not cursor:
            break

    assert len(set(seen)) == 401


def test_with_100000_archived_plans_and_a_busy_root_every_tool_answers_in_time(
    talk: Talk, root: Root, project: Path
):
    a_root_that_has_had(root, 100_000)
    a_busy_inbox(root, 3000)
    asked = (root.requests / "plan-000009.docs.md", root.requests / APPROVAL)
    for file in asked:
        file.write_text("")

    calls = everything("plan-050000", project, asked[0].name, asked[1].name)
    assert too_slow(talk, calls) == []

    assert talk("submit_plan", plan=a_plan(project, 'key = "key-77"\n'))["id"] == "plan-000077"
    root.index.unlink()
    by_index = ("list_plans", "usage_report", "list_projects", "plan_status")
    assert too_slow(talk, [(tool, given) for tool, given in calls if tool in by_index]) == []


def too_slow(talk: Talk, calls: list[tuple[str, dict[str, Any]]]) -> list[tuple[str, dict[str, Any]]]:
    """The calls that were not answered in time, be it that there is no such thing."""
    found = []
    for tool, given in calls:
        before = time.monotonic()
        try:
            talk(tool, **given)
        except ToolFailed as failed:
            found += [(tool, given)] if "very busy" in str(failed) else []
        found += [(tool, given)] if time.monotonic() - before > SECONDS else []
    return found
