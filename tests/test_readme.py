"""What the README and the documentation name is there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

PROJECT = Path(__file__).parent.parent
PAGES = [PROJECT / "README.md", PROJECT / "CONTRIBUTING.md", *sorted((PROJECT / "docs").rglob("*.md"))]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(PROJECT)))
def test_every_link_leads_somewhere(page):
    links = re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text("utf-8"))

    assert [link for link in links if not (page.parent / link).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(PROJECT)))
def test_no_page_has_marks_of_a_merge(page):
    marks = [line for line in page.read_text("utf-8").splitlines() if re.match(r"(<{7}|>{7}) |={7}$", line)]

    assert marks == []


def test_every_promise_names_tests_that_are_there():
    _, _, promises = (PROJECT / "README.md").read_text("utf-8").partition("which test shows it")
    rows = [line for line in promises.splitlines() if line.startswith("| ") and "`" in line]

    assert len(rows) >= 10
    for row in rows:
        named = re.findall(r"`(tests/[^`]*)`", row)
        assert named or "make test-portable" in row
        assert [name for name in named if not (PROJECT / name).exists()] == []


def test_the_first_plan_of_the_readme_is_a_valid_one(tmp_path, monkeypatch):
    from handoff.formats import Format, read_document
    from handoff.plan import Plan

    found = re.search(r"<<'END'\n(.*?)\nEND\n", (PROJECT / "README.md").read_text("utf-8"), re.DOTALL)

    assert found
    plan = read_document(Plan, found[1].encode(), Format.MARKDOWN)
    assert plan.prompt.startswith("Add a greeting")


def test_every_setting_is_documented():
    from orchestrd.config import setting_names

    page = (PROJECT / "docs/configuration.md").read_text("utf-8")

    assert [name for name in setting_names() if f"`{name}`" not in page] == []
