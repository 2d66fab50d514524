"""What of the daemon's environment a run is given, and who would be billed for it.

A run's environment is built from nothing plus a list: whatever else the daemon was started with stays with the daemon.
Values are passed on, never looked at or written down here.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from fnmatch import translate
from functools import lru_cache
from pathlib import Path

from handoff import looking
from handoff.result import Payer

_OF_ANY_PROGRAM = (
    # the user and their tools
    "PATH", "HOME", "USER", "LOGNAME", "SHELL", "TMPDIR", "SSH_AUTH_SOCK", "GIT_AUTHOR_*", "GIT_COMMITTER_*",
    # language
    "LANG", "LANGUAGE", "LC_*", "TZ",
    # the way out: proxies and certificates, in both spellings that are in use
    "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "all_proxy", "no_proxy",
    "SSL_CERT_FILE", "SSL_CERT_DIR", "NODE_EXTRA_CA_CERTS", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "GIT_SSL_CAINFO",
    # the credentials of clouds, and where they are
    "AWS_*", "CLOUD_ML_REGION", "GOOGLE_APPLICATION_CREDENTIALS", "GOOGLE_CLOUD_PROJECT", "GCLOUD_PROJECT",
    "CLOUDSDK_CONFIG", "AZURE_*",
    # the user's opt-outs that are not Claude Code's alone
    "DO_NOT_TRACK",
)  # fmt: skip
_OF_CLAUDE = (
    # its place, its credentials
    "ANTHROPIC_*", "CLAUDE_CONFIG_DIR", "CLAUDE_CODE_OAUTH_TOKEN",
    # Bedrock, Vertex, Foundry
    "CLAUDE_CODE_USE_BEDROCK", "CLAUDE_CODE_USE_VERTEX", "CLAUDE_CODE_USE_FOUNDRY",
    "CLAUDE_CODE_SKIP_BEDROCK_AUTH", "CLAUDE_CODE_SKIP_VERTEX_AUTH", "CLAUDE_CODE_SKIP_FOUNDRY_AUTH",
    "VERTEX_REGION_*",
    # the user's opt-outs: without them a start costs 60 to 100 ms more
    "DISABLE_TELEMETRY", "DISABLE_ERROR_REPORTING", "DISABLE_AUTOUPDATER",
    "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC",
)  # fmt: skip
PASSED = _OF_ANY_PROGRAM + _OF_CLAUDE
"""Shell patterns of what every run of Claude Code is given where the daemon has it."""

_CLOUD_SWITCHES = ("CLAUDE_CODE_USE_BEDROCK", "CLAUDE_CODE_USE_VERTEX", "CLAUDE_CODE_USE_FOUNDRY")
_KEYS = ("ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN")


def run_environment(
    environ: Mapping[str, str], *, env_pass: Iterable[str], api_retries: int
) -> dict[str, str]:
    """Build a run's environment from nothing: the list, what `env_pass` adds (names or patterns), and our own switches.

    CLAUDECODE and any CLAUDE_CODE_* that is not on the list are not passed on, whatever `env_pass` says: they tell a
    Claude Code about the one that it was started in (2.1.59 then refuses to run at all).
    """
    wanted = tuple(env_pass)
    passed = {
        name: value
        for name, value in environ.items()
        if _matches(name, PASSED) or (_matches(name, wanted) and not is_never_passed(name))
    }
    # Only with background tasks off does a run end with its result: otherwise it lives on for up to 10 minutes.
    passed["CLAUDE_CODE_DISABLE_BACKGROUND_TASKS"] = "1"
    # Ten retries by default are three minutes, for a wrong key too. Further attempts are the engine's to decide.
    passed["CLAUDE_CODE_MAX_RETRIES"] = str(api_retries)
    return passed


def command_environment(environ: Mapping[str, str], *, env_pass: Iterable[str]) -> dict[str, str]:
    """Build the environment of a command from nothing: what Claude Code's own tools find there, less what is Claude's.

    A check must see what the model saw when it ran the same command. But not Claude Code's credentials: a command that
    starts a Claude of its own would spend what no budget counts. Whoever wants that names them in `env_pass`.
    """
    wanted = tuple(env_pass)
    return {
        name: value
        for name, value in environ.items()
        if _matches(name, _OF_ANY_PROGRAM) or (_matches(name, wanted) and not is_never_passed(name))
    }


def is_never_passed(name: str) -> bool:
    """True for what `env_pass` cannot add either."""
    return (name == "CLAUDECODE" or name.startswith("CLAUDE_CODE_")) and not _matches(name, PASSED)


def foresee_payer(environ: Mapping[str, str]) -> Payer:
    """Say who would be billed for a run with this environment. A login file is looked for, never read."""
    if any(_is_on(environ.get(switch)) for switch in _CLOUD_SWITCHES):
        return Payer.CLOUD
    if any(environ.get(key) for key in _KEYS):
        return Payer.API_KEY
    if environ.get("CLAUDE_CODE_OAUTH_TOKEN") or _has_login(environ):
        return Payer.SUBSCRIPTION
    return Payer.NOBODY


def name_payer(foreseen: Payer, api_key_source: str | None) -> Payer:
    """Correct what was foreseen by what Claude Code itself said at the start of the run (`apiKeySource`)."""
    if foreseen is Payer.CLOUD or api_key_source in (None, "none"):
        return foreseen
    return Payer.API_KEY


def claude_folder(environ: Mapping[str, str]) -> Path:
    """Claude Code's own folder of this user. Ours to read, never to write."""
    configured = environ.get("CLAUDE_CONFIG_DIR")
    return Path(configured) if configured else Path(environ.get("HOME") or "~").expanduser() / ".claude"


def claude_state_file(environ: Mapping[str, str]) -> Path:
    """`.claude.json`: beside the folder, or in it where CLAUDE_CONFIG_DIR names one."""
    folder = claude_folder(environ)
    return folder / ".claude.json" if environ.get("CLAUDE_CONFIG_DIR") else folder.parent / ".claude.json"


def _has_login(environ: Mapping[str, str]) -> bool:
    return looking.is_there(claude_folder(environ) / ".credentials.json")


def _is_on(value: str | None) -> bool:
    return (value or "").strip().lower() not in ("", "0", "false", "no", "off")


def _matches(name: str, patterns: tuple[str, ...]) -> bool:
    return bool(patterns) and _any_of(patterns).match(name) is not None


@lru_cache(maxsize=16)
def _any_of(patterns: tuple[str, ...]) -> re.Pattern[str]:
    """One expression for all: asked of each variable at each start, pattern by pattern they took 1 ms."""
    return re.compile("|".join(translate(pattern) for pattern in patterns))
