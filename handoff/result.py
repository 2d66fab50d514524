"""A result: what became of a plan (PROTOCOL 5). Written by the daemon, once and whole."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from pydantic import Field, StrictInt

from handoff.fields import Count, Document, Instant, Number, Table
from handoff.version import Version


class Status(StrEnum):
    """How a plan ended."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"
    REJECTED = "rejected"
    EXPIRED = "expired"
    DUPLICATE = "duplicate"


class StepStatus(StrEnum):
    """How a step ended."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"
    SKIPPED = "skipped"


class Verdict(StrEnum):
    """What the evidence says about what ran."""

    CHANGED = "changed"
    NO_CHANGE_NEEDED = "no-change-needed"
    UNVERIFIED = "unverified"


class Payer(StrEnum):
    """Who was billed."""

    SUBSCRIPTION = "subscription"
    API_KEY = "api-key"
    CLOUD = "cloud"
    NOBODY = "nobody"


class Reason(StrEnum):
    """Why a plan or a step did not succeed: a word to switch on."""

    # Of a plan that was rejected.
    INVALID = "invalid"
    BAD_FILE = "bad-file"
    UNSUPPORTED = "unsupported"
    POLICY = "policy"
    # Of a run.
    AUTH = "auth"
    BILLING = "billing"
    USAGE_LIMIT = "usage-limit"
    API = "api"
    TIMEOUT = "timeout"
    SILENCE = "silence"
    BUDGET = "budget"
    MEMORY = "memory"
    MAX_TURNS = "max-turns"
    MAX_TOKENS = "max-tokens"
    REFUSAL = "refusal"
    PERMISSION = "permission"
    SCHEMA = "schema"
    BAD_LAUNCH = "bad-launch"
    NO_OUTPUT = "no-output"
    INTERRUPTED = "interrupted"
    COMMAND_FAILED = "command-failed"
    WORKSPACE = "workspace"
    # Of its evidence.
    NO_CHANGES = "no-changes"
    CHECK_FAILED = "check-failed"
    CONFLICT = "conflict"
    # Of the rest.
    DEPENDENCY = "dependency"
    UNANSWERED = "unanswered"
    NO_SPACE = "no-space"
    CANCELLED = "cancelled"
    EXPIRED = "expired"
    DUPLICATE = "duplicate"


class Usage(Document):
    """What was used up; summed over steps and attempts, of the peak the greatest."""

    cost_usd: Number = 0.0
    """US dollars."""
    turns: Count = 0
    """Turns of the model."""
    input_tokens: Count = 0
    """Tokens that went in, those of the cache not counted."""
    output_tokens: Count = 0
    """Tokens that came out."""
    cache_read_tokens: Count = 0
    """Tokens that were read from the cache."""
    cache_write_tokens: Count = 0
    """Tokens that were written to the cache."""
    wall_seconds: Number = 0.0
    """Time by the clock."""
    cpu_seconds: Number = 0.0
    """CPU time of the whole process tree."""
    peak_memory_bytes: Count = 0
    """The greatest memory of the whole process tree."""


class Denied(Document):
    """A tool call that was denied."""

    tool: str
    """The tool."""
    input_json: str
    """Its input, as exact JSON."""
    why: str | None = None
    """Why it was denied."""


class Changes(Document):
    """What changed in the project's git repository."""

    branch: str | None = None
    """The branch that holds the work."""
    base: str | None = None
    """The commit it began at, in full."""
    head: str | None = None
    """The commit it ended at, in full."""
    commits: Count | None = None
    """Commits from base to head."""
    files_changed: Count | None = None
    """Files that differ."""
    insertions: Count | None = None
    """Lines that came."""
    deletions: Count | None = None
    """Lines that went."""
    patch: str | None = None
    """The difference as a file; relative to the root."""
    workspace: str | None = None
    """The checkout, absolute, while it is kept."""


class StepResult(Document):
    """What became of a step; the step of a plan with one prompt is called main."""

    id: str
    """The step's id."""
    status: StepStatus
    """How it ended."""
    verdict: Verdict | None = None
    """What the evidence says."""
    reason: Reason | None = None
    """Why it did not succeed."""
    model: str | None = None
    """The model that worked."""
    session_id: str | None = None
    """Claude Code's session."""
    summary: str | None = None
    """Its final text."""
    attempts: Count | None = None
    """How many attempts there were."""
    first_output_seconds: Number | None = None
    """From the start to the model's first output."""
    output: Table | None = None
    """The structured output; its exact JSON lies in runs/."""
    denied: tuple[Denied, ...] = ()
    """Tool calls that were denied."""
    usage: Usage | None = None
    """What it used up."""
    log: str | None = None
    """The last start's stream; relative to the root."""


class Check(Document):
    """A command that tells whether the plan is done."""

    command: tuple[str, ...]
    """The program and its arguments."""
    round: Count
    """The round in which it ran."""
    exit: StrictInt
    """Its exit code."""
    seconds: Number | None = None
    """How long it took."""
    output_tail: str | None = None
    """The end of its output."""


class PlanError(Document):
    """Something wrong in a plan that was rejected."""

    path: str
    """The field: `steps[1].needs`."""
    line: Annotated[StrictInt, Field(ge=1)] | None = None
    """Its line in the plan's file."""
    message: str
    """What was wrong."""
    hint: str | None = None
    """What was expected."""


class DocsState(Document):
    """The request for documentation, and what came of it."""

    request: str | None = None
    """The request; relative to the root."""
    reply: str | None = None
    """The reply that was taken; relative to the root."""
    commit: str | None = None
    """The commit that holds the documents."""
    files: tuple[str, ...] = ()
    """The files that were written."""


class Result(Document):
    """What became of a plan."""

    handoff: Version = 1
    """The version of the protocol: 1."""
    plan: str
    """The plan's id."""
    source: str
    """The name of the plan's file as it was dropped."""
    title: str | None = None
    """The plan's title."""
    sha256: str | None = None
    """Of the plan's bytes."""
    key: str | None = None
    """The plan's key."""
    retry_of: str | None = None
    """The plan that this one repeats."""
    duplicate_of: str | None = None
    """The plan that had this one's key first."""
    status: Status
    """How it ended."""
    verdict: Verdict | None = None
    """What the evidence says, not the model."""
    reason: Reason | None = None
    """Why it did not succeed."""
    summary: str | None = None
    """The last step's final text."""
    payer: Payer | None = None
    """Who was billed."""
    accepted: Instant | None = None
    """When the plan was accepted."""
    started: Instant | None = None
    """When it first ran."""
    settled: Instant
    """When it ended."""
    usage: Usage | None = None
    """What it used up."""
    changes: Changes | None = None
    """What changed, in a git repository."""
    docs: DocsState | None = None
    """The request for documentation."""
    metadata: Table = Field(default_factory=dict)
    """What the plan's metadata held."""
    steps: tuple[StepResult, ...] = ()
    """Each step."""
    checks: tuple[Check, ...] = ()
    """Each check that ran."""
    errors: tuple[PlanError, ...] = ()
    """Everything that was wrong in a rejected plan."""
