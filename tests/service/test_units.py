"""The unit and the plist: what they hold once they are filled in, and that their managers understand them."""

from __future__ import annotations

import plistlib
import shutil
import subprocess
from pathlib import Path

import pytest

from orchestrd.config import load_config
from orchestrd.service import launchd, systemd
from orchestrd.service.facts import Facts, find_facts, left_behind

ODD = '/home/ada/50% of my "things" $HOME\\x'


def some_facts(root: str = "/home/ada/handoff", **environment: str) -> Facts:
    return Facts(
        ("/bin/true",),
        Path(root),
        {"PATH": "/usr/bin:/bin", "ORCHESTRD_CLAUDE": "/usr/bin/claude"} | environment,
    )


def settings_of(unit: str) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for line in unit.splitlines():
        name, mark, value = line.partition("=")
        if mark and not line.startswith("#"):
            found.setdefault(name, []).append(value)
    return found


def test_the_unit_is_ready_by_notification_watched_and_leaves_runs_alive():
    found = settings_of(systemd.render(some_facts(), 252))

    assert found["Type"] == ["notify"]
    assert found["NotifyAccess"] == ["main"]
    assert found["WatchdogSec"] == ["30s"]
    assert found["KillMode"] == ["process"]
    assert found["OOMPolicy"] == ["continue"]
    assert found["ExecStart"] == ["/bin/true --root /home/ada/handoff serve"]
    assert '"ORCHESTRD_CLAUDE=/usr/bin/claude"' in found["Environment"]


def test_pauses_between_restarts_grow_where_systemd_knows_that():
    assert "RestartSteps" not in settings_of(systemd.render(some_facts(), 252))
    assert settings_of(systemd.render(some_facts(), 254))["RestartMaxDelaySec"] == ["60s"]


@pytest.mark.parametrize("root", ["/home/ada/handoff", ODD])
def test_systemd_understands_the_unit_without_a_word(tmp_path, root):
    if not shutil.which("systemd-analyze"):
        pytest.skip("no systemd-analyze here")
    version = int(subprocess.check_output(["systemd-analyze", "--version"], text=True).split()[1])
    unit = tmp_path / "orchestrd.service"
    unit.write_text(systemd.render(some_facts(root, ORCHESTRD_CLAUDE=ODD), version))
    environ = {"PATH": "/usr/bin:/bin", "XDG_RUNTIME_DIR": str(tmp_path), "HOME": str(tmp_path)}

    done = subprocess.run(
        ["systemd-analyze", "--user", "verify", str(unit)],
        env=environ,
        capture_output=True,
        text=True,
        check=False,
    )

    # A misspelt setting is a warning with exit 0: silence is the test.
    assert (done.returncode, done.stderr) == (0, "")


def test_a_misspelt_setting_would_be_noticed(tmp_path):
    if not shutil.which("systemd-analyze"):
        pytest.skip("no systemd-analyze here")
    unit = tmp_path / "orchestrd.service"
    unit.write_text(systemd.render(some_facts(), 252).replace("KillMode", "KilMode"))
    environ = {"PATH": "/usr/bin:/bin", "XDG_RUNTIME_DIR": str(tmp_path), "HOME": str(tmp_path)}

    done = subprocess.run(
        ["systemd-analyze", "--user", "verify", str(unit)],
        env=environ,
        capture_output=True,
        text=True,
        check=False,
    )

    assert "KilMode" in done.stderr


def test_the_plist_starts_the_daemon_again_after_a_crash_and_abandons_its_runs():
    agent = plistlib.loads(launchd.render(some_facts(ODD), Path("/tmp/launchd.log")))

    assert agent["ProgramArguments"] == ["/bin/true", "--root", ODD, "serve"]
    assert agent["EnvironmentVariables"]["ORCHESTRD_CLAUDE"] == "/usr/bin/claude"
    assert agent["AbandonProcessGroup"] is True
    assert agent["KeepAlive"] == {"SuccessfulExit": False}
    assert agent["RunAtLoad"] is True
    assert agent["ProcessType"] == "Background"
    assert agent["Umask"] == 0o077


def test_what_is_found_at_install_time_goes_into_the_service(tmp_path, monkeypatch):
    claude = tmp_path / "bin/claude"
    claude.parent.mkdir()
    claude.write_text("#!/bin/sh\n")
    claude.chmod(0o755)
    environ = {
        "PATH": f"{tmp_path}/bin:relative:/no/such/folder:{tmp_path}/bin:/usr/bin",
        "ORCHESTRD_LIMITS__ATTEMPTS": "5",
        "ORCHESTRD_NOTIFY__WEBHOOK": "https://example.org/made-up",
        "ANTHROPIC_API_KEY": "made-up",
        "CLAUDE_CONFIG_DIR": "/home/ada/.claude-work",
    }

    facts = find_facts(load_config(tmp_path / "root", environ), environ)

    assert facts.root == tmp_path / "root"
    assert facts.environment == {
        "PATH": f"{tmp_path}/bin:/usr/bin",
        "ORCHESTRD_CLAUDE": str(claude),
        "ORCHESTRD_LIMITS__ATTEMPTS": "5",
        "CLAUDE_CONFIG_DIR": "/home/ada/.claude-work",
    }
    assert left_behind(environ) == ["ANTHROPIC_API_KEY", "ORCHESTRD_NOTIFY__WEBHOOK"]
