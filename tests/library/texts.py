"""Workflows as text, for the tests."""

from __future__ import annotations

from typing import Any

from handoff.fields import Problem
from handoff.formats import DocumentError
from handoff.plan import Plan
from orchestrd.library.expansion import Expanded, expand
from orchestrd.library.workflow import Workflow, read_workflow

HEAD = 'handoff = 1\ntitle = "Try"\ndescription = "To try things."\n'
"""Three lines."""


def a_workflow(body: str) -> Workflow:
    """A workflow that is right, by what follows its head."""
    return read_workflow((HEAD + body).encode())


def faults(body: str) -> list[tuple[str, int | None, str]]:
    """What is told of a workflow that is wrong: path, line (the first of `body` is 1), message."""
    try:
        a_workflow(body)
    except DocumentError as error:
        return [(one.path, one.line and one.line - 3, one.message) for one in error.errors]
    return []


def hints(body: str) -> list[str]:
    """What is told to do about a workflow that is wrong."""
    try:
        a_workflow(body)
    except DocumentError as error:
        return [one.hint or "" for one in error.errors]
    return []


def made(workflow: Workflow, params: dict[str, Any] | None = None, **fields: Any) -> Plan:
    """The plan that comes of a workflow."""
    found = tried(workflow, params, **fields)
    assert isinstance(found, Expanded), found
    return found.plan


def refused(workflow: Workflow, params: dict[str, Any] | None = None, **fields: Any) -> list[Problem]:
    """Why no plan comes of a workflow."""
    found = tried(workflow, params, **fields)
    assert isinstance(found, list), found
    return found


def tried(
    workflow: Workflow, params: dict[str, Any] | None = None, **fields: Any
) -> Expanded | list[Problem]:
    """Make a plan of a workflow."""
    written = {"handoff": 1, "project": "/project", "workflow": "try", "params": params or {}, **fields}
    return expand(written, "try", workflow)
