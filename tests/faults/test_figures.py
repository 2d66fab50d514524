"""The page on reliability takes its figures from reports, and from nowhere else."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.faults.campaign import Campaign, Ground, Outcome, Size, Violation, run_campaign
from tests.faults.figures import BEGIN, END, PAGE, figures, put

PROJECT = Path(__file__).resolve().parents[2]


def test_the_page_has_its_marks() -> None:
    page = (PROJECT / PAGE).read_text("utf-8")

    assert (page.count(BEGIN), page.count(END)) == (1, 1)
    assert put(page, "x").partition(BEGIN)[2].startswith(f"\nx\n{END}")


def test_a_page_without_marks_is_left_alone() -> None:
    with pytest.raises(ValueError, match="no marks"):
        put("# A page", "x")


def test_what_was_run_is_told_and_nothing_else(tmp_path: Path) -> None:
    found = Outcome(7, [Violation("I1", "x", "y")], worst={"seconds": 1.5})
    report = run_campaign(Campaign("T4", "kills", lambda _: found), Ground(Size.MIDDLE, 1, tmp_path))
    told = {
        "time": "2026-11-25T01:00:00+00:00",
        "size": "middle",
        "seconds": 30.0,
        "rows": [report.as_dict()],
    }
    (tmp_path / "middle.json").write_text(json.dumps(told))
    bug = {
        "bug": "b",
        "what": "w",
        "caught_by": "T4",
        "seed": 1,
        "outcome": "caught",
        "said": "I1: x",
        "seconds": 2.0,
    }
    seeded = {
        "time": "2026-11-25T02:00:00+00:00",
        "seconds": 5.0,
        "bugs": [bug, {**bug, "outcome": "missed"}],
    }
    (tmp_path / "seeded.json").write_text(json.dumps(seeded))

    lines = list(figures(tmp_path))

    assert lines[0] == "### make torture, 2026-11-25: 7 faults, 1 violations, 30 s"
    assert "| T4 | kills | 7 | 1 | 0 | seconds ≤ 1.5 |" in lines
    assert "### make seeded, 2026-11-25: 1 of 2 caught, 5 s" in lines
    assert "| b: w | T4 | 1 | 2 | I1 |" in lines
    assert "| b: w | T4 | 1 | 2 | **missed** |" in lines


def test_a_soak_is_told_with_what_has_grown(tmp_path: Path) -> None:
    found = Outcome(300, worst={"MiB": 70.5})
    report = run_campaign(Campaign("soak", "30 minutes", lambda _: found), Ground(Size.LONG, 1, tmp_path))
    told = {
        "time": "2026-11-25T01:00:00+00:00",
        "minutes": 30.0,
        "rows": [report.as_dict()],
        "said": ["after 60 s: 7 plans", "storm: 60.0 → 60.5 MiB", "peace: 60.5 → 60.5 MiB"],
    }
    (tmp_path / "soak.json").write_text(json.dumps(told))

    lines = list(figures(tmp_path))

    assert lines[0] == "### make soak, 2026-11-25: 300 faults, 0 violations, 30 min"
    assert "| soak | 30 minutes | 300 | 0 | 0 | MiB ≤ 70.5 |" in lines
    # A line directly below a table would be a row of it.
    assert lines[-4:] == ["", "- storm: 60.0 → 60.5 MiB", "- peace: 60.5 → 60.5 MiB", ""]
