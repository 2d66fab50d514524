"""What is known of a start that gave no account of itself."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from orchestrd.runs.recovery import read_exit
from orchestrd.runs.remains import sampled_usage, session_cost_usd

SESSION = "1b671a64-40d5-491e-99b0-da01ff1f3341"


def a_transcript(folder: Path, *lines: object) -> None:
    place = folder / "projects" / "-home-ann-project"
    place.mkdir(parents=True)
    text = "".join(f"{line if isinstance(line, str) else json.dumps(line)}\n" for line in lines)
    (place / f"{SESSION}.jsonl").write_text(text)


def cost_state(total: float) -> dict[str, object]:
    return {"type": "cost-state", "sessionId": SESSION, "totalCostUSD": total}


def test_what_a_session_cost_is_what_was_noted_last(tmp_path: Path):
    a_transcript(
        tmp_path, cost_state(0.25), {"type": "user"}, cost_state(0.75), {"type": "last-prompt"}, "torn {"
    )

    assert session_cost_usd(tmp_path, SESSION) == 0.75


def test_words_about_a_cost_are_no_cost(tmp_path: Path):
    a_transcript(
        tmp_path, cost_state(0.25), {"type": "user", "text": 'write {"cost-state": 1}', "totalCostUSD": 9}
    )

    assert session_cost_usd(tmp_path, SESSION) == 0.25


def test_the_note_is_found_behind_a_transcript_of_any_length(tmp_path: Path):
    a_transcript(tmp_path, *({"type": "user", "text": "x" * 1000} for _ in range(2000)), cost_state(0.5))

    assert session_cost_usd(tmp_path, SESSION) == 0.5


@pytest.mark.parametrize("lines", [(), ({"type": "user"},), ({"type": "cost-state", "totalCostUSD": None},)])
def test_where_nothing_was_noted_nobody_knows(tmp_path: Path, lines: tuple[object, ...]):
    a_transcript(tmp_path, *lines)

    assert session_cost_usd(tmp_path, SESSION) is None
    assert session_cost_usd(tmp_path / "nowhere", SESSION) is None


def test_a_start_without_books_is_known_by_its_own_samples(tmp_path: Path):
    (tmp_path / "usage.jsonl").write_text(
        '{"time": "2026-11-24T10:00:00.000Z", "step": "main", "n": 1, "cpu_seconds": 9.0, "rss_bytes": 900}\n'
        '{"time": "2026-11-24T10:00:05.000Z", "step": "main", "n": 2, "cpu_seconds": 0.0, "rss_bytes": 0}\n'
        '{"time": "2026-11-24T10:00:06.500Z", "step": "main", "n": 2, "cpu_seconds": 1.5, "rss_bytes": 300}\n'
        '{"time": "2026-11-24T10:00:07.500Z", "step": "main", "n": 2, "cpu_seconds": 2.0, "rss_bytes": 200}\n'
        '{"time": "2026-11-24T10:0'
    )

    assert sampled_usage(tmp_path, "main", 2) == {
        "wall_seconds": 2.5,
        "cpu_seconds": 2.0,
        "peak_memory_bytes": 300,
    }
    assert sampled_usage(tmp_path, "main", 3) == sampled_usage(tmp_path / "nowhere", "main", 1) == {}


@pytest.mark.parametrize(
    "told, sampled, peak", [(100, 300, 300), (400, 300, 400), (None, 300, 300), (100, None, 100)]
)
def test_the_peak_of_a_run_is_not_below_its_own_samples(
    tmp_path: Path, told: int | None, sampled: int | None, peak: int
):
    run = tmp_path / "runs" / "main.2"
    run.mkdir(parents=True)
    (run / "exit.json").write_text(json.dumps({"why": "ended", "peak_memory_bytes": told}))
    sample = {"time": "2026-11-24T10:00:00.000Z", "step": "main", "n": 2, "rss_bytes": sampled}
    other = sample | {"n": 1, "rss_bytes": 9000}
    (tmp_path / "usage.jsonl").write_text(f"{json.dumps(other)}\n{json.dumps(sample)}\n")

    end = read_exit(run)

    assert (end["why"], end["peak_memory_bytes"]) == ("ended", peak)


def test_a_run_that_died_with_its_runner_has_no_exit_whatever_was_sampled(tmp_path: Path):
    run = tmp_path / "runs" / "main.1"
    run.mkdir(parents=True)
    sample = {"time": "2026-11-24T10:00:00.000Z", "step": "main", "n": 1, "rss_bytes": 5}
    (tmp_path / "usage.jsonl").write_text(json.dumps(sample) + "\n")

    assert read_exit(run) == {}
