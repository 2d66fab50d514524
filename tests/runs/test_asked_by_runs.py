"""What runs ask, as the daemon follows it: its state, its journal, what is taken back, whose the replies are."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from handoff.root import PlanId, create_root
from orchestrd.core.events import Answered, Asked, Event, Moment
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
