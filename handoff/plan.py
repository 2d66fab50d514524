"""A plan: what is to be done, where, within which limits, and what counts as done (PROTOCOL 4).

Every field of the protocol is here and is checked, also those that a daemon does not carry out yet. What needs the
disk (is the project there?) is not checked here. None means: left out, and the default depends on the place.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, StrictFloat

from handoff.fields import (
    NOT_EMPTY,
    Argument,
    Count,
    Document,
    Flag,
    Id,
    Instant,
    Line,
    Name,
    Positive,
    Problem,
    Prose,
    Table,
    Word,
)
from handoff.naming import Branch, DocumentRule, FileRule, Project, Revision, ToolRule
from handoff.output_schema import JsonSchema
from handoff.plan_checks import problems_of_plan
from handoff.quantities import Duration, Size
from handoff.version import Version

Command = Annotated[tuple[Argument, ...], NOT_EMPTY]
"""A program and its arguments; no shell."""


class Limits(Document):
    """What a run may use up."""

    timeout: Annotated[Duration, Field(gt=0)] | None = None
    """Wall clock of one attempt. Default: as configured, 1h."""
    max_turns: Positive | None = None
    """Turns of the model in one attempt."""
    max_usd: Annotated[StrictFloat, Field(gt=0)] | None = None
    """US dollars for the whole plan, over all its steps and attempts."""
    memory: Annotated[Size, Field(gt=0)] | None = None
    """Memory of the run's whole process tree."""
    attempts: Annotated[Positive, Field(le=100)] | None = None
    """Attempts a step; a further one follows timeout, silence, api and interrupted only. Default: as configured, 3."""
    on_interrupt: Literal["resume", "restart", "stop"] = "resume"
    """What to do when the run died with the machine: resume its session, start anew, or stop."""


class Workspace(Document):
    """Where the run works."""

    mode: Literal["worktree", "directory"] | None = None
    """An own branch in an own checkout, or the project itself. Default: worktree in a git repository."""
    base: Revision | None = None
    """The commit or branch to begin at. Default: HEAD."""
    branch: Branch = "handoff/{id}"
    """The branch that is made; `{id}` stands for the plan's id."""
    commit: Flag = True
    """Commit what the run left uncommitted (worktree only)."""
    keep: Literal["always", "on-failure", "never"] = "on-failure"
    """Whether the checkout stays afterwards."""
    touches: tuple[FileRule, ...] = ()
    """Files or globs; plans of one project whose touches overlap do not run at the same time."""


class Permissions(Document):
    """What the model may do, in Claude Code's own words."""

    mode: Literal["default", "acceptEdits", "auto", "bypassPermissions", "manual", "dontAsk", "plan"] = (
        "default"
    )
    """Claude Code's permission mode."""
    allow: tuple[ToolRule, ...] = ()
    """Rules of what is allowed without asking."""
    deny: tuple[ToolRule, ...] = ()
    """Rules of what is denied; they win over what is allowed."""
    ask: Literal["deny", "request"] = "deny"
    """What happens where Claude Code would ask a person."""
    ask_timeout: Annotated[Duration, Field(gt=0)] | None = None
    """How long an approval or a question waits. Default: without end."""


class McpServer(Document):
    """An MCP server of this plan."""

    command: Word
    """The program."""
    args: tuple[Argument, ...] = ()
    """Its arguments."""
    env: dict[str, Argument] = Field(default_factory=dict)
    """Its environment; `${NAME}` is expanded by Claude Code itself and never written out."""


class Agent(Document):
    """A sub-agent."""

    description: Prose
    """When it is to be used."""
    prompt: Prose
    """Who it is and how it works."""
    tools: tuple[ToolRule, ...] | None = None
    """The tools it may use. Default: all."""


class Accept(Document):
    """What "done" means, checked by the daemon."""

    checks: tuple[Command, ...] = ()
    """Commands that must exit 0 in the workspace after the last step."""
    changes: Literal["expected", "allowed", "forbidden"] = "allowed"
    """Whether the run has to leave changes behind."""
    rounds: Count = 2
    """How often a failed check goes back to the model with its output."""


class Docs(Document):
    """Whether and how the work is to be documented."""

    request: Flag = False
    """Ask for documentation once the plan has succeeded."""
    about: Prose | None = None
    """What the documentation is for."""
    write_to: Annotated[tuple[DocumentRule, ...], NOT_EMPTY] = ("docs/**",)
    """Files or globs inside the project that may be written."""
    expires: Instant | None = None
    """When the request goes away unanswered. Default: never."""


class Step(Document):
    """One run of a plan that is a graph. What it leaves out it inherits from the plan."""

    id: Id
    """Its name in this plan."""
    title: Line | None = None
    """What it is called."""
    prompt: Prose | None = None
    """What the model is asked to do."""
    run: Command | None = None
    """A step without a model: a command that must exit 0."""
    agent: Name | None = None
    """The agent that carries it out."""
    needs: tuple[Id, ...] = ()
    """The steps that must have succeeded before."""
    output_schema: JsonSchema | None = None
    """A JSON Schema (draft-07) that the step's output is validated against."""
    expands: Flag = False
    """Its structured output is further steps."""
    model: Word | None = None
    """The model, as Claude Code names it."""
    fallback_model: Word | None = None
    """The model to fall back on."""
    effort: Word | None = None
    """The effort, as Claude Code names it."""
    system_prompt_append: Prose | None = None
    """Text that is added to Claude Code's system prompt."""
    limits: Limits | None = None
    """What its run may use up."""
    permissions: Permissions | None = None
    """What the model may do."""
    mcp: dict[Name, McpServer] | None = None
    """Its MCP servers."""


class Plan(Document):
    """A plan for orchestrd: a piece of work for Claude Code."""

    body_field: ClassVar[str | None] = "prompt"

    handoff: Version
    """The version of the protocol: 1."""
    title: Line | None = None
    """What it is called. Default: its id."""
    project: Project
    """An existing directory: absolute, or beginning with `~`."""
    prompt: Prose | None = None
    """What the model is asked to do. Exactly one of prompt, steps and workflow is given."""
    steps: tuple[Step, ...] = ()
    """A graph of steps instead of one prompt."""
    workflow: Name | None = None
    """The name of a workflow instead of a prompt."""
    params: Table = Field(default_factory=dict)
    """What the workflow is given."""
    key: Line | None = None
    """Idempotency: a second plan with a key that was accepted before is not run."""
    priority: Annotated[Count, Field(le=100)] = 50
    """0 to 100, higher first."""
    after: tuple[Id, ...] = ()
    """Ids of plans that must have succeeded before."""
    not_before: Instant | None = None
    """It is not started earlier."""
    expires: Instant | None = None
    """It is not started later."""
    model: Word | None = None
    """The model, as Claude Code names it."""
    fallback_model: Word | None = None
    """The model to fall back on."""
    effort: Word | None = None
    """The effort, as Claude Code names it."""
    system_prompt_append: Prose | None = None
    """Text that is added to Claude Code's system prompt."""
    limits: Limits = Limits()
    """What a run may use up."""
    workspace: Workspace = Workspace()
    """Where it works."""
    permissions: Permissions = Permissions()
    """What the model may do."""
    mcp: dict[Name, McpServer] = Field(default_factory=dict)
    """MCP servers of this plan."""
    agents: dict[Name, Agent] = Field(default_factory=dict)
    """Sub-agents of this plan."""
    accept: Accept = Accept()
    """What "done" means."""
    docs: Docs = Docs()
    """Whether and how the work is to be documented."""
    metadata: Table = Field(default_factory=dict)
    """Anything; it comes back in the result unchanged."""

    @classmethod
    def problems_between(cls, given: Mapping[str, Any]) -> list[Problem]:
        """One of prompt, steps and workflow; a graph of steps that can be run; a time that can come."""
        return problems_of_plan(given)
