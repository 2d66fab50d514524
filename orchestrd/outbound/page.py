"""`results/ID.md`: what became of a plan, for a person, in a page. Made of the result alone, and so always the same."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from pathlib import Path

from handoff.plan import Plan
from handoff.result import Changes, Reason, Result, Status, StepResult, Usage
from orchestrd.outbound.markdown import block, code, line, shortened, words
from orchestrd.outbound.step_places import StepLeft, has_unmerged
from orchestrd.outbound.steps_page import apart_lines, checks_section, steps_section
from orchestrd.outbound.words import PAYERS, REASONS, VERDICTS, counted, duration, size

MOST_SUMMARY = 6000
MOST_DENIED = 20
MOST_ERRORS = 100

_HEADLINES = {
    Status.SUCCEEDED: "Succeeded",
    Status.FAILED: "Failed",
    Status.CANCELLED: "Cancelled",
    Status.REJECTED: "Rejected: it was not run",
    Status.EXPIRED: "Expired: it was not run",
    Status.DUPLICATE: "A duplicate: it was not run",
}


def page_of(result: Result, plan: Plan | None, root: Path, left: Sequence[StepLeft] = ()) -> bytes:
    """Write the page. Of a plan whose file was no plan, `plan` is None. `left`: what its steps did, and where it is."""
    sections = [
        _head(result, left),
        *_errors(result),
        *_summary(result),
        *steps_section(result, left),
        *checks_section(result),
        *_changes(result, plan, root, left),
        *_denied(result),
        *_usage(result),
        _where(result, plan, root),
    ]
    return "\n".join(sections).encode("utf-8", "replace")


def _head(result: Result, left: Sequence[StepLeft]) -> str:
    verdict = f", and {VERDICTS[result.verdict]}" if result.verdict else ""
    if has_unmerged(left):
        verdict = ", and what its steps did is not all on its branch"
    text = f"# {words(result.title or result.plan)}\n\n**{_HEADLINES[result.status]}**{verdict}.\n"
    if result.reason:
        text += f"\nReason: {code(result.reason)}. {_conflict(result) or REASONS[result.reason]}\n"
    if result.duplicate_of:
        text += f"\nThe answer is the result of {code(result.duplicate_of)}.\n"
    if result.retry_of:
        text += f"\nIt repeats {code(result.retry_of)}.\n"
    return text


def _conflict(result: Result) -> str | None:
    """Which steps and files contradict each other: what its summary begins with."""
    if result.reason is not Reason.CONFLICT or not result.summary:
        return None
    told = result.summary.partition("\n")[0]
    return f"{words(told[:1].upper() + told[1:])}."


def _errors(result: Result) -> Iterator[str]:
    if not result.errors:
        return
    lines = []
    for error in result.errors[:MOST_ERRORS]:
        place = f"line {error.line}, " if error.line else ""
        field = code(error.path) if error.path else "the file"
        hint = f" Expected: {words(error.hint)}." if error.hint else ""
        lines.append(f"- {place}{field}: {words(error.message)}.{hint}\n")
    if len(result.errors) > MOST_ERRORS:
        lines.append(f"- and {len(result.errors) - MOST_ERRORS} more\n")
    yield f"## What was wrong in {code(result.source)}\n\n{''.join(lines)}"


def _summary(result: Result) -> Iterator[str]:
    # How a conflict is told is told above.
    summary = (
        (result.summary or "") if not _conflict(result) else (result.summary or "").partition("\n")[2].strip()
    )
    if summary:
        whole = " The whole text is in the result." if len(summary) > MOST_SUMMARY else ""
        # What failed is told in our words too, and so is a command: they are not to be put into Claude Code's mouth.
        last = next((step for step in reversed(result.steps) if step.attempts), None)
        spoken = last is not None and last.model and result.status is Status.SUCCEEDED
        said = "What Claude Code said at the end" if spoken else "What happened"
        yield f"## {said}\n\n{block(shortened(summary, MOST_SUMMARY), 'text')}{whole}"


def _changes(result: Result, plan: Plan | None, root: Path, left: Sequence[StepLeft]) -> Iterator[str]:
    changes = result.changes
    if changes is None:
        return
    lines = ["## What changed\n\n"]
    if changes.branch:
        lines.append(f"- branch {code(changes.branch)}{_commits(changes)}\n")
    if changes.files_changed is not None:
        lines.append(
            f"- {counted(changes.files_changed, 'file')}, +{changes.insertions or 0} -{changes.deletions or 0}\n"
        )
    if changes.patch:
        lines.append(f"- the whole difference: {code(str(root / changes.patch))}\n")
    if changes.workspace:
        lines.append(f"- its checkout is kept: {code(changes.workspace)}\n")
    if plan and changes.branch and changes.base and changes.commits:
        project = _quoted(plan.project)
        look = f"git -C {project} log --stat -p {changes.base[:12]}..{_quoted(changes.branch)}"
        merge = f"git -C {project} merge {_quoted(changes.branch)}"
        lines.append(f"\nTo look at it, and to take it over:\n\n{block(f'{look}{chr(10)}{merge}', 'sh')}")
    yield "".join([*lines, *apart_lines(left)])


def _commits(changes: Changes) -> str:
    if changes.commits is None:
        return ""
    count = counted(changes.commits, "commit")
    return f", {count}, head {code(changes.head[:12])}" if changes.head and changes.commits else f", {count}"


def _denied(result: Result) -> Iterator[str]:
    denied = [one for step in result.steps for one in step.denied]
    if not denied:
        return
    lines = [
        f"- {code(one.tool)} {code(shortened(line(one.input_json), 200))}"
        + (f": {words(shortened(one.why, 200))}" if one.why else "")
        + "\n"
        for one in denied[:MOST_DENIED]
    ]
    if len(denied) > MOST_DENIED:
        lines.append(f"- and {len(denied) - MOST_DENIED} more\n")
    yield f"## What it was not allowed to do\n\n{''.join(lines)}"


def _usage(result: Result) -> Iterator[str]:
    if result.usage is None:
        return
    payer = PAYERS[result.payer] if result.payer else ""
    used = "".join(_used(result.usage, payer, several=len(result.steps) > 1))
    steps = "".join(f"- step {code(step.id)}: {_step(step)}\n" for step in result.steps if _step(step))
    yield f"## What it used\n\n{used}{steps}"


def _used(usage: Usage, payer: str, *, several: bool) -> Iterator[str]:
    yield f"- ${usage.cost_usd:.4f}{f' ({payer})' if payer else ''}, {counted(usage.turns, 'turn')}\n"
    yield (
        f"- tokens: {usage.input_tokens} in, {usage.output_tokens} out, "
        f"{usage.cache_read_tokens} read from and {usage.cache_write_tokens} written to the cache\n"
    )
    clock = "by the clock of each, taken together" if several else "by the clock"
    yield f"- {duration(usage.wall_seconds)} {clock}, {duration(usage.cpu_seconds)} of CPU\n"
    if usage.peak_memory_bytes:
        yield f"- {size(usage.peak_memory_bytes)} of memory at most\n"


def _step(step: StepResult) -> str:
    facts = []
    if step.attempts:
        facts.append(counted(step.attempts, "attempt"))
    if step.model:
        facts.append(words(step.model))
    if step.session_id:
        facts.append(f"session {code(step.session_id)}")
    return ", ".join(facts)


def _where(result: Result, plan: Plan | None, root: Path) -> str:
    lines = ["## Where things are\n\n", f"- plan {code(result.plan)}, handed in as {code(result.source)}\n"]
    if plan:
        lines.append(f"- project {code(plan.project)}\n")
    lines += [
        f"- log of step {code(step.id)}: {code(str(root / step.log))}\n" for step in result.steps if step.log
    ]
    lines += _documentation(result, root)
    lines.append(f"- settled {result.settled:%Y-%m-%d %H:%M:%S} UTC\n")
    return "".join(lines)


def _documentation(result: Result, root: Path) -> Iterator[str]:
    docs = result.docs
    if docs and docs.reply:
        commit = f", commit {code(docs.commit[:12])}" if docs.commit else ""
        written = ", ".join(code(path) for path in docs.files) or "nothing"
        yield f"- documentation: {written}{commit}, of the answer {code(str(root / docs.reply))}\n"
    elif docs and docs.request:
        yield f"- documentation is asked for in {code(str(root / docs.request))}\n"


def _quoted(text: str) -> str:
    """Quote for a shell, but leave a leading `~` to be expanded."""
    home, slash, rest = text.partition("/")
    return f"~/{shlex.quote(rest)}" if home == "~" and slash else shlex.quote(text)
