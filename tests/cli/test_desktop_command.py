"""`orchestrd desktop`: our server comes into Claude Desktop's configuration and goes again; nothing else changes."""

from __future__ import annotations

import json
import os
import pty
import re
import select
import stat
import sys
import time
from pathlib import Path

import pytest

from tests.desktop.json_documents import exact
from tests.warm import Fork

OTHERS = """{
    "globalShortcut": "Ctrl+Space",
    "mcpServers": {
        "github": {
            "command": "npx",
            "args": ["-y", "server-github"],
            "env": {"GITHUB_TOKEN": "canary-github", "LIMIT": 1e400}
        }
    },
    "id": 123456789012345678901234567890, "ratio": 1.0, "name": "\\u00e9 \u00e9"
}
"""


@pytest.fixture
def config(orchestrd) -> Path:
    """Where Desktop's configuration lies; Desktop has been here, and has written none yet."""
    folder = orchestrd.home / ".config" / "Claude"
    folder.mkdir(parents=True)
    orchestrd("init")
    return folder / "claude_desktop_config.json"


def backups(config: Path) -> list[Path]:
    return sorted(config.parent.glob(f"{config.name}.*.backup"))


def servers(config: Path) -> dict:
    return json.loads(config.read_text("utf-8-sig"))["mcpServers"]


def test_install_twice_then_uninstall_leaves_the_bytes_that_were_there(orchestrd, config):
    config.write_text(OTHERS)
    config.chmod(0o640)

    first = orchestrd("desktop", "install", "--yes")
    installed = config.read_text()
    second = orchestrd("desktop", "install", "--yes")

    assert (first.code, second.code) == (0, 0)
    assert servers(config)["orchestrd"]["env"] == {"ORCHESTRD_ROOT": str(orchestrd.root)}
    assert Path(servers(config)["orchestrd"]["command"]).is_absolute()
    assert exact(installed)[1][2:] == exact(OTHERS)[1][2:]
    assert '+        "orchestrd": {' in first.out
    assert "quit Claude Desktop" in first.out
    assert "canary-github" not in first.out + first.err
    assert second.out.startswith("nothing to do: ")
    assert config.read_text() == installed
    (kept,) = backups(config)
    assert re.fullmatch(r"claude_desktop_config\.json\.\d{4}-\d\d-\d\dT\d{6}Z\.backup", kept.name)
    assert kept.read_text() == OTHERS
    assert {stat.S_IMODE(file.stat().st_mode) for file in (config, kept)} == {0o640}

    gone = orchestrd("desktop", "uninstall", "--yes")

    assert gone.code == 0
    assert config.read_text() == OTHERS
    assert stat.S_IMODE(config.stat().st_mode) == 0o640
    assert orchestrd("desktop", "uninstall", "--yes").out.startswith("nothing to do: ")


def test_what_others_changed_meanwhile_stays(orchestrd, config):
    config.write_text('{"mcpServers": null, "theme": "dark"}')
    orchestrd("desktop", "install", "--yes")
    config.write_text(config.read_text().replace('"dark"', '"light", "more": 1.50'))

    orchestrd("desktop", "uninstall", "--yes")

    assert config.read_text() == '{"mcpServers": null, "theme": "light", "more": 1.50}'


@pytest.mark.parametrize(
    "before", [None, "{}", '{"mcpServers": {}}\n', '\ufeff{\r\n\t"a": 1\r\n}\r\n', '{"mcpServers":{"a":{}}}']
)
def test_what_was_not_there_before_is_not_there_afterwards(orchestrd, config, before):
    if before is not None:
        config.write_bytes(before.encode())

    assert orchestrd("desktop", "install", "--yes").code == 0
    assert "orchestrd" in servers(config)
    if before is None:
        assert stat.S_IMODE(config.stat().st_mode) == 0o600
    assert orchestrd("desktop", "uninstall", "--yes").code == 0

    assert (config.read_bytes().decode() if config.exists() else None) == before


@pytest.mark.parametrize(
    "content, place, says",
    [
        (b'{\n  // mine\n  "mcpServers": {}\n}', "2:3", "a comment"),
        (b'{"mcpServers": {},}', "1:18", "a comma after the last one"),
        (b'{"mcpServers": {}', "1:18", "the file ends here"),
        (b"", "1:1", "nothing in it"),
        (b'{"mcpServers": {}, "mcpServers": {}}', "1:20", "stands twice"),
        (b'{"mcpServers": []}', "1:16", "has to be an object, but is a list"),
        (b"[]", "1:1", "has to be an object, but is a list"),
        (b'{"a": "\xff"}', "1:8", "no UTF-8"),
        ('{"a": 1}'.encode("utf-16"), "1:1", "save it as UTF-8"),
    ],
)
def test_what_is_no_configuration_is_refused_with_its_place_and_left_alone(
    orchestrd, config, content, place, says
):
    config.write_bytes(content)

    for words in (("install", "--yes"), ("uninstall", "--yes"), ("status",)):
        said = orchestrd("desktop", *words)
        assert said.code == 2
        assert said.err.startswith(f"orchestrd: {config}:{place}: ")
        assert says in said.err
        assert said.err.count("\n") == 1

    assert config.read_bytes() == content
    assert os.listdir(config.parent) == [config.name]


def test_where_nobody_can_be_asked_nothing_is_changed(orchestrd, config):
    config.write_text(OTHERS)

    said = orchestrd("desktop", "install")

    assert said.code == 2
    assert "--yes" in said.err
    assert '+        "orchestrd": {' in said.out
    assert config.read_text() == OTHERS
    assert backups(config) == []


@pytest.mark.parametrize("answer, code", [("y\n", 0), ("n\n", 1), ("\n", 1), ("\x04", 130)])
def test_a_person_is_asked_and_silence_is_no(orchestrd, config, answer, code):
    config.write_text(OTHERS)
    ours, theirs = pty.openpty()
    command = Fork(("desktop", "install"), orchestrd.environ, Path.cwd(), (theirs, theirs, theirs))
    os.close(theirs)
    shown = b""
    deadline = time.monotonic() + 30
    while b"[y/N]: " not in shown and select.select([ours], [], [], deadline - time.monotonic())[0]:
        shown += os.read(ours, 4096)

    os.write(ours, answer.encode())

    assert command.wait(30) == code
    os.close(ours)
    assert ("orchestrd" in servers(config)) == (code == 0)


def test_a_link_stays_and_what_it_leads_to_is_changed(orchestrd, config, tmp_path):
    kept = tmp_path / "dotfiles" / "claude.json"
    kept.parent.mkdir()
    kept.write_text(OTHERS)
    config.symlink_to(kept)

    orchestrd("desktop", "install", "--yes")

    assert config.is_symlink()
    assert "orchestrd" in servers(kept)
    assert len(backups(config)) == 1
    assert os.listdir(kept.parent) == ["claude.json"]

    orchestrd("desktop", "uninstall", "--yes")

    assert config.is_symlink()
    assert kept.read_text() == OTHERS


def test_what_is_no_file_or_leads_nowhere_is_refused(orchestrd, config, tmp_path):
    config.mkdir()
    assert "is a directory" in orchestrd("desktop", "install", "--yes").err
    config.rmdir()
    config.symlink_to(tmp_path / "nowhere.json")
    assert "which is not there" in orchestrd("desktop", "install", "--yes").err
    assert not (tmp_path / "nowhere.json").exists()


def test_where_desktop_is_not_the_way_out_is_named(orchestrd, tmp_path):
    said = orchestrd("desktop", "install", "--yes")
    assert (said.code, "--config" in said.err) == (2, True)

    named = tmp_path / "elsewhere.json"
    assert orchestrd("desktop", "install", "--yes", "--config", str(named)).code == 0
    assert "orchestrd" in servers(named)
    assert orchestrd("desktop", "uninstall", "--yes", "--config", str(named)).code == 0
    assert not named.exists()


def test_an_older_entry_of_ours_is_updated_and_keeps_what_was_added_to_it(orchestrd, config):
    old = {
        "command": "/old/bin/orchestrd",
        "args": ["mcp"],
        "env": {"ORCHESTRD_ROOT": "/old", "HTTPS_PROXY": "x"},
    }
    text = json.dumps({"mcpServers": {"orchestrd": old | {"odd": False}, "b": {}}}, indent=2)
    config.write_text(text.replace("false", "[1e400,   1.50]"))

    assert orchestrd("desktop", "install", "--yes").code == 0

    found = servers(config)
    assert list(found) == ["orchestrd", "b"]
    assert found["orchestrd"]["command"] != old["command"]
    assert found["orchestrd"]["env"] == {"ORCHESTRD_ROOT": str(orchestrd.root), "HTTPS_PROXY": "x"}
    assert '"odd": [1e400,   1.50]' in config.read_text()

    orchestrd("desktop", "uninstall", "--yes")
    assert list(servers(config)) == ["b"]


def test_somebody_elses_entry_of_our_name_is_replaced_only_when_asked(orchestrd, config):
    theirs = '{"mcpServers": {"orchestrd": {"command": "other", "env": {"KEY": "canary-theirs"}}}}'
    config.write_text(theirs)

    refused = orchestrd("desktop", "install", "--yes")
    assert (refused.code, "--replace" in refused.err) == (2, True)
    assert config.read_text() == theirs
    assert orchestrd("desktop", "uninstall", "--yes").out.startswith("nothing to do")

    replaced = orchestrd("desktop", "install", "--yes", "--replace")
    assert replaced.code == 0
    assert "canary-theirs" not in replaced.out
    assert servers(config)["orchestrd"]["args"][-1] == "mcp"

    orchestrd("desktop", "uninstall", "--yes")
    assert config.read_text() == theirs


def test_a_backup_is_gone_back_to(orchestrd, config):
    config.write_text(OTHERS)
    orchestrd("desktop", "install", "--yes")
    config.write_text("{ broken")

    said = orchestrd("desktop", "uninstall", "--restore", "latest", "--yes")

    assert said.code == 0
    assert config.read_text() == OTHERS
    assert "{ broken" in [file.read_text() for file in backups(config)]
    assert "no such backup" in orchestrd("desktop", "uninstall", "--restore", "2020", "--yes").err


def test_backups_of_one_second_do_not_overwrite_one_another(orchestrd, config):
    contents = [json.dumps({"number": number}) for number in range(3)]
    for content in contents:
        config.write_text(content)
        assert orchestrd("desktop", "install", "--yes").code == 0

    assert sorted(file.read_text() for file in backups(config)) == sorted(contents)


def test_what_would_be_put_in_can_be_had_on_paper(orchestrd):
    said = orchestrd("desktop", "install", "--print")

    assert json.loads(said.out)["mcpServers"]["orchestrd"]["args"][-1] == "mcp"


def test_status_tells_programs_and_people_how_it_stands(orchestrd, config, tmp_path):
    nothing = orchestrd("desktop", "status")
    assert nothing.code == 3
    assert "orchestrd desktop install" in nothing.out

    server = tmp_path / "orchestrd"
    server.write_text(f"#!{sys.executable}\n" + ANSWERS)
    server.chmod(0o755)
    entry = {"command": str(server), "args": ["mcp"], "env": {"ORCHESTRD_ROOT": "/r"}}
    config.write_text(json.dumps({"mcpServers": {"orchestrd": entry}}))
    found = json.loads(orchestrd("desktop", "status", "--json").out)
    assert (found["starts"], found["said"], found["root"]) == (True, "stand-in 7", "/r")
    assert orchestrd("desktop", "status").code == 0

    server.unlink()
    gone = orchestrd("desktop", "status")
    assert gone.code == 3
    assert "there is no such program" in gone.out


ANSWERS = """
import json, os, sys
assert "CANARY" not in os.environ and os.environ["ORCHESTRD_ROOT"] == "/r"
asked = json.loads(sys.stdin.readline())
info = {"name": "stand-in", "version": "7"}
answer = {"jsonrpc": "2.0", "id": asked["id"], "result": {"protocolVersion": "2025-06-18", "serverInfo": info}}
print(json.dumps(answer), flush=True)
sys.stdin.read()
"""


def test_what_desktop_needs_to_be_told_is_printed_with_the_places_of_this_root(orchestrd):
    said = orchestrd("desktop", "prompt")

    assert said.code == 0
    assert f"{orchestrd.root}/inbox" in said.out
    assert "~/handoff" not in said.out


def test_what_was_installed_starts_and_answers_as_our_server(orchestrd, config):
    orchestrd("desktop", "install", "--yes")

    said = orchestrd("desktop", "status")

    assert said.code == 0
    assert "there, and answers (orchestrd " in said.out
