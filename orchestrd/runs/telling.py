"""What a model is told at a start: the task, with what the steps before brought out; to go on; or what failed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from handoff import looking
from handoff.effects import effects
from handoff.plan import Plan, Step
from handoff.result import StepStatus
from orchestrd.core.commands import StartRun
from orchestrd.core.facts import check_step
from orchestrd.core.steps_of_plan import steps_of
from orchestrd.runs.command_end import judge_command
from orchestrd.runs.feedback import CheckReport, feedback, files_to_read
from orchestrd.runs.prompting import INPUTS, StepOutput, StepPrompt, compose_prompt
from orchestrd.runs.recovery import read_exit

HOW_TO_END = (
    "End your last message with a short list under a line `Decisions:` of what you decided that somebody who goes on "
    "with this project has to know, and one under a line `Open ends:` of what you know is left to do; one line each. "
    "Leave a list out where there is nothing to say. Later work on this project is told of both."
)
"""What runs are told, so that the project's context can tell it."""

GO_ON = (
    "This session was interrupted before the task was done. Look at what is there already, then go on with the task "
    "from where it stopped. Do not begin anew, and do not repeat what was done."
)
"""What a session is told that is resumed."""

Records = Sequence[Mapping[str, Any]]


def prompt_of(
    plan: Plan, step: Step, command: StartRun, run_folder: Path, records: Records, context: str = ""
) -> StepPrompt:
    """Compose what the model is told at this start; a session that is resumed knows the project's `context` already."""
    failed = _failed_checks(plan, run_folder, records) if command.round else []
    # What may be read holds for one process: what was named to the starts before is named anew.
    to_read = files_to_read(failed)
    if command.session is not None:
        text = feedback(failed) if failed and not _was_told(command, records) else GO_ON
        return StepPrompt(text, readable=(*to_read, *_inputs_before(command, run_folder)))
    prompt = (plan.prompt if not plan.steps else step.prompt) or ""
    steps = steps_of(plan, records)
    needed = [_output_of(steps[need], run_folder, records) for need in _needed(step, records)]
    told = compose_prompt(prompt, needed, run_folder=run_folder, context=context)
    if not failed:
        return told
    # Its session is lost, so it is told both what was to be done and what is wrong with what was.
    return StepPrompt(f"{told.text}\n\n---\n\n{feedback(failed)}", told.files, (*told.readable, *to_read))


def _failed_checks(plan: Plan, run_folder: Path, records: Records) -> list[CheckReport]:
    """What a round has to mend."""
    failed = []
    for number in range(1, len(plan.accept.checks) + 1):
        last = _last(records, "run-ended", check_step(number))
        if last is not None and last["status"] != "succeeded":
            folder = run_folder.parent / f"{last['step']}.{last['n']}"
            end = judge_command(folder, read_exit(folder), plan.accept.checks[number - 1])
            failed.append(CheckReport.of(end))
    return failed


def _was_told(command: StartRun, records: Records) -> bool:
    """Whether a start of this round was told already what failed; whatever session there is now, it knows."""
    return any(
        r["step"] == command.step and r.get("round", 0) == command.round and r["n"] < command.number
        for r in records
        if r["event"] == "run-intended"
    )


def _inputs_before(command: StartRun, run_folder: Path) -> list[Path]:
    """The files that lie beside the prompts of the starts before this one."""
    files = []
    for number in range(1, command.number):
        folder = run_folder.parent / f"{command.step}.{number}" / INPUTS
        if looking.is_folder(folder):
            files += [folder / name for name in sorted(effects.list(folder))]
    return files


def _needed(step: Step, records: Records) -> list[str]:
    """The steps whose outputs a step is given: those that it needs, and those that they have returned."""
    names: list[str] = []
    for need in step.needs:
        names.append(need)
        returned = _last(records, "run-ended", need) or {}
        names += [one["step"] for one in returned.get("further_steps", ()) if one["step"] != step.id]
    own = {one["step"] for r in records for one in r.get("further_steps", ()) if r["event"] == "run-ended"}
    # A further step is not given its sisters' outputs, but those that it names.
    return [name for name in dict.fromkeys(names) if step.id not in own or name in step.needs]


def _output_of(step: Step, run_folder: Path, records: Records) -> StepOutput:
    end = _last(records, "run-ended", step.id) or {}
    output = None
    if step.run is not None:
        folder = run_folder.parent / f"{step.id}.{end.get('n', 0)}"
        output = judge_command(folder, read_exit(folder), step.run).output
    return StepOutput(
        step=step.id,
        status=StepStatus(end.get("status", StepStatus.SKIPPED.value)),
        title=step.title,
        summary=end.get("summary") or "",
        structured=end.get("output"),
        logs=output.logs if output is not None and output.is_cut else (),
    )


def _last(records: Records, event: str, step: str) -> Mapping[str, Any] | None:
    found = (r for r in reversed(records) if r["event"] == event and r.get("step") == step)
    return next(found, None)
