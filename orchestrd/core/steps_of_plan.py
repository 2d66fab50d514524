"""One step of a plan as a plan of its own: what the step says, and what it leaves out as the plan says it (PROTOCOL 4).

Pure: from the plan and its journal to what one run has to know.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from handoff.further_steps import read_further_steps, schema_of_further_steps
from handoff.plan import Plan, Step
from orchestrd.core.facts import MAIN, StepFacts

_REPLACED = ("model", "fallback_model", "effort", "system_prompt_append", "mcp")
"""Fields that a step has for itself where it names them."""
_LAID_OVER = ("limits", "permissions")
"""Tables of which a step has for itself what it names in them."""


def steps_of(plan: Plan, records: Iterable[Mapping[str, Any]]) -> dict[str, Step]:
    """All steps of a plan by name, in the order of definition: its own, each followed by those that it returned."""
    returned = {
        record["step"]: record.get("output")
        for record in records
        if record["event"] == "run-ended" and record.get("further_steps")
    }
    found: dict[str, Step] = {}
    for step in plan.steps or (Step(id=MAIN, prompt=plan.prompt or ""),):
        found[step.id] = step
        if step.id in returned:
            found |= {new.id: new for new in further_steps_of(plan, step, returned[step.id])}
    return found


def further_steps_of(
    plan: Plan, by: Step, output: Any, *, most: int | None = None, taken: frozenset[str] = frozenset()
) -> list[Step]:
    """Make steps of what `by` returned, as `read_further_steps` does; their tables are whole.

    Raises FurtherStepsRefused.
    """
    return [_whole(plan, step) for step in read_further_steps(by, output, most=most, taken=taken)]


def facts_of_step(plan: Plan, step: Step) -> StepFacts:
    """The little of a step that decisions depend on."""
    own = plan_of_step(plan, step)
    limits = step.limits
    return StepFacts(
        step=step.id,
        needs=step.needs,
        writes=step.run is not None or own.permissions.mode != "plan",
        is_command=step.run is not None,
        expands=step.expands,
        attempts=limits.attempts if limits else None,
        on_interrupt=limits.on_interrupt if limits else None,
        max_usd=limits.max_usd if limits else None,
    )


def plan_of_step(plan: Plan, step: Step) -> Plan:
    """The plan that a step would be if it stood alone; its tables are whole (`with_whole_steps`)."""
    if not plan.steps:
        return plan
    names = (*_REPLACED, *_LAID_OVER)
    replaced = {name: value for name in names if (value := getattr(step, name)) is not None}
    return plan.model_copy(
        update={"prompt": step.prompt, "steps": (), "title": step.title or plan.title, **replaced}
    )


def with_whole_steps(plan: Plan) -> Plan:
    """Fill in what the steps of a plan leave out of the tables that they name in part.

    It can be told from a plan as it was written, and no more from one that was written down with its defaults.
    """
    return plan.model_copy(update={"steps": tuple(_whole(plan, step) for step in plan.steps)})


def _whole(plan: Plan, step: Step) -> Step:
    tables = {}
    for name in _LAID_OVER:
        own = getattr(step, name)
        if own is not None:
            given = {field: getattr(own, field) for field in own.model_fields_set}
            tables[name] = getattr(plan, name).model_copy(update=given)
    return step.model_copy(update=tables)


def schema_of(step: Step) -> dict[str, Any] | None:
    """The JSON Schema that a step's output is held to; None: it may say what it likes."""
    if step.output_schema is not None:
        return step.output_schema
    return schema_of_further_steps() if step.expands else None
