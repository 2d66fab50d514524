"""(c) Many plans: accepting 20,000, starting with 20,000 in hand, and a plan's way where 100,000 were before."""

from __future__ import annotations

import json
import os
import time
import uuid
from datetime import UTC, datetime, timedelta
from multiprocessing import Pool
from pathlib import Path

from bench.ground import Ground, a_plan, a_project, await_so, fake_agent, ground
from bench.table import Row, median, milliseconds
from handoff.root import PlanId, Root
from orchestrd.record.index import Index, row_of
from orchestrd.record.index import Row as IndexRow
from orchestrd.record.journal import encode_line, format_time

IN_HAND = 20_000
ARCHIVED = 100_000
AT_ONCE = 2_000
BEGIN = datetime.now(UTC) - timedelta(days=730)


def measure(folder: Path, in_hand: int = IN_HAND, archived: int = ARCHIVED, count: int = 20) -> list[Row]:
    agent = fake_agent(folder)
    project = a_project(folder / "project")
    return [*_many(folder / "many", agent, project, in_hand), _old(folder, agent, project, archived, count)]


def _many(folder: Path, agent: Path, project: Path, count: int) -> list[Row]:
    with ground(folder, agent) as here:
        here.start()
        here.pause()
        text = a_plan(project)
        began = time.monotonic()
        for number in range(count):
            here.drop(f"plan-{number}.json", text)
        dropped = time.monotonic() - began
        log = here.root.ids_log
        await_so(
            lambda: log.exists() and log.read_bytes().count(b"\n") >= count,
            300,
            "all to be accepted",
            look=0.1,
        )
        speed = count / (time.monotonic() - began)
        here.stop()
        seconds = here.start()
        counts = here.status()["counts"]
    assert counts["waiting"] == count, counts
    return [
        Row(
            f"accepting {count:,} plans, paused",
            f"{speed:.0f}/s (dropping them alone: {count / dropped:.0f}/s)",
            aim="≥ 600/s",
            met=speed >= 600,
        ),
        Row(f"starting with {count:,} in hand", f"{seconds:.2f} s", aim="≤ 2 s", met=seconds <= 2),
    ]


def _old(folder: Path, agent: Path, project: Path, archived: int, count: int) -> Row:
    with ground(folder / "old", agent) as old, ground(folder / "new", agent) as new:
        fill(old.root, archived)
        old_start, new_start = old.start(), new.start()
        for here in (old, new):
            _way(here, project, "warm")
        times: dict[Ground, list[float]] = {old: [], new: []}
        for number in range(count):
            for here, seconds in times.items():
                seconds.append(_way(here, project, f"plan-{number}"))
    ratio = median(times[old]) / median(times[new])
    return Row(
        f"drop → result with {archived:,} archived",
        f"{milliseconds(times[old])}, {ratio:.2f}×; start {old_start:.1f} s",
        f"empty root {milliseconds(times[new])}; start {new_start:.1f} s",
        "≤ 1.2×",
        ratio <= 1.2,
    )


def _way(here: Ground, project: Path, name: str) -> float:
    began = time.monotonic()
    here.drop(f"{name}.json", a_plan(project))
    here.await_result(name)
    seconds = time.monotonic() - began
    await_so(lambda: not here.root.plan_folder(PlanId(name)).exists(), 10, "the archive")
    return seconds


def fill(root: Root, count: int) -> None:
    """Fill an archive as a daemon would have in two years: folders, register, results nobody consumed, index."""
    # Unsynced, by plain calls, in as many processes as there are cores: what is measured comes later.
    with Pool() as pool, open(root.ids_log, "ab") as register, Index(root.index) as index:
        portions = [(root, first, min(first + AT_ONCE, count)) for first in range(0, count, AT_ONCE)]
        for rows, lines in pool.imap_unordered(_portion, portions):
            register.write(lines)
            index.put_many(rows)


def _portion(portion: tuple[Root, int, int]) -> tuple[list[IndexRow], bytes]:
    root, first, end = portion
    rows, lines = [], []
    template = root.path / f"template-{first}"
    template.write_text(a_plan(root.path))
    for number in range(first, end):
        taken = BEGIN + timedelta(minutes=10 * number)
        plan = PlanId(f"old-{number}")
        month = f"{taken:%Y-%m}"
        folder = f"{root.archive}/{month}/{plan}"
        os.makedirs(folder, 0o700)
        records = [encode_line(*told, taken.timestamp() + told[0]) for told in _journal(plan, taken)]
        settled = format_time(taken.timestamp())
        result = json.dumps({"handoff": 1, "id": plan, "status": "succeeded", "settled": settled})
        _write(f"{folder}/journal.jsonl", b"".join(line for line, _ in records))
        _write(f"{folder}/result.json", result.encode())
        os.link(f"{folder}/result.json", root.results / f"{plan}.json")
        os.link(template, f"{folder}/plan.json")
        named = {"id": plan, "source": f"{plan}.json", "key": str(uuid.UUID(int=number)), "sha256": "0" * 64}
        lines.append(json.dumps(named | {"taken": settled}).encode() + b"\n")
        rows.append(row_of(plan, [record for _, record in records], f"archive/{month}/{plan}"))
    template.unlink()
    return rows, b"".join(lines)


def _write(path: str, content: bytes) -> None:
    with open(path, "wb", buffering=0) as file:
        file.write(content)


def _journal(plan: PlanId, taken: datetime) -> list[tuple[int, str, dict[str, object]]]:
    accepted = {"title": plan, "project": "/home/ann/project", "priority": 0, "after": [], "in_place": False}
    accepted |= {
        "attempts": 3,
        "on_interrupt": "resume",
        "changes": "allowed",
        "docs": False,
        "sha256": "0" * 64,
    }
    run = {"step": "main", "n": 1}
    ended = {
        **run,
        "status": "succeeded",
        "retry": False,
        "turns": 3,
        "cost_usd": 0.12,
        "summary": "Done. " * 20,
    }
    told: list[tuple[str, dict[str, object]]] = [
        ("taken", {"source": f"{plan}.json", "format": "json", "arrival": 1, "size": 100}),
        ("accepted", accepted),
        (
            "workspace-intended",
            {"mode": "worktree", "path": f"/checkouts/{plan}", "branch": f"handoff/{plan}"},
        ),
        ("workspace-made", {}),
        ("run-intended", {**run, "attempt": 1, "session_id": str(uuid.UUID(int=1)), "resumes": False}),
        ("run-started", {**run, "pid": 4711}),
        ("run-ended", ended),
        ("gathered", {"changed": True, "commits": 1, "files_changed": 2, "patch": True, "files": []}),
        ("settling", {"status": "succeeded", "settled": format_time(taken.timestamp() + 60)}),
        ("settled", {}),
    ]
    return [(seq, event, fields) for seq, (event, fields) in enumerate(told, 1)]
