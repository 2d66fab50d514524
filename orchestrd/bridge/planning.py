"""Handing plans in: a check beforehand, and the submission itself."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, Field

from handoff.formats import FieldError
from handoff.root import Root
from orchestrd.bridge.answers import Answer, CannotDo
from orchestrd.bridge.arguments import Text
from orchestrd.bridge.desk import Desk, is_there
from orchestrd.bridge.documents import Written, read_fields, read_text
from orchestrd.bridge.handing_in import earlier_of, hand_in, now

Document = Annotated[
    Text,
    Field(
        description="The whole plan as one document: TOML, JSON or Markdown. Leave it out where you give `workflow`."
    ),
]
WorkflowName = Annotated[
    Text, Field(description="Instead of `plan`: the name of a workflow, from list_workflows.")
]
Params = Annotated[
    dict[str, Any] | None, Field(description="The workflow's parameters; list_workflows says which it takes.")
]
ProjectPath = Annotated[
    Text,
    Field(
        description="With `workflow`: the project's directory, absolute or with ~. (In a `plan` it is a field.)"
    ),
]
More = Annotated[
    dict[str, Any] | None,
    Field(
        description="With `workflow`: further fields of the plan, as in a document, "
        'e.g. {"title": "…", "key": "…", "docs": {"request": true}, "limits": {"max_usd": 5}}.'
    ),
]


class PlanError(BaseModel):
    """One thing that is wrong with a plan."""

    path: str = Field(
        description="The field, like `limits.timeout` or `steps[1].needs`; empty: the whole document."
    )
    line: int | None = Field(default=None, description="The line of the document that you gave.")
    message: str = Field(description="What is wrong.")
    hint: str | None = Field(default=None, description="What is expected instead.")


class Checked(Answer):
    """Whether a plan would be accepted."""

    valid: bool = Field(
        description="Whether it would be accepted. False: mend what `errors` names and check again."
    )
    errors: list[PlanError] = Field(
        default_factory=list, description="Everything that is wrong, all at once."
    )
    title: str | None = Field(default=None, description="What it is called.")
    project: str | None = Field(default=None, description="The project's directory as it was found.")
    works: str | None = Field(
        default=None, description="Where it works: on a branch of its own, or in place."
    )
    steps: list[str] = Field(default_factory=list, description="Its steps.")
    checks: list[str] = Field(
        default_factory=list, description="The commands that decide whether it is done."
    )
    asks_for_documents: bool | None = Field(default=None, description="Whether you are asked to document it.")
    next: str = Field(default="", description="What to do now.")


class Submitted(Answer):
    """What came of handing a plan in."""

    submitted: bool = Field(description="Whether it was handed in by this call.")
    id: str | None = Field(
        default=None, description="The plan's id: by it everything else finds the plan, in any later chat."
    )
    repeated: bool = Field(
        default=False,
        description="It had been handed in before, so this call did nothing; `id` is that plan.",
    )
    errors: list[PlanError] = Field(
        default_factory=list, description="Why it was not handed in: everything that is wrong, all at once."
    )
    title: str | None = Field(default=None, description="What it is called.")
    project: str | None = Field(default=None, description="The project's directory.")
    file: str | None = Field(default=None, description="The file in the inbox.")
    next: str = Field(description="What to do now.")


def submit_plan(
    desk: Desk,
    plan: Document = "",
    workflow: WorkflowName = "",
    params: Params = None,
    project: ProjectPath = "",
    fields: More = None,
    again: Annotated[
        bool,
        Field(description="Run it although the same plan was handed in minutes ago. Only if that is meant."),
    ] = False,
) -> Submitted:
    """Hand a plan in: a piece of work that Claude Code carries out on this machine, unattended, in a project there.

    Give either `plan`, the whole document, or `workflow` with `params` and `project`. It is checked first: what is
    wrong comes back in `errors` (field, line, message, hint), nothing is handed in then; mend it and call again.
    It returns at once with the plan's `id`; the work takes minutes to hours. Tell the person the id and end your turn.
    Look later with plan_status or get_result. Called twice with the same plan within ten minutes, or with a `key` that
    was used before, it is not run twice: `repeated` is true then, and `id` names the first one.
    """
    root = desk.root
    written = _written(desk, plan, workflow, params, project, fields)
    checked, key = _check(desk, root, written)
    if not checked.valid:
        return Submitted(
            submitted=False,
            errors=checked.errors,
            next="Nothing was handed in. Mend what `errors` names, and call submit_plan again with the whole plan.",
        )
    about = {"title": checked.title, "project": checked.project}
    with desk.one_at_a_time:
        earlier = earlier_of(root, written, key, now())
        # A key is the daemon's to keep: no wish of ours makes it run a second plan with one.
        if earlier is not None and (not again or key is not None):
            return Submitted(
                submitted=False,
                id=earlier.plan,
                repeated=True,
                next=f"Nothing was handed in: {earlier.how}, as {earlier.plan}. See plan_status or get_result. "
                + _to_run_it_again(key),
                **about,
            )
        found = hand_in(root, written, fresh=again)
    return Submitted(
        submitted=True,
        id=found,
        file=f"inbox/{written.name}" if not again else None,
        next=_after_submission(root, found),
        **about,
    )


def check_plan(
    desk: Desk,
    plan: Document = "",
    workflow: WorkflowName = "",
    params: Params = None,
    project: ProjectPath = "",
    fields: More = None,
) -> Checked:
    """Check a plan without handing it in: the same check that submit_plan makes, and the daemon.

    Use it while you work on a plan. It takes what submit_plan takes, and returns either everything that is wrong, with
    field, line, message and hint, or what the plan would do: project, branch, steps, checks. Then call submit_plan.
    """
    checked, _ = _check(desk, desk.root, _written(desk, plan, workflow, params, project, fields))
    return checked


def _written(
    desk: Desk,
    plan: str,
    workflow: str,
    params: dict[str, Any] | None,
    project: str,
    fields: dict[str, Any] | None,
) -> Written:
    if plan and not plan.strip():
        raise CannotDo("the plan is empty: give the whole document, TOML, JSON or Markdown")
    if bool(plan) == bool(workflow):
        raise CannotDo(
            "a plan is a document (`plan`) or made of a `workflow` with `params`: give one of them"
        )
    if plan:
        if params or project or fields:
            raise CannotDo(
                "`params`, `project` and `fields` belong to `workflow`; a `plan` says such things itself"
            )
        return read_text(plan)
    if not project:
        raise CannotDo(
            "`project` is missing: the directory in which the workflow is to work; see list_projects"
        )
    return _of_workflow(desk, workflow, params or {}, project, fields or {})


def _of_workflow(
    desk: Desk, name: str, params: dict[str, Any], project: str, fields: dict[str, Any]
) -> Written:
    from orchestrd.library.finding import NoWorkflow
    from orchestrd.library.titles import title_of

    title: str | None = None
    try:
        expanded = Path(os.path.realpath(os.path.expanduser(project)))
        title = title_of(desk.library.find(name, expanded).workflow, params)
    except (NoWorkflow, ValueError):
        pass  # the check says what is wrong with it
    named = {"title": title} if title else {}
    says = {"handoff": 1, **named, **fields, "project": project, "workflow": name, "params": params}
    return read_fields(says, str(says.get("title") or name))


def _check(desk: Desk, root: Root, written: Written) -> tuple[Checked, str | None]:
    """Check a plan as the daemon will; return its key too."""
    from handoff.client import foresee
    from orchestrd.inbound.intake import Refused, check_plan

    plan = foresee(root, written.name)
    found = check_plan(written.raw, written.format, plan, desk.config.limits, desk.library)
    if isinstance(found, Refused):
        errors = [
            _error(one, written.first_line) for one in sorted(found.errors, key=lambda one: one.line or 0)
        ]
        return Checked(
            valid=False, errors=errors, next="Mend what `errors` names, then check it again."
        ), found.key
    accepted = found.plan
    branch = accepted.workspace.branch.replace("{id}", "ID")
    checked = Checked(
        valid=True,
        # Filled in where it has none, by an id that it may not get.
        title=accepted.title if accepted.title != plan else None,
        project=str(found.project),
        works="in place, in the project's own directory"
        if found.in_place
        else f"on the branch {branch} of its own",
        steps=[step.id for step in accepted.steps],
        checks=[" ".join(words) for words in accepted.accept.checks],
        asks_for_documents=accepted.docs.request,
        next="It is valid. submit_plan hands it in.",
    )
    return checked, accepted.key


def _error(error: FieldError, first_line: int | None) -> PlanError:
    line = error.line + first_line - 1 if error.line and first_line else None
    return PlanError(path=error.path, line=line, message=error.message, hint=error.hint)


def _to_run_it_again(key: str | None) -> str:
    if key is not None:
        return f"To run it once more, give it another key than {key!r}."
    return "To run it once more: retry_plan when it is settled, or submit_plan with again = true."


def _after_submission(root: Root, plan: str) -> str:
    later = f"Tell the person the id {plan} and end your turn; look later with plan_status or get_result."
    if is_there(root):
        return f"The daemon takes it within a second. {later}"
    return (
        "The daemon is away: the plan lies in the inbox and runs when the daemon is back "
        f"(`orchestrd serve` starts it). {later}"
    )
