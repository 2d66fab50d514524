"""The main job, only the model scripted: a plan in; a branch, a result and a request for documentation out."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path

from orchestrd.record.journal import read_journal
from tests.live.real import MAY_WRITE, Live, conversation, git, live, snapshot, write
from tests.waiting import wait_until

SCRIPT = conversation("", write("new.txt"), 'text = "I wrote new.txt."')


def test_a_plan_that_has_a_file_written_comes_back_whole(claude_binary: Path, project: Path, tmp_path: Path):
    before = snapshot(project)

    with live(tmp_path / "live", claude_binary, SCRIPT) as there:
        there.submit(
            "a-file", project, "Write new.txt", permissions=MAY_WRITE, docs={"request": True, "about": "Why"}
        )
        result = there.result("a-file")

        root = there.root.path
        request = (root / result["docs"]["request"]).read_text()
        page = (there.root.results / "a-file.md").read_text()
        wait_until(lambda: is_in_index(there, "a-file"), 5, "the plan to be in the index")
        folder = there.here.plan_folder("a-file")

    changes, usage, step = result["changes"], result["usage"], result["steps"][0]
    assert (result["status"], result["verdict"]) == ("succeeded", "changed")
    assert result["summary"] == "I wrote new.txt."
    assert (changes["files_changed"], changes["commits"]) == (1, 1)
    assert changes["branch"] == "handoff/a-file"
    assert changes["base"] == git(project, "rev-parse", "main") != changes["head"]
    assert changes["head"] == git(project, "rev-parse", changes["branch"])
    assert git(project, "show", f"{changes['branch']}:new.txt") == "made by the run"
    assert "made by the run" in (root / changes["patch"]).read_text()
    for name in (
        "cost_usd",
        "turns",
        "input_tokens",
        "output_tokens",
        "cpu_seconds",
        "peak_memory_bytes",
        "wall_seconds",
    ):
        assert usage[name] > 0, name
    assert (result["payer"], step["attempts"], step["status"]) == ("api-key", 1, "succeeded")
    assert step["first_output_seconds"] > 0
    assert (root / step["log"]).is_file()
    assert snapshot(project) == before
    for told in (
        "+made by the run",
        "new.txt",
        "I wrote new.txt.",
        "Write new.txt",
        "Why",
        changes["branch"],
        changes["head"],
    ):
        assert told in request, f"the request does not say {told!r}"
    for told in ("Succeeded", "new.txt", changes["branch"], "I wrote new.txt."):
        assert told in page, f"the page does not say {told!r}"
    assert_complete(folder)


def is_in_index(there: Live, plan: str) -> bool:
    with closing(sqlite3.connect(there.root.index)) as index:
        return index.execute("select 1 from plans where id = ?", (plan,)).fetchone() is not None


def assert_complete(folder: Path) -> None:
    names = {str(file.relative_to(folder)) for file in folder.rglob("*") if file.is_file()}
    wanted = {"plan.toml", "accepted.json", "journal.jsonl", "usage.jsonl", "result.toml", "changes.patch"}
    run = {"launch.json", "input.jsonl", "lock", "started.json", "events.jsonl", "stderr.log", "exit.json"}
    assert wanted | {f"runs/main.1/{name}" for name in run} <= names
    events = [record["event"] for record in read_journal(folder / "journal.jsonl")]
    assert events == [
        "taken",
        "accepted",
        "workspace-intended",
        "workspace-made",
        "run-intended",
        "run-started",
        "run-ended",
        "gathered",
        "settling",
        "settled",
    ]
    samples = [json.loads(line) for line in (folder / "usage.jsonl").read_text().splitlines()]
    assert len(samples) >= 2
