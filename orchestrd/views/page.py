"""A plan on a page: what became of it, or where it stands."""

from __future__ import annotations

import shlex
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from orchestrd.outbound.step_places import StepLeft, left_by_steps
from orchestrd.outbound.words import BILLED, counted
from orchestrd.record.account import account_of
from orchestrd.views.looking import asked_of, plan_folder, waits_for
from orchestrd.views.steps import checks_in_work, last_ending, step_name, steps_in_work
from orchestrd.views.words import how_long, one_line, plain, read_lines, read_time, until

if TYPE_CHECKING:
    from handoff.root import PlanId, Root

COMMAND = 60
LAST_WORDS = 60


def page_of_result(root: Root, plan: PlanId, result: dict[str, Any]) -> str:
    """Return the page of a settled plan."""
    docs = result.get("docs") or {}
    changes = result.get("changes") or {}
    workspace = changes.get("workspace")
    apart = _apart(root, plan, result)
    lines = [
        *_head(plan, result),
        *_line("the same as", result.get("duplicate_of")),
        *_line("retry of", result.get("retry_of")),
        *_line("billed", _billed(result)),
        *_line("took", _span(result)),
        *_usage(result.get("usage") or {}, "cost"),
        *_line("branch", changes.get("branch")),
        *_changes(changes),
        *_line("patch", changes.get("patch")),
        *_lines(
            "not merged",
            [f"{one.step}: {one.branch}, {counted(one.unmerged, 'commit')}" for one in apart if one.unmerged],
        ),
        # The result says what it had when it was settled; `clean` may have removed it since.
        *_line("checkout", workspace if workspace and Path(workspace).is_dir() else None),
        *_lines(
            "its steps'", [one.checkout for one in apart if one.checkout and Path(one.checkout).is_dir()]
        ),
    ]
    steps = result.get("steps") or []
    lines += _steps(steps)
    if len(steps) == 1:
        lines += _line("log", steps[0].get("log"))
    elif steps:
        lines += _line("logs", f"orchestrd logs {plan}")
    lines += [
        *_checks(result),
        *_errors(result),
        *_line("documentation", _documentation(root, docs)),
        *_line("files", _folder(root, plan)),
    ]
    return _text(lines, result)


def _documentation(root: Root, docs: dict[str, Any]) -> str | None:
    """What came of the request: the commit and the files, or where it lies while it is open."""
    if not docs.get("reply"):
        request = docs.get("request")
        is_open = request is not None and (root.path / request).exists()
        return request if is_open else "was asked for; the request is not open any more" if request else None
    commit = f"commit {docs['commit'][:12]}: " if docs.get("commit") else ""
    return f"{commit}{', '.join(docs.get('files') or ()) or 'none'} ({docs['reply']})"


def page_of_rehearsal(plan: PlanId, result: dict[str, Any], kept: Path | None) -> str:
    """Return the page of a plan that was only rehearsed. Where its files go (`kept` None), none of them is named."""
    docs, changes = result.get("docs") or {}, result.get("changes") or {}
    request = docs.get("request")
    asked = f"would be asked for{f': {request}' if kept else ''}" if request else None
    lines = [
        *_head(plan, result),
        *_line("billed", "nobody: it was a rehearsal"),
        *_line("took", _span(result)),
        *_usage(result.get("usage") or {}, "would have cost"),
        *_line("branch", f"{changes['branch']}, of the copy" if changes.get("branch") else None),
        *_changes(changes),
    ]
    lines += _steps(result.get("steps") or [])
    lines += [*_checks(result), *_errors(result), *_line("documentation", asked)]
    lines += _line(
        "files", kept or "none is left; `rehearse --keep` leaves the copy, the logs and the result"
    )
    return _text(lines, result)


def page_of_work(root: Root, plan: PlanId, work: dict[str, Any], plans: list[dict[str, Any]]) -> str:
    """Return the page of a plan that is not settled; `plans`: all that are in work."""
    now = datetime.now(UTC)
    free, since = read_time(work.get("until")), read_time(work.get("since"))
    waiting = waits_for(root, work, plans)
    lines = [plain(work.get("title") or plan), f"{plan}: {plain(work.get('state'))}", ""]
    lines += _line("waits for", f"{waiting} {until(free, now)}" if free and waiting else waiting)
    lines += _lines(
        "asks", [f"{name}, {until(end, now) if end else 'without end'}" for name, end in asked_of(work)]
    )
    lines += _line("last run", last_ending(root, plan) if waiting else None)
    lines += _line("project", work.get("project"))
    if since:
        lines += _line(
            "since", f"{since.astimezone():%Y-%m-%d %H:%M:%S}, {how_long((now - since).total_seconds())}"
        )
    lines += _line("priority", work.get("priority"))
    lines += _line("billed", _billed(work))
    lines += _line("cost so far", f"${float(work['cost_usd']):.4f}" if work.get("cost_usd") else None)
    steps = steps_in_work(root, plan, work)
    width = max((len(step) for step, _ in steps), default=0)
    lines += _lines("steps", [f"{plain(step):<{width}}  {standing}" for step, standing in steps])
    lines += _lines("checks", checks_in_work(root, plan))
    named = {step for step, _ in steps}
    for run in work.get("runs") or []:
        if run.get("step") not in named:
            name = step_name(run.get("step"))
            facts = (f"attempt {run.get('attempt')}", counted(run.get("turns") or 0, "turn"))
            lines += _line("run", name or ", ".join(facts))
            lines += _line("last words", run.get("last_words"))
    lines += _line("files", _folder(root, plan))
    return "\n".join(lines)


def _line(label: str, value: object) -> list[str]:
    return [f"  {label:<14} {plain(value)}"] if value not in (None, "") else []


def _lines(label: str, values: Iterable[str]) -> list[str]:
    """Several lines under one label."""
    lines = []
    for value in values:
        lines += _line(label, value)
        label = ""
    return lines


def _billed(told: dict[str, Any]) -> str | None:
    """Who is billed, in a word or two; one that a newer daemon tells as it is."""
    payer = told.get("payer")
    return BILLED.get(payer, payer) if payer else None


def _span(result: dict[str, Any]) -> str | None:
    began, ended = read_time(result.get("started")), read_time(result.get("settled"))
    return how_long((ended - began).total_seconds()) if began and ended else None


def _head(plan: PlanId, result: dict[str, Any]) -> list[str]:
    reason = f" ({plain(result['reason'])})" if result.get("reason") else ""
    verdict = f", {plain(result['verdict'])}" if result.get("verdict") else ""
    return [plain(result.get("title") or plan), f"{plan}: {plain(result.get('status'))}{reason}{verdict}", ""]


def _text(lines: list[str], result: dict[str, Any]) -> str:
    summary = ["", *plain(result["summary"]).splitlines()] if result.get("summary") else []
    return "\n".join([*lines, *summary])


def _usage(usage: dict[str, Any], cost: str) -> list[str]:
    if not usage:
        return []
    tokens = f"{usage.get('input_tokens', 0)} in, {usage.get('output_tokens', 0)} out"
    cached = usage.get("cache_read_tokens")
    machine = f"{float(usage.get('cpu_seconds') or 0):.1f} s CPU"
    peak = usage.get("peak_memory_bytes")
    return [
        *_line(cost, f"${float(usage.get('cost_usd') or 0):.4f}, {counted(usage.get('turns') or 0, 'turn')}"),
        *_line("tokens", f"{tokens}, {cached} from the cache" if cached else tokens),
        *_line("machine", f"{machine}, {peak / (1 << 20):.0f} MiB at most" if peak else machine),
    ]


def _changes(changes: dict[str, Any]) -> list[str]:
    if not changes:
        return []
    files = counted(changes.get("files_changed") or 0, "file")
    lines = f"+{changes.get('insertions', 0)} -{changes.get('deletions', 0)}"
    return _line("changes", f"{files}, {lines}, {counted(changes.get('commits') or 0, 'commit')}")


def _apart(root: Root, plan: PlanId, result: dict[str, Any]) -> list[StepLeft]:
    """Of a plan of several steps that did not succeed: what they left, on which branches and in which checkouts."""
    folder = plan_folder(root, plan)
    if folder is None or result.get("status") == "succeeded" or len(result.get("steps") or ()) < 2:
        return []
    return left_by_steps(account_of(read_lines(folder / "journal.jsonl")))


def _steps(steps: list[dict[str, Any]]) -> list[str]:
    if len(steps) == 1:
        return _step(steps[0])
    width = max((len(plain(step.get("id"))) for step in steps), default=0)
    lines = _lines("steps", [f"{plain(step.get('id')):<{width}}  {_came_to(step)}" for step in steps])
    for step in steps:
        lines += _denied(step, f"{plain(step.get('id'))}: ")
    return lines


def _step(step: dict[str, Any]) -> list[str]:
    attempts = int(step.get("attempts") or 1)
    lines = _line("attempts", f"{attempts} of {plain(step.get('id'))}" if attempts > 1 else None)
    return [*lines, *_line("model", step.get("model")), *_denied(step)]


def _came_to(step: dict[str, Any]) -> str:
    """Say what became of one of several steps."""
    usage, attempts = step.get("usage") or {}, int(step.get("attempts") or 1)
    reason = f" ({plain(step['reason'])})" if step.get("reason") else ""
    facts = [f"{plain(step.get('status'))}{reason}"]
    facts += [plain(step["verdict"])] if step.get("verdict") else []
    facts += [counted(attempts, "attempt")] if attempts > 1 else []
    facts += [f"${float(usage['cost_usd']):.4f}"] if usage.get("turns") else []
    facts += [how_long(float(usage["wall_seconds"]))] if usage.get("wall_seconds") is not None else []
    return ", ".join(facts)


def _denied(step: dict[str, Any], by: str = "") -> list[str]:
    lines = []
    for denied in step.get("denied") or []:
        what = f"{by}{plain(denied.get('tool'))} {plain(denied.get('input_json', ''))[:100]}"
        lines += _line("not allowed", what)
    return lines


def _checks(result: dict[str, Any]) -> list[str]:
    """What the checks of the last round came to."""
    checks = result.get("checks") or []
    last = max((int(check.get("round") or 0) for check in checks), default=0)
    lines = []
    for check in checks:
        if int(check.get("round") or 0) == last:
            code = check.get("exit")
            said = one_line((check.get("output_tail") or "").rpartition("\n")[2], LAST_WORDS) if code else ""
            outcome = "passed" if code == 0 else _how_it_failed(code) + (f": {said}" if said else "")
            lines.append(f"{one_line(shlex.join(check.get('command') or ()), COMMAND)}: {outcome}")
    rounds = [f"after {counted(last, 'round')} of mending"] if last else []
    return _lines("checks", [*lines, *rounds])


def _how_it_failed(code: object) -> str:
    """Say how a check ended that did not pass; it has no exit code where it was stopped."""
    return "stopped" if isinstance(code, int) and code < 0 else f"failed, exit code {code}"


def _errors(result: dict[str, Any]) -> list[str]:
    lines = []
    for error in result.get("errors") or []:
        where = ":".join(str(error[part]) for part in ("line", "path") if error.get(part))
        hint = f" — {plain(error['hint'])}" if error.get("hint") else ""
        lines += _line("error", f"{where + ': ' if where else ''}{plain(error.get('message'))}{hint}")
    return lines


def _folder(root: Root, plan: PlanId) -> str | None:
    folder = plan_folder(root, plan)
    return str(folder) if folder else None
