"""From a command to what is started: a `run` step or an acceptance check, beside a runner of its own like Claude Code.

No shell, no model, nothing on standard input. Nothing is written or started here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from handoff.plan import Limits
from handoff.result import Payer
from orchestrd.runs.environment import command_environment, run_environment
from orchestrd.runs.kinds import COMMAND
from orchestrd.runs.launch import Launch, RunLimits, RunSettings, check_arguments
from orchestrd.secrets import secret_names


def compose_command(
    argv: Sequence[str],
    *,
    checkout: Path,
    environ: Mapping[str, str],
    settings: RunSettings,
    limits: Limits,
) -> Launch:
    """Put together one start of a command in `checkout`; of `limits` its `timeout` and `memory` hold.

    It may be silent for as long as it runs: compilers and test suites are.

    Raises:
        NotLaunchable: an argument that no program can be given.

    """
    check_arguments(argv)
    env = command_environment(environ, env_pass=settings.env_pass)
    return Launch(
        argv=tuple(argv),
        cwd=checkout,
        env=env,
        secret_names=tuple(secret_names(env, settings.secret_patterns)),
        stdin=b"",
        files={},
        limits=RunLimits(
            timeout_seconds=limits.timeout or settings.timeout_seconds,
            silence_seconds=None,
            first_event_seconds=None,
            memory_bytes=limits.memory,
        ),
        session_id=None,
        payer=Payer.NOBODY,
        kind=COMMAND,
        withheld=_withheld(environ, env, settings),
    )


def _withheld(environ: Mapping[str, str], given: Mapping[str, str], settings: RunSettings) -> dict[str, str]:
    """Name the secrets that the model was given and the command is not.

    The model may have left one in the checkout; a test that prints it must not bring it into a log (PROTOCOL 10.5).
    """
    models = run_environment(environ, env_pass=settings.env_pass, api_retries=0)
    return {
        name: models[name] for name in secret_names(models, settings.secret_patterns) if name not in given
    }
