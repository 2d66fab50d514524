"""What a step that expands returns: further steps of its plan, as the model wrote them (PROTOCOL 4, `expands`).

A model may say what is to be done and in which order, not what it is allowed to do: permissions, commands, servers and
money are the plan's, as if its author had written these steps and named nothing for them. What the step that returned
them has for itself is no rule for them: a coordinator often only reads, with a better model and few turns. The same
text gives the same steps, so that they can be found again from what was written down.
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field, ValidationError

from handoff.fields import NOT_EMPTY, Document, Flag, Id, Line, Name, Prose, Word
from handoff.output_schema import JsonSchema
from handoff.plan import Permissions, Step

MOST_ID_CHARACTERS = 100
"""Of a step's name."""


class FurtherStep(Document):
    """One further step."""

    id: Id
    """A short name, unlike the others: a-z, 0-9 and dashes."""
    title: Line | None = None
    """What it is called."""
    prompt: Prose
    """What the model that carries it out is asked: it knows this, what its `needs` brought out, and nothing else."""
    needs: tuple[Id, ...] = ()
    """Those of these steps that must have succeeded before."""
    agent: Name | None = None
    """The role that carries it out."""
    model: Word | None = None
    """The model, as Claude Code names it."""
    read_only: Flag = False
    """It looks and changes nothing."""
    output_schema: JsonSchema | None = None
    """A JSON Schema (draft-07) that its output is validated against."""


class FurtherSteps(Document):
    """Further steps, as structured output."""

    steps: Annotated[tuple[FurtherStep, ...], NOT_EMPTY] = Field(min_length=1)
    """The steps, in the order of their definition."""


class FurtherStepsRefused(ValueError):
    """What a step returned are no steps that can be run; says everything that is wrong."""


def read_further_steps(
    by: Step, output: Any, *, most: int | None = None, taken: frozenset[str] = frozenset()
) -> list[Step]:
    """Make steps of what `by` returned: at most `most` in its plan together, none named as one of `taken`.

    `most` None: they were counted before.

    Their names begin with that of the step that returned them, so that they are like no others; they come after it.
    Of what a plan says they hold only what differs from it.
    Raises FurtherStepsRefused.
    """
    try:
        written = FurtherSteps.model_validate(output).steps
    except ValidationError as error:
        found = [f"{_path(one['loc'])}: {one['msg']}" for one in error.errors()]
        raise FurtherStepsRefused(_told(found)) from None
    problems = _problems(by, [(one.id, one.needs) for one in written], most, taken)
    if problems:
        raise FurtherStepsRefused(_told(problems))
    return [_step(by, one) for one in written]


def schema_of_further_steps() -> dict[str, Any]:
    """The JSON Schema that such a step's output is held to."""
    return FurtherSteps.model_json_schema()


def _step(by: Step, one: FurtherStep) -> Step:
    return Step(
        id=_named(by, one.id),
        title=one.title,
        prompt=one.prompt,
        agent=one.agent,
        needs=(by.id, *(_named(by, need) for need in one.needs)),
        output_schema=one.output_schema,
        model=one.model,
        permissions=Permissions(mode="plan") if one.read_only else None,
    )


def _named(by: Step, name: str) -> str:
    return f"{by.id}-{name}"


def _problems(
    by: Step, written: list[tuple[str, tuple[str, ...]]], most: int | None, taken: frozenset[str]
) -> list[str]:
    names = [name for name, _ in written]
    problems = []
    if most is not None and len(names) + len(taken) > most:
        problems.append(f"{len(names)} further steps are too many: a plan has at most {most} in all")
    for index, (name, needs) in enumerate(written):
        if name in names[:index] or _named(by, name) in taken:
            problems.append(f"steps[{index}].id: another step is called {name!r}")
        if len(_named(by, name)) > MOST_ID_CHARACTERS:
            problems.append(f"steps[{index}].id: {name!r} is too long behind {by.id!r}")
        problems += [
            f"steps[{index}].needs: there is no step {need!r} among these"
            for need in needs
            if need not in names
        ]
    if not problems and (circle := _circle(dict(written))):
        problems.append(f"these steps need one another in a circle: {', '.join(circle)}")
    return problems


def _circle(needs: dict[str, tuple[str, ...]]) -> list[str]:
    """Those that never could begin."""
    left = dict(needs)
    while ready := [name for name, wanted in left.items() if not any(one in left for one in wanted)]:
        for name in ready:
            del left[name]
    return list(left)


def _path(location: tuple[int | str, ...]) -> str:
    text = ""
    for part in location:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text or "steps"


def _told(problems: list[str]) -> str:
    shown = problems[:10]
    more = len(problems) - len(shown)
    return "The further steps that it returned cannot be run: " + "; ".join(
        [*shown, *([f"and {more} more"] if more else [])]
    )
