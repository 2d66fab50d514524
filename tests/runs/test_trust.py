"""Whose hooks, servers and settings may act."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from orchestrd.runs.trust import (
    Trust,
    TrustedBy,
    TrustFileBroken,
    look_up_trust,
    servers_switched_off_for,
    trust_project,
    trusted_projects,
    untrust_project,
)


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    (tmp_path / "claude").mkdir()
    return {"HOME": str(tmp_path / "home"), "CLAUDE_CONFIG_DIR": str(tmp_path / "claude")}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    folder.mkdir()
    return folder


@pytest.fixture
def trusted_file(tmp_path: Path) -> Path:
    return tmp_path / "config" / "trusted.json"


def write_claude_state(environ: dict[str, str], content: object) -> Path:
    path = Path(environ["CLAUDE_CONFIG_DIR"]) / ".claude.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def test_nobody_is_trusted_at_first(project: Path, trusted_file: Path, environ: dict[str, str]):
    assert look_up_trust(project, trusted_file, environ) == Trust()
    assert not Trust().is_trusted


def test_a_project_is_trusted_until_it_is_taken_off_the_list(
    project: Path, trusted_file: Path, environ: dict[str, str]
):
    assert trust_project(project, trusted_file)
    assert look_up_trust(project, trusted_file, environ) == Trust(TrustedBy.ORCHESTRD)
    assert not trust_project(project, trusted_file)
    assert trusted_projects(trusted_file) == (str(project),)

    assert untrust_project(project, trusted_file)
    assert not untrust_project(project, trusted_file)
    assert not look_up_trust(project, trusted_file, environ).is_trusted


def test_a_link_to_a_trusted_project_is_that_project(
    project: Path, trusted_file: Path, environ: dict[str, str], tmp_path: Path
):
    link = tmp_path / "link"
    link.symlink_to(project)
    trust_project(link, trusted_file)

    assert look_up_trust(project, trusted_file, environ).is_trusted
    assert look_up_trust(link, trusted_file, environ).is_trusted
    assert not look_up_trust(tmp_path, trusted_file, environ).is_trusted


def test_trust_in_claude_code_itself_counts_and_its_file_stays_as_it_is(
    project: Path, trusted_file: Path, environ: dict[str, str]
):
    state = write_claude_state(environ, {"projects": {str(project): {"hasTrustDialogAccepted": True}}})
    before = (state.read_bytes(), state.stat().st_mtime_ns)

    trust = look_up_trust(project, trusted_file, environ)

    assert trust == Trust(TrustedBy.CLAUDE_CODE)
    assert (state.read_bytes(), state.stat().st_mtime_ns) == before


def test_trust_in_a_repository_covers_a_folder_within_it_and_not_the_folder_above(
    project: Path, trusted_file: Path, environ: dict[str, str]
):
    (project / ".git").mkdir()
    (project / "part").mkdir()
    write_claude_state(environ, {"projects": {str(project): {"hasTrustDialogAccepted": True}}})

    assert look_up_trust(project / "part", trusted_file, environ).is_trusted
    assert not look_up_trust(project.parent, trusted_file, environ).is_trusted


@pytest.mark.parametrize(
    "content",
    [
        "",
        "{",
        "[]",
        '{"projects": 3}',
        '{"projects": {"%s": 3}}',
        '{"projects": {"%s": {"hasTrustDialogAccepted": 1}}}',
    ],
)
def test_what_cannot_be_read_trusts_nobody(
    content: str, project: Path, trusted_file: Path, environ: dict[str, str]
):
    write_claude_state(environ, content.replace("%s", str(project)))
    trusted_file.parent.mkdir()
    trusted_file.write_text(content.replace("%s", str(project)))

    assert not look_up_trust(project, trusted_file, environ).is_trusted
    assert servers_switched_off_for(project, environ) == frozenset()


def test_a_broken_list_is_said_to_be_broken_and_not_overwritten(project: Path, trusted_file: Path):
    trusted_file.parent.mkdir()
    trusted_file.write_text("{")

    with pytest.raises(TrustFileBroken) as raised:
        trust_project(project, trusted_file)

    assert str(trusted_file) in str(raised.value)
    assert trusted_file.read_text() == "{"
