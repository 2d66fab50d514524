from __future__ import annotations

import json
from pathlib import Path

import pytest

from orchestrd.observe.series import append_sample
from orchestrd.observe.usage import TreeUsage

USAGE = TreeUsage(1.23456, None, 1000, None, 5, 6, 2, 3)


def test_each_sample_is_a_line_that_names_its_run(tmp_path: Path):
    append_sample(tmp_path, USAGE, step="main", number=2, wall=1_000_000_000.25)
    append_sample(tmp_path, USAGE, step="main", number=2, wall=1_000_000_001.25)

    first, second = [json.loads(line) for line in (tmp_path / "usage.jsonl").read_text().splitlines()]

    assert first["time"] == "2001-09-09T01:46:40.250Z"
    assert second["time"] == "2001-09-09T01:46:41.250Z"
    assert (first["step"], first["n"], first["cpu_seconds"], first["rss_bytes"]) == ("main", 2, 1.235, 1000)


def test_what_is_not_known_is_left_out(tmp_path: Path):
    append_sample(tmp_path, USAGE, step="main", number=1, wall=0)

    assert not {"cpu_percent", "pss_bytes"} & json.loads((tmp_path / "usage.jsonl").read_text()).keys()


def test_a_plan_that_has_moved_away_is_not_made_again(tmp_path: Path):
    with pytest.raises(FileNotFoundError):
        append_sample(tmp_path / "gone", USAGE, step="main", number=1, wall=0)

    assert not (tmp_path / "gone").exists()
