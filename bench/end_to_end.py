"""(a) From the drop of a plan to its result, beside plain `claude -p`; and where the time goes.

Real Claude Code on both sides, the rehearsal's model on loopback, the same prompt, model and environment; by turns, so
that whatever else the machine does befalls both.
"""

from __future__ import annotations

import json
import os
import subprocess
import time
from dataclasses import dataclass, fields
from datetime import datetime
from pathlib import Path

from bench.ground import Ground, a_plan, a_project, await_so, ground
from bench.table import Row, median, milliseconds, p95
from handoff.root import PlanId
from orchestrd.rehearsal import Rehearsal
from orchestrd.runs.claude import find_claude

MODEL = "claude-sonnet-4-5"
PROMPT = "Say hello in one word. Use no tools."
PLAIN = ("-p", "--output-format", "stream-json", "--verbose")


@dataclass(frozen=True, slots=True)
class Times:
    """Seconds between the stations of one plan."""

    taken: float
    runner: float
    request: float
    event: float
    over: float
    result: float


STATIONS = {
    "taken": "drop → taken",
    "runner": "taken → runner started",
    "request": "runner started → first request",
    "event": "first request → result event",
    "over": "result event → run over",
    "result": "run over → result published",
}


def measure(folder: Path, count: int = 20) -> list[Row]:
    claude = find_claude(None, os.environ)
    project = a_project(folder / "project")
    with Rehearsal() as model, ground(folder / "ground", claude.path, model.environment()) as here:
        here.start()
        _plain(here, project, claude.path)
        _planned(here, project, model, "warm")
        plain, planned, times = [], [], []
        for number in range(count):
            plain.append(_plain(here, project, claude.path))
            seconds, found = _planned(here, project, model, f"plan-{number}")
            planned.append(seconds)
            times.append(found)
    return _rows(plain, planned, times)


def _plain(here: Ground, project: Path, claude: Path) -> float:
    began = time.monotonic()
    subprocess.run(
        [str(claude), *PLAIN, "--model", MODEL, PROMPT],
        env=here.environ,
        cwd=project,
        check=True,
        stdin=subprocess.DEVNULL,
        capture_output=True,
    )
    return time.monotonic() - began


def _planned(here: Ground, project: Path, model: Rehearsal, name: str) -> tuple[float, Times]:
    before = len(model.messages)
    text = a_plan(project, PROMPT, model=MODEL)
    began, dropped = time.monotonic(), time.time()
    here.drop(f"{name}.json", text)
    result = here.await_result(name)
    seconds = time.monotonic() - began
    published = time.time()
    assert result["status"] == "succeeded", result
    await_so(lambda: not here.root.plan_folder(PlanId(name)).exists(), 10, "the plan's folder to be archived")
    journal = here.journal(name)
    told = {event: datetime.fromisoformat(record["time"]).timestamp() for event, record in journal.items()}
    asked = model.messages[before].time
    run = next(here.root.archive.glob(f"*/{name}/runs/main.1"))
    said = (run / "events.jsonl").stat().st_mtime
    ended = json.loads((run / "exit.json").read_bytes())
    over = datetime.fromisoformat(ended["ended"]).timestamp()
    return seconds, Times(
        taken=told["taken"] - dropped,
        runner=told["run-started"] - told["taken"],
        request=asked - told["run-started"],
        event=said - asked,
        over=over - said,
        result=published - over,
    )


def _rows(plain: list[float], planned: list[float], times: list[Times]) -> list[Row]:
    ratio = median(planned) / median(plain)
    runner = [time.taken + time.runner for time in times]
    rows = [
        Row(
            f"drop → result, one turn in a worktree, {len(planned)} each",
            f"{milliseconds(planned)}, {ratio:.2f}×",
            f"`claude -p` {milliseconds(plain)}",
            "≤ 1.25×",
            ratio <= 1.25,
        ),
        Row("drop → runner started", milliseconds(runner), aim="p95 ≤ 60 ms", met=p95(runner) <= 0.060),
    ]
    for field in fields(Times):
        values = [getattr(time, field.name) for time in times]
        rows.append(Row(f"– {STATIONS[field.name]}", milliseconds(values)))
    return rows
