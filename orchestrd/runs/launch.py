"""From a plan to what is started: command line, environment, standard input, and the files that they name.

Nothing is written or started here. Each flag is one that Claude
Code 2.1.59 knows as well as the newest. Texts of any size go by file or by standard input: one argument holds 128 KiB.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from handoff.plan import Plan
from handoff.result import Payer
from orchestrd.config import DEFAULT_SECRETS, Config
from orchestrd.runs.caps import fault_of_caps
from orchestrd.runs.claude import ClaudeCommand
from orchestrd.runs.environment import foresee_payer, run_environment
from orchestrd.runs.handover import MCP_FILE, SETTINGS_FILE, SYSTEM_PROMPT_FILE, hand_over
from orchestrd.runs.kinds import CLAUDE
from orchestrd.runs.prompting import edit_rule, read_rule
from orchestrd.runs.trust import Trust
from orchestrd.secrets import secret_names

if TYPE_CHECKING:
    from orchestrd.runs.kinds import Kind

_MOST_ARGUMENT_BYTES = 128 * 1024 - 1
_LEAST_BUDGET_USD = 0.000001


class NotLaunchable(ValueError):
    """A start holds something that no command line can carry; says what, and what to write instead."""


@dataclass(frozen=True, slots=True)
class RunSettings:
    """What the configuration says about every run. Durations in seconds."""

    claude_args: tuple[str, ...] = ()
    env_pass: tuple[str, ...] = ()
    secret_patterns: tuple[str, ...] = DEFAULT_SECRETS
    api_retries: int = 2
    timeout_seconds: float = 3600.0
    silence_seconds: float = 900.0
    first_event_seconds: float = 60.0

    @classmethod
    def of(cls, config: Config) -> RunSettings:
        """Take them from the configuration in force."""
        return cls(
            claude_args=config.claude.args,
            env_pass=config.claude.env_pass,
            secret_patterns=config.secrets.names,
            api_retries=config.limits.api_retries,
            timeout_seconds=config.limits.timeout,
            silence_seconds=config.limits.silence,
            first_event_seconds=config.limits.first_event,
        )


@dataclass(frozen=True, slots=True)
class Start:
    """What differs from one start of a plan to the next."""

    checkout: Path
    """Where it works."""
    run_folder: Path
    """`active/ID/runs/STEP.N`: where the files of the launch will lie."""
    session_id: str
    """A UUID of our own choice; with `resume`, that of the session to go on with."""
    prompt: str
    output_schema: Mapping[str, Any] | None = None
    """The JSON Schema that the output is held to."""
    tools: tuple[str, ...] | None = None
    """The names of the tools that there are for it; None: all."""
    agents: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """The sub-agents that it may call, in Claude Code's own terms."""
    resume: bool = False
    budget_usd: float | None = None
    """What is left of the plan's `max_usd`; None where it has none. Claude Code counts it for this process alone."""
    files: Mapping[str, bytes] = field(default_factory=dict)
    """Name → content: what the prompt refers to, to be written into the run's folder."""
    readable: tuple[Path, ...] = ()
    """Files outside the checkout that it may read, besides what the plan allows."""
    kept_out: tuple[Path, ...] = ()
    """Folders that its tools for files may not write to, whatever the plan allows."""
    granted: tuple[str, ...] = ()
    """Rules that a person has allowed for the rest of the plan, when a start of it asked."""
    asking: Asking | None = None
    """Whom it asks where it has no permission; None: nobody, and that is a no."""


@dataclass(frozen=True, slots=True)
class RunLimits:
    """What the runner holds itself, of one start."""

    timeout_seconds: float
    silence_seconds: float | None
    """None: it may be silent, as may `first_event_seconds`."""
    first_event_seconds: float | None
    memory_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class Asking:
    """Where and how a runner asks a person: what `permissions.ask = "request"` needs. Durations in seconds."""

    root: str
    plan: str
    step: str
    number: int
    format: str
    """The language of its requests: that of the plan, `json` or `toml`."""
    timeout_seconds: float | None
    """How long a request waits; None: without end."""
    settle_seconds: float
    unproved_seconds: float
    patience_seconds: float
    polling: bool
    deny: tuple[str, ...] = ()
    """The plan's own denials, against which an input is held that comes with an answer."""


@dataclass(frozen=True, slots=True)
class Launch:
    """All that the runner has to be told."""

    argv: tuple[str, ...]
    cwd: Path
    env: dict[str, str] = field(repr=False)
    secret_names: tuple[str, ...]
    """Names of those in `env` whose values are written nowhere."""
    stdin: bytes = field(repr=False)
    files: dict[str, bytes] = field(repr=False)
    """Name → content, to be written into the run's folder before the start; `argv` names them by full path."""
    limits: RunLimits
    session_id: str | None
    """Claude Code's; a command has none."""
    payer: Payer
    """Who is going to be billed, as far as the environment tells."""
    kind: Kind = CLAUDE
    """As in `kinds`."""
    asking: Asking | None = None
    withheld: dict[str, str] = field(default_factory=dict, repr=False)
    """Secrets that it is not given and may come upon all the same: known to the runner, which writes them nowhere."""


def compose(
    plan: Plan,
    start: Start,
    *,
    claude: ClaudeCommand,
    trust: Trust,
    environ: Mapping[str, str],
    settings: RunSettings,
) -> Launch:
    """Put together one start of `plan`.

    Raises:
        NotLaunchable: a rule, a name or a value that cannot be handed over, or a budget that could not be kept.

    """
    unkept = fault_of_caps(claude, settings.claude_args) if start.budget_usd is not None else None
    if unkept is not None:
        raise NotLaunchable(f"limits.max_usd: {unkept.message}; to do: {unkept.remedy}.")
    env = run_environment(environ, env_pass=settings.env_pass, api_retries=settings.api_retries)
    handover = hand_over(
        plan,
        start.checkout,
        trust,
        environ,
        claude_args=settings.claude_args,
        secret_patterns=settings.secret_patterns,
    )
    argv = (
        *claude.argv,
        *("-p", "--input-format", "stream-json", "--output-format", "stream-json", "--verbose"),
        *("--resume" if start.resume else "--session-id", start.session_id),
        *_model_flags(plan),
        *_limit_flags(plan, start.budget_usd),
        *_role_flags(start),
        *_permission_flags(plan, start),
        *_file_flags(handover.files, start.run_folder),
        *_source_flags(trust),
        *handover.claude_args,
    )
    check_arguments(argv)
    return Launch(
        argv=argv,
        cwd=start.checkout,
        env=env,
        secret_names=tuple(secret_names(env, settings.secret_patterns)),
        stdin=user_message(start.prompt),
        files={**start.files, **handover.files},
        limits=RunLimits(
            timeout_seconds=plan.limits.timeout or settings.timeout_seconds,
            silence_seconds=settings.silence_seconds,
            first_event_seconds=settings.first_event_seconds,
            memory_bytes=plan.limits.memory,
        ),
        session_id=start.session_id,
        payer=foresee_payer(env),
        asking=start.asking,
    )


def user_message(text: str) -> bytes:
    """One line of Claude Code's stream-json input."""
    message = {
        "type": "user",
        "message": {"role": "user", "content": text},
        "parent_tool_use_id": None,
        "session_id": "default",
    }
    return json.dumps(message, ensure_ascii=False).encode("utf-8", "replace") + b"\n"


def _model_flags(plan: Plan) -> Iterable[str]:
    for flag, value in (
        ("--model", plan.model),
        ("--fallback-model", plan.fallback_model),
        ("--effort", plan.effort),
    ):
        if value:
            yield from (flag, _plain(value, flag))


def _limit_flags(plan: Plan, budget_usd: float | None) -> Iterable[str]:
    if plan.limits.max_turns is not None:
        yield from ("--max-turns", str(plan.limits.max_turns))
    if budget_usd is not None:
        if budget_usd < _LEAST_BUDGET_USD:
            # Claude Code refuses 0 before it starts; whether to start at all is the engine's decision.
            raise NotLaunchable(f"limits.max_usd: nothing of it is left ({budget_usd} US dollars).")
        # Never in the form 1e-05: what reads it may know plain numbers only.
        yield from ("--max-budget-usd", f"{budget_usd:.6f}")


def _role_flags(start: Start) -> Iterable[str]:
    if start.output_schema is not None:
        yield from ("--json-schema", json.dumps(start.output_schema, ensure_ascii=False))
    if start.tools is not None:
        yield from ("--tools", ",".join(start.tools))
    if start.agents:
        yield from ("--agents", json.dumps(start.agents, ensure_ascii=False))


def _permission_flags(plan: Plan, start: Start) -> Iterable[str]:
    if start.asking is not None:
        yield from ("--permission-prompt-tool", "stdio")
    # Said always: the user's own settings may hold another default mode.
    yield from ("--permission-mode", _plain(str(plan.permissions.mode or "default"), "permissions.mode"))
    # Each rule is an argument of its own: joined by commas, one malformed rule swallows those behind it, a denial too.
    # Nor do they go into the settings file: one bad value of the project's there and all of it is ignored in silence.
    # A list takes everything up to the next flag; `_source_flags`, always there, ends the last one.
    for flag, name, rules in (
        (
            "--allowedTools",
            "permissions.allow",
            (*plan.permissions.allow, *_rules(read_rule, start.readable), *start.granted),
        ),
        (
            "--disallowedTools",
            "permissions.deny",
            (*plan.permissions.deny, *_rules(edit_rule, start.kept_out)),
        ),
    ):
        if rules:
            yield flag
            yield from (_plain(rule, name) for rule in rules)


def _rules(rule_for: Callable[[Path], str], paths: Iterable[Path]) -> Iterable[str]:
    for path in paths:
        # Where it is reached by a link, Claude Code wants both said: the path as named, and where that leads.
        for form in dict.fromkeys((str(path), os.path.realpath(path))):
            yield rule_for(Path(form))


def _source_flags(trust: Trust) -> Iterable[str]:
    yield from ("--setting-sources", "user,project,local" if trust.is_trusted else "user")
    # Trusted or not: the servers are the plan's and a trusted project's, and no others.
    yield "--strict-mcp-config"


def _file_flags(files: Mapping[str, bytes], run_folder: Path) -> Iterable[str]:
    for flag, name in (
        ("--settings", SETTINGS_FILE),
        ("--append-system-prompt-file", SYSTEM_PROMPT_FILE),
        ("--mcp-config", MCP_FILE),
    ):
        if name in files:
            yield from (flag, str(run_folder / name))


def _plain(value: str, name: str) -> str:
    """Give back a value that is no flag: one that begins with a dash would be read as one."""
    if value.startswith("-") or not value.strip():
        raise NotLaunchable(
            f"{name}: {value!r} would be read as an option by Claude Code; expected a text without a leading dash."
        )
    return value


def check_arguments(argv: Iterable[str]) -> None:
    """Raise NotLaunchable for an argument that no program can be given."""
    for argument in argv:
        if "\0" in argument:
            raise NotLaunchable(f"A NUL character in {argument[:80]!r} cannot be handed to a program.")
        try:
            size = len(argument.encode("utf-8", "surrogateescape"))
        except UnicodeEncodeError:
            raise NotLaunchable(f"{argument[:80]!r} is no text: it holds half a surrogate pair.") from None
        if size > _MOST_ARGUMENT_BYTES:
            raise NotLaunchable(
                f"{argument[:80]!r}...: longer than the 128 KiB that one argument holds; make it shorter."
            )
