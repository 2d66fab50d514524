"""Setting up: root, settings, trust, doctor, schemas."""

from __future__ import annotations

import json
import stat

import pytest


def test_init_makes_a_root_that_only_its_user_may_enter_and_can_be_repeated(orchestrd):
    first, second = orchestrd("init"), orchestrd("init")

    assert first.out.startswith(f"{orchestrd.root}: made")
    assert second.out == f"{orchestrd.root}: is in order\n"
    assert stat.S_IMODE(orchestrd.root.stat().st_mode) == 0o700


def test_config_shows_each_setting_and_where_it_came_from(orchestrd):
    orchestrd.environ["ORCHESTRD_LIMITS__ATTEMPTS"] = "5"

    table = {line.split()[0]: line for line in orchestrd("config").out.splitlines()}
    shown = json.loads(orchestrd("config", "--json").out)

    assert table["limits.attempts"].split()[1:] == ["5", "ORCHESTRD_LIMITS__ATTEMPTS"]
    assert shown["limits.attempts"] == {"value": 5, "origin": "ORCHESTRD_LIMITS__ATTEMPTS"}
    assert shown["limits.timeout"] == {"value": 3600.0, "origin": "default"}
    assert [table[name].split()[1] for name in ("limits.timeout", "log.rotation", "archive.keep")] == [
        "1h",
        "10MiB",
        "90d",
    ]


def test_a_trusted_project_is_listed_until_it_is_trusted_no_longer(orchestrd, project):
    assert orchestrd("trust").out == "no project is trusted by orchestrd\n"

    assert "trusted from now on" in orchestrd("trust", str(project)).out
    assert "was trusted already" in orchestrd("trust", str(project)).out
    assert json.loads(orchestrd("trust", "--json").out) == {"projects": [str(project.resolve())]}

    assert "no longer trusted" in orchestrd("untrust", str(project)).out
    assert orchestrd("trust", str(project / "none")).code == 2


def test_doctor_has_a_remedy_for_everything_that_is_not_ok(orchestrd):
    orchestrd.environ["ORCHESTRD_CLAUDE"] = "/no/such/claude"

    said = orchestrd("doctor", "--json")

    findings = json.loads(said.out)
    assert said.code == 1
    assert all(one["remedy"] for one in findings if one["is"] != "ok")
    found = {one["what"]: one for one in findings}
    assert found["Claude Code"]["is"] == "missing"
    assert found["git"]["is"] in {"ok", "note"}
    assert {"Python", "root", "platform", "service", "space: root"} <= found.keys()


@pytest.mark.parametrize(
    "version, word, says", [("2.16.5", "missing", "2.17"), ("2.37.1", "note", "2.38"), ("2.38.0", "ok", "")]
)
def test_doctor_says_what_an_old_git_cannot_do(orchestrd, tmp_path, version, word, says):
    git = tmp_path / "bin/git"
    git.parent.mkdir()
    git.write_text(f"#!/bin/sh\necho git version {version}\n")
    git.chmod(0o755)
    orchestrd.environ["PATH"] = f"{git.parent}:{orchestrd.environ['PATH']}"

    found = {one["what"]: one for one in json.loads(orchestrd("doctor", "--json").out)}["git"]

    assert (found["is"], says in found.get("remedy", "")) == (word, True)


def test_doctor_says_who_would_be_billed(orchestrd):
    orchestrd.environ["ANTHROPIC_API_KEY"] = "made-up"

    billed = next(line for line in orchestrd("doctor").out.splitlines() if " billed " in line)

    assert billed.split() == ["ok", "billed", "the", "API", "key"]


def test_schema_prints_a_schema_for_each_document(orchestrd):
    names = orchestrd("schema").out.split()

    assert {"plan", "result", "order"} <= set(names)
    for name in names:
        assert "properties" in json.loads(orchestrd("schema", name).out)
