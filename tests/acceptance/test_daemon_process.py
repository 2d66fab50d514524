"""The daemon as a process: how it starts, stops, and makes room for no second one."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

from handoff.root import Root
from tests.acceptance.stage import drop_plan, is_alive, runs_now, starts
from tests.serving import Serving
from tests.waiting import wait_until

REAL = True
"""The daemons here are the real command."""


def test_a_stopped_daemon_leaves_its_runs_alive_says_so_and_the_next_one_follows_them(
    here: Serving, project: Path, tmp_path: Path
) -> None:
    gate = tmp_path / "gate"
    here.start()
    drop_plan(here, "long", project, f"[await {gate}] [write a.txt done]")
    run = runs_now(here, "long")

    began = time.monotonic()
    assert here.stop() == 0
    assert time.monotonic() - began < 5
    said = here.status("daemon")
    assert (said["state"], said["pid"]) == ("stopped", here.daemon.pid if here.daemon else 0)
    assert "SIGTERM" in said["why"]
    assert is_alive(run.pid)
    drop_plan(here, "later", project)
    here.start()
    assert here.status("daemon")["state"] == "running"
    gate.touch()

    result = here.result("long")
    assert (result["status"], result["verdict"]) == ("succeeded", "changed")
    assert result["steps"][0]["attempts"] == 1
    assert here.result("later")["status"] == "succeeded"
    assert len(starts(here, "long")) == 1
    wait_until(lambda: not here.processes(), 5, "every process to be gone")
    assert here.daemon is not None
    here.daemon.send_signal(signal.SIGINT)
    assert here.daemon.wait(5) == 0


def test_serve_makes_the_root_tells_its_own_pid_beats_and_lets_no_second_daemon_in(here: Serving) -> None:
    fresh = here.folder / "fresh" / "handoff"
    fresh.parent.mkdir()
    here.root = Root(fresh)
    here.start()
    first = here.status("daemon")

    words = [sys.executable, "-m", "orchestrd", "--root", str(fresh), "serve"]
    second = subprocess.run(words, env=here.environ, capture_output=True, text=True, check=False, timeout=20)
    assert second.returncode not in {0, None}
    assert len(second.stderr.strip().splitlines()) == 1
    assert str(fresh) in second.stderr
    assert str(first["pid"]) in second.stderr

    assert here.daemon is not None
    assert first["pid"] == here.daemon.pid
    assert first["beat_seconds"] == 5
    assert first["state"] == "running"
    assert sorted(path.name for path in fresh.iterdir()) == sorted(
        [
            ".orchestrd",
            "active",
            "archive",
            "context",
            "control",
            "inbox",
            "replies",
            "requests",
            "results",
            "status",
        ]
    )
    assert (fresh.stat().st_mode & 0o777) == 0o700
    wait_until(lambda: here.status("daemon")["heartbeat"] > first["heartbeat"], 6, "the next heartbeat")
    beat = datetime.fromisoformat(here.status("daemon")["heartbeat"])
    assert abs((datetime.now(UTC) - beat).total_seconds()) < 6
    os.kill(here.daemon.pid, signal.SIGHUP)
    assert here.stop() == 0
    assert here.status("daemon")["state"] == "stopped"
