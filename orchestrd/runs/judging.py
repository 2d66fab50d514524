"""A start that is over: of Claude Code or of a command, to the record `run-ended` of its plan's journal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from handoff import looking
from handoff.further_steps import FurtherStepsRefused
from handoff.plan import Plan, Step
from orchestrd.core.history import fields_of_step
from orchestrd.core.steps_of_plan import facts_of_step, further_steps_of, schema_of, steps_of
from orchestrd.library.roles import problems_of_roles
from orchestrd.runs.closing import ended_fields, stderr_tail
from orchestrd.runs.command_end import command_fields, judge_command
from orchestrd.runs.launching import command_of
from orchestrd.runs.remains import sampled_usage, session_cost_usd
from orchestrd.runs.running import Running
from orchestrd.runs.stream import StreamFacts
from orchestrd.runs.verdict import judge

Records = Sequence[Mapping[str, Any]]


def fields_of_end(
    run: Running,
    end: Mapping[str, Any],
    plan: Plan | None,
    records: Records,
    *,
    plan_folder: Path,
    claude_folder: Path,
    most_steps: int,
) -> dict[str, Any]:
    """Judge a start. `end` is `exit.json`, empty where the runner died; `plan` None where it cannot be read any more.

    A step that expands has not succeeded if what it returned are no steps that can be run.
    """
    folder = run.watch.run_folder
    used = end or sampled_usage(plan_folder, run.step, run.number)
    # A runner that was killed at once has made none, and a power cut may have taken it.
    has_log = looking.is_there(folder / run.watch.log)
    if not isinstance(run.facts, StreamFacts):
        argv = (command_of(plan, run.step, records) if plan is not None else None) or ()
        fields = command_fields(judge_command(folder, end, argv), used, has_log=has_log)
        return {**fields, "command": list(argv)}
    step = steps_of(plan, records).get(run.step) if plan is not None else None
    wants_schema = step is not None and schema_of(step) is not None
    outcome = judge(run.facts, end, schema_wanted=wants_schema, stderr_tail=stderr_tail(folder))
    # A stream without a result tells no cost.
    is_told = run.facts.has_result or run.session is None
    fields = ended_fields(
        run.facts,
        used,
        outcome,
        payer=run.payer,
        booked_usd=run.booked_usd,
        session_usd=None if is_told else session_cost_usd(claude_folder, run.session or ""),
        has_log=has_log,
    )
    if plan is None or step is None or not step.expands or fields["status"] != "succeeded":
        return fields
    return _with_further_steps(plan, step, fields, frozenset(steps_of(plan, records)), most_steps)


def _with_further_steps(
    plan: Plan, step: Step, fields: dict[str, Any], there: frozenset[str], most: int
) -> dict[str, Any]:
    failed = {**fields, "status": "failed", "reason": "schema", "retry": False}
    try:
        further = further_steps_of(plan, step, fields.get("output"), most=most, taken=there)
    except FurtherStepsRefused as error:
        return {**failed, "summary": str(error)}
    unknown = problems_of_roles(further, plan.agents)
    if unknown:
        return {**failed, "summary": "; ".join(f"{one.message} ({one.hint})" for one in unknown)}
    return {**fields, "further_steps": [fields_of_step(facts_of_step(plan, one)) for one in further]}
