"""A plan's folder in `active/`, made as the daemon makes it, for the tests of what is told about it."""

from __future__ import annotations

import json
import tomllib
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from handoff.formats import Format, read_document
from handoff.plan import Plan
from handoff.root import PlanId, Root, create_root
from orchestrd.record import journal

AT = datetime(2026, 11, 24, 2, 0, tzinfo=UTC).timestamp()
SETTLED = "2026-11-30T23:59:59.500Z"

PATCH = """diff --git a/limits.py b/limits.py
new file mode 100644
--- /dev/null
+++ b/limits.py
@@ -0,0 +1,2 @@
+LIMIT = 10
+# ```
"""

PLAN = """
handoff = 1
title = "Rate-limit the API"
project = "/src/api"
prompt = "Add a limit.\\n\\n```\\n+++\\n```"
key = "api-limit"
[docs]
request = true
about = "Operators need it\\n+++\\n"
[metadata]
ticket = "API-142"
when = 2026-11-24
nested = { list = [1, 2.5, "x"] }
"""


def a_root(folder: Path) -> Root:
    return create_root(folder / "root")


class Telling:
    """One plan in `active/`, whose events are told one by one."""

    def __init__(self, root: Root, plan: str = "api", file_format: str = "toml", **taken: Any) -> None:
        self.root = root
        self.id = PlanId(plan)
        self.folder = root.plan_folder(self.id)
        self.folder.mkdir()
        self.records = 0
        self.format = file_format
        told = {"source": f"{plan}.plan.{file_format}", "format": file_format, "arrival": 1, "size": 10}
        self.tell("taken", **told | taken)

    def tell(self, event: str, **fields: Any) -> Telling:
        self.records += 1
        path = self.folder / "journal.jsonl"
        journal.append(path, self.records, event, now=AT + self.records, **fields)
        return self

    def accepted(self, text: str = PLAN, **fields: Any) -> Telling:
        plan = read_document(Plan, text.encode(), Format.TOML)
        raw = text if self.format == "toml" else plan.model_dump_json(exclude_unset=True)
        (self.folder / f"plan.{self.format}").write_text(raw)
        (self.folder / "accepted.json").write_text(plan.model_dump_json())
        told = {"title": plan.title, "project": plan.project, "key": plan.key, "docs": plan.docs.request}
        return self.tell("accepted", sha256="a" * 64, **told | fields)

    def worktree(self) -> Telling:
        self.tell(
            "workspace-intended", mode="worktree", path="/checkouts/api", branch="handoff/api", base="b" * 40
        )
        return self.tell("workspace-made")

    def run(
        self, number: int = 1, attempt: int = 1, step: str = "main", round_number: int = 0, **ended: Any
    ) -> Telling:
        session = f"s{number}"
        began = {"n": number, "attempt": attempt, "session_id": session, "resumes": False}
        self.tell("run-intended", step=step, **began, round=round_number)
        self.tell("run-started", step=step, n=number, pid=99)
        return self.tell("run-ended", step=step, n=number, **RUN | {"session_id": session} | ended)

    def check(self, number: int, exit_code: int | None, said: str, round_number: int = 0) -> Telling:
        """A check of the plan, which is a command."""
        ended = {"status": "failed" if exit_code != 0 else "succeeded", "exit_code": exit_code}
        command = {"command": ["make", f"check-{number}"], "output_tail": said, "log": "stdout.log"}
        nothing = dict.fromkeys(("model", "payer", "summary", "session_id"))
        name = f"check_{number}"
        return self.run(round_number + 1, 1, name, round_number, **(nothing | ended | command))

    def gathered(self, **fields: Any) -> Telling:
        (self.folder / "changes.patch").write_text(PATCH)
        return self.tell("gathered", **GATHERED | fields)

    def ended(self, status: str = "succeeded", **fields: Any) -> Telling:
        return self.tell("settling", status=status, settled=SETTLED, **fields)


RUN = {
    "status": "succeeded",
    "retry": False,
    "model": "claude-sonnet",
    "payer": "api-key",
    "summary": "I added the limit.",
    "turns": 3,
    "cost_usd": 0.1,
    "input_tokens": 10,
    "output_tokens": 20,
    "cache_read_tokens": 30,
    "cache_write_tokens": 40,
    "wall_seconds": 5.5,
    "cpu_seconds": 1.25,
    "peak_memory_bytes": 100,
    "first_output_seconds": 0.9,
    "denied": [],
    "log": "events.jsonl",
}

GATHERED = {
    "changed": True,
    "branch": "handoff/api",
    "base": "b" * 40,
    "head": "c" * 40,
    "commits": 1,
    "files_changed": 1,
    "insertions": 2,
    "deletions": 0,
    "patch": True,
    "files": [{"path": "limits.py", "status": "A"}],
    "uncommitted": False,
}


def a_success(root: Root, plan: str = "api", file_format: str = "toml") -> Telling:
    return Telling(root, plan, file_format).accepted().worktree().run().gathered().ended()


def result_in(path: Path) -> dict[str, Any]:
    if path.suffix == ".json":
        found: dict[str, Any] = json.loads(path.read_text())
        return found
    return tomllib.loads(path.read_text())
