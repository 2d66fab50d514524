"""What a run is handed by file: MCP servers, settings, text for the system prompt; of the plan and of its project.

A project that is not trusted adds its memory, as text, and nothing else. Nothing is written here, and what is handed
over is written into the run's folder later on: no secret may be in it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from handoff.plan import Plan
from orchestrd.runs import project as projects
from orchestrd.runs.trust import Trust
from orchestrd.secrets import secret_names

MCP_FILE = "mcp.json"
SETTINGS_FILE = "settings.json"
SYSTEM_PROMPT_FILE = "system-prompt.md"


@dataclass(frozen=True, slots=True)
class Handover:
    """The files, and the configured arguments as far as they are still needed beside them."""

    files: dict[str, bytes]
    claude_args: tuple[str, ...]


def hand_over(
    plan: Plan,
    checkout: Path,
    trust: Trust,
    environ: Mapping[str, str],
    *,
    claude_args: tuple[str, ...],
    secret_patterns: tuple[str, ...],
) -> Handover:
    """Put together the files of a run of `plan` in `checkout`."""
    project = Path(plan.project)
    files: dict[str, bytes] = {}
    servers = {name: server.model_dump(mode="json", exclude_none=True) for name, server in plan.mcp.items()}
    texts = [plan.system_prompt_append or ""]
    if trust.is_trusted:
        # Read from the folder that was trusted, not from the checkout: a branch may bring others along.
        servers = projects.own_servers(project, environ) | servers
        own, claude_args = _settings_to_hand_over(project, claude_args, secret_patterns)
        if own:
            files[SETTINGS_FILE] = _json(own)
    else:
        # Without its settings Claude Code does not load a project's memory either, so it is handed over as text.
        texts.insert(0, projects.memory_text(checkout))
    if servers:
        files[MCP_FILE] = _json({"mcpServers": servers})
    system_prompt = "\n\n".join(text for text in texts if text.strip())
    if system_prompt:
        files[SYSTEM_PROMPT_FILE] = system_prompt.encode("utf-8", "replace")
    return Handover(files, claude_args)


def _settings_to_hand_over(
    project: Path, claude_args: tuple[str, ...], secret_patterns: tuple[str, ...]
) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Give the project's settings explicitly; with them the configured arguments that remain.

    Claude Code keys trust by folder: in a worktree, or by our own trust alone, it would pass over the project's allow
    rules, and 2.1.59 over its `settings.local.json` too. It takes one `--settings` only, the last, so one that is
    configured is laid over the project's; where it names a file, that file is what the operator wants, and stays.
    """
    own = projects.merged_settings(project)
    env = own.get("env")
    if isinstance(env, dict):
        # What is handed over is written into the run's folder. A key stays where it is; the newest versions find it.
        secret = frozenset(secret_names(env, secret_patterns))
        own["env"] = {name: value for name, value in env.items() if name not in secret}
    configured, others = _take_settings(claude_args)
    if configured is None:
        return own, claude_args
    try:
        document = json.loads(configured)
    except ValueError:
        return {}, claude_args
    return projects.merge(own, document if isinstance(document, dict) else {}), others


def _take_settings(arguments: tuple[str, ...]) -> tuple[str | None, tuple[str, ...]]:
    for index, argument in enumerate(arguments):
        if argument == "--settings" and index + 1 < len(arguments):
            return arguments[index + 1], arguments[:index] + arguments[index + 2 :]
        if argument.startswith("--settings="):
            return argument.partition("=")[2], arguments[:index] + arguments[index + 1 :]
    return None, arguments


def _json(document: Mapping[str, Any]) -> bytes:
    return json.dumps(document, indent=1, ensure_ascii=False).encode("utf-8", "replace")
