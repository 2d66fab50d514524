"""What of the daemon's environment a run gets, and who would pay."""

from __future__ import annotations

from pathlib import Path

import pytest

from handoff.result import Payer
from orchestrd.runs.environment import (
    command_environment,
    foresee_payer,
    is_never_passed,
    name_payer,
    run_environment,
)

OF_THE_SESSION_AROUND = {
    "CLAUDECODE": "1",
    "CLAUDE_CODE_ENTRYPOINT": "cli",
    "CLAUDE_CODE_SESSION_ID": "x",
    "CLAUDE_CODE_MESSAGING_TOKEN": "x",
}


def test_a_run_gets_what_is_on_the_list_and_nothing_else():
    daemons = {
        "PATH": "/bin",
        "LC_ALL": "C",
        "https_proxy": "http://p",
        "GIT_AUTHOR_NAME": "A",
        "AWS_PROFILE": "p",
        "DATABASE_URL": "x",
        "ORCHESTRD_ROOT": "/r",
        "LD_PRELOAD": "x",
        "IS_SANDBOX": "1",
    }

    env = run_environment(daemons, env_pass=(), api_retries=2)

    assert set(env) - {"CLAUDE_CODE_DISABLE_BACKGROUND_TASKS", "CLAUDE_CODE_MAX_RETRIES"} == {
        "PATH",
        "LC_ALL",
        "https_proxy",
        "GIT_AUTHOR_NAME",
        "AWS_PROFILE",
    }


def test_env_pass_adds_names_and_patterns():
    daemons = {"DATABASE_URL": "d", "APP_ONE": "1", "APP_TWO": "2", "OTHER": "o"}

    env = run_environment(daemons, env_pass=("DATABASE_URL", "APP_*"), api_retries=2)

    assert {name: env.get(name) for name in daemons} == {**daemons, "OTHER": None}


def test_nothing_of_a_session_around_the_daemon_gets_in_whatever_env_pass_says():
    env = run_environment(OF_THE_SESSION_AROUND, env_pass=("CLAUDE*", *OF_THE_SESSION_AROUND), api_retries=2)

    assert not OF_THE_SESSION_AROUND.keys() & env.keys()
    assert all(is_never_passed(name) for name in OF_THE_SESSION_AROUND)


def test_the_users_own_switches_of_claude_code_are_passed():
    own = {
        "CLAUDE_CONFIG_DIR": "/c",
        "CLAUDE_CODE_OAUTH_TOKEN": "t",
        "CLAUDE_CODE_USE_BEDROCK": "1",
        "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
    }

    env = run_environment(own, env_pass=(), api_retries=2)

    assert own.items() <= env.items()
    assert not any(is_never_passed(name) for name in own)


def test_background_tasks_are_off_and_retries_are_few_whatever_the_daemon_was_given():
    daemons = {"CLAUDE_CODE_MAX_RETRIES": "10", "CLAUDE_CODE_DISABLE_BACKGROUND_TASKS": "0"}

    env = run_environment(daemons, env_pass=("CLAUDE_CODE_*",), api_retries=3)

    assert env == {"CLAUDE_CODE_DISABLE_BACKGROUND_TASKS": "1", "CLAUDE_CODE_MAX_RETRIES": "3"}


def test_a_command_gets_what_claude_codes_tools_find_there_less_what_is_claude_codes():
    tools = {"PATH": "/bin", "LANG": "C", "AWS_PROFILE": "p", "https_proxy": "http://p", "DO_NOT_TRACK": "1"}
    claudes = {
        "ANTHROPIC_API_KEY": "k",
        "ANTHROPIC_BASE_URL": "http://127.0.0.1:1",
        "CLAUDE_CODE_OAUTH_TOKEN": "t",
        "CLAUDE_CONFIG_DIR": "/c",
        "CLAUDE_CODE_USE_BEDROCK": "1",
    }

    env = command_environment({**tools, **claudes, "DATABASE_URL": "d"}, env_pass=())

    assert env == tools
    assert tools.items() <= run_environment({**tools, **claudes}, env_pass=(), api_retries=2).items()


def test_env_pass_adds_to_a_commands_environment_too_and_what_it_names_is_meant():
    environ = {"DATABASE_URL": "d", "ANTHROPIC_API_KEY": "k", **OF_THE_SESSION_AROUND}

    env = command_environment(environ, env_pass=("DATABASE_*", "ANTHROPIC_API_KEY", "CLAUDE*"))

    assert env == {"DATABASE_URL": "d", "ANTHROPIC_API_KEY": "k"}


@pytest.mark.parametrize(
    "environ, payer",
    [
        ({}, Payer.NOBODY),
        ({"ANTHROPIC_API_KEY": "k"}, Payer.API_KEY),
        ({"ANTHROPIC_AUTH_TOKEN": "k"}, Payer.API_KEY),
        ({"ANTHROPIC_API_KEY": "k", "ANTHROPIC_BASE_URL": "http://127.0.0.1:1"}, Payer.API_KEY),
        ({"CLAUDE_CODE_OAUTH_TOKEN": "t"}, Payer.SUBSCRIPTION),
        # A key beats the subscription: the surprise that people must be told of before the run.
        ({"CLAUDE_CODE_OAUTH_TOKEN": "t", "ANTHROPIC_API_KEY": "k"}, Payer.API_KEY),
        ({"CLAUDE_CODE_USE_BEDROCK": "1", "ANTHROPIC_API_KEY": "k"}, Payer.CLOUD),
        ({"CLAUDE_CODE_USE_VERTEX": "true"}, Payer.CLOUD),
        ({"CLAUDE_CODE_USE_VERTEX": "0"}, Payer.NOBODY),
    ],
)
def test_the_payer_is_foreseen(environ: dict[str, str], payer: Payer, tmp_path: Path):
    assert foresee_payer({"HOME": str(tmp_path), **environ}) is payer


def test_a_login_file_means_a_subscription_and_is_not_read(tmp_path: Path):
    login = tmp_path / ".claude" / ".credentials.json"
    login.parent.mkdir()
    login.write_bytes(b"\xff not to be read")
    login.chmod(0)

    assert foresee_payer({"HOME": str(tmp_path)}) is Payer.SUBSCRIPTION
    assert foresee_payer({"CLAUDE_CONFIG_DIR": str(login.parent), "HOME": "/nowhere"}) is Payer.SUBSCRIPTION


def test_claude_codes_own_word_corrects_what_was_foreseen():
    assert name_payer(Payer.SUBSCRIPTION, "ANTHROPIC_API_KEY") is Payer.API_KEY
    assert name_payer(Payer.NOBODY, "apiKeyHelper") is Payer.API_KEY
    assert name_payer(Payer.SUBSCRIPTION, "none") is Payer.SUBSCRIPTION
    assert name_payer(Payer.CLOUD, "ANTHROPIC_API_KEY") is Payer.CLOUD
    assert name_payer(Payer.API_KEY, None) is Payer.API_KEY
