"""What a command becomes: command line, environment, limits."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from handoff.plan import Limits
from handoff.result import Payer
from orchestrd.runs.command_launch import compose_command
from orchestrd.runs.launch import Launch, NotLaunchable, RunLimits, RunSettings

CHECKOUT = Path("/checkout")


def launch_of(*argv: str, environ: dict[str, str] | None = None, **limits: Any) -> Launch:
    settings = RunSettings(env_pass=("APP_*",), timeout_seconds=100)
    return compose_command(
        argv, checkout=CHECKOUT, environ=environ or {}, settings=settings, limits=Limits(**limits)
    )


def test_it_is_what_was_given_in_the_workspace_with_nothing_to_read_and_nobody_to_pay() -> None:
    launch = launch_of("make", "-k", "test all")

    assert (launch.kind, launch.argv, launch.cwd) == ("command", ("make", "-k", "test all"), CHECKOUT)
    assert (launch.stdin, launch.files, launch.session_id) == (b"", {}, None)
    assert launch.payer is Payer.NOBODY


def test_time_and_memory_are_limited_and_silence_is_not() -> None:
    assert launch_of("true").limits == RunLimits(100, None, None, None)
    assert launch_of("true", timeout=5, memory=1 << 30).limits == RunLimits(5, None, None, 1 << 30)


def test_secrets_of_the_model_are_known_to_the_runner_and_not_given_to_the_command() -> None:
    environ = {"PATH": "/bin", "APP_TOKEN": "a", "ANTHROPIC_API_KEY": "k", "OTHER_TOKEN": "o"}

    launch = launch_of("true", environ=environ)

    assert launch.env == {"PATH": "/bin", "APP_TOKEN": "a"}
    assert launch.secret_names == ("APP_TOKEN",)
    assert launch.withheld == {"ANTHROPIC_API_KEY": "k"}
    assert "'k'" not in repr(launch)


@pytest.mark.parametrize("argument", ["a\0b", "\ud800", "x" * 140_000])
def test_what_no_program_can_be_given_is_refused(argument: str) -> None:
    with pytest.raises(NotLaunchable):
        launch_of("echo", argument)


def test_bytes_that_are_no_text_are_an_argument_like_any_other() -> None:
    assert launch_of("cat", "\udcff").argv == ("cat", "\udcff")
