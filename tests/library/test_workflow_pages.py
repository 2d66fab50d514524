"""The documentation shows workflows and roles as their files have them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from orchestrd.library.finding import SHIPPED
from orchestrd.library.pages import parts_of, renewed

PAGE = Path(__file__).parents[2] / "docs" / "workflows.md"


def test_the_page_is_current():
    text = PAGE.read_text("utf-8")

    assert renewed(text) == text, "run: python -m orchestrd.library"


def test_every_workflow_that_ships_and_the_roles_are_on_it():
    assert parts_of(PAGE.read_text("utf-8")) == {
        "roles",
        *(f"workflow {name}" for name in SHIPPED.names(None)),
    }


def test_what_stands_around_the_drawn_parts_stays():
    page = "# Mine\n<!-- roles -->\nold\n<!-- end -->\nAnd this.\n"

    new = renewed(page)

    assert new.startswith("# Mine\n<!-- roles -->\n\n| role | what it does | tools |\n")
    assert new.endswith("\n<!-- end -->\nAnd this.\n")
    assert "old" not in new


def test_the_check_says_by_its_exit_code_whether_the_page_is_stale():
    good = subprocess.run([sys.executable, "-m", "orchestrd.library", "--check"], check=False)
    bad = subprocess.run(
        [sys.executable, "-m", "orchestrd.library", "--wrong"], check=False, capture_output=True
    )

    assert (good.returncode, bad.returncode) == (0, 2)
