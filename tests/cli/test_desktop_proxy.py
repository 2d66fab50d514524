"""`--local-proxy`: mcp-proxy's entry for a server on this machine, its token in no file, and doctor's look at both."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.desktop.local_server import LocalServer, serving

TOKEN = "canary-token-2718"
NAME = "LOCAL_TOKEN"
SHOWS = f"""#!{sys.executable}
import json, os, sys
print(json.dumps([os.environ.get("API_ACCESS_TOKEN"), sys.argv[1:]]))
"""


@pytest.fixture
def server() -> Iterator[LocalServer]:
    with serving(TOKEN) as made:
        yield made


@pytest.fixture
def config(orchestrd, tmp_path) -> Path:
    """Desktop has been here, and mcp-proxy is installed: one that shows what it was started with."""
    folder = orchestrd.home / ".config" / "Claude"
    folder.mkdir(parents=True)
    proxy = tmp_path / "bin" / "mcp-proxy"
    proxy.parent.mkdir()
    proxy.write_text(SHOWS)
    proxy.chmod(0o755)
    orchestrd.environ["PATH"] = f"{proxy.parent}:{orchestrd.environ['PATH']}"
    return folder / "claude_desktop_config.json"


def findings(orchestrd, *whats: str) -> dict[str, list[dict[str, str]]]:
    found = json.loads(orchestrd("doctor", "--json").out)
    return {what: [one for one in found if one["what"] == what] for what in whats}


def test_the_token_is_in_no_file_and_mcp_proxy_gets_it_all_the_same(orchestrd, config, server):
    orchestrd.environ[NAME] = TOKEN

    said = orchestrd("desktop", "install", "--yes", "--local-proxy", server.url, "--token-env", NAME)

    assert said.code == 0
    assert TOKEN not in said.out + said.err
    files = [file for file in orchestrd.home.rglob("*") if file.is_file()]
    assert files
    assert [file for file in files if TOKEN.encode() in file.read_bytes()] == []
    entry = json.loads(config.read_text())["mcpServers"]["mcp-proxy"]
    words = entry["args"][1:] if entry["command"].endswith("orchestrd") else entry["args"][2:]
    started = orchestrd(*([entry["args"][0], *words] if entry["command"].endswith("orchestrd") else words))
    assert json.loads(started.out) == [TOKEN, ["--transport", "streamablehttp", server.url]]

    found = findings(orchestrd, "mcp-proxy", "token", "Claude Desktop")

    assert [one["is"] for ones in found.values() for one in ones] == ["ok", "ok", "ok"]
    assert server.asked[0] == ("POST", f"Bearer {TOKEN}")
    assert orchestrd("desktop", "uninstall", "--yes").code == 0
    assert not config.exists()


def test_without_a_token_it_is_the_entry_that_everybody_has_and_it_is_ours_to_take_out(
    orchestrd, config, server
):
    config.write_text(
        '{"mcpServers": {"mcp-proxy": {"command": "mcp-proxy", "args": ["http://localhost:1/sse"]}}}'
    )

    refused = orchestrd("desktop", "install", "--yes", "--local-proxy", server.open_url)
    assert (refused.code, "--name" in refused.err) == (2, True)
    orchestrd("desktop", "install", "--yes", "--local-proxy", server.open_url, "--name", "local")
    config.write_text(config.read_text().replace("{", '{"theme": 1,', 1))

    found = json.loads(config.read_text())["mcpServers"]
    assert found["local"]["args"] == ["--transport", "streamablehttp", server.open_url]
    assert findings(orchestrd, "local")["local"][0]["is"] == "ok"
    assert orchestrd("desktop", "uninstall", "--yes").code == 0
    assert list(json.loads(config.read_text())["mcpServers"]) == ["mcp-proxy"]


def test_doctor_tells_what_is_wrong_with_the_server_and_what_to_do(orchestrd, config, server):
    orchestrd("desktop", "install", "--yes", "--local-proxy", server.url, "--token-env", NAME)

    (unset,) = findings(orchestrd, "mcp-proxy")["mcp-proxy"]
    orchestrd.environ[NAME] = "other-token"
    (wrong,) = findings(orchestrd, "mcp-proxy")["mcp-proxy"]
    server.close()
    (away,) = findings(orchestrd, "mcp-proxy")["mcp-proxy"]

    assert [one["is"] for one in (unset, wrong, away)] == ["missing"] * 3
    assert f"{NAME} is not set in this session" in unset["remedy"]
    assert "a token that it does not take" in wrong["remedy"]
    assert "start the server" in away["remedy"]
    assert orchestrd("doctor").code == 1


def test_doctor_finds_the_token_wherever_it_lies(orchestrd, config, server):
    orchestrd.environ[NAME] = TOKEN
    orchestrd("desktop", "install", "--yes", "--local-proxy", server.url, "--token-env", NAME)
    backup = config.with_name(f"{config.name}.2026-01-02T030405Z.backup")
    backup.write_text(json.dumps({"old": TOKEN}))
    own = orchestrd.home / ".config" / "orchestrd" / "config.toml"
    own.parent.mkdir(parents=True, exist_ok=True)
    own.write_text(f"# {TOKEN}\n")
    shell = orchestrd.home / ".zshrc"
    shell.write_text(f"export {NAME}={TOKEN}\n")

    said = orchestrd("doctor", "--json")

    leaks = [one for one in json.loads(said.out) if one["what"] == "token"]
    assert {one["found"].partition(": ")[0]: one["is"] for one in leaks} == {
        str(backup): "missing",
        str(own): "missing",
        str(shell): "note",
    }
    assert TOKEN not in said.out + said.err


@pytest.mark.parametrize(
    "more",
    [
        {"env": {"API_ACCESS_TOKEN": "made-up"}},
        {"args": ["-H", "Authorization", "Bearer made-up", "http://127.0.0.1:9/mcp"]},
        {"args": ["--headers=Authorization: made-up", "http://127.0.0.1:9/mcp"]},
    ],
)
def test_doctor_knows_a_token_by_its_place_where_it_does_not_know_its_value(orchestrd, config, more):
    entry = {"command": "mcp-proxy", "args": ["http://127.0.0.1:9/mcp"]} | more
    config.write_text(json.dumps({"mcpServers": {"theirs": entry}}))

    said = orchestrd("doctor", "--json")

    (leak,) = [one for one in json.loads(said.out) if one["what"] == "token"]
    assert (leak["is"], str(config) in leak["found"]) == ("missing", True)
    assert "made-up" not in said.out


@pytest.mark.parametrize(
    "words, says",
    [
        (["--local-proxy", "http://example.org/mcp"], "is not this machine"),
        (["--local-proxy", f"http://x:{TOKEN}@localhost/mcp"], "--token-env"),
        (["--token-env", NAME], "for --local-proxy"),
        (["--local-proxy", "http://localhost/", "--transport", "ws"], "streamablehttp and sse"),
        (["--local-proxy", "http://localhost/", "--name", "orchestrd"], "that is ours"),
        (["--local-proxy", "http://localhost/", "--name", "a b"], "make a name"),
        (["--local-proxy", "http://localhost/\n"], "a URL such as"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_written(orchestrd, config, words, says):
    said = orchestrd("desktop", "install", "--yes", *words)

    assert said.code == 2
    assert says in said.err
    assert TOKEN not in said.err
    assert not config.exists()


def test_a_token_that_the_session_does_not_have_is_told_to_desktops_log(orchestrd):
    said = orchestrd("desktop", "with-token", NAME, "mcp-proxy", "http://localhost/")

    assert said.code == 1
    assert f"{NAME} is not set in this session" in said.err


@pytest.mark.parametrize(
    "servers",
    [
        '{"orchestrd": {"command": "orchestrd", "args": ["mcp"], "env": []}}',
        '{"orchestrd": {"command": "orchestrd\\u0000", "args": ["mcp"]}}',
        '{"orchestrd": {"command": "/bin/orchestrd", "args": ["\\ud800", "mcp"], "env": {"A": "\\u0000"}}}',
        '{"orchestrd": 1e400, "\\ud800\\u001b": {"command": "mcp-proxy", "args": ["http://localhost:1/mcp"]}}',
        '{"a": {"command": "mcp-proxy", "args": ["http://[::1/", "http://localhost:x/", "http://:1"]}}',
        '{"a": {"command": "mcp-proxy", "args": [null, {}, "http://me:canary@localhost:1/mcp?t=canary"]}}',
        '{"a": {"command": "mcp-proxy", "args": ["https://me:canary@example.org/mcp?t=canary"]}}',
    ],
)
def test_what_is_odd_in_the_file_is_looked_at_and_harms_nobody(orchestrd, config, servers):
    config.write_text(f'{{"mcpServers": {servers}}}')

    for words in (("doctor",), ("doctor", "--json"), ("desktop", "status"), ("desktop", "status", "--json")):
        said = orchestrd(*words)
        assert said.code in (0, 1, 3)
        assert "Traceback" not in said.err
        assert "canary" not in said.out + said.err


def test_where_desktop_has_never_been_doctor_says_nothing_of_it(orchestrd):
    assert findings(orchestrd, "Claude Desktop") == {"Claude Desktop": []}
