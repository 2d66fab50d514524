"""A plan on a page: what became of it, or where it stands."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from orchestrd.views.words import how_long, plain, read_time

if TYPE_CHECKING:
    from handoff.root import PlanId, Root


def page_of_result(root: Root, plan: PlanId, result: dict[str, Any]) -> str:
    """Return the page of a settled plan."""
    reason = f" ({plain(result['reason'])})" if result.get("reason") else ""
    verdict = f", {plain(result['verdict'])}" if result.get("verdict") else ""
    lines = [
        plain(result.get("title") or plan),
        f"{plan}: {plain(result.get('status'))}{reason}{verdict}",
        "",
    ]
    for label, name in (("the same as", "duplicate_of"), ("retry of", "retry_of"), ("billed", "payer")):
        lines += _line(label, result.get(name))
    lines += _line("took", _span(result))
    lines += _usage(result.get("usage") or {})
    lines += _changes(result.get("changes") or {})
    lines += _steps(result.get("steps") or [])
    for error in result.get("errors") or []:
        where = ":".join(str(error[part]) for part in ("line", "path") if error.get(part))
        hint = f" — {plain(error['hint'])}" if error.get("hint") else ""
        lines += _line("error", f"{where + ': ' if where else ''}{plain(error.get('message'))}{hint}")
    docs = result.get("docs") or {}
    lines += _line("documentation", docs.get("reply") or docs.get("request"))
    lines += _line("files", _folder(root, plan))
    if result.get("summary"):
        lines += ["", *plain(result["summary"]).splitlines()]
    return "\n".join(lines)


def page_of_work(root: Root, plan: PlanId, work: dict[str, Any]) -> str:
    """Return the page of a plan that is not settled."""
    lines = [plain(work.get("title") or plan), f"{plan}: {plain(work.get('state'))}", ""]
    waiting = plain(work["waiting_for"]) if work.get("waiting_for") else None
    lines += _line(
        "waits for", f"{waiting} until {plain(work['until'])}" if work.get("until") and waiting else waiting
    )
    lines += _line("project", work.get("project"))
    lines += _line("since", work.get("since"))
    lines += _line("priority", work.get("priority"))
    for run in work.get("runs") or []:
        lines += _line(
            "run", f"{plain(run.get('step'))}, attempt {run.get('attempt')}, {run.get('turns', 0)} turns"
        )
        lines += _line("last words", run.get("last_words"))
    lines += _line("files", _folder(root, plan))
    return "\n".join(lines)


def _line(label: str, value: object) -> list[str]:
    return [f"  {label:<14} {plain(value)}"] if value not in (None, "") else []


def _span(result: dict[str, Any]) -> str | None:
    began, ended = read_time(result.get("started")), read_time(result.get("settled"))
    return how_long((ended - began).total_seconds()) if began and ended else None


def _usage(usage: dict[str, Any]) -> list[str]:
    if not usage:
        return []
    tokens = f"{usage.get('input_tokens', 0)} in, {usage.get('output_tokens', 0)} out"
    cached = usage.get("cache_read_tokens")
    machine = f"{float(usage.get('cpu_seconds') or 0):.1f} s CPU"
    peak = usage.get("peak_memory_bytes")
    return [
        *_line("cost", f"${float(usage.get('cost_usd') or 0):.4f}, {usage.get('turns', 0)} turns"),
        *_line("tokens", f"{tokens}, {cached} from the cache" if cached else tokens),
        *_line("machine", f"{machine}, {peak / (1 << 20):.0f} MiB at most" if peak else machine),
    ]


def _changes(changes: dict[str, Any]) -> list[str]:
    if not changes:
        return []
    counts = f"{changes.get('files_changed', 0)} files, +{changes.get('insertions', 0)} -{changes.get('deletions', 0)}"
    return [
        *_line("branch", changes.get("branch")),
        *_line("changes", f"{counts}, {changes.get('commits', 0)} commits"),
        *_line("patch", changes.get("patch")),
        *_line("checkout", changes.get("workspace")),
    ]


def _steps(steps: list[dict[str, Any]]) -> list[str]:
    lines = []
    for step in steps:
        attempts = int(step.get("attempts") or 1)
        if attempts > 1:
            lines += _line("attempts", f"{attempts} of {plain(step.get('id'))}")
        lines += _line("model", step.get("model"))
        for denied in step.get("denied") or []:
            lines += _line(
                "not allowed", f"{plain(denied.get('tool'))} {plain(denied.get('input_json', ''))[:100]}"
            )
        lines += _line("log", step.get("log"))
    return lines


def _folder(root: Root, plan: PlanId) -> str | None:
    from orchestrd.views.looking import plan_folder

    folder = plan_folder(root, plan)
    return str(folder) if folder else None
