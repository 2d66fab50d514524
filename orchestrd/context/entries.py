"""What a context says of a plan that is settled: its entry, made of the result alone. Pure.

First what the evidence says, then what the run said itself, each known for what it is.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator

from handoff.result import Reason, Result, Status
from orchestrd.context.blocks import DONE, Piece
from orchestrd.context.sayings import Sayings, plain, sayings_of, shortened
from orchestrd.outbound.markdown import code
from orchestrd.outbound.words import VERDICTS, counted

MOST_TITLE = 120
MOST_CHECKS = 3
MOST_NAMES = 5


def has_entry(result: Result) -> bool:
    """Whether there is anything to tell: of what never ran there is not."""
    return result.started is not None and result.status in {
        Status.SUCCEEDED,
        Status.FAILED,
        Status.CANCELLED,
    }


def entry_of(result: Result) -> Piece:
    """Write the entry of a plan."""
    said = _said(result)
    title = shortened(result.title or result.plan, MOST_TITLE)
    named = f"{title} · {result.plan}" if title != result.plan else title
    lines = [
        f"### {result.settled:%Y-%m-%d} · {named}",
        "",
        _ending(result),
        *_evidence(result),
        *(("", f"> {said.summary}") if said.summary else ()),
        *_list("Decisions", said.decisions),
        *_list("Open ends", said.open_ends),
    ]
    return Piece(f"{DONE}/{result.plan}", "\n".join(lines))


def _said(result: Result) -> Sayings:
    """What the runs said: of all steps what they decided and left open, of the whole what it ended with."""
    whole = sayings_of(result.summary or "")
    steps = [sayings_of(step.summary or "") for step in result.steps if len(result.steps) > 1]
    return Sayings(
        whole.summary,
        tuple(dict.fromkeys([*whole.decisions, *(item for step in steps for item in step.decisions)])),
        tuple(dict.fromkeys([*whole.open_ends, *(item for step in steps for item in step.open_ends)])),
    )


def _ending(result: Result) -> str:
    told = result.status.value.capitalize()
    if result.reason:
        told += f" ({result.reason.value})"
    if result.verdict:
        told += f": {VERDICTS[result.verdict]}"
    cost = result.usage.cost_usd if result.usage else 0
    return f"{told}.{f' ${cost:.2f}.' if cost else ''}"


def _evidence(result: Result) -> Iterator[str]:
    changes = result.changes
    if changes is not None:
        figures = [counted(changes.commits, "commit")] if changes.commits is not None else []
        figures += [counted(changes.files_changed, "file")] if changes.files_changed else []
        figures += [f"+{changes.insertions or 0} -{changes.deletions or 0}"] if changes.files_changed else []
        where = [f"branch {code(plain(changes.branch))}"] if changes.branch else []
        if where or changes.files_changed:
            yield f"- Changes: {', '.join((*where, *figures))}."
        if changes.workspace:
            yield f"- Its checkout is kept: {code(plain(changes.workspace))}."
    yield from _checks(result)
    tools = list(dict.fromkeys(plain(denied.tool) for step in result.steps for denied in step.denied))
    if tools:
        more = f" and {len(tools) - MOST_NAMES} more" if len(tools) > MOST_NAMES else ""
        yield f"- Denied: {', '.join(tools[:MOST_NAMES])}{more}."
    if result.docs is not None and result.docs.files:
        yield f"- Documented in {', '.join(code(plain(one)) for one in result.docs.files[:MOST_NAMES])}."


def _checks(result: Result) -> Iterator[str]:
    if not result.checks:
        return
    last = max(check.round for check in result.checks)
    failed = [check for check in result.checks if check.round == last and check.exit != 0]
    for check in failed[:MOST_CHECKS]:
        command = shortened(shlex.join(check.command), MOST_TITLE)
        yield f"- Check failed: {code(command)} (exit {check.exit})."
    if len(failed) > MOST_CHECKS:
        yield f"- {len(failed) - MOST_CHECKS} more checks failed."
    if not failed and result.reason is not Reason.CHECK_FAILED:
        yield "- All checks passed."


def _list(title: str, items: tuple[str, ...]) -> tuple[str, ...]:
    return ("", f"{title}, as it said:", "", *(f"- {item}" for item in items)) if items else ()
