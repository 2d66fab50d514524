"""What a plan means that names a workflow: the workflow is found and turned into an ordinary plan, before all else."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from handoff.fields import Problem
from handoff.plan import Plan
from orchestrd.library.expansion import Expanded, expand
from orchestrd.library.finding import Library, NoWorkflow
from orchestrd.library.params import check_params


@dataclass(frozen=True, slots=True)
class MadeOut:
    """The plan that is meant, or every reason why none can be made out."""

    plan: Plan | None
    problems: tuple[Problem, ...] = ()
    expanded: Expanded | None = None

    def placed(self, problem: Problem) -> Problem:
        """Lead a problem of the plan that is meant to a place in the one that was written."""
        return problem if self.expanded is None else self.expanded.placed(problem)


def make_out(written: Plan, tree: Mapping[str, Any], project: Path | None, library: Library) -> MadeOut:
    """Turn a plan with a workflow into one without; any other one is what it is.

    `tree` is the plan as its file has it. Raises OSError where the disk does not give the workflow's file.
    """
    if written.workflow is None:
        return MadeOut(written)
    try:
        found = library.find(written.workflow, project)
    except NoWorkflow as error:
        return MadeOut(None, tuple(error.problems))
    made = expand(tree, written.workflow, found.workflow)
    return MadeOut(made.plan, (), made) if isinstance(made, Expanded) else MadeOut(None, tuple(made))


def problems_of_naming(tree: Mapping[str, Any], project: Path | None, library: Library) -> list[Problem]:
    """What is wrong with workflow and parameters of a plan that is none for other reasons. Raises OSError."""
    name, given = tree.get("workflow"), tree.get("params", {})
    if not isinstance(name, str) or not isinstance(given, dict):
        return []
    try:
        found = library.find(name, project)
    except NoWorkflow as error:
        return error.problems
    return check_params(found.workflow.params, given)[1]
