"""Whether a daemon serves a root: its own word, its heartbeat, and its lock where that can be seen."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from handoff import processes
from handoff.platform import PLATFORM
from handoff.root import Root, create_root
from orchestrd.daemon.root_lock import RootLock
from orchestrd.views.present import read_daemon, read_plans


@pytest.fixture
def root(tmp_path: Path) -> Root:
    return create_root(tmp_path / "handoff")


def tell(root: Root, state: str = "running", age_seconds: float = 1) -> None:
    """Write what a daemon would."""
    heartbeat = (datetime.now(UTC) - timedelta(seconds=age_seconds)).isoformat()
    said = {"state": state, "heartbeat": heartbeat, "beat_seconds": 5}
    (root.status / "daemon.json").write_text(json.dumps(said))


def test_a_daemon_that_was_killed_is_known_to_be_gone_at_once(
    root: Root, monkeypatch: pytest.MonkeyPatch
) -> None:
    tell(root)
    monkeypatch.setattr(processes, "lock_holders", lambda _path: [])

    assert read_daemon(root).state == "not running"


def test_a_daemon_that_holds_its_lock_and_beats_is_there_and_one_that_beats_no_more_is_not(
    root: Root,
) -> None:
    lock = RootLock(root)
    lock.take()
    tell(root)
    assert read_daemon(root).state == "running"

    tell(root, age_seconds=20)
    silent = read_daemon(root)
    assert not silent.alive
    if PLATFORM.proc:
        assert silent.state == f"stalled for 20 s (pid {os.getpid()})"
    else:
        assert silent.state == "not running"
    tell(root, state="stopped")
    assert not read_daemon(root).alive
    lock.release()


def test_where_nobody_can_tell_of_locks_the_heartbeat_is_believed(
    root: Root, monkeypatch: pytest.MonkeyPatch
) -> None:
    tell(root)
    monkeypatch.setattr(processes, "lock_holders", lambda _path: None)

    assert read_daemon(root).alive


def test_what_was_answered_while_no_daemon_was_there_is_asked_no_longer(root: Root) -> None:
    asks = [{"request": f"api.main.1.{number}.approval.toml"} for number in (1, 2)]
    told = {"id": "api", "state": "asking", "until": "2026-11-24T02:00:00Z", "runs": [{"asks": asks}]}
    (root.status / "plans.json").write_text(json.dumps({"plans": [told]}))
    for one in asks:
        (root.requests / one["request"]).touch()
    assert read_plans(root) == [told]

    (root.requests / asks[0]["request"]).unlink()
    assert read_plans(root) == [told | {"runs": [{"asks": asks[1:]}]}]

    (root.requests / asks[1]["request"]).unlink()
    assert read_plans(root) == [{"id": "api", "state": "running", "runs": [{"asks": []}]}]
