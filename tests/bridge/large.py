"""A root in which everything is as long as it can be, and one that has had 100,000 plans."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import tomli_w

from handoff.root import Root
from orchestrd.record.index import Index, Row
from tests.bridge.settled import settled
from tests.bridge.test_requests_over_mcp import APPROVAL, an_approval
from tests.outbound.telling import Telling

WORDS = 'Claude said a lot about "limits" and \\ paths. '
MONTH = "2026-10"


def a_large_root(root: Root) -> None:
    """Fill a root: one plan of each kind is named big, at-work, and asks."""
    settled(root, "big")
    _large_result(root)
    _large_work(root)
    _large_requests(root)
    (root.path / "context").mkdir(exist_ok=True)
    text = "".join(f"- {number}: {WORDS}\n" for number in range(15_000))
    (root.path / "context" / "api.md").write_text(f'+++\nproject = "/src/api"\n+++\n{text}')
    for number in range(300):
        (root.inbox / f"plan-{number}-{'x' * 40}.toml").write_text("handoff = 1\n")
    with Index(root.index) as index:
        index.put_many(_rows(3000, projects=500))


def _large_result(root: Root) -> None:
    step = {
        "status": "succeeded",
        "summary": WORDS * 30,
        "denied": [{"tool": "Bash", "input_json": WORDS * 20}],
    }
    result: dict[str, Any] = {
        "plan": "big",
        "source": "big.toml",
        "status": "failed",
        "title": WORDS[:80],
        "summary": WORDS * 1500,
        "changes": {
            "branch": "handoff/big",
            "patch": "archive/2026-11/big/changes.patch",
            "files_changed": 3000,
        },
        "metadata": {f"key-{number}": {"text": WORDS, "list": [WORDS] * 10} for number in range(60)},
        "steps": [{"id": f"step-{number}", **step} for number in range(60)],
        "checks": [
            {"command": ["make", WORDS], "round": 0, "exit": 1, "output_tail": WORDS * 50} for _ in range(60)
        ],
        "errors": [{"path": f"steps[{number}]", "message": WORDS, "hint": WORDS} for number in range(150)],
    }
    (root.results / "big.toml").write_text(tomli_w.dumps(result))
    part = "diff --git a/src/f{0}.py b/src/f{0}.py\n--- a/src/f{0}.py\n+++ b/src/f{0}.py\n@@ -1 +1,{1} @@\n-old\n{2}"
    small = [part.format(number, 20, f"+{WORDS}\n" * 20) for number in range(400)]
    large = part.format("large", 20_000, f"+{WORDS}\n" * 20_000)
    (root.archive / "2026-11" / "big" / "changes.patch").write_text("".join(small) + large)
    start = root.archive / "2026-11" / "big" / "runs" / "main.1"
    start.mkdir(parents=True)
    event = {"type": "assistant", "message": {"content": [{"type": "text", "text": WORDS * 10}]}}
    (start / "events.jsonl").write_text(f"{json.dumps(event)}\n" * 10_000)


def _large_work(root: Root) -> None:
    Telling(root, "at-work").accepted()
    run = {"step": "main", "attempt": 1, "turns": 3, "last_words": WORDS * 20}
    plans = [
        {
            "id": "at-work" if number == 0 else f"work-{number}",
            "state": "running",
            "title": WORDS,
            "project": f"/src/{number}",
            "waiting_for": "slot",
            "runs": [{**run, "step": f"step-{one}"} for one in range(20)],
        }
        for number in range(1000)
    ]
    for plan in plans[1:300]:
        (root.active / str(plan["id"])).mkdir()
    (root.status / "plans.json").write_text(json.dumps({"plans": plans}))
    daemon = {
        "state": "running",
        "heartbeat": "2026-11-24T02:00:00Z",
        "counts": {f"count-{number}": number for number in range(300)},
        "problems": [{"word": "disk", "message": WORDS * 50, "remedy": WORDS * 50} for _ in range(100)],
        "ignored": [{"file": f"inbox/{WORDS * 5}", "why": WORDS * 20} for _ in range(1000)],
        "budget": {
            "projects": [{"project": f"/src/{number}", "spent_today_usd": 1.5} for number in range(500)]
        },
    }
    (root.status / "daemon.json").write_text(json.dumps(daemon))


def _large_requests(root: Root) -> None:
    an_approval(
        root, input_json=json.dumps({"command": WORDS * 3000, "list": [WORDS] * 2000}), reason=WORDS * 100
    )
    text = (root.requests / APPROVAL).read_text()
    for number in range(2, 300):
        (root.requests / f"api.main.1.{number}.approval.toml").write_text(text)
    head, _, body = (root.requests / "big.docs.md").read_text().rpartition("+++\n")
    (root.requests / "big.docs.md").write_text(f"{head}+++\n{body}{WORDS * 5000}")


def a_root_that_has_had(root: Root, plans: int) -> None:
    """Let a root have had so many plans: its index and its register say so. (Their folders are not made.)"""
    with Index(root.index) as index:
        index.put_many(_rows(plans, projects=50))
    lines = (
        f'{{"id":"plan-{number:06}","source":"plan-{number:06}.toml","key":"key-{number}",'
        f'"sha256":"{number:064x}","taken":"{_time(number)}"}}\n'
        for number in range(plans)
    )
    root.ids_log.write_text("".join(lines))
    root.orders_log.write_text(
        "".join(
            f'{{"order":{number},"time":"{_time(number)}","file":"cancel-{number}.json","action":"cancel",'
            f'"plan":"plan-{number:06}","outcome":"done"}}\n'
            for number in range(plans // 10)
        )
    )


def a_busy_inbox(root: Root, plans: int) -> None:
    """Let so many plans lie in the inbox, and as many folders in `active/`."""
    for number in range(plans):
        (root.inbox / f"offered-{number}.toml").touch()
        (root.active / f"busy-{number}").mkdir()


def _rows(plans: int, projects: int) -> Iterator[Row]:
    for number in range(plans):
        plan = f"plan-{number:06}"
        folder = f"archive/{MONTH}/{plan}"
        yield Row(
            id=plan,  # type: ignore[arg-type]
            source=f"{plan}.toml",
            title=f"{WORDS} {number}",
            project=f"/src/project-{number % projects}",
            key=f"key-{number}",
            status="succeeded" if number % 7 else "failed",
            reason=None if number % 7 else "timeout",
            verdict="changed",
            cost_usd=0.01,
            taken=_time(number),
            accepted=_time(number),
            settled=_time(number),
            folder=folder,
            month=MONTH,
            result=f"{folder}/result.toml",
        )


def _time(number: int) -> str:
    day, second = divmod(number, 86_400)
    hour, rest = divmod(second, 3600)
    return f"2026-10-{day + 1:02}T{hour:02}:{rest // 60:02}:{rest % 60:02}.000Z"


def files_of(folder: Path) -> int:
    """How many there are."""
    return sum(1 for _ in folder.iterdir())
