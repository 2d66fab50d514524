"""A workflow's file: what it takes, and a plan's fields with placeholders. Read and checked whole, as a plan is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from pydantic import Field

from handoff.fields import Document, Line, Problem, Prose
from handoff.formats import Format, as_written, read_document
from handoff.version import Version
from orchestrd.library.params import Param, ParamName
from orchestrd.library.workflow_checks import problems_of_workflow

OWN_FIELDS = ("handoff", "title", "description", "params")
"""What a workflow's file says of itself; everything else is the body."""


class WorkflowFile(Document):
    """A workflow, as its file has it. The body's fields are those of a plan, and mean the same."""

    handoff: Version
    """The version of the protocol whose plans it makes: 1."""
    title: Line
    """What it is called."""
    description: Prose
    """What it is for."""
    params: dict[ParamName, Param] = Field(default_factory=dict)
    """What it takes."""
    prompt: Any = None
    """What the model is asked to do; or steps."""
    steps: Any = None
    """A graph of steps; each may say `when`, the parameter without which it is left out."""
    model: Any = None
    """The model, as Claude Code names it."""
    fallback_model: Any = None
    """The model to fall back on."""
    effort: Any = None
    """The effort, as Claude Code names it."""
    system_prompt_append: Any = None
    """Text that is added to Claude Code's system prompt."""
    limits: Any = None
    """What a run may use up."""
    workspace: Any = None
    """Where it works."""
    permissions: Any = None
    """What the model may do."""
    mcp: Any = None
    """MCP servers."""
    agents: Any = None
    """Agents of its own."""
    accept: Any = None
    """What "done" means."""
    docs: Any = None
    """Whether and how the work is to be documented."""

    @classmethod
    def problems_between(cls, given: Mapping[str, Any]) -> list[Problem]:
        """Placeholders that mean something, parameters that are used, and a plan that comes of them."""
        return problems_of_workflow(given, body_of(given))


@dataclass(frozen=True, slots=True)
class Workflow:
    """A workflow that was read and checked."""

    title: str
    description: str
    params: Mapping[str, Param]
    body: Mapping[str, Any]
    """Fields of a plan, with placeholders."""


@lru_cache(maxsize=32)
def read_workflow(raw: bytes) -> Workflow:
    """Read a workflow's file (TOML). Raises DocumentError with everything that is wrong, each with path and line."""
    found = read_document(WorkflowFile, raw, Format.TOML)
    tree = as_written(raw, Format.TOML)
    return Workflow(found.title, found.description, found.params, body_of(tree))


def body_of(tree: Mapping[str, Any]) -> dict[str, Any]:
    """Take the body out of a file's values."""
    return {name: value for name, value in tree.items() if name not in OWN_FIELDS}
