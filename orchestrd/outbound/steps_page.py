"""The part of a plan's page that tells of its steps and of the checks that decided whether it was done."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence

from handoff.result import Check, Result, StepResult, StepStatus
from orchestrd.outbound.markdown import block, code, line, shortened, words
from orchestrd.outbound.step_places import StepLeft
from orchestrd.outbound.words import STEP_VERDICTS, counted, duration

MOST_SAID = 300
MOST_COMMAND = 200
MOST_OUTPUT = 2000


def steps_section(result: Result, left: Sequence[StepLeft] = ()) -> Iterator[str]:
    """What each step came to; nothing of a plan of one prompt, which is that of the page."""
    if len(result.steps) < 2:
        return
    whole = result.summary or ""
    # What the page has shown in full is not begun again.
    by_step = {one.step: one for one in left}
    lines = [
        f"- {code(step.id)}: {_step(step, by_step.get(step.id))}\n"
        + ("" if step.summary and whole.endswith(step.summary) else _said(step))
        for step in result.steps
    ]
    yield f"## The steps\n\n{''.join(lines)}"


def checks_section(result: Result) -> Iterator[str]:
    """What each check said, round by round; what it printed is shown of those that failed in the last one."""
    if not result.checks:
        return
    rounds = sorted({check.round for check in result.checks})
    text = "## The checks\n\n"
    for number in rounds:
        if number:
            text += f"\nAfter what had failed went back to the model ({number} of {rounds[-1]}):\n\n"
        text += "".join(f"- {_check(check)}\n" for check in result.checks if check.round == number)
    for check in result.checks:
        if check.round == rounds[-1] and check.exit and check.output_tail:
            text += (
                f"\nThe last that {code(_command(check))} said:\n\n{block(_tail(check.output_tail), 'text')}"
            )
    yield text


def apart_lines(left: Sequence[StepLeft]) -> Iterator[str]:
    """Where steps worked apart: the branches of which the plan's has not all, and the checkouts that are kept."""
    apart = [one for one in left if one.unmerged or one.checkout]
    if apart:
        yield "\nSteps that worked beside others did so apart:\n\n"
    for one in apart:
        beyond = (
            f", {counted(one.unmerged, 'commit')} that the plan's branch does not have"
            if one.unmerged
            else ""
        )
        branch = f" branch {code(one.branch)}{beyond}" if one.branch and one.unmerged else ""
        kept = f"its checkout is kept: {code(one.checkout)}" if one.checkout else ""
        yield f"- step {code(one.step)}:{branch}{';' if branch and kept else ''}{' ' if kept else ''}{kept}\n"


def _step(step: StepResult, left: StepLeft | None) -> str:
    facts = [step.status.value + (f" ({code(step.reason)})" if step.reason else "")]
    difference = left.difference() if left is not None else ""
    if step.verdict and (step.status is StepStatus.SUCCEEDED or difference):
        facts.append(STEP_VERDICTS[step.verdict] + (f" ({difference})" if difference else ""))
    if step.attempts and step.attempts > 1:
        facts.append(counted(step.attempts, "attempt"))
    if step.usage:
        if step.usage.turns:
            facts.append(f"${step.usage.cost_usd:.4f}")
        facts.append(duration(step.usage.wall_seconds))
    return ", ".join(facts)


def _said(step: StepResult) -> str:
    """The beginning of what it said, on a line of its own."""
    said = line(step.summary or "")
    if not said:
        return ""
    said = said if len(said) <= MOST_SAID else f"{said[:MOST_SAID].rstrip()} …"
    return f"  {code(said) if step.output is not None else words(said)}\n"


def _check(check: Check) -> str:
    after = f" after {duration(check.seconds)}" if check.seconds is not None else ""
    return f"{code(_command(check))}: {_outcome(check)}{after}"


def _outcome(check: Check) -> str:
    if check.exit == 0:
        return "passed"
    return "**stopped**" if check.exit < 0 else f"**failed** (exit code {check.exit})"


def _command(check: Check) -> str:
    return shortened(line(shlex.join(check.command)), MOST_COMMAND)


def _tail(text: str) -> str:
    return text if len(text) <= MOST_OUTPUT else f"[…]\n{text[-MOST_OUTPUT:]}"
