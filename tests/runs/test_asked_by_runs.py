"""What runs ask, as the daemon follows it: its state, its journal, what is taken back, whose the replies are."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from handoff.root import PlanId, create_root
from orchestrd.core.events import Answered, Asked, Event, Moment
from orchestrd.record.journals import Journals
from orchestrd.runs.asking.following import AskedOfRun, noted_lines, withdraw, withdraw_forgotten
from orchestrd.runs.followed import Followed
from orchestrd.runs.running import Running
from orchestrd.runs.watch import RunWatch

P = PlanId("p")
FIRST, SECOND = "p.main.1.1.approval.toml", "p.main.1.2.question.toml"


def write(folder: Path, *records: dict[str, Any], torn: str = "") -> None:
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "asked.jsonl").open("a") as file:
        file.write("".join(json.dumps(one) + "\n" for one in records) + torn)


def followed(folder: Path) -> tuple[Followed, Running]:
    runs = Followed(lambda: Moment(1.0, 1.0))
    run = Running(P, "main", 1, 1, "session", 0.0, RunWatch(folder))
    runs.add(run)
    return runs, run


def kinds(events: list[Event]) -> list[type]:
    return [type(event) for event in events]


def test_that_it_asks_and_was_answered_is_told_once_each(tmp_path: Path) -> None:
    folder = tmp_path / "main.1"
    write(folder, {"event": "asked", "request": FIRST, "expires": 1_800_000_000}, torn='{"event": "as')
    runs, run = followed(folder)

    runs.read(run)
    runs.read(run)
    assert kinds(runs.told()) == [Asked]
    (shown,) = run.fields()["asks"]
    assert shown["request"] == FIRST
    assert shown["until"].timestamp() == 1_800_000_000

    (folder / "asked.jsonl").write_text((folder / "asked.jsonl").read_text().rpartition("\n")[0] + "\n")
    write(
        folder, {"event": "asked", "request": SECOND}, {"event": "answered", "request": FIRST, "reply": FIRST}
    )
    runs.read(run)
    assert kinds(runs.told()) == []
    write(folder, {"event": "withdrawn", "request": SECOND})
    runs.read(run)
    assert kinds(runs.told()) == [Answered]
    assert run.fields()["asks"] is None


def test_what_was_asked_and_answered_while_nobody_looked_frees_no_slot(tmp_path: Path) -> None:
    folder = tmp_path / "main.1"
    write(folder, {"event": "asked", "request": FIRST}, {"event": "answered", "request": FIRST})
    runs, run = followed(folder)

    runs.read(run)

    assert kinds(runs.told()) == []


def test_each_line_is_for_the_journal_once_whatever_daemon_wrote_it(tmp_path: Path) -> None:
    write(
        tmp_path,
        {"event": "asked", "time": "t1", "request": FIRST, "tool": "Bash"},
        {"event": "refused", "time": "t2", "request": FIRST, "reply": FIRST, "message": "no"},
        {
            "event": "answered",
            "time": "t3",
            "request": FIRST,
            "reply": "x",
            "decision": "allow",
            "command": "ls",
        },
    )
    asked = AskedOfRun(tmp_path)
    asked.read_new()

    assert list(asked.to_note) == [
        ("asked", {"line": 1, "at": "t1", "request": FIRST, "tool": "Bash"}),
        ("reply-refused", {"line": 2, "at": "t2", "request": FIRST, "reply": FIRST, "message": "no"}),
        ("reply-taken", {"line": 3, "at": "t3", "request": FIRST, "reply": "x", "decision": "allow"}),
    ]
    journal = [{"event": name, "step": "main", "n": 1, **fields} for name, fields in list(asked.to_note)[:2]]
    later = AskedOfRun(tmp_path, noted_lines(journal, "main", 1))
    later.read_new()
    assert [name for name, _ in later.to_note] == ["reply-taken"]
    assert noted_lines(journal, "main", 2) == 0


@pytest.mark.parametrize(
    "record",
    [
        {"event": "asked", "request": FIRST, "expires": 1e300, "step": "x", "n": 2, "sync": 1, "seq": 0},
        {"event": "asked", "request": FIRST, "expires": "soon", "message": "\ud800", "rules": [1e999]},
        {"event": "taken", "request": "../x", "event_": 1},
        {"event": ["asked"], "request": FIRST},
    ],
)
def test_what_an_agent_might_write_there_stops_nobody(tmp_path: Path, record: dict[str, Any]) -> None:
    write(tmp_path / "main.1", record)
    (tmp_path / "main.1" / "asked.jsonl").open("ab").write(b"[1]\n\xff\nnull\n{" + b"[" * 9999 + b"\n")
    runs, run = followed(tmp_path / "main.1")

    runs.read(run)
    run.fields()
    root = create_root(tmp_path / "root")
    root.plan_folder(P).mkdir()
    journals = Journals(root)
    journals.begin(P, 0)
    for event, fields in run.asked.to_note:
        journals.append(P, event, step="main", n=1, **fields)

    assert len(journals.read(P)) == 1


def test_something_else_in_its_place_is_as_nothing(tmp_path: Path) -> None:
    (tmp_path / "asked.jsonl").mkdir()
    (tmp_path / "other").mkdir()
    os.mkfifo(tmp_path / "other" / "asked.jsonl")

    for folder in (tmp_path, tmp_path / "other"):
        asked = AskedOfRun(folder)
        asked.read_new()
        assert not asked.has_asked


def test_what_a_dead_run_asks_is_taken_back_and_nothing_else(tmp_path: Path) -> None:
    root = create_root(tmp_path / "root")
    others = ["p.docs.md", "p.main.2.1.approval.toml", "q.main.1.1.approval.toml"]
    for name in (FIRST, SECOND, f".{FIRST}.tmp", *others):
        (root.requests / name).write_text("x")

    assert sorted(withdraw(root, "p", "main", 1)) == [FIRST, SECOND]
    assert sorted(path.name for path in root.requests.iterdir()) == sorted(others)

    withdraw_forgotten(root, [("p", "main", 2)], unknown={"r"})
    assert sorted(path.name for path in root.requests.iterdir()) == sorted(others[:2])


def test_whose_replies_are_left_to_its_runner(tmp_path: Path) -> None:
    runs, run = followed(tmp_path)

    assert runs.is_alive(P, "main", 1)
    assert not runs.is_alive(P, "main", 2)
    assert not runs.is_alive(P, "other", 1)
    runs.expect((P, "other"), 3)
    assert runs.is_alive(P, "other", 3), "it may be: nothing was found out about it yet"
    runs.is_found_out((P, "other"))
    assert not runs.is_alive(P, "other", 3)
    run.is_judged = True
    assert not runs.is_alive(P, "main", 1)
    runs.left_alone = frozenset({P})
    assert runs.is_alive(P, "any", 9), "nothing is known of its runs"
