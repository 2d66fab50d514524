"""A change of Desktop's configuration, cut off or failing at each of its steps; and what others do meanwhile."""

from __future__ import annotations

import errno
import os
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from handoff.effects import Effects
from orchestrd.desktop.backups import backups_of
from orchestrd.desktop.changes import carry_out, plan_install, plan_uninstall
from orchestrd.desktop.config_file import read_config
from orchestrd.desktop.entries import server_entry
from orchestrd.desktop.error import DesktopError

BEFORE = '{\n  "mcpServers": {"other": {"command": "x"}},\n  "ratio": 1.0\n}\n'
NOW = datetime(2026, 11, 28, 22, 4, 10, tzinfo=UTC)
ENTRY = server_entry(("/bin/orchestrd",), Path("/r"), {})
STEPS = ("open", "write", "fsync", "close", "rename", "rename_new", "unlink", "chmod", "sync_dir")


class Cut(BaseException):
    """The power went."""


@pytest.fixture
def config(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.delenv("XDG_STATE_HOME", raising=False)
    file = tmp_path / "Claude" / "config.json"
    file.parent.mkdir()
    file.write_text(BEFORE)
    return file


def install(config: Path) -> None:
    carry_out(plan_install(read_config(config), [ENTRY], replacing=False), NOW)


def uninstall(config: Path) -> None:
    carry_out(plan_uninstall(read_config(config)), NOW)


def break_step(patch: pytest.MonkeyPatch, step: str, number: int, with_what: BaseException) -> list[int]:
    """Have the Nth call of an effect end in that; returns how often it fired."""
    original = getattr(Effects, step)
    calls = [0, 0]

    def act(self: Effects, *args: Any, **options: Any) -> Any:
        calls[0] += 1
        if calls[0] == number:
            calls[1] += 1
            raise with_what
        return original(self, *args, **options)

    patch.setattr(Effects, step, act)
    return calls


@pytest.mark.parametrize(
    "what", [Cut(), OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))], ids=["cut", "full"]
)
@pytest.mark.parametrize("step", STEPS)
def test_cut_off_anywhere_it_is_the_old_or_the_new_one_and_can_be_done_again(config, monkeypatch, step, what):
    fired = 0
    for number in range(1, 40):
        config.write_text(BEFORE)
        with monkeypatch.context() as patch:
            calls = break_step(patch, step, number, what)
            with suppress(Cut, OSError, DesktopError):
                install(config)
        fired += calls[1]
        found = config.read_text()
        assert found == BEFORE or '"/bin/orchestrd"' in found
        install(config)
        installed = config.read_text()
        assert '"/bin/orchestrd"' in installed
        assert BEFORE in [file.read_text() for file in backups_of(config)]
        uninstall(config)
        assert config.read_text() == BEFORE
        if calls[1] == 0:
            break
    assert fired


def test_what_desktop_writes_while_somebody_is_asked_is_not_lost(config):
    change = plan_install(read_config(config), [ENTRY], replacing=False)
    config.write_text('{"written": "by Desktop"}')

    with pytest.raises(DesktopError, match="changed by somebody else meanwhile"):
        carry_out(change, NOW)

    assert config.read_text() == '{"written": "by Desktop"}'


def test_without_what_we_remember_our_server_is_known_and_taken_out(config, tmp_path):
    install(config)
    (record,) = (tmp_path / "home").rglob("desktop.json")
    record.unlink()

    uninstall(config)

    assert config.read_text() == BEFORE


def test_without_the_backup_it_is_taken_out_by_its_text(config):
    config.write_text('{\n\t"a": 1.0\n}')
    install(config)
    for backup in backups_of(config):
        backup.unlink()

    uninstall(config)

    assert config.read_text() == '{\n\t"a": 1.0\n}'


def test_nothing_of_what_others_keep_there_comes_into_our_own_state(config, tmp_path):
    config.write_text(BEFORE.replace('"x"', '"x", "env": {"T": "canary"}'))
    install(config)
    config.write_text(config.read_text().replace('"/r"', '"/r", "MINE": "canary-too"'))
    entry = server_entry(("/bin/new/orchestrd",), Path("/r"), {})
    carry_out(plan_install(read_config(config), [entry], replacing=False), NOW)

    (record,) = (tmp_path / "home").rglob("desktop.json")

    assert "canary-too" in config.read_text()
    assert "canary" not in record.read_text()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_a_file_of_another_user_is_left_alone(config):
    os.chown(config, 65534, -1)

    with pytest.raises(DesktopError, match="belongs to another user"):
        install(config)
    assert config.read_text() == BEFORE
