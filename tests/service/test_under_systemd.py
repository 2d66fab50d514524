"""The service under a real `systemd --user`."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from handoff.client import read_result, submit
from orchestrd.rehearsal import Rehearsal, parse_script
from orchestrd.runs.claude import find_claude
from tests.service.user_manager import UserManager
from tests.waiting import wait_until

pytestmark = pytest.mark.slow

SLOW = """
[[conversations]]
[[conversations.turns]]
slow = { first_byte_seconds = 6 }
tools = [{ name = "Write", input = { file_path = "{cwd}/made.txt", content = "made" } }]
[[conversations.turns]]
text = "Made."
"""


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / "home").mkdir()
    return tmp_path / "home"


@pytest.fixture
def environ(home: Path) -> dict[str, str]:
    passed = {name: os.environ[name] for name in ("PATH", "LANG", "ORCHESTRD_PORTABLE") if name in os.environ}
    own = {
        "ORCHESTRD_CLAUDE": str(find_claude(None, os.environ).path),
        "CLAUDE_CONFIG_DIR": str(home / ".claude"),
    }
    return passed | own


@pytest.fixture
def manager(home: Path, environ: dict[str, str]):
    with UserManager(home, environ) as running:
        yield running
        running.orchestrd("service", "uninstall")


def units_of(home: Path) -> list[Path]:
    return sorted((home / ".config/systemd").rglob("*orchestrd*"))


def test_it_is_installed_ready_and_goes_without_a_trace(manager, home):
    first = manager.orchestrd("service", "install")

    assert first.returncode == 0, first.stderr
    assert (manager.ask("ActiveState"), manager.ask("SubState")) == ("active", "running")
    assert manager.ask("StatusText")
    assert manager.orchestrd("service", "status").returncode == 0
    assert "served by pid " + manager.ask("MainPID") in manager.orchestrd("doctor").stdout

    pid = manager.ask("MainPID")
    second = manager.orchestrd("service", "install")

    assert "nothing to do" in second.stdout
    assert manager.ask("MainPID") == pid

    gone = manager.orchestrd("service", "uninstall")

    assert gone.returncode == 0, gone.stderr
    assert units_of(home) == []
    assert "orchestrd" not in manager.run("systemctl", "--user", "list-units", "--all", "--plain").stdout
    assert manager.ask("LoadState") == "not-found"
    assert "nothing to do" in manager.orchestrd("service", "uninstall").stdout


@pytest.mark.live
def test_a_restart_in_the_middle_of_a_run_leaves_the_run_alive_and_followed(manager, home, project):
    with Rehearsal(parse_script(SLOW, "toml")) as model:
        variables = [f"{name}={value}" for name, value in model.environment().items()]
        assert manager.run("systemctl", "--user", "set-environment", *variables).returncode == 0
        assert manager.orchestrd("service", "install").returncode == 0
        before = manager.ask("MainPID")
        plan = submit(
            home / "handoff",
            f'handoff = 1\nproject = "{project}"\nprompt = "Make it."\npermissions.mode = "acceptEdits"\n',
            "make.toml",
        )
        wait_until(lambda: model.messages, 60, "the run's first request")

        assert manager.run("systemctl", "--user", "restart", "orchestrd").returncode == 0
        after = manager.ask("MainPID")
        assert not (home / f"handoff/active/{plan}/runs/main.1/exit.json").exists()

        result = wait_until(lambda: read_result(home / "handoff", plan), 90, "the result")
        assert after != before
        assert (result.status, result.steps[0].attempts) == ("succeeded", 1)


def test_a_daemon_that_hangs_is_started_again(manager, home):
    assert manager.orchestrd("service", "install").returncode == 0
    # The same unit with a shorter patience, so that the test has one too.
    extra = home / ".config/systemd/user/orchestrd.service.d/short.conf"
    extra.parent.mkdir()
    extra.write_text("[Service]\nWatchdogSec=2s\nRestartSec=100ms\n")
    manager.run("systemctl", "--user", "daemon-reload")
    manager.run("systemctl", "--user", "restart", "orchestrd")
    hung = manager.ask("MainPID")

    os.kill(int(hung), signal.SIGSTOP)

    wait_until(lambda: manager.ask("NRestarts") not in ("0", ""), 60, "a restart by the watchdog")
    wait_until(lambda: manager.ask("ActiveState") == "active", 60, "readiness")
    assert manager.ask("MainPID") not in (hung, "0")
