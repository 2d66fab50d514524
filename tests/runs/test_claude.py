"""Which binary runs the plans."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from orchestrd.runs import claude
from orchestrd.runs.claude import ClaudeMissing, find_claude


def a_binary(path: Path, version: str = "2.1.330") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f'#!/bin/sh\necho x >> "{path}.starts"\necho "{version} (Claude Code)"\n')
    path.chmod(0o755)
    return path


def starts_of(binary: Path) -> int:
    counted = binary.with_name(binary.name + ".starts")
    return len(counted.read_text().splitlines()) if counted.exists() else 0


def test_the_environment_names_it_before_the_configuration_before_path_before_the_wheel(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    named, configured, on_path = (a_binary(tmp_path / name / "claude") for name in ("named", "conf", "path"))
    carried = a_binary(tmp_path / "wheel" / "claude_agent_sdk" / "_bundled" / "claude")
    # The real wheel may be installed here too: a package of that name that comes first stands in for it.
    (tmp_path / "wheel" / "claude_agent_sdk" / "__init__.py").write_text("raise SystemExit('imported')")
    monkeypatch.syspath_prepend(str(tmp_path / "wheel"))
    path = {"PATH": str(on_path.parent)}

    found = [
        find_claude(str(configured), {**path, "ORCHESTRD_CLAUDE": str(named)}),
        find_claude(str(configured), path),
        find_claude(None, path),
        find_claude(None, {"PATH": str(tmp_path)}),
    ]

    assert [command.path for command in found] == [named, configured, on_path, carried]
    assert found[0].argv == (str(named),)


def test_finding_it_does_not_start_it(tmp_path: Path):
    binary = a_binary(tmp_path / "claude")

    find_claude(None, {"PATH": str(tmp_path)})

    assert starts_of(binary) == 0


def test_the_version_is_asked_once_and_again_when_the_binary_has_changed(tmp_path: Path):
    binary = a_binary(tmp_path / "claude", "2.1.59")
    command = find_claude(str(binary), {})

    assert [command.version, command.version] == [(2, 1, 59), (2, 1, 59)]
    assert starts_of(binary) == 1

    a_binary(binary, "2.1.330")
    os.utime(binary, ns=(1, 1))

    assert command.version == (2, 1, 330)


def test_a_program_that_does_not_say_its_version_has_none(tmp_path: Path):
    binary = a_binary(tmp_path / "claude", "who knows")

    assert find_claude(str(binary), {}).version is None


def test_a_binary_that_was_named_and_is_not_there_is_not_replaced_by_another(tmp_path: Path):
    on_path = a_binary(tmp_path / "claude")

    with pytest.raises(ClaudeMissing) as raised:
        find_claude(None, {"PATH": str(on_path.parent), "ORCHESTRD_CLAUDE": str(tmp_path / "gone")})

    assert "ORCHESTRD_CLAUDE" in raised.value.message
    assert str(tmp_path / "gone") in raised.value.message
    assert raised.value.remedy


def test_without_any_the_message_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(claude, "_carried_binary", lambda: None)

    with pytest.raises(ClaudeMissing) as raised:
        find_claude(None, {"PATH": str(tmp_path)})

    assert "orchestrd[claude]" in raised.value.remedy
