from __future__ import annotations

import json
import shutil
import tomllib
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from handoff.formats import Format, read_document
from handoff.root import Root
from handoff.status import DaemonStatus, PlansStatus, UsageStatus
from handoff.written_values import format_instant
from orchestrd.outbound.status import StatusBoard
from tests.outbound.telling import AT, a_root

WHEN = datetime(2026, 11, 24, 2, 0, tzinfo=UTC)


@pytest.fixture
def root(tmp_path: Path) -> Root:
    return a_root(tmp_path)


@pytest.fixture
def board(root: Root) -> StatusBoard:
    board = StatusBoard(root, "0.1.0", AT, pid=77)
    board.set_daemon("running", counts={"running": 1}, limits={"max_parallel": 2})
    return board


def a_plan(name: str, **fields: Any) -> dict[str, Any]:
    plan = {
        "id": name,
        "title": "T",
        "project": "/p",
        "state": "waiting",
        "waiting_for": "slot",
        "since": WHEN,
    }
    return plan | {"until": None, "priority": 50} | fields


def a_run(**fields: Any) -> dict[str, Any]:
    return {"step": "main", "attempt": 1, "since": WHEN, "turns": 2, "last_words": 'say "hi"\n[[x]]'} | fields


def read(root: Root, name: str) -> dict[str, Any]:
    from_json: dict[str, Any] = json.loads((root.status / f"{name}.json").read_text())
    from_toml = tomllib.loads((root.status / f"{name}.toml").read_text())
    assert json.loads(json.dumps(from_toml, default=format_instant)) == from_json
    return from_json


def stamps(root: Root) -> dict[str, int]:
    return {path.name: path.stat().st_ino for path in root.status.iterdir()}


def test_what_is_hurried_is_written_however_soon_after_the_last_time(root: Root, board: StatusBoard) -> None:
    board.write(AT, 10.0)
    board.set_plans([a_plan("a")])
    board.write(AT, 10.1)
    assert read(root, "plans")["plans"] == []

    board.hurry()
    board.write(AT, 10.2)

    assert [plan["id"] for plan in read(root, "plans")["plans"]] == ["a"]


def test_what_is_written_is_what_the_protocol_describes(root: Root, board: StatusBoard) -> None:
    problem = {"word": "claude", "message": "no claude", "remedy": "install it", "since": WHEN}
    board.set_daemon(
        "paused",
        why="by hand",
        counts={"waiting": 2},
        limits={"max_parallel": 2},
        ignored=[{"file": "inbox/caf\udce9.txt", "why": "its name"}],
        problems=[problem],
    )
    board.set_plans(
        [a_plan("a", state="running", waiting_for=None, runs=[a_run(), a_run(step="b")]), a_plan("b")]
    )
    board.set_usage(
        {
            "time": WHEN,
            "daemon": {"cpu_percent": 0.1},
            "machine": {"load": 1.5, "cores": 2},
            "runs": [{"plan": "a", "step": "main", "processes": 5}],
        }
    )
    board.write(AT, 0.0)

    for model, name in ((DaemonStatus, "daemon"), (PlansStatus, "plans"), (UsageStatus, "usage")):
        fields = read(root, name)
        for file_format in (Format.TOML, Format.JSON):
            raw = (root.status / f"{name}.{file_format.value}").read_bytes()
            document = read_document(model, raw, file_format)
            assert document.model_dump(mode="json", exclude_unset=True) == fields


def test_a_person_reads_times_as_the_protocol_writes_them(root: Root, board: StatusBoard) -> None:
    board.write(AT, 0.0)

    assert "heartbeat = 2026-11-24T02:00:00Z\n" in (root.status / "daemon.toml").read_text()


def test_nothing_but_the_heartbeat_is_written_while_nothing_changes(root: Root, board: StatusBoard) -> None:
    board.set_plans([a_plan("a")])
    first = board.write(AT, 100.0)
    before = stamps(root)

    early = board.write(AT + 4.9, 104.9)
    still = stamps(root)
    board.set_plans([a_plan("a")])
    board.set_daemon("running", counts={"running": 1}, limits={"max_parallel": 2})
    board.write(AT + 5, 105.0)
    after = stamps(root)

    assert (first, early) == (5.0, pytest.approx(0.1))
    assert still == before
    assert {name for name in after if after[name] != before[name]} == {"daemon.toml", "daemon.json"}
    assert read(root, "daemon")["heartbeat"] == "2026-11-24T02:00:05Z"


def test_a_change_waits_until_a_second_has_passed(root: Root, board: StatusBoard) -> None:
    board.write(AT, 100.0)

    board.set_plans([a_plan("a")])
    wait = board.write(AT, 100.25)
    early = read(root, "plans")
    board.write(AT, 101.0)

    assert wait == 0.75
    assert early["plans"] == []
    assert [plan["id"] for plan in read(root, "plans")["plans"]] == ["a"]


@pytest.mark.parametrize("state", ["paused", "draining", "stopped"])
def test_a_pause_and_a_stop_are_shown_at_once(root: Root, board: StatusBoard, state: str) -> None:
    board.write(AT, 100.0)

    board.set_daemon(state)
    board.write(AT, 100.01)

    assert read(root, "daemon")["state"] == state


def test_a_step_of_the_wall_clock_neither_stops_nor_hastens_the_beat(root: Root, board: StatusBoard) -> None:
    board.write(AT, 100.0)

    board.write(AT - 3600, 105.0)

    assert read(root, "daemon")["heartbeat"] == "2026-11-24T01:00:00Z"


def test_at_most_a_thousand_plans_are_listed(root: Root, board: StatusBoard) -> None:
    board.set_plans([a_plan(f"p{number}") for number in range(1003)], more=7)
    board.write(AT, 0.0)

    found = read(root, "plans")

    assert (len(found["plans"]), found["more"]) == (1000, 10)


def test_a_plan_that_changes_is_shown_anew_and_one_that_is_gone_goes(root: Root, board: StatusBoard) -> None:
    board.set_plans([a_plan("a"), a_plan("b"), a_plan("c")])
    board.write(AT, 0.0)

    board.set_plans([a_plan("c"), a_plan("a", priority=60)])
    board.write(AT, 1.0)

    assert [(plan["id"], plan["priority"]) for plan in read(root, "plans")["plans"]] == [("c", 50), ("a", 60)]


def test_a_disk_that_fails_is_told_and_tried_again(root: Root, board: StatusBoard) -> None:
    shutil.rmtree(root.status)
    board.write(AT, 0.0)
    trouble = board.trouble
    root.status.mkdir()

    board.write(AT, 1.0)

    assert trouble is not None
    assert "No such file" in trouble
    assert board.trouble is None
    assert read(root, "daemon")["state"] == "running"


def test_what_a_killed_daemon_left_half_written_goes_with_the_next(root: Root) -> None:
    (root.status / ".metrics.prom.tmp").write_text("half")

    StatusBoard(root, "0.1.0", AT)

    assert list(root.status.glob(".*")) == []
