"""A plan's life as it happens, in words: what its journal notes, and what Claude said and did."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from handoff.root import PlanId, Root
from orchestrd.outbound.words import counted
from orchestrd.views.following import Streams
from orchestrd.views.looking import plan_folder, read_result
from orchestrd.views.steps import is_check, step_name
from orchestrd.views.words import plain, read_lines

ARCHIVE_SECONDS = 5.0


def follow_plan(
    root: Root,
    plan: PlanId,
    seconds: float,
    daemon: subprocess.Popen[bytes],
    beside: Callable[[], Iterable[str]] = tuple,
) -> Iterator[str]:
    """Yield lines until the plan has its result. Raises TimeoutError when none can come or has come.

    `beside` is called again and again meanwhile, and may have something to say, too.
    """
    began = time.monotonic()
    streams = Streams(root, plan)
    told = 0
    while True:
        over = read_result(root, plan) is not None
        folder = plan_folder(root, plan)
        records = read_lines(folder / "journal.jsonl") if folder else []
        for record in records[told:]:
            if record.get("event") in ("run-ended", "gathered", "settling"):
                yield from _indented(streams.fresh())
            words = _in_words(record)
            if words:
                yield f"{time.monotonic() - began:6.2f} s  {words}"
        told = len(records)
        yield from _indented(streams.fresh())
        for words in beside():
            yield f"{time.monotonic() - began:6.2f} s  {plain(words)}"
        if over:
            _await_archive(root, plan)
            return
        if daemon.poll() is not None:
            raise TimeoutError(f"the daemon has ended (exit {daemon.returncode})")
        if time.monotonic() - began > seconds:
            raise TimeoutError(f"{plan}: no result after {seconds:g} s")
        time.sleep(0.03)


def _await_archive(root: Root, plan: PlanId) -> None:
    """Let the plan's folder move: the result is there a moment before, and names places in the archive."""
    deadline = time.monotonic() + ARCHIVE_SECONDS
    while root.plan_folder(plan).exists() and time.monotonic() < deadline:
        time.sleep(0.02)


def _indented(lines: Iterator[str]) -> Iterator[str]:
    return (f"            {line}" for line in lines)


def _in_words(record: dict[str, Any]) -> str:
    teller = _EVENTS.get(str(record.get("event")))
    return plain(teller(record)) if teller else ""


def _workspace(record: dict[str, Any]) -> str:
    if record.get("mode") == "directory":
        return "it works in the project itself"
    return f"a checkout of its own, on the branch {record.get('branch')}"


def _gathered(record: dict[str, Any]) -> str:
    if not record.get("changed"):
        return "nothing was changed"
    files = counted(record.get("files_changed") or 0, "file")
    branch = record.get("branch")
    return f"{files} changed, committed on {branch}" if branch else f"{files} changed"


def _started(record: dict[str, Any]) -> str:
    step = str(record.get("step"))
    return f"{step_name(step)} is run" if is_check(step) else f"run {step}.{record.get('n')} started"


def _ended(record: dict[str, Any]) -> str:
    outcome = record.get("reason") or record.get("status")
    name = step_name(record.get("step"))
    if is_check(str(record.get("step"))):
        return f"{name}: {'passed' if record.get('status') == 'succeeded' else 'failed'}"
    return f"{f'the run of {name}' if name else 'the run'} has ended: {outcome}"


def _step_place(record: dict[str, Any]) -> str:
    if not record.get("own"):
        return ""
    return f"step {record.get('step')}: a checkout of its own beside others, on the branch {record.get('branch')}"


def _conflict(record: dict[str, Any]) -> str:
    files = ", ".join(str(file.get("path")) for file in record.get("files") or ())
    return f"what the steps have left contradicts itself: {files}" if files else "a conflict"


_EVENTS: dict[str, Callable[[dict[str, Any]], str]] = {
    "taken": lambda record: f"taken from the inbox ({record.get('source')})",
    "accepted": lambda _record: "checked and accepted",
    "refused": lambda record: f"refused: {record.get('reason')}",
    "workspace-intended": _workspace,
    "step-place": _step_place,
    "run-started": _started,
    "run-ended": _ended,
    "asked": lambda record: f"it asks: {record.get('request')}",
    "reply-taken": lambda record: f"it was answered: {record.get('decision')}",
    "reply-refused": lambda record: f"an answer does not fit: {record.get('message')}",
    "answered-by-rule": lambda record: f"by what was decided for the plan: {record.get('decision')}",
    "joined": lambda _record: "what the steps have left is together on the plan's branch",
    "conflict": _conflict,
    "gathered": _gathered,
    "settling": lambda record: f"settled: {record.get('status')}",
}
