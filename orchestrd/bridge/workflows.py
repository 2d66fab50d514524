"""`list_workflows`: the ready-made plans that one may name."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, Field

from orchestrd.bridge.answers import Answer, CannotDo
from orchestrd.bridge.arguments import Text
from orchestrd.bridge.desk import Desk


class ListedWorkflow(BaseModel):
    """A workflow that a plan may name."""

    name: str = Field(description="Give it as `workflow`.")
    origin: str = Field(description="Whose it is: project, user or shipped.")
    title: str | None = Field(default=None, description="What it is called.")
    description: str | None = Field(default=None, description="What it is for.")
    params: dict[str, dict[str, Any]] = Field(
        default_factory=dict, description="Its parameters by their names."
    )
    problem: str | None = Field(default=None, description="Why it cannot be used.")


class Workflows(Answer):
    """The workflows that there are."""

    workflows: list[ListedWorkflow] = Field(default_factory=list, description="All that a plan may name.")


def list_workflows(
    desk: Desk,
    project: Annotated[
        Text,
        Field(description="A project's directory, whose own workflows are listed too if it is trusted."),
    ] = "",
) -> Workflows:
    """List the workflows: ready-made plans with parameters (a feature, a bug to fix, a refactoring, documentation …).

    Where one fits it is better than a prompt of your own: it works in several steps, tests, and reviews itself. Call
    submit_plan with its name as `workflow`, its `params`, and the `project`.
    """
    place = _existing(project) if project else None
    return Workflows(workflows=[_listed(one) for one in desk.library.listing(place)])


def _existing(project: str) -> Path:
    place = Path(os.path.realpath(os.path.expanduser(project)))
    if not place.is_dir():
        raise CannotDo(f"{project}: no such directory; list_projects names those that plans have worked in")
    return place


def _listed(one: Any) -> ListedWorkflow:
    workflow = one.found.workflow if one.found else None
    return ListedWorkflow(
        name=one.name,
        origin=str(one.origin),
        title=workflow.title if workflow else None,
        description=" ".join(workflow.description.split()) if workflow else None,
        params={
            name: param.model_dump(mode="json", exclude_defaults=True) | {"required": param.required}
            for name, param in (workflow.params if workflow else {}).items()
        },
        problem=str(one.problem) if one.problem else None,
    )
